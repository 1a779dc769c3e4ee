"""Atomic moments, the sums over neighbours, and hyper moments, their products on one atom.

Features and moments are natural tensors in packed form, for each rank l a tensor (n, 2l+1, u).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from camp.cartesian.natural import polyadic_matrix, product_table
from camp.cartesian.symmetric import polyadics
from camp.graph.edges import Edges, neighbour_values, sum_at_neighbours
from camp.models.carnet.channels import uniform
from camp.models.carnet.paths import Path
from camp.models.carnet.radial import RadialFunctions
from camp.models.carnet.tables import ExactTables


class EdgeMatrices(ExactTables):
    """What the layers share of the edges' directions n: D_l(n), and for paths from l₁ > 0 the
    matrix [· × D_{l₂}(−n)] from features of rank l₁ to moments of rank l₃.

    :param paths: for each layer its paths, by l₃.
    """

    def __init__(self, max_rank: int, paths: Sequence[Path]):
        super().__init__()
        self.max_rank = max_rank
        self.paths = sorted({path for path in paths if path[0] > 0 and path[1] > 0})
        for rank in range(max_rank + 1):
            self.add_table(f"polyadic_{rank}", polyadic_matrix(rank))
        for l1, l2, l3 in self.paths:
            # From D_{l₂} to matrices (2l₃+1, 2l₁+1); an edge seen from its other end has −n.
            table = (-1) ** l2 * product_table(l1, l2, l3).permute(2, 0, 1)
            self.add_table(f"product_{l1}_{l2}_{l3}", table.flatten(1))

    def forward(self, unit: Tensor) -> tuple[list[Tensor], dict[Path, Tensor]]:
        """Shapes: unit (n, K, 3); returns D_l (n, K, 2l+1) and the matrices
        (n, K (2l₃+1), 2l₁+1).
        """
        directions = [
            monomials @ self.table("polyadic", rank)
            for rank, monomials in enumerate(polyadics(unit, self.max_rank))
        ]
        matrices = {
            path: (directions[path[1]] @ self.table("product", *path))
            .unflatten(-1, (-1, 2 * path[0] + 1))
            .flatten(1, 2)
            for path in self.paths
        }
        return directions, matrices


@dataclass(frozen=True)
class Geometry:
    """The edges as all layers see them."""

    edges: Edges
    directions: Sequence[Tensor]  # D_l(n), (n, K, 2l+1)
    matrices: dict[Path, Tensor]  # (n, K (2l₃+1), 2l₁+1), see EdgeMatrices
    radial_basis: Tensor  # (n, K, functions)
    cut: Tensor  # (n, K, 1): zero in an empty slot


def path_weights(paths: Sequence[Sequence[Path]], channels: int) -> nn.ParameterList:
    """Weights (paths, u) of the paths into each rank; a single path has weight one."""
    return nn.ParameterList(
        uniform(len(into), channels, fan_in=len(into))
        if len(into) > 1
        else nn.Parameter(torch.ones(len(into), channels), requires_grad=False)
        for into in paths
    )


class AtomicMoments(nn.Module):
    """M_{u l₃} = N̄^{−1/2} Σ_j Σ_paths w R(r_ij) [x^j_{u l₁} × D_{l₂}(n_ij)]_{l₃}.

    Paths from scalars need no product: their numbers g_{u l}(ij) are summed with D_l by one
    product of matrices for each atom, as in CAMP. For the others the neighbour does the work: R
    depends on the distance alone, so atom j computes in its own row what it adds to the moments of
    its neighbours, where the products of its features with all directions are one product of
    matrices without a look-up.
    """

    def __init__(
        self,
        *,
        paths: Sequence[Sequence[Path]],
        channels: int,
        average_neighbours: float,
        radial: RadialFunctions,
    ):
        super().__init__()
        self.paths = paths
        self.radial = radial
        self.path_weights = path_weights(paths, channels)
        self.normalisation = 1.0 / math.sqrt(average_neighbours)

    def forward(self, features: Sequence[Tensor], geometry: Geometry) -> list[Tensor]:
        """Moments of all ranks."""
        weights = torch.cat(list(self.path_weights))[:, None, :] * self.normalisation
        radial = iter(self.radial(geometry.radial_basis, geometry.cut, weights))
        scalars = neighbour_values(features[0][:, 0, :], geometry.edges)
        moments = []
        for rank, paths in enumerate(self.paths):
            moment, sent = _zeros(features[0], rank), None
            for path in paths:
                function = next(radial)
                if path[0] == 0:
                    numbers = function * scalars
                    moment = torch.bmm(geometry.directions[rank].transpose(1, 2), numbers)
                    continue
                product, function = self._product(path, features, geometry), function[:, :, None, :]
                sent = (
                    product * function if sent is None else torch.addcmul(sent, product, function)
                )
            if sent is not None:
                received = sum_at_neighbours(sent.flatten(2), geometry.edges)
                moment = moment + received.view_as(moment)
            moments.append(moment)
        return moments

    def _product(self, path: Path, features: Sequence[Tensor], geometry: Geometry) -> Tensor:
        """[x_{l₁} × D_{l₂}]_{l₃} of an atom's features and the directions in which its neighbours
        see it, (n, K, 2l₃+1, u); the same for all of them where l₂ = 0.
        """
        l1, l2, l3 = path
        if l2 == 0:
            return features[l1][:, None]
        product = torch.bmm(geometry.matrices[path], features[l1])
        return product.unflatten(1, (-1, 2 * l3 + 1))


class HyperMoments(ExactTables):
    """H⁽¹⁾ = M, H⁽ᵈ⁾_{l₃} = Σ_paths k⁽ᵈ⁾ [H⁽ᵈ⁻¹⁾_{l₁} × M_{l₂}]_{l₃}; messages Σ_d c_{l,d} H⁽ᵈ⁾_l.

    :param paths: for d = 2, 3, … the paths into every rank.
    :param ranks: number of ranks of the messages.
    """

    def __init__(self, *, paths: Sequence[Sequence[Sequence[Path]]], ranks: int, channels: int):
        super().__init__()
        self.paths = paths
        self.ranks = ranks
        self.path_weights = nn.ModuleList(path_weights(into, channels) for into in paths)
        degrees = len(paths) + 1
        self.degree_weights = (
            uniform(ranks, degrees, channels, fan_in=degrees) if degrees > 1 else None
        )
        for into in chain.from_iterable(paths):
            if into:
                tables = [product_table(*path).flatten(1) for path in into]
                self.add_table(_name(into), torch.cat(tables, dim=1))

    def forward(self, moments: Sequence[Tensor]) -> list[Tensor]:
        """Atomic moments → messages."""
        if self.degree_weights is None:
            return list(moments[: self.ranks])
        powers = [list(moments)]
        for paths, weights in zip(self.paths, self.path_weights, strict=True):
            assert isinstance(weights, nn.ParameterList)
            powers.append(
                [
                    self._products(rank, into, weight, powers[-1], moments)
                    for rank, (into, weight) in enumerate(zip(paths, weights, strict=True))
                ]
            )
        return [
            torch.stack(
                [
                    power[rank] * weight
                    for power, weight in zip(powers, self.degree_weights[rank], strict=True)
                ]
            ).sum(0)
            for rank in range(self.ranks)
        ]

    def _products(
        self,
        rank: int,
        into: Sequence[Path],
        weights: Tensor,
        power: Sequence[Tensor],
        moments: Sequence[Tensor],
    ) -> Tensor:
        """All products into one rank, as one product of matrices."""
        if not into:
            return _zeros(moments[0], rank)
        outer = [
            ((power[l1] * weight)[:, :, None, :] * moments[l2][:, None, :, :]).flatten(1, 2)
            for (l1, l2, _), weight in zip(into, weights, strict=True)
        ]
        return self.table(_name(into)) @ torch.cat(outer, dim=1)


def _zeros(like: Tensor, rank: int) -> Tensor:
    """A tensor of this rank for every atom and channel."""
    return like.new_zeros(like.shape[0], 2 * rank + 1, like.shape[2])


def _name(paths: Sequence[Path]) -> str:
    return "products_" + "_".join(f"{l1}{l2}{l3}" for l1, l2, l3 in paths)
