"""The atomic moments of CarNet, sums over neighbours, from moments.cpp."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from camp.cartesian.natural.tensors import polyadic_matrix, product_table
from camp.graph.edges import Edges
from camp.models.carnet.paths import Path
from camp.models.carnet.runtime import SOURCES
from camp.runtime.contractions import begin as monomials_below
from camp.runtime.library import Blocks, addresses
from camp.runtime.products import packed_entries, sparse
from camp.runtime.splines import COEFFICIENTS, SplineTables
from camp.runtime.team import Copies, Steps, threads_for

FUNCTIONS = ("order", "moments", "moments_backward")


def components(ranks: int) -> int:
    """Of natural tensors of ranks 0, …, ranks − 1; rank l begins at components(l)."""
    return ranks * ranks


class CompiledEdges:
    """What all layers share: edges (n, K) on the CPU."""

    def __init__(self, edges: Edges, splines: SplineTables):
        self.shape = edges.vectors.shape
        self.atoms, self.width = edges.neighbours.shape
        kept = (edges.species, edges.neighbours, edges.mask, edges.vectors.detach())
        self.species, self.neighbours, self.mask, self.vectors = (t.contiguous() for t in kept)
        self.order = torch.empty_like(self.neighbours)
        self.grid = (splines.intervals, splines.cutoff)
        self.threads = threads_for(self.atoms, self.atoms * self.width)

    def run(self, steps: Steps) -> None:
        """Each thread for the same atoms in all lists of steps."""
        steps.run(self.atoms, self.threads)


@dataclass(frozen=True)
class PackedMoments:
    """The moments of a layer as moments.cpp reads them, see there."""

    table: Tensor
    polyadic: np.ndarray
    rows: Tensor
    entries: np.ndarray

    @classmethod
    def of(cls, paths: Sequence[Sequence[Path]], table: Tensor, layout: Blocks) -> "PackedMoments":
        """Arguments as for :class:`CompiledMoments`."""
        polyadic = [
            (components(rank) + m, monomials_below(rank) + monomial, 0, value)
            for rank in range(len(paths))
            for monomial, m, _, value in sparse(polyadic_matrix(rank)[..., None])
        ]
        rows, entries = _rows_and_entries([path for into in paths for path in into])
        return cls(
            layout.pack(table.unflatten(2, (-1, layout.channels))),
            packed_entries(polyadic, layout.dtype),
            torch.tensor(rows).view(-1, 4),
            packed_entries(entries, layout.dtype),
        )


class CompiledMoments:
    """The moments of a layer in one precision.

    The functions add steps; features and moments have channels in blocks:
    (n, blocks, components, lanes).

    :param paths: by rank of the result, as :class:`camp.models.carnet.moments.AtomicMoments`.
    :param in_ranks: number of ranks of the features.
    :param table: of the radial functions, as from :meth:`SplineTables.table`.
    :raises InputError: see :func:`camp.runtime.library.load`.
    """

    def __init__(
        self,
        paths: Sequence[Sequence[Path]],
        table: Tensor,
        *,
        in_ranks: int,
        channels: int,
        dtype: torch.dtype,
    ):
        ranks = len(paths)
        self.layout = Blocks(channels, dtype)
        self.components = components(ranks)
        self._packed = packed = PackedMoments.of(paths, table, self.layout)
        self._order, self._forward, self._backward = addresses(
            [f"carnet_{name}_{components(in_ranks)}" for name in FUNCTIONS],
            SOURCES / "moments.cpp",
            dtype,
            channels=channels,
            highest_rank=ranks - 1,
            components=self.components,
            feature_components=components(in_ranks),
            paths=sum(map(len, paths)),
            coefficients=COEFFICIENTS,
        )
        self._sizes = (len(packed.polyadic), len(packed.rows), len(packed.entries))
        self._places = (
            packed.polyadic.ctypes.data,
            packed.rows.data_ptr(),
            packed.entries.ctypes.data,
        )

    def structure(self, edges: CompiledEdges, features: Tensor) -> "_Edges":
        """What the code gets; the arguments must outlive it."""
        shared = (edges.neighbours, edges.mask, edges.vectors, edges.order)
        tensors = (*shared, self._packed.table, features)
        places = (tensor.data_ptr() for tensor in tensors)
        return _Edges(edges.width, *edges.grid, *self._sizes, *self._places, *places)

    def order(self, steps: Steps, edges: "_Edges") -> None:
        """Order the edges, once, as the other functions of all layers need it."""
        steps.add(self._order, edges)

    def forward(self, steps: Steps, edges: "_Edges", moments: Tensor) -> None:
        """Write the moments, when the features of all atoms are there."""
        steps.add(self._forward, edges, moments, together=True)

    def backward(
        self,
        steps: Steps,
        edges: "_Edges",
        of_moments: Tensor,
        of_vectors: Tensor,
        of_features: Copies | None,
    ) -> None:
        """From the derivative with respect to the moments, add to that with respect to edge vectors
        (n, K, 3), and write that with respect to features, unless None, to copies to be added up.
        """
        steps.add(self._backward, edges, of_moments, of_vectors, of_features)


def _rows_and_entries(
    paths: Sequence[Path],
) -> tuple[list[tuple[int, ...]], list[tuple[int, int, int, float]]]:
    """What moments.cpp calls rows (path, c, begin, end) and entries (c, a, m, value)."""
    rows: list[tuple[int, ...]] = []
    entries: list[tuple[int, int, int, float]] = []
    for number, (l1, l2, l3) in enumerate(paths):
        table = product_table(l1, l2, l3)
        for c, of_row in enumerate(table):
            place = components(l3) + c
            begin = len(entries)
            entries += [
                (place, components(l1) + a, components(l2) + m, value)
                for a, m, _, value in sparse(of_row[..., None])
            ]
            if len(entries) > begin:
                rows.append((number, place, begin, len(entries)))
    return rows, entries


class _Edges(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("width", "intervals")),
        ("cutoff", ctypes.c_double),
        *((name, ctypes.c_int64) for name in ("polyadic_entries", "rows", "entries")),
        *((name, ctypes.c_void_p) for name in ("polyadic", "row", "entry")),
        *((name, ctypes.c_void_p) for name in ("neighbours", "mask", "vectors", "order")),
        *((name, ctypes.c_void_p) for name in ("table", "features")),
    )
