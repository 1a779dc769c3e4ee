"""Heads: what is predicted of an atom from its features."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from camp.cartesian.natural.decomposition import signature
from camp.cartesian.natural.tensors import product_table
from camp.models.carnet.channels import uniform
from camp.models.carnet.tables import ExactTables
from camp.targets import Target

EPSILON = 1e-5  # of the normalisation, as in the original


class Readout(nn.Module):
    """Numbers of an atom from the scalars of several layers: linear, of the last layer an MLP."""

    def __init__(self, *, channels: int, layers: int, hidden: Sequence[int], outputs: int):
        super().__init__()
        self.linear = nn.ModuleList(nn.Linear(channels, outputs) for _ in range(layers - 1))
        modules: list[nn.Module] = []
        for a, b in pairwise([channels, *hidden, outputs]):
            modules += [nn.Linear(a, b), nn.SiLU()]
        self.mlp = nn.Sequential(*modules[:-1])

    def forward(self, scalars: Sequence[Tensor]) -> Tensor:
        """Shapes: one (n, 1, u) per layer; returns (n, outputs)."""
        total = self.mlp(scalars[-1])
        for linear, scalar in zip(self.linear, scalars[:-1], strict=True):
            total = total + linear(scalar)
        return total[:, 0, :]


class FeatureNorm(nn.Module):
    """Features divided by their size: the root of the mean, over channels, of |x|²/3^l."""

    def __init__(self, *, ranks: int, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(ranks, channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """For each rank l (n, 2l+1, u); only rank 0 is centred and has a bias."""
        scalars, *others = features
        centred = [scalars - scalars.mean(-1, keepdim=True), *others]
        normalised = []
        for rank, x in enumerate(centred):
            square = x.square().sum(1, keepdim=True).mean(-1, keepdim=True) / 3**rank
            normalised.append(x * torch.rsqrt(square + EPSILON) * self.weight[rank])
        return [normalised[0] + self.bias, *normalised[1:]]


class AxialProducts(ExactTables):
    """Axial natural tensors of an atom from its polar ones: odd products of two mixtures, and, of
    rank 0, an axial tensor contracted with a polar one.
    """

    def __init__(self, *, ranks: int, channels: int):
        super().__init__()
        self.first = uniform(ranks, channels, channels, fan_in=channels)
        self.second = uniform(ranks, channels, channels, fan_in=channels)
        self.paths = [
            [
                (l1, l2)
                for l1 in range(1, ranks)
                for l2 in range(1, ranks)
                if abs(l1 - l2) <= l3 <= l1 + l2 and (l1 + l2 + l3) % 2
            ]
            for l3 in range(ranks)
        ]
        self.path_weights = nn.ParameterList(
            uniform(len(into), channels, fan_in=max(len(into), 1)) for into in self.paths
        )
        for l3, into in enumerate(self.paths):
            if into:
                tables = [product_table(l1, l2, l3).flatten(1) for l1, l2 in into]
                self.add_table(f"products_{l3}", torch.cat(tables, dim=1))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Polar features, for each rank l (n, 2l+1, u) → axial ones, alike."""
        x = [feature @ mixing for feature, mixing in zip(features, self.first, strict=True)]
        y = [feature @ mixing for feature, mixing in zip(features, self.second, strict=True)]
        axial = [torch.zeros_like(feature) for feature in features]
        for l3, (into, weights) in enumerate(zip(self.paths, self.path_weights, strict=True)):
            if into:
                outer = [
                    ((x[l1] * weight)[:, :, None, :] * y[l2][:, None, :, :]).flatten(1, 2)
                    for (l1, l2), weight in zip(into, weights, strict=True)
                ]
                axial[l3] = self.table("products", l3) @ torch.cat(outer, dim=1)
        for rank in range(1, len(features)):
            axial[0] = axial[0] + (axial[rank] * features[rank]).sum(1, keepdim=True)
        return axial


class TensorHead(nn.Module):
    """The natural parts of a tensor target, before they are scaled, shifted and put together.

    :param target: its symmetry says how many parts there are of each rank.
    :param ranks: of each layer's features that the head reads, their number of ranks; earlier
        layers first.
    :param axial_products: whether axial parts are made of products, not read from features.
    """

    def __init__(
        self,
        target: Target,
        *,
        ranks: Sequence[int],
        channels: int,
        species: int,
        hidden: Sequence[int],
        norm: bool,
        bias: bool,
        axial_products: bool,
    ):
        super().__init__()
        self.signature = dict(signature(target.symmetry))
        self.layers = len(ranks)
        # A part is polar where T has the parity of a polar tensor of that rank.
        self.axial = {
            rank for rank in self.signature if axial_products and (target.rank - rank) % 2
        }
        self.norm = FeatureNorm(ranks=ranks[-1], channels=channels) if norm else None
        self.axial_products = (
            AxialProducts(ranks=ranks[-1], channels=channels) if self.axial else None
        )
        self.scalars = (
            Readout(channels=channels, layers=self.layers, hidden=hidden, outputs=self.signature[0])
            if 0 in self.signature and 0 not in self.axial
            else None
        )
        self.bias = (
            nn.Parameter(torch.zeros(species)) if bias and self.scalars is not None else None
        )
        self.weights = nn.ModuleDict(
            {
                str(rank): nn.ParameterList(
                    uniform(channels, number, fan_in=channels * count) for _ in range(count)
                )
                for rank, number in self.signature.items()
                if rank > 0 or rank in self.axial
                for count in [1 if rank in self.axial else self.layers]
            }
        )

    def forward(self, features: Sequence[Sequence[Tensor]], one_hot: Tensor) -> Tensor:
        """Shapes: features of the layers that are read, for each rank l (n, 2l+1, u), one_hot
        (n, species); returns (n, Σ n_l (2l+1)), by l, then p, then packed component.
        """
        last = list(features[-1])
        if self.norm is not None:
            last = self.norm(last)
        polar = [*features[:-1], last]
        axial = [] if self.axial_products is None else self.axial_products(last)
        parts = []
        for rank in self.signature:
            if rank == 0 and self.scalars is not None:
                part = self.scalars([layer[0] for layer in polar])
                if self.bias is not None:
                    part = part + (one_hot @ self.bias)[:, None]
            else:
                read = [axial] if rank in self.axial else polar
                weights = self.weights[str(rank)]
                assert isinstance(weights, nn.ParameterList)
                products = [
                    layer[rank] @ weight for layer, weight in zip(read, weights, strict=True)
                ]
                part = torch.stack(products).sum(0).transpose(1, 2).flatten(1)
            parts.append(part)
        return torch.cat(parts, dim=1)
