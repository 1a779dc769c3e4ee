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
