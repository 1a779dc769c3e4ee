"""Radial functions: a basis of the distance, the same for all species, and one MLP per layer."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from camp.cartesian.radial import chebyshev

BasisKind = Literal["bessel", "chebyshev"]


def number_of_functions(kind: BasisKind, degree: int) -> int:
    """How many functions a basis of this degree has."""
    return degree if kind == "bessel" else degree + 1


def typical_size(kind: BasisKind, cutoff: float) -> float:
    """Root mean square of a function over the distances within the cutoff (Å): Bessel functions are
    normalised in the ball, Chebyshev polynomials are cosines.
    """
    return math.sqrt(3.0 / cutoff**3) if kind == "bessel" else math.sqrt(0.5)


def radial_basis(lengths: Tensor, cutoff: float, kind: BasisKind, degree: int) -> Tensor:
    """√(2/r_cut) sin(kπ r/r_cut)/r, k = 1 … degree, or T_0 … T_degree of r/r_cut.

    Shapes: lengths (...) in Å; returns (..., functions), Bessel functions in Å^(−3/2).
    """
    x = lengths / cutoff
    if kind == "chebyshev":
        return chebyshev(x, degree)
    frequencies = torch.arange(1, degree + 1, dtype=x.dtype, device=x.device) * math.pi
    waves = torch.sin(x[..., None] * frequencies)
    return math.sqrt(2.0 / cutoff) * waves / lengths[..., None]


class RadialFunctions(nn.Module):
    """R_{path,u}(r) of all paths of a layer: MLP(basis) with SiLU, linear at the end.

    :param functions: number of functions in the basis.
    :param size: their typical size, by which the first weights are divided.
    :param hidden: widths of the hidden layers.
    """

    def __init__(
        self, *, functions: int, size: float, hidden: Sequence[int], paths: int, channels: int
    ):
        super().__init__()
        widths = [functions, *hidden]
        hidden_layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
        self.hidden = nn.ModuleList(hidden_layers)
        self.weight = nn.Parameter(torch.empty(paths, widths[-1], channels))
        self.bias = nn.Parameter(torch.zeros(paths, 1, channels))
        # Drawn so that the values keep their size from layer to layer.
        for k, weight in enumerate([*(linear.weight for linear in hidden_layers), self.weight]):
            bound = math.sqrt(3.0 / widths[k]) / (size if k == 0 else 1.0)
            nn.init.uniform_(weight, -bound, bound)
        for linear in hidden_layers:
            nn.init.zeros_(linear.bias)

    def forward(self, basis: Tensor, cut: Tensor, scale: Tensor) -> Iterator[Tensor]:
        """The functions times ``cut`` and ``scale``, one path after the other, so that each is used
        while it is in the processor's cache.

        Shapes: basis (n, K, functions), cut (n, K, 1), scale (paths, 1, u); yields for each path
        (n, K, u).
        """
        for linear in self.hidden:
            basis = nn.functional.silu(linear(basis))
        # W (φ cut) + b cut = (W φ + b) cut: the factors cost less before the last product.
        inputs = torch.cat([basis * cut, cut], dim=-1)
        weights = torch.cat([self.weight, self.bias], dim=1) * scale
        return (inputs @ weight for weight in weights)
