"""CAMP written out literally: Eqs. 1–11 on full 3^v tensors, one path after the other.

The oracle for :class:`camp.models.camp.network.Camp`: it takes the same parameters, and nothing
else from it.
Features are (n, u, 3, …, 3) with v trailing axes; every path makes its own edge tensor.
"""

import math
from itertools import combinations_with_replacement

import torch
from torch.nn.functional import silu

INDICES = "abcdefgh"


def polyadic(unit, rank):
    """Eq. 3."""
    result = torch.ones_like(unit[:, 0])
    for _ in range(rank):
        result = torch.einsum("e...,ea->e...a", result, unit)
    return result


def contract(low, low_rank, high, high_rank):
    """low ⊙^v₁ high for (n, u, …) tensors, all indices of low contracted away."""
    inner, outer = INDICES[:low_rank], INDICES[low_rank:high_rank]
    return torch.einsum(f"nu{inner},nu{inner}{outer}->nu{outer}", low, high)


def mix(matrix, tensor):
    """Eq. 1; the parameter is stored as (in, out)."""
    return torch.einsum("ab,na...->nb...", matrix, tensor)


def edge_list(graph):
    """Centres, neighbours and vectors of all edges of a graph."""
    centre, slot = torch.nonzero(graph.mask, as_tuple=True)
    return centre, graph.neighbours[centre, slot], graph.edge_vectors()[centre, slot]


def radial_functions(model, atomic, path, lengths, zi, zj):
    """R of one path (Eq. 2 and its MLP) for all edges, shape (e, u), with the cutoff function."""
    x = lengths / model.cutoff
    # Not 1, where rounding can put an edge and where arccos has no derivative.
    angle = torch.arccos(x.clamp(-1, 1 - 1e-7))
    basis = torch.stack([torch.cos(k * angle) for k in range(model.chebyshev_degree + 1)], dim=1)
    cut = (1 - 28 * x**6 + 48 * x**7 - 21 * x**8)[:, None]
    if model.envelope_on == "basis":
        basis, cut = basis * cut, torch.ones_like(cut)
    mlp = atomic.radial.mlp
    value = torch.einsum("eb,ebu->eu", basis, atomic.radial.coefficients[zi, zj])
    for k, (weight, bias) in enumerate(zip(mlp.weights, mlp.biases, strict=True)):
        value = (silu(value) if k else value) @ weight[path] + bias[path]
    return value * cut


def atomic_moments(model, layer, features, species, edges, average_neighbours):
    """Eqs. 5 and 6: every path on its own full edge tensor."""
    centre, neighbour, vectors = edges
    lengths = torch.linalg.vector_norm(vectors, dim=1)
    unit = vectors / lengths[:, None]
    zi, zj = species[centre], species[neighbour]
    moments, path = [], 0
    for rank in range(model.max_rank + 1):
        total = 0
        for feature_rank in range(min(len(features) - 1, model.max_rank - rank) + 1):
            radial = radial_functions(model, layer.atomic, path, lengths, zi, zj)
            polyad = polyadic(unit, feature_rank + rank)
            feature = features[feature_rank][neighbour]
            polyad = polyad[:, None].expand(-1, feature.shape[1], *polyad.shape[1:])
            edge = contract(feature, feature_rank, polyad, feature_rank + rank)
            edge = edge * radial.reshape(*radial.shape, *([1] * rank))
            moment = torch.zeros(len(species), *edge.shape[1:], dtype=edge.dtype)
            moment = moment.index_add(0, centre, edge) / math.sqrt(average_neighbours)
            weight = layer.atomic.path_weights[rank][feature_rank]
            total = total + moment * weight.reshape(-1, *([1] * rank))
            path += 1
        moments.append(mix(layer.atomic.mixing[rank], total))
    return moments


def hyper_moment(moments, ranks):
    """Eq. 7: the last tensor contracted with each of the others in turn."""
    *lower, last = ranks
    result, rank = moments[last], last
    for low in lower:
        result = contract(moments[low], low, result, rank)
        rank -= low
    return result


def hyper_paths(max_rank, rank):
    """Multisets of ranks: the last is contracted with all others and keeps ``rank`` indices."""
    found = [(0,)] if rank == 0 else []
    for length in range(1, max_rank + 2):
        ranks = combinations_with_replacement(range(1, max_rank + 1), length)
        found += [path for path in ranks if path[-1] - sum(path[:-1]) == rank]
    return found


def messages(layer, moments):
    """Eq. 8."""
    return [
        sum(
            hyper_moment(moments, path) * weight.reshape(-1, *([1] * rank))
            for path, weight in zip(hyper_paths(len(moments) - 1, rank), weights, strict=True)
        )
        for rank, weights in enumerate(layer.hyper.path_weights)
    ]


def atomic_energies(model, species, edges, average_neighbours):
    """Energies of atoms (n,) in network units (Eqs. 9–10)."""
    features = [model.embedding.weight[:, species].T + model.embedding.bias]
    energy = 0
    for t, layer in enumerate(model.layers):
        mixed = [mix(w, h) for w, h in zip(layer.mixing, features, strict=True)]
        moments = atomic_moments(model, layer, mixed, species, edges, average_neighbours)
        features = [mix(w, m) for w, m in zip(layer.update, messages(layer, moments), strict=True)]
        if t > 0:
            for rank, weight in enumerate(layer.residual):
                features[rank] = features[rank] + mix(weight, mixed[rank])
        last = t == len(model.layers) - 1
        readout = model.readout.mlp if last else model.readout.linear[t]
        energy = energy + readout(features[0])[:, 0]
    return energy


def energy_and_forces(potential, graph):
    """Energy (eV) and forces (n, 3) (eV/Å) of a graph, differentiable."""
    positions = graph.positions.to(potential.dtype).requires_grad_(True)
    centre, slot = torch.nonzero(graph.mask, as_tuple=True)
    neighbour = graph.neighbours[centre, slot]
    vectors = (
        positions[neighbour] - positions[centre] + graph.shifts[centre, slot].to(potential.dtype)
    )
    species = potential.species_index[graph.numbers]
    raw = atomic_energies(
        potential.model,
        species,
        (centre, neighbour, vectors),
        potential.settings.average_neighbours,
    )
    energies = raw.double() * potential.energy_scale + potential.energy_shift[species]
    (gradient,) = torch.autograd.grad(energies.sum(), positions, create_graph=True)
    return energies.sum(), -gradient
