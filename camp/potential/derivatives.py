"""Energy, forces and stress of a graph: one derivative with respect to the edge vectors.

Every edge vector is an independent variable; with G_ij = ∂E/∂r_ij the forces (Eq. 12) are
F_i = Σ_j (G_ij − G_ji) and the virial is Σ_ij r_ij ⊗ G_ij, so that forces, stress and virial cost
one reverse pass together.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from camp.graph import AtomicGraph
from camp.graph.edges import AtomicValues, Edges, reverse_edges

NOTHING: Mapping[str, Tensor] = MappingProxyType({})


class Deviations(NamedTuple):
    """How far the M members of an ensemble lie apart: the root of the mean over the members of
    |x_m − x|², with x their mean; of forces that is the model deviation of Zhang et al.,
    Comput. Phys. Commun. 253, 107206 (2020).
    """

    energies: Tensor  # (s,) eV, float64
    forces: Tensor  # (n,) eV/Å, float64


class Results(NamedTuple):
    """Results for a graph of n atoms in s systems; NaN where the model predicts no energy."""

    energies: Tensor  # (s,) eV, float64
    atomic_energies: Tensor  # (n,) eV, float64
    forces: Tensor  # (n, 3) eV/Å
    virials: Tensor  # (s, 3, 3) eV: dE/dε = volume × stress
    # Other targets by name: (s, …) or (n, …), float64, in the unit of the target.
    properties: Mapping[str, Tensor] = NOTHING
    deviations: Deviations | None = None  # of ensembles that predict energies


def evaluate_graph(
    atomic_values: AtomicValues, species: Tensor, graph: AtomicGraph, dtype: torch.dtype
) -> tuple[Results, Mapping[str, Tensor]]:
    """Energies, forces and virials of a batch, and all that the model says of atoms.

    :param species: (n,) species indices of the model.
    :param dtype: the network's; edge vectors are formed in float64 and then rounded to it.

    With gradients switched on by the caller, the results can be differentiated once more with
    respect to the parameters.
    """
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        vectors = graph.edge_vectors().to(dtype).requires_grad_(True)
        edges = Edges(species, vectors, graph.neighbours, graph.mask, graph.reverse)
        values = atomic_values(edges)
        energies = values["energy"]
        (gradient,) = torch.autograd.grad(energies.sum(), vectors, create_graph=create_graph)
    forces = (gradient - reverse_edges(gradient, graph.neighbours, graph.reverse)).sum(1)
    outer = torch.bmm(vectors.transpose(1, 2), gradient)
    if not create_graph:
        energies = energies.detach()
    virials = outer.new_zeros(graph.number_of_systems, 3, 3).index_add(0, graph.system, outer)
    totals = energies.new_zeros(graph.number_of_systems).index_add(0, graph.system, energies)
    return Results(totals, energies, forces, 0.5 * (virials + virials.transpose(1, 2))), values


def without_energy(graph: AtomicGraph) -> Results:
    """NaN for all that a model without energy does not predict."""
    atoms = torch.full_like(graph.positions, torch.nan)
    systems = torch.full_like(graph.cells, torch.nan)
    return Results(systems[:, 0, 0], atoms[:, 0], atoms, systems)
