"""CAMP with tabulated radial functions, and on the CPU as compiled code."""

from collections.abc import Sequence

import torch
from torch import Tensor

from camp.cartesian.symmetric import polyadics
from camp.graph.edges import Edges
from camp.models.camp.network import Camp, NeighbourSums
from camp.models.camp.runtime import grid_sums
from camp.models.camp.runtime.compiled import CompiledCamp
from camp.models.chunks import in_chunks
from camp.runtime.accelerated import TabulatedModel
from camp.runtime.interpolation import GridTables


class TabulatedCamp(TabulatedModel[Camp]):
    """A trained CAMP with tabulated radial functions."""

    chunked = True
    compiled_form = CompiledCamp

    @staticmethod
    def pairs(species: int) -> int:
        """Ordered pairs."""
        return species**2

    @staticmethod
    def slots_for_a_point(model: Camp, device: torch.device) -> float:
        """Fewer where compiled code takes all that is done on edges."""
        return 1 if grid_sums.can_compile(model, device, model.embedding.weight.dtype) else 2

    @staticmethod
    def radial_functions(model: Camp, lengths: Tensor) -> list[Tensor]:
        """For each layer the radial functions at distances (k,) in Å, with the cutoff function
        wherever the model has it: (species², k, paths · channels).
        """
        one_hot = torch.eye(model.species, dtype=lengths.dtype, device=lengths.device)
        grid = lengths.expand(model.species, -1)
        tables = []
        for layer in range(len(model.layers)):
            values = []
            for neighbour in one_hot:
                polynomials = model.polynomials(grid, neighbour.expand(*grid.shape, -1))
                radial = model.atomic_moments(layer).radial_functions(polynomials, one_hot)
                values.append(radial * model.cut(lengths)[:, None])
            by_pair = torch.stack(values, dim=2)  # paths, centre, neighbour, k, channels
            tables.append(by_pair.permute(1, 2, 3, 0, 4).flatten(3).flatten(0, 1))
        return tables

    def __init__(self, model: Camp):
        super().__init__(model, model.cutoff)

    def forward(self, edges: Edges, *, slots_per_chunk: int | None = None) -> dict[str, Tensor]:
        """As :meth:`Camp.forward`."""
        if compiled := self.compiled_for(edges):
            # Keeps nothing of an edge, and so needs no chunks.
            return compiled(edges)
        device, dtype = edges.vectors.device, edges.vectors.dtype
        if isinstance(self.splines, GridTables) and grid_sums.can_compile(
            self.model, device, dtype
        ):
            sums = self._sums_on_grid(edges, self.splines.tables)
        elif slots_per_chunk is None and edges.reverse is not None:
            sums = self._sums_by_reversal(edges, edges.reverse)
        else:
            sums = self._sums_of_rows(edges, slots_per_chunk)
        one_hot = self.model.one_hot(edges.species, edges.vectors.dtype)
        return {"energy": self.model.from_neighbour_sums(one_hot, sums)}

    def _sums_on_grid(self, edges: Edges, tables: Sequence[Tensor]) -> NeighbourSums:
        species, neighbours, mask = edges.species, edges.neighbours, edges.mask
        directions, _, rows, weights = self._edges(
            species, species[neighbours], edges.vectors, mask
        )

        def neighbour_sums(layer: int, features: Sequence[Tensor]) -> list[Tensor]:
            return grid_sums.neighbour_sums(
                weights.view(*mask.shape, -1),
                directions,
                features,
                tables[layer],
                rows.view(mask.shape),
                neighbours,
                mask,
            )

        return neighbour_sums

    def _sums_by_reversal(self, edges: Edges, reverse: Tensor) -> NeighbourSums:
        species, neighbours, mask = edges.species, edges.neighbours, edges.mask
        directions, cut_directions, *located = self._edges(
            species, species[neighbours], edges.vectors, mask
        )

        def neighbour_sums(layer: int, features: Sequence[Tensor]) -> list[Tensor]:
            return self.model.atomic_moments(layer).neighbour_sums(
                features,
                directions,
                cut_directions,
                self._radial(layer, mask, *located),
                neighbours,
                reverse,
            )

        return neighbour_sums

    def _sums_of_rows(self, edges: Edges, slots: int | None) -> NeighbourSums:
        def neighbour_sums(layer: int, features: Sequence[Tensor]) -> list[Tensor]:
            atomic = self.model.atomic_moments(layer)

            def of_rows(own: Sequence[Tensor], of_neighbours: Sequence[Tensor]) -> list[Tensor]:
                row_species, row_vectors, row_mask = own
                neighbour_species, *neighbour_features = of_neighbours
                directions, cut_directions, *located = self._edges(
                    row_species, neighbour_species, row_vectors, row_mask
                )
                radial = self._radial(layer, row_mask, *located)
                return atomic.sums_of_rows(neighbour_features, directions, cut_directions, radial)

            own, shared = (edges.species, edges.vectors, edges.mask), (edges.species, *features)
            if slots is None:
                return of_rows(own, [value[edges.neighbours] for value in shared])
            return in_chunks(of_rows, own, shared, edges.neighbours, slots=slots)

        return neighbour_sums

    def _edges(
        self, species: Tensor, neighbour_species: Tensor, vectors: Tensor, mask: Tensor
    ) -> tuple[list[Tensor], list[Tensor], Tensor, Tensor]:
        """Polyadics of edges (n, K), those that are not masked, and places in the tables."""
        lengths = torch.linalg.vector_norm(vectors, dim=-1)
        directions = polyadics(vectors / lengths[..., None], self.model.max_rank)
        cut = mask.to(vectors.dtype)[..., None]
        pairs = species[:, None] * self.model.species + neighbour_species
        rows, weights = self.splines.locate(lengths.flatten(), pairs.flatten())
        return directions, [direction * cut for direction in directions], rows, weights

    def _radial(self, layer: int, mask: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        """(paths, n, K, channels)"""
        values = self.splines(layer, rows, weights)
        paths = sum(self.model.atomic_moments(layer).paths_into)
        return values.view(*mask.shape, paths, -1).permute(2, 0, 1, 3)
