"""Symmetric Cartesian tensors in packed form.

A symmetric tensor of rank v in three dimensions has 3^v entries but only (v+1)(v+2)/2 different
ones: those with the same numbers (a, b, c) of x, y and z indices are equal. The packed form keeps
one *component* for each (a, b, c), a + b + c = v, in the order xx…x, xx…y, …, zz…z. An entry of
the full tensor occurs v!/(a! b! c!) times, its *multiplicity*.

Packed tensors are torch tensors of shape (..., components, channels).
"""

from functools import cache
from itertools import combinations_with_replacement, product
from math import factorial

import torch
from torch import Tensor


def number_of_components(rank: int) -> int:
    """Number of independent components of a symmetric tensor of this rank."""
    return (rank + 1) * (rank + 2) // 2


@cache
def components(rank: int) -> tuple[tuple[int, int, int], ...]:
    """The exponents (a, b, c) of x, y, z of every packed component, in packed order."""
    axes = combinations_with_replacement(range(3), rank)
    return tuple((index.count(0), index.count(1), index.count(2)) for index in axes)


@cache
def multiplicities(rank: int) -> tuple[int, ...]:
    """How many entries of the full tensor each packed component stands for."""
    return tuple(
        factorial(rank) // (factorial(a) * factorial(b) * factorial(c))
        for a, b, c in components(rank)
    )


@cache
def contraction_table(low_rank: int, out_rank: int) -> tuple[tuple[int, ...], ...]:
    """Entry [a][c]: packed index, in rank low + out, of the exponents of a and c added."""
    position = {exponents: k for k, exponents in enumerate(components(low_rank + out_rank))}
    return tuple(
        tuple(position[p[0] + q[0], p[1] + q[1], p[2] + q[2]] for q in components(out_rank))
        for p in components(low_rank)
    )


def contraction_matrix(low_rank: int, out_rank: int) -> Tensor:
    """Which component of B meets which of A in A ⊙^v₁ B, with the multiplicities of A.

    Shape (components(v₁) · components(v), components(v₁ + v)), for :func:`contract`.
    """
    table, weights = contraction_table(low_rank, out_rank), multiplicities(low_rank)
    matrix = torch.zeros(len(table) * len(table[0]), number_of_components(low_rank + out_rank))
    for a, row in enumerate(table):
        for c, component in enumerate(row):
            matrix[a * len(row) + c, component] = weights[a]
    return matrix


def contract(low: Tensor, high: Tensor, matrix: Tensor) -> Tensor:
    """Contract all indices of ``low`` with ``high``: A ⊙^v₁ B of Eqs. 5 and 7.

    Shapes: low (n, components(v₁), u), high (n, components(v₁ + v), u), matrix from
    :func:`contraction_matrix`; returns (n, components(v), u), symmetric of rank v.
    """
    n, components_low, channels = low.shape
    met = (matrix @ high).view(n, components_low, -1, channels)
    return (low[:, :, None, :] * met).sum(1)


def polyadics(unit: Tensor, max_rank: int) -> list[Tensor]:
    """Polyadics D₀ … D_max of unit vectors (Eq. 3), packed.

    Shapes: unit (..., 3), dimensionless; returns for each rank v a tensor (..., components(v)).
    """
    x, y, z = unit.unbind(-1)
    powers = [[torch.ones_like(axis)] for axis in (x, y, z)]
    for _ in range(max_rank):
        for axis, known in zip((x, y, z), powers, strict=True):
            known.append(known[-1] * axis)
    return [
        torch.stack(
            [powers[0][a] * powers[1][b] * powers[2][c] for a, b, c in components(rank)], dim=-1
        )
        for rank in range(max_rank + 1)
    ]


def unpack(packed: Tensor, rank: int) -> Tensor:
    """Full tensor (..., 3, …, 3, channels) of a packed one (..., components, channels)."""
    position = {exponents: k for k, exponents in enumerate(components(rank))}
    order = [
        position[index.count(0), index.count(1), index.count(2)]
        for index in product(range(3), repeat=rank)
    ]
    shape = (*packed.shape[:-2], *([3] * rank), packed.shape[-1])
    return packed[..., order, :].reshape(shape)
