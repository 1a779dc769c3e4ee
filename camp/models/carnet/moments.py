"""Atomic moments, the sums over neighbours, and hyper moments, their products on one atom.

Features and moments are natural tensors in packed form, for each rank l a tensor (n, 2l+1, u).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from camp.cartesian.natural.tensors import product_table
from camp.graph.edges import Edges, neighbour_values, sum_at_neighbours
from camp.models.carnet.channels import uniform
from camp.models.carnet.geometry import Geometry
from camp.models.carnet.paths import Path
from camp.models.carnet.radial import RadialFunctions
from camp.models.carnet.tables import ExactTables


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

    def radial_functions(self, basis: Tensor, cut: Tensor) -> Iterator[Tensor]:
        """w R of all paths, normalised; arguments and results as for :class:`RadialFunctions`."""
        weights = torch.cat(list(self.path_weights))[:, None, :] * self.normalisation
        return self.radial(basis, cut, weights)

    def forward(
        self,
        features: Sequence[Tensor],
        geometry: Geometry,
        radial: Iterable[Tensor],
        edges: Edges,
    ) -> list[Tensor]:
        """Moments of all ranks.

        :param radial: as from :meth:`radial_functions`.
        """

        def product(path: Path) -> Tensor:
            """[x_{l₁} × D_{l₂}]_{l₃} of an atom's features and the directions in which its
            neighbours see it; the same for all of them where l₂ = 0.
            """
            l1, l2, l3 = path
            if l2 == 0:
                return features[l1][:, None]
            return torch.bmm(geometry.matrices[path], features[l1]).unflatten(1, (-1, 2 * l3 + 1))

        def total(sent: Tensor) -> Tensor:
            return sum_at_neighbours(sent.flatten(2), edges).unflatten(1, sent.shape[2:])

        scalars = neighbour_values(features[0][:, 0, :], edges)
        return self._moments(scalars, geometry, radial, product, total)

    def of_rows(
        self, features: Sequence[Tensor], geometry: Geometry, radial: Iterable[Tensor]
    ) -> list[Tensor]:
        """The same for some of the atoms, from the features of their neighbours
        (r, K, 2l+1, u); takes more time for each edge.
        """

        def product(path: Path) -> Tensor:
            l1, l2, l3 = path
            if l2 == 0:
                return features[l1]
            matrices = (-1) ** l2 * geometry.matrices[path].unflatten(1, (-1, 2 * l3 + 1))
            return matrices @ features[l1]

        scalars = features[0][:, :, 0]
        return self._moments(scalars, geometry, radial, product, lambda sent: sent.sum(1))

    def _moments(
        self,
        scalars: Tensor,
        geometry: Geometry,
        radial: Iterable[Tensor],
        product: Callable[[Path], Tensor],
        total: Callable[[Tensor], Tensor],
    ) -> list[Tensor]:
        """:param scalars: of the neighbours, (n, K, u).
        :param product: of a path from l₁ > 0, for every edge (n, K or 1, 2l₃+1, u).
        :param total: sum over edges of such values.
        """
        functions = iter(radial)
        moments = []
        for rank, paths in enumerate(self.paths):
            moment = scalars.new_zeros(scalars.shape[0], 2 * rank + 1, scalars.shape[2])
            sent = None
            for path in paths:
                function = next(functions)
                if path[0] == 0:
                    numbers = function * scalars
                    moment = torch.bmm(geometry.directions[rank].transpose(1, 2), numbers)
                elif sent is None:
                    sent = product(path) * function[:, :, None, :]
                else:
                    sent = torch.addcmul(sent, product(path), function[:, :, None, :])
            moments.append(moment if sent is None else moment + total(sent))
        return moments


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
            n, _, channels = moments[0].shape
            return moments[0].new_zeros(n, 2 * rank + 1, channels)
        outer = [
            ((power[l1] * weight)[:, :, None, :] * moments[l2][:, None, :, :]).flatten(1, 2)
            for (l1, l2, _), weight in zip(into, weights, strict=True)
        ]
        return self.table(_name(into)) @ torch.cat(outer, dim=1)


def _name(paths: Sequence[Path]) -> str:
    return "products_" + "_".join(f"{l1}{l2}{l3}" for l1, l2, l3 in paths)
