"""Building blocks of CAMP: mixing of channels, radial functions, readout."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


def normal(*shape: int, fan_in: int, gain: float = 1.0) -> nn.Parameter:
    """A weight drawn with variance gain²/fan_in, which keeps the size of its output."""
    return nn.Parameter(torch.randn(*shape) * (gain / math.sqrt(fan_in)))


def mixing_matrices(ranks: int, channels: int) -> nn.ParameterList:
    """One matrix (in, out) of channel mixing for each rank."""
    return nn.ParameterList(normal(channels, channels, fan_in=channels) for _ in range(ranks))


def mix(tensors: Sequence[Tensor], matrices: nn.ParameterList) -> list[Tensor]:
    """Channels mixed, rank by rank: (n, components(v), u) times (u, u)."""
    # As one product of matrices; torch would make it n small ones.
    return [
        (tensor.flatten(0, 1) @ matrix).view_as(tensor)
        for tensor, matrix in zip(tensors, matrices, strict=True)
    ]


def path_weights(paths_into: Sequence[int], channels: int) -> nn.ParameterList:
    """Weights (paths, channels) of the paths into each rank; a single path has weight one."""
    return nn.ParameterList(
        normal(paths, channels, fan_in=paths)
        if paths > 1
        else nn.Parameter(torch.ones(1, channels), requires_grad=False)
        for paths in paths_into
    )


class StackedMLP(nn.Module):
    """One small MLP (SiLU) for each path, evaluated together."""

    def __init__(self, paths: int, widths: Sequence[int]):
        super().__init__()
        self.weights = nn.ParameterList(normal(paths, a, b, fan_in=a) for a, b in pairwise(widths))
        self.biases = nn.ParameterList(
            nn.Parameter(torch.zeros(paths, 1, width)) for width in widths[1:]
        )

    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        """Shapes: x (e, in), scale (paths, 1, out), a factor on the output, which is cheaper on
        the last weights; returns (paths, e, out).
        """
        *hidden, (weight, bias) = zip(self.weights, self.biases, strict=True)
        x = x.expand(weight.shape[0], *x.shape)
        for w, b in hidden:
            x = nn.functional.silu(torch.baddbmm(b, x, w))
        return torch.baddbmm(bias * scale, x, weight * scale)


class RadialFunctions(nn.Module):
    """R_{u,path}(r, z_i, z_j): Chebyshev basis for the pair of species, then one MLP per path."""

    def __init__(
        self,
        *,
        species: int,
        channels: int,
        chebyshev_degree: int,
        hidden: Sequence[int],
        paths: int,
    ):
        super().__init__()
        # W of Eq. 2 as (z_i, z_j, β, u).
        self.coefficients = normal(
            species, species, chebyshev_degree + 1, channels, fan_in=chebyshev_degree + 1, gain=1.4
        )
        self.mlp = StackedMLP(paths, [channels, *hidden, channels])

    def forward(self, polynomials: Tensor, one_hot: Tensor, scale: Tensor) -> Tensor:
        """Shapes: polynomials (n, K, species · (degree + 1)), T_β of the edge in the columns of
        the neighbour's species and zero elsewhere, one_hot (n, species), scale (paths, 1, u);
        returns scale · R as (paths, n, K, u).
        """
        n, width, _ = polynomials.shape
        of_centre = one_hot @ self.coefficients.flatten(1)
        basis = torch.bmm(polynomials, of_centre.view(n, -1, self.coefficients.shape[-1]))
        return self.mlp(basis.flatten(0, 1), scale).unflatten(1, (n, width))


class Readout(nn.Module):
    """Energy of an atom from the scalar features of all layers (Eq. 10), in network units."""

    def __init__(self, *, channels: int, layers: int, hidden: Sequence[int]):
        super().__init__()
        self.linear = nn.ModuleList(nn.Linear(channels, 1) for _ in range(layers - 1))
        widths = [channels, *hidden, 1]
        modules: list[nn.Module] = []
        for a, b in pairwise(widths):
            modules += [nn.Linear(a, b), nn.SiLU()]
        self.mlp = nn.Sequential(*modules[:-1])

    def forward(self, scalars: Sequence[Tensor]) -> Tensor:
        """Shapes: one (n, channels) per layer; returns (n,)."""
        energy = self.mlp(scalars[-1])
        for linear, scalar in zip(self.linear, scalars[:-1], strict=True):
            energy = energy + linear(scalar)
        return energy[:, 0]
