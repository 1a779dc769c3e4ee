"""What a network sees of a structure: its atoms' species and their edges, in dense rows.

Row i holds the edges of atom i to its neighbours, filled up to the width K with *empty slots* that
a mask takes out (:mod:`camp.graph.atomic_graph`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Edges:
    """The edges of n atoms in rows of K slots."""

    species: Tensor  # (n,) index of the species of each atom
    vectors: Tensor  # (n, K, 3) Å: r_ij = r_j − r_i; any non-zero vector in an empty slot
    neighbours: Tensor  # (n, K) index of atom j; the atom itself in an empty slot
    mask: Tensor  # (n, K) bool: False in an empty slot
    reverse: Tensor | None = None  # (n, K) slot, in the neighbour's row, of the reversed edge


# Edges → values of atoms by target; under "energy" energies (n,) in eV, float64.
AtomicValues = Callable[[Edges], Mapping[str, Tensor]]


class _ReverseEdges(torch.autograd.Function):
    """Reversal of edges permutes the slots and undoes itself, so it is its own derivative."""

    @staticmethod
    def forward(ctx, values: Tensor, slots: Tensor) -> Tensor:
        ctx.save_for_backward(slots)
        return values.flatten(-3, -2).index_select(-2, slots.flatten()).view_as(values)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (slots,) = ctx.saved_tensors
        return _ReverseEdges.apply(gradient, slots), None


def reverse_edges(values: Tensor, neighbours: Tensor, reverse: Tensor) -> Tensor:
    """The values of the reversed edges: out[i, k] = values[j, slot of i in the row of j].

    Shapes: values (…, n, K, u), neighbours (n, K), reverse (n, K); returns (…, n, K, u).
    """
    return _ReverseEdges.apply(values, neighbours * values.shape[-2] + reverse)


class _OfNeighbours(torch.autograd.Function):
    """A look-up; its derivative is :class:`_AtNeighbours`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(values: Tensor, neighbours: Tensor) -> Tensor:
        # With the lengths of axes as the inputs have them: tracing would ask the index for others.
        found = values.index_select(0, neighbours.flatten())
        return found.view(neighbours.shape[0], neighbours.shape[1], values.shape[1])

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        values, neighbours = inputs
        ctx.save_for_backward(neighbours)
        ctx.atoms = values.shape[0]

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (neighbours,) = ctx.saved_tensors
        return _AtNeighbours.apply(gradient, neighbours, ctx.atoms), None


class _AtNeighbours(torch.autograd.Function):
    """A scattered addition; its derivative is :class:`_OfNeighbours`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(values: Tensor, neighbours: Tensor, atoms: int) -> Tensor:
        total = values.new_zeros(atoms, values.shape[2])
        return total.index_add(0, neighbours.flatten(), values.flatten(0, 1))

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        (neighbours,) = ctx.saved_tensors
        return _OfNeighbours.apply(gradient, neighbours), None, None


def neighbour_values(values: Tensor, edges: Edges) -> Tensor:
    """The values of the neighbours: out[i, k] = values[neighbours[i, k]].

    Shapes: values (n, u); returns (n, K, u). Its derivative is :func:`sum_at_neighbours`.
    """
    if _by_reversal(values, edges):
        assert edges.reverse is not None
        own = values[:, None, :].expand(-1, edges.neighbours.shape[1], -1)
        return reverse_edges(own, edges.neighbours, edges.reverse)
    return _OfNeighbours.apply(values, edges.neighbours)


def sum_at_neighbours(values: Tensor, edges: Edges) -> Tensor:
    """What every atom gets from its neighbours: out[j] = Σ of values[i, k] with neighbour j.

    Shapes: values (n, K, u), zero in empty slots; returns (n, u).
    """
    if _by_reversal(values, edges):
        assert edges.reverse is not None
        return reverse_edges(values, edges.neighbours, edges.reverse).sum(1)
    return _AtNeighbours.apply(values, edges.neighbours, values.shape[0])


def _by_reversal(values: Tensor, edges: Edges) -> bool:
    """On a CPU scattered addition is faster and always in the same order; on a GPU neither."""
    return edges.reverse is not None and values.device.type != "cpu"
