"""Functions of one distance on a grid, interpolated where they are needed, for training.

The radial functions of a model are a network of the distance alone. While it is trained they are
computed anew in every step, yet on a grid of some hundred distances instead of on every edge:
:class:`GridTables` interpolates with the polynomial of fifth degree through the six nearest points
of the grid. It is differentiable in the distances and in the functions as often as is needed, and
takes the place of :class:`camp.runtime.splines.SplineTables`.

Interpolated values, and the derivatives of all orders, are cases of one trilinear form,
Σ_p Σ_k w_pk ⟨g_p, T_(first_p + k)⟩, over places p and the rows of a table: three sums, each of
which has the other two as its derivatives.
"""

import ctypes
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from camp.errors import InputError
from camp.runtime.library import HEADERS, REALS, load
from camp.runtime.splines import Functions

POINTS = 6  # of the grid, to an interpolated value
# Å; with eight Bessel functions or Chebyshev polynomials, forces are then exact to 1e-6 eV/Å.
SPACING = 0.0125


class GridTables:
    """The functions f(pair, r) for r from 0 to the cutoff, with gradients to what they depend on.

    :param functions: what is interpolated.
    :param cutoff: Å.
    :param like: gives precision and device.
    """

    def __init__(self, functions: Functions, cutoff: float, like: Tensor):
        self.intervals = intervals(cutoff)
        self.cutoff = cutoff
        grid = torch.linspace(0.0, cutoff, self.intervals + 1, dtype=like.dtype, device=like.device)
        self.tables: Sequence[Tensor] = [value.flatten(0, 1) for value in functions(grid)]

    def locate(self, lengths: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """The first row of the tables that matters to edges of these lengths (e,) in Å and pairs of
        species (e,), and the weights (e, POINTS). Longer edges count as the cutoff.
        """
        position = (lengths * (self.intervals / self.cutoff)).clamp(max=self.intervals)
        begin = position.detach().long() - (POINTS // 2 - 1)
        begin = begin.clamp(0, self.intervals + 1 - POINTS)
        return pairs * (self.intervals + 1) + begin, lagrange(position - begin)

    def __call__(self, number: int, first: Tensor, weights: Tensor) -> Tensor:
        """Values (e, width) from one table, at what :meth:`locate` found."""
        return sums_of_rows(self.tables[number], first, weights)


def intervals(cutoff: float) -> int:
    """Of the grid up to a cutoff (Å)."""
    return max(POINTS, math.ceil(cutoff / SPACING))


def lagrange(t: Tensor) -> Tensor:
    """Weights (e, POINTS) of the values at 0, 1, … in the polynomial through them, at t (e,)."""
    from_below, from_above = [torch.ones_like(t)], [torch.ones_like(t)]
    for k in range(POINTS - 1):
        from_below.append(from_below[-1] * (t - k))
        from_above.append(from_above[-1] * (t - (POINTS - 1 - k)))
    scale = [
        (-1) ** (POINTS - 1 - k) / (math.factorial(k) * math.factorial(POINTS - 1 - k))
        for k in range(POINTS)
    ]
    terms = zip(scale, from_below, reversed(from_above), strict=True)
    return torch.stack([factor * below * above for factor, below, above in terms], dim=-1)


@torch.library.custom_op("camp::sums_of_rows", mutates_args=())
def sums_of_rows(table: Tensor, first: Tensor, weights: Tensor) -> Tensor:
    """Σ_k w_pk T_(first_p + k): table T (rows, width), weights w (p, POINTS) → (p, width)."""
    values = table.new_empty(len(first), table.shape[1])
    if not _compiled("camp_sums_of_rows", first, weights, table, values):
        torch.sum(table[_rows(first)] * weights[..., None], dim=1, out=values)
    return values


@torch.library.custom_op("camp::sums_at_rows", mutates_args=())
def sums_at_rows(values: Tensor, first: Tensor, weights: Tensor, rows: int) -> Tensor:
    """Σ_p w_pk g_p at row first_p + k: values g (p, width) → (rows, width)."""
    table = values.new_zeros(rows, values.shape[1])
    if not _compiled("camp_add_to_rows", first, weights, values, table):
        shares = (weights[..., None] * values[:, None]).flatten(0, 1)
        table.index_add_(0, _rows(first).flatten(), shares)
    return table


@torch.library.custom_op("camp::products_with_rows", mutates_args=())
def products_with_rows(values: Tensor, first: Tensor, table: Tensor) -> Tensor:
    """⟨g_p, T_(first_p + k)⟩: values g (p, width), table (rows, width) → (p, POINTS)."""
    weights = values.new_empty(len(first), POINTS)
    if not _compiled("camp_products_with_rows", first, values, table, weights):
        torch.sum(values[:, None] * table[_rows(first)], dim=2, out=weights)
    return weights


@sums_of_rows.register_fake
def _(table, first, weights):
    return table.new_empty(first.shape[0], table.shape[1])


@sums_at_rows.register_fake
def _(values, first, weights, rows):
    return values.new_empty(rows, values.shape[1])


@products_with_rows.register_fake
def _(values, first, table):
    return values.new_empty(first.shape[0], POINTS)


def _keep(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:3])


def _of_sums(ctx: Any, outer: Tensor) -> tuple:
    table, first, weights = ctx.saved_tensors
    of_table = sums_at_rows(outer, first, weights, table.shape[0])
    return of_table, None, products_with_rows(outer, first, table)


def _of_rows(ctx: Any, outer: Tensor) -> tuple:
    values, first, weights = ctx.saved_tensors
    return sums_of_rows(outer, first, weights), None, products_with_rows(values, first, outer), None


def _of_products(ctx: Any, outer: Tensor) -> tuple:
    values, first, table = ctx.saved_tensors
    of_table = sums_at_rows(values, first, outer, table.shape[0])
    return sums_of_rows(table, first, outer), None, of_table


sums_of_rows.register_autograd(_of_sums, setup_context=_keep)
sums_at_rows.register_autograd(_of_rows, setup_context=_keep)
products_with_rows.register_autograd(_of_products, setup_context=_keep)


def _rows(first: Tensor) -> Tensor:
    return first[:, None] + torch.arange(POINTS, device=first.device)


def _compiled(name: str, first: Tensor, left: Tensor, right: Tensor, out: Tensor) -> bool:
    """Let compiled code write ``out``, where there is any for its device and precision."""
    if out.device.type != "cpu" or out.dtype not in REALS:
        return False
    try:
        library = load(HEADERS / "interpolation.cpp", out.dtype, rows=POINTS)
    except InputError:
        return False
    width = out.shape[1] if name != "camp_products_with_rows" else left.shape[1]
    tensors = [tensor.contiguous() for tensor in (first, left, right)]
    places = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (*tensors, out)]
    getattr(library, name)(ctypes.c_int64(len(first)), ctypes.c_int64(width), *places)
    return True
