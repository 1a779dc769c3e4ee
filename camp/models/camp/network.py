"""CAMP, the Cartesian atomic moment potential (npj Comput. Mater. 11, 128, Eqs. 1–11).

The literal Eq. 5 contracts a feature tensor with a polyadic on every edge. Because a polyadic of
a unit vector factorises, h_{v₁} ⊙^{v₁} D_{v₁+v} = ⟨h_{v₁}, D_{v₁}⟩ D_v, all paths into one rank v
collapse on an edge to one number per channel,

    g_{uv}(ij) = Σ_{v₁} W_{uv,v₁} R_{u,v,v₁}(r_ij) ⟨h^j_{uv₁}, D_{v₁}(r̂_ij)⟩,
    M^i_{uv}   = Σ_j g_{uv}(ij) D_v(r̂_ij),

and since D_v(r̂_ij) = (−1)^v D_v(r̂_ji), the bracket is computed in the row of atom j, where it is
a matrix product, and then carried over to the reversed edge.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from camp.cartesian.paths import atomic_moment_paths, hyper_moment_paths
from camp.cartesian.radial import chebyshev, envelope
from camp.cartesian.symmetric import contract, contraction_matrix, multiplicities, polyadics
from camp.errors import InputError
from camp.graph.edges import Edges, reverse_edges
from camp.models.camp.layers import (
    RadialFunctions,
    Readout,
    mix,
    mixing_matrices,
    path_weights,
)
from camp.models.camp.settings import CampSettings
from camp.models.chunks import in_chunks
from camp.targets import ENERGY, Target

# Index of the layer and its features (n, components(v), u) of each rank → Σ_j g_{uv}(ij) D_v(r̂_ij)
# of each rank, alike. All that CAMP does on edges goes through such a function.
NeighbourSums = Callable[[int, Sequence[Tensor]], list[Tensor]]


class AtomicMoments(nn.Module):
    """Atomic moments M_{uv} of all ranks (Eqs. 5 and 6)."""

    def __init__(
        self,
        *,
        channels: int,
        max_rank: int,
        max_feature_rank: int,
        average_neighbours: float,
        radial: dict[str, Any],
    ):
        super().__init__()
        paths = atomic_moment_paths(max_rank, max_feature_rank)
        self.max_feature_rank = max_feature_rank
        self.paths_into = [sum(v == rank for v, _ in paths) for rank in range(max_rank + 1)]
        self.radial = RadialFunctions(channels=channels, paths=len(paths), **radial)
        self.normalisation = 1.0 / math.sqrt(average_neighbours)
        self.path_weights = path_weights(self.paths_into, channels)
        self.mixing = mixing_matrices(max_rank + 1, channels)
        for v in range(1, max_feature_rank + 1):
            reversal = torch.tensor([(-1.0) ** v * m for m in multiplicities(v)])
            self.register_buffer(f"reversal_{v}", reversal, persistent=False)

    def radial_functions(self, polynomials: Tensor, one_hot: Tensor) -> Tensor:
        """W_{uv,v₁} R_{u,v,v₁} of all paths, normalised: (paths, n, K, u); arguments as for
        :class:`camp.models.camp.layers.RadialFunctions`.
        """
        scale = torch.cat(list(self.path_weights))[:, None, :] * self.normalisation
        return self.radial(polynomials, one_hot, scale)

    def neighbour_sums(
        self,
        features: Sequence[Tensor],
        directions: Sequence[Tensor],
        cut_directions: Sequence[Tensor],
        radial: Tensor,
        neighbours: Tensor,
        reverse: Tensor,
    ) -> list[Tensor]:
        """Shapes: features[v] (n, components(v), u), directions[v] and the same times the cutoff
        function (n, K, components(v)), radial (paths, n, K, u) as from :meth:`radial_functions`;
        returns Σ_j g_{uv} D_v (n, components(v), u) for all v.
        """
        brackets = [features[0].expand(-1, neighbours.shape[1], -1)]
        for v1, feature in enumerate(features[1:], start=1):
            weights = self.get_buffer(f"reversal_{v1}")
            brackets.append(torch.bmm(directions[v1] * weights, feature))
        reversed_brackets = reverse_edges(torch.stack(brackets), neighbours, reverse)
        return self._sums(cut_directions, radial, reversed_brackets)

    def sums_of_rows(
        self,
        neighbour_features: Sequence[Tensor],
        directions: Sequence[Tensor],
        cut_directions: Sequence[Tensor],
        radial: Tensor,
    ) -> list[Tensor]:
        """The same for some of the atoms, from the features of their neighbours
        (n, K, components(v), u); takes more memory for each edge.
        """
        brackets = [neighbour_features[0][:, :, 0, :]]
        for v1, feature in enumerate(neighbour_features[1:], start=1):
            weights = (-1.0) ** v1 * self.get_buffer(f"reversal_{v1}")
            brackets.append(((directions[v1] * weights)[..., None] * feature).sum(2))
        return self._sums(cut_directions, radial, torch.stack(brackets))

    def _sums(
        self, cut_directions: Sequence[Tensor], radial: Tensor, brackets: Tensor
    ) -> list[Tensor]:
        return [
            torch.bmm(direction.transpose(1, 2), (r * brackets[: len(r)]).sum(0))
            for direction, r in zip(cut_directions, radial.split(self.paths_into), strict=True)
        ]

    def forward(self, sums: Sequence[Tensor]) -> list[Tensor]:
        """The sums over neighbours with their channels mixed: M_v (n, components(v), u)."""
        return mix(sums, self.mixing)


class HyperMoments(nn.Module):
    """Messages: hyper moments (Eq. 7) of each rank of output, combined linearly (Eq. 8)."""

    def __init__(self, *, channels: int, max_rank: int, max_out_rank: int):
        super().__init__()
        self.paths = [hyper_moment_paths(max_rank, rank) for rank in range(max_out_rank + 1)]
        self.path_weights = path_weights([len(paths) for paths in self.paths], channels)
        for low in range(1, max_rank + 1):
            for out in range(max_rank - low + 1):
                matrix = contraction_matrix(low, out)
                self.register_buffer(f"contraction_{low}_{out}", matrix, persistent=False)

    def forward(self, moments: Sequence[Tensor]) -> list[Tensor]:
        """Shapes: moments[v] (n, components(v), u); returns the message of each rank, alike."""
        known: dict[tuple[int, ...], Tensor] = {}

        def product(ranks: tuple[int, ...]) -> Tensor:
            """M_{v₁} ⊙ … ⊙ M_{v_n}; products that end alike share their work."""
            if len(ranks) == 1:
                return moments[ranks[0]]
            if ranks not in known:
                low, *middle, last = ranks
                matrix = self.get_buffer(f"contraction_{low}_{last - sum(middle) - low}")
                known[ranks] = contract(moments[low], product((*middle, last)), matrix)
            return known[ranks]

        return [
            (torch.stack([product(path) for path in paths]) * weights[:, None, None, :]).sum(0)
            for weights, paths in zip(self.path_weights, self.paths, strict=True)
        ]


class CampLayer(nn.Module):
    """One round of message passing: features h^{t−1} → h^t (Eqs. 1–9)."""

    def __init__(
        self,
        *,
        first: bool,
        last: bool,
        channels: int,
        max_rank: int,
        average_neighbours: float,
        radial: dict[str, Any],
    ):
        super().__init__()
        in_rank, out_rank = (0 if first else max_rank), (0 if last else max_rank)
        self.mixing = mixing_matrices(in_rank + 1, channels)
        self.atomic = AtomicMoments(
            channels=channels,
            max_rank=max_rank,
            max_feature_rank=in_rank,
            average_neighbours=average_neighbours,
            radial=radial,
        )
        self.hyper: nn.Module = HyperMoments(
            channels=channels, max_rank=max_rank, max_out_rank=out_rank
        )
        self.update = mixing_matrices(out_rank + 1, channels)
        # The first layer has no features of its own to keep (as in the published weights).
        self.residual = mixing_matrices(0 if first else out_rank + 1, channels)

    def forward(
        self,
        features: Sequence[Tensor],
        neighbour_sums: Callable[[Sequence[Tensor]], list[Tensor]],
    ) -> list[Tensor]:
        """Features of all ranks (n, components(v), u), old to new."""
        mixed = mix(features, self.mixing)
        messages = self.hyper(self.atomic(neighbour_sums(mixed)))
        updated = mix(messages, self.update)
        if not self.residual:
            return updated
        kept = mix(mixed[: len(updated)], self.residual)
        return [new + old for new, old in zip(updated, kept, strict=True)]


class Camp(nn.Module):
    """CAMP: edges → energy of each atom, in network units.

    :param settings: hyperparameters.
    :param species: atomic numbers of the chemical species, ascending.
    :param targets: energy alone.
    """

    chunked = True

    def __init__(
        self,
        settings: CampSettings,
        species: Sequence[int],
        targets: Sequence[Target] = (ENERGY,),
    ):
        super().__init__()
        if tuple(targets) != (ENERGY,):
            raise InputError(f"CAMP predicts energies, not {', '.join(t.name for t in targets)}")
        channels = settings.channels
        radial_hidden, readout_hidden = (
            [channels - 1] * 2 if widths is None else widths
            for widths in (settings.radial_hidden, settings.readout_hidden)
        )
        self.species = len(species)
        self.cutoff = settings.cutoff
        self.channels = channels
        self.max_rank = settings.max_rank
        self.chebyshev_degree = settings.chebyshev_degree
        self.envelope_on: str = settings.envelope_on
        self.embedding = nn.Linear(self.species, channels)
        self.layers = nn.ModuleList(
            CampLayer(
                first=t == 0,
                last=t == settings.layers - 1,
                channels=channels,
                max_rank=settings.max_rank,
                average_neighbours=settings.average_neighbours,
                radial=dict(
                    species=self.species,
                    chebyshev_degree=settings.chebyshev_degree,
                    hidden=radial_hidden,
                ),
            )
            for t in range(settings.layers)
        )
        self.readout = Readout(channels=channels, layers=settings.layers, hidden=readout_hidden)

    def forward(self, edges: Edges, *, slots_per_chunk: int | None = None) -> dict[str, Tensor]:
        """The energies of n atoms: (n,) under ``"energy"``.

        :param slots_per_chunk: keep the edge arrays of so many neighbour slots at a time, not of
            all; then parameters have no gradients.
        """
        one_hot = self.one_hot(edges.species, edges.vectors.dtype)
        if slots_per_chunk is None and edges.reverse is not None:
            sums = self._sums_by_reversal(one_hot, edges, edges.reverse)
        else:
            sums = self._sums_of_rows(one_hot, edges, slots_per_chunk)
        return {"energy": self.from_neighbour_sums(one_hot, sums)}

    def _sums_by_reversal(self, one_hot: Tensor, edges: Edges, reverse: Tensor) -> NeighbourSums:
        directions, cut_directions, lengths = self._edges(edges.vectors, edges.mask)
        polynomials = self.polynomials(lengths, one_hot[edges.neighbours])

        def neighbour_sums(layer: int, features: Sequence[Tensor]) -> list[Tensor]:
            atomic = self.atomic_moments(layer)
            radial = atomic.radial_functions(polynomials, one_hot)
            return atomic.neighbour_sums(
                features, directions, cut_directions, radial, edges.neighbours, reverse
            )

        return neighbour_sums

    def _sums_of_rows(self, one_hot: Tensor, edges: Edges, slots: int | None) -> NeighbourSums:
        def neighbour_sums(layer: int, features: Sequence[Tensor]) -> list[Tensor]:
            atomic = self.atomic_moments(layer)

            def of_rows(own: Sequence[Tensor], of_neighbours: Sequence[Tensor]) -> list[Tensor]:
                row_vectors, row_mask, row_one_hot = own
                neighbour_one_hot, *neighbour_features = of_neighbours
                directions, cut_directions, lengths = self._edges(row_vectors, row_mask)
                polynomials = self.polynomials(lengths, neighbour_one_hot)
                radial = atomic.radial_functions(polynomials, row_one_hot)
                return atomic.sums_of_rows(neighbour_features, directions, cut_directions, radial)

            own, shared = (edges.vectors, edges.mask, one_hot), (one_hot, *features)
            if slots is None:
                return of_rows(own, [value[edges.neighbours] for value in shared])
            return in_chunks(of_rows, own, shared, edges.neighbours, slots=slots)

        return neighbour_sums

    def _edges(self, vectors: Tensor, mask: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Polyadics, the same times the cutoff function, and lengths (Å) of edges (n, K)."""
        lengths = torch.linalg.vector_norm(vectors, dim=-1)
        directions = polyadics(vectors / lengths[..., None], self.max_rank)
        cut = (mask * self.cut(lengths))[..., None]
        return directions, [direction * cut for direction in directions], lengths

    def atomic_moments(self, layer: int) -> AtomicMoments:
        """The part of a layer that works on edges."""
        module = self.layers[layer]
        assert isinstance(module, CampLayer)
        return module.atomic

    def cut(self, lengths: Tensor) -> Tensor:
        """What multiplies an edge of this length (Å): the cutoff function, or one."""
        if self.envelope_on == "basis":
            return torch.ones_like(lengths)
        return envelope(lengths / self.cutoff)

    def polynomials(self, lengths: Tensor, one_hot_neighbours: Tensor) -> Tensor:
        """Lengths (n, K) in Å and species (n, K, species) → T_β in the columns of the
        neighbour's species, (n, K, species · (degree + 1)).
        """
        x = lengths / self.cutoff
        basis = chebyshev(x, self.chebyshev_degree)
        if self.envelope_on == "basis":
            basis = basis * envelope(x)[..., None]
        return (one_hot_neighbours[..., :, None] * basis[..., None, :]).flatten(2)

    def one_hot(self, species: Tensor, dtype: torch.dtype) -> Tensor:
        """Species (n,) → (n, species); unlike torch's, without a look at the values, for which a
        GPU would have to wait.
        """
        return torch.eye(self.species, dtype=dtype, device=species.device)[species]

    def from_neighbour_sums(self, one_hot: Tensor, neighbour_sums: NeighbourSums) -> Tensor:
        """All that happens on atoms: species (n, species) → energies (n,).

        :param neighbour_sums: what happens on edges.
        """
        features = [self.embedding(one_hot)[:, None, :]]
        scalars = []
        for t, layer in enumerate(self.layers):
            features = layer(features, partial(neighbour_sums, t))
            scalars.append(features[0][:, 0, :])
        return self.readout(scalars)
