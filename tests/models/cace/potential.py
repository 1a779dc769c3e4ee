"""Energies, forces and stress of a network alone: what the tests of CACE need of a potential."""

from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from torch import nn

from camp.graph import AtomicGraph, build_graph
from camp.graph.edges import Edges
from camp.models.cace.network import Cace
from camp.models.description import Description


@dataclass(frozen=True)
class Results:
    """Of several structures: eV, eV/Å and eV/Å³; stresses (s, 3, 3) are NaN without a cell."""

    energies: np.ndarray
    forces: list[np.ndarray]
    stresses: np.ndarray


class NetworkPotential(nn.Module):
    """Σ (scale · network + shift), and its derivatives with respect to the edge vectors."""

    def __init__(self, description: Description):
        super().__init__()
        self.network = Cace(description.settings, description.species)
        self.network.to(next(iter(description.parameters.values())).dtype)
        self.network.load_state_dict(dict(description.parameters))
        self.species = description.species
        self.cutoff = description.settings.cutoff
        self.scale = description.energy_scale[0]
        shift = np.broadcast_to(description.energy_shift, len(self.species))
        self.shift = dict(zip(self.species, shift, strict=True))

    def edges(self, graph: AtomicGraph) -> Edges:
        """What the network sees of a graph, in its precision."""
        species = torch.searchsorted(torch.tensor(self.species), graph.numbers)
        vectors = graph.edge_vectors().to(self.network.sender.dtype).requires_grad_(True)
        return Edges(species, vectors, graph.neighbours, graph.mask, graph.reverse)

    def evaluate(self, structures: Atoms | list[Atoms]) -> Results:
        if isinstance(structures, Atoms):
            structures = [structures]
        energies, forces, stresses = zip(*map(self._evaluate, structures), strict=True)
        return Results(np.array(energies), list(forces), np.array(stresses))

    def _evaluate(self, atoms: Atoms) -> tuple[float, np.ndarray, np.ndarray]:
        graph = build_graph(atoms, self.cutoff)
        edges = self.edges(graph)
        of_atoms = self.network(edges)["energy"].double() * self.scale
        (gradient,) = torch.autograd.grad(of_atoms.sum(), edges.vectors)
        gradient = gradient.double()
        forces = gradient.sum(1).index_add(
            0, graph.neighbours.flatten(), -(gradient * graph.mask[..., None]).flatten(0, 1)
        )
        virial = torch.einsum("nka,nkb->ab", graph.edge_vectors(), gradient).numpy()
        volume = atoms.get_volume() if atoms.cell.rank == 3 else np.nan
        shift = sum(self.shift[number] for number in atoms.numbers)
        energy = of_atoms.sum().item() + shift
        return energy, forces.numpy(), 0.5 * (virial + virial.T) / volume
