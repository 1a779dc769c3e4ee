"""Mixing of channels: one matrix for each rank, the same for all species or not; a bias on rank 0.

All maps take and return features: for each rank l a tensor (n, 2l+1, u), packed components.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from camp.models.carnet.settings import MapKind


def uniform(*shape: int, fan_in: int) -> nn.Parameter:
    """A weight drawn from ±√(3/fan_in), which keeps the size of its output."""
    bound = math.sqrt(3.0 / fan_in)
    return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))


class IndependentMap(nn.Module):
    """y_l = W_l x_l."""

    def __init__(self, *, ranks: int, channels: int, species: int):
        super().__init__()
        self.weight = uniform(ranks, channels, channels, fan_in=channels)  # (l, in, out)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Sequence[Tensor], one_hot: Tensor) -> list[Tensor]:
        # As one product of matrices; torch would make it n small ones.
        scalars, *others = [
            (x.flatten(0, 1) @ weight).view_as(x)
            for x, weight in zip(features, self.weight, strict=True)
        ]
        return [scalars + self.bias, *others]


class FullMap(nn.Module):
    """y_l = W_{z,l} x_l: a matrix for each species."""

    def __init__(self, *, ranks: int, channels: int, species: int):
        super().__init__()
        self.weights = nn.ParameterList(
            uniform(species, channels, channels, fan_in=channels) for _ in range(ranks)
        )  # (z, in, out)
        self.bias = nn.Parameter(torch.zeros(species, channels))

    def forward(self, features: Sequence[Tensor], one_hot: Tensor) -> list[Tensor]:
        scalars, *others = [
            torch.bmm(x, (one_hot @ weight.flatten(1)).view(-1, *weight.shape[1:]))
            for x, weight in zip(features, self.weights, strict=True)
        ]
        return [scalars + (one_hot @ self.bias)[:, None, :], *others]


class FactorizedMap(nn.Module):
    """y_l = s_{z,l} V_l x_l."""

    def __init__(self, *, ranks: int, channels: int, species: int):
        super().__init__()
        self.weight = uniform(ranks, channels, channels, fan_in=channels)  # (l, in, out)
        self.factors = nn.Parameter(torch.ones(species, ranks))
        self.bias = nn.Parameter(torch.zeros(species, channels))

    def forward(self, features: Sequence[Tensor], one_hot: Tensor) -> list[Tensor]:
        factors = (one_hot @ self.factors)[:, :, None, None].unbind(1)
        scalars, *others = [
            (x.flatten(0, 1) @ weight).view_as(x) * factor
            for x, weight, factor in zip(features, self.weight, factors, strict=True)
        ]
        return [scalars + (one_hot @ self.bias)[:, None, :], *others]


_KINDS: dict[MapKind, type[IndependentMap] | type[FullMap] | type[FactorizedMap]] = {
    "independent": IndependentMap,
    "full": FullMap,
    "factorized": FactorizedMap,
}


def channel_map(kind: MapKind, *, ranks: int, channels: int, species: int) -> nn.Module:
    """A map of this kind for features of so many ranks."""
    return _KINDS[kind](ranks=ranks, channels=channels, species=species)
