"""The edge basis χ: radial functions, cutoff function and angular monomials, and their sums over
neighbours.

Arrays of edges have the function first and the n × K slots of :class:`camp.graph.edges.Edges` last,
so that every step works on long rows. Edge vectors point from the receiver to the sender as in the
paper; with the opposite sign, as in the published code, all B are the same.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from camp.cartesian.symmetric import number_of_components
from camp.graph.edges import Edges
from camp.models.cace.settings import CaceSettings

# R_m(r) f(r) at distances (n, K) in Å: (M, n, K).
RadialFunctions = Callable[[Tensor], Tensor]


def monomials(unit: Tensor, max_l: int) -> Tensor:
    """û_x^a û_y^b û_z^c of all degrees a + b + c ≤ l_max, in the order of
    :func:`camp.cartesian.symmetric.components`, degree by degree.

    Shapes: unit (3, …), dimensionless; returns (L, …).
    """
    x, y, z = unit.unbind()
    by_degree = [torch.ones_like(x)[None]]
    for degree in range(1, max_l + 1):
        lower = by_degree[-1]
        by_degree.append(torch.cat([x * lower, y * lower[-degree:], z * lower[-1:]]))
    return torch.cat(by_degree)


def cutoff_function(x: Tensor, kind: str, order: int) -> Tensor:
    """f(x), x = r/r_c: one at zero, zero from x = 1 on; see :class:`CaceSettings`.

    Shapes: x (…), dimensionless; returns (…).
    """
    inside = x < 1
    if kind == "cosine":
        return inside * (0.5 + 0.5 * torch.cos(math.pi * x))
    if kind == "mollifier":
        return inside * torch.exp(1.0 - 1.0 / torch.where(inside, 1.0 - x * x, 1.0))
    p = order
    inner = 0.5 * (p + 1) * (p + 2) - x * (p * (p + 2) - x * (0.5 * p * (p + 1)))
    return inside * (1.0 - x**p * inner)


class RadialBasis(nn.Module):
    """R_m(r) = p₀ sin(w_m r)/r, spherical Bessel functions of order zero."""

    def __init__(self, functions: int, cutoff: float, *, trainable: bool):
        super().__init__()
        frequencies = torch.arange(1, functions + 1) * (math.pi / cutoff)
        self.frequencies = nn.Parameter(frequencies, requires_grad=trainable)
        # A value of its own: published weights have it rounded to float32.
        self.prefactor: Tensor
        self.register_buffer("prefactor", torch.tensor(math.sqrt(2.0 / cutoff)))

    def forward(self, lengths: Tensor, factor: Tensor) -> Tensor:
        """Shapes: lengths (n, K) in Å, factor (n, K), of all functions; returns (M, n, K)."""
        phase = self.frequencies[:, None, None] * lengths
        return torch.sin(phase) * (self.prefactor * factor / lengths)


@dataclass(frozen=True)
class EdgeBasis:
    """What all layers need of the edges."""

    edges: Edges
    lengths: Tensor  # (n, K) Å
    cut: Tensor  # (n, K) cutoff function; zero in an empty slot
    radial: Tensor  # (M, n, K) R_m(r) f(r)
    angular: Tensor  # (L, n, K) monomials of the direction

    def sums(self, angular: Tensor, values: Tensor) -> Tensor:
        """Σ_j R_m f û^**l** v_j over the neighbours of every atom.

        Shapes: angular (x, n, K), values (n, K, q); returns (n, x, M, q).
        """
        # The outer product with the radial functions is the largest array: of the narrower one.
        if angular.shape[0] <= values.shape[2]:
            return self._sums(angular, values).transpose(1, 2)
        narrow = values.movedim(2, 0).contiguous()
        return self._sums(narrow, angular.permute(1, 2, 0)).movedim(3, 1)

    def _sums(self, narrow: Tensor, wide: Tensor) -> Tensor:
        """Shapes: narrow (p, n, K), wide (n, K, q); returns (n, M, p, q)."""
        functions, n, slots = self.radial.shape
        edge = (self.radial[:, None] * narrow).reshape(-1, n, slots)
        summed = torch.bmm(edge.movedim(0, 1), wide)
        return summed.view(n, functions, narrow.shape[0], wide.shape[2])


class EdgeBasisOf(nn.Module):
    """Edges → their basis."""

    def __init__(self, settings: CaceSettings):
        super().__init__()
        self.settings = settings
        self.radial = RadialBasis(
            settings.raw_radial_functions, settings.cutoff, trainable=settings.radial_trainable
        )

    def cut(self, lengths: Tensor) -> Tensor:
        """The cutoff function f at distances in Å, of any shape."""
        settings = self.settings
        x = lengths / settings.cutoff
        return cutoff_function(x, settings.cutoff_function, settings.cutoff_order)

    def forward(self, edges: Edges, radial: RadialFunctions | None = None) -> EdgeBasis:
        """:param radial: instead of the model's own R_m f."""
        vectors = edges.vectors.movedim(2, 0).contiguous()
        # On the CPU ten times faster than torch's norm along this axis.
        lengths = vectors.square().sum(0).sqrt()
        cut = edges.mask * self.cut(lengths)
        unit = vectors / (lengths + self.settings.direction_epsilon)
        functions = self.radial(lengths, cut) if radial is None else edges.mask * radial(lengths)
        return EdgeBasis(edges, lengths, cut, functions, monomials(unit, self.settings.max_l))


def degrees(max_l: int) -> list[int]:
    """How many monomials each degree has."""
    return [number_of_components(degree) for degree in range(max_l + 1)]
