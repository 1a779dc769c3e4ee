"""Functions of one distance as splines of seventh degree.

The radial part of a model is a small network of the distance alone, for every ordered pair of
species. Tabulated once, its evaluation is eight numbers times eight rows of a table. The
polynomial of an interval has the function's value and slope at its ends and at two points
between, so that forces are continuous. For the same error in the forces, cubic splines need
tables many times as large, and reading tables is what takes the time.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import get_proxy_mode

from camp.errors import InputError

# Of an interval, between the points where the polynomial has the function's value and slope.
PARTS = 3
COEFFICIENTS = 2 * (PARTS + 1)
# Error of slopes between those points, relative, in the mean over distances that occur: below
# `NEAREST` (Å) the networks may have any shape, and the spline is as good a potential as they are.
TOLERANCE = 5e-4
NEAREST = 0.5
FEWEST_INTERVALS, MOST_INTERVALS = 128, 4096
# Of all tables together in float64; making them takes ten times as much.
MOST_BYTES = 1_000_000_000

# Distances (k,) in Å, float64 → values (pairs, k, width), one tensor for each table.
Functions = Callable[[Tensor], Sequence[Tensor]]


class SplineTables(nn.Module):
    """Splines of the functions f(pair, r) for r from 0 to the cutoff, in one or several tables.

    :param functions: what is tabulated; differentiable.
    :param cutoff: Å.
    :raises InputError: tables that would not fit into memory, or that would have to be too fine.
    """

    def __init__(self, functions: Functions, cutoff: float):
        super().__init__()
        self.cutoff = float(cutoff)
        self.intervals = FEWEST_INTERVALS
        while (error := self._tabulate(functions)) > TOLERANCE:
            self.intervals *= 2
            if self.intervals > MOST_INTERVALS:
                raise InputError(f"the radial functions vary too fast for tables ({error:.0e})")

    def table(self, number: int) -> Tensor:
        """Coefficients of the powers of t, which goes from 0 to 1 in an interval:
        (pairs · intervals, coefficients, width).
        """
        return self.get_buffer(f"table_{number}")

    def _tabulate(self, functions: Functions) -> float:
        """Make the tables; returns the error of slopes, of the worst table."""
        spacing = self.cutoff / self.intervals
        steps, points = 2 * PARTS, table_points(self.intervals)
        grid = torch.arange(points, dtype=torch.float64) * (spacing / steps)
        with torch.no_grad():
            bytes_at_a_point = sum(value.nbytes for value in functions(grid[:1]))
        if bytes_at_a_point * COEFFICIENTS * self.intervals > MOST_BYTES:
            raise InputError("the tables of radial functions would not fit into memory")
        values, slopes = _with_slopes(functions, grid)
        known = torch.cat([_powers(k / steps) for k in range(0, steps + 1, 2)])
        solve = torch.linalg.inv(known)
        checked = torch.cat([_powers(k / steps)[1:] for k in range(1, steps, 2)])
        first = min(int(NEAREST / spacing), self.intervals - 1)
        worst = 0.0
        for number, (value, scaled) in enumerate(
            zip(values, (spacing * slope for slope in slopes), strict=True)
        ):
            ends = [
                f[:, k::steps][:, : self.intervals]
                for k in range(0, steps + 1, 2)
                for f in (value, scaled)
            ]
            table = torch.einsum("ck,kpiw->picw", solve, torch.stack(ends))
            found = torch.einsum("kc,picw->kpiw", checked, table[:, first:])
            exact = torch.stack([scaled[:, steps * first + k :: steps] for k in range(1, steps, 2)])
            scale = exact.square().mean().sqrt().clamp(min=torch.finfo(torch.float64).tiny)
            worst = max(worst, ((found - exact).square().mean().sqrt() / scale).item())
            self.register_buffer(
                f"table_{number}", table.flatten(0, 1).contiguous(), persistent=False
            )
        return worst

    def locate(self, lengths: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Which rows of the tables matter to edges of these lengths (e,) in Å and these pairs of
        species (e,), and their weights: both (e, coefficients). Longer edges count as the cutoff.
        """
        position = (lengths * (self.intervals / self.cutoff)).clamp(max=self.intervals)
        interval = position.detach().long().clamp(max=self.intervals - 1)
        t = position - interval
        powers = [torch.ones_like(t)]
        for _ in range(COEFFICIENTS - 1):
            powers.append(powers[-1] * t)
        first = COEFFICIENTS * (pairs * self.intervals + interval)
        rows = first[:, None] + torch.arange(COEFFICIENTS, device=first.device)
        return rows, torch.stack(powers, dim=-1)

    def forward(self, number: int, rows: Tensor, weights: Tensor) -> Tensor:
        """Values (e, width) from one table, at what :meth:`locate` found."""
        table = self.table(number).flatten(0, 1)
        if get_proxy_mode() is not None:
            # Traced for a compiler, which can fuse this with what follows.
            return (table[rows] * weights[..., None]).sum(1)
        return nn.functional.embedding_bag(rows, table, per_sample_weights=weights, mode="sum")


def table_points(intervals: int) -> int:
    """How many distances a table is made and checked with."""
    return 2 * PARTS * intervals + 1


def _with_slopes(functions: Functions, r: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Values of the functions at distances r, and their derivatives."""
    r = r.requires_grad_(True)
    with torch.enable_grad():
        values = list(functions(r))
        # The reverse pass is linear in these; its derivative is the forward pass of slopes.
        outer = [torch.zeros_like(value, requires_grad=True) for value in values]
        (inner,) = torch.autograd.grad(values, r, outer, create_graph=True)
        slopes = torch.autograd.grad(inner, outer, torch.ones_like(r))
    return [value.detach() for value in values], list(slopes)


def _powers(t: float) -> Tensor:
    """Value and slope at t of the powers of t: (2, coefficients)."""
    orders = range(COEFFICIENTS)
    value = [t**k for k in orders]
    slope = [k * t ** max(k - 1, 0) for k in orders]
    return torch.tensor([value, slope], dtype=torch.float64)
