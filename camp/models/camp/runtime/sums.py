"""The sums over neighbours Σ_j g_{uv}(ij) D_v(r̂_ij) of CAMP, from neighbour_sums.cpp."""

import ctypes

import torch
from torch import Tensor

from camp.graph.edges import Edges
from camp.models.camp.runtime import SOURCES
from camp.runtime.library import Blocks, addresses
from camp.runtime.splines import COEFFICIENTS
from camp.runtime.team import Copies, Steps, threads_for


class CompiledEdges:
    """What all layers share: edges (n, K) of atoms of given species, on the CPU."""

    def __init__(
        self,
        *,
        species_count: int,
        intervals: int,
        cutoff: float,
        edges: Edges,
    ):
        neighbours = edges.neighbours
        self.shape = edges.vectors.shape
        self.atoms, width = neighbours.shape
        order = torch.empty_like(neighbours)
        kept = (edges.species, neighbours, edges.mask, edges.vectors.detach(), order)
        self._kept = tuple(tensor.contiguous() for tensor in kept)
        self._given = (width, species_count, intervals, cutoff, *map(Tensor.data_ptr, self._kept))
        self.threads = threads_for(self.atoms, self.atoms * width)

    def structure(self, table: Tensor, features: Tensor) -> "_Edges":
        """What the code gets; the tensors must outlive it."""
        return _Edges(*self._given, table.data_ptr(), features.data_ptr())

    def run(self, steps: Steps) -> None:
        """Each thread for the same atoms in all lists of steps."""
        steps.run(self.atoms, self.threads)


class CompiledSums:
    """The sums in layers with the same channels and ranks, in one precision.

    The functions add steps; all tensors but the last of :meth:`backward` have channels in blocks:
    (n, blocks, components, lanes).

    :raises InputError: see :func:`camp.runtime.library.load`.
    """

    def __init__(self, *, channels: int, max_rank: int, max_feature_rank: int, dtype: torch.dtype):
        self._order, self._forward, self._backward = addresses(
            [f"camp_{name}_{max_feature_rank}" for name in ("order", "sums", "sums_backward")],
            SOURCES / "neighbour_sums.cpp",
            dtype,
            channels=channels,
            highest_rank=max_rank,
            max_feature_rank=max_feature_rank,
            coefficients=COEFFICIENTS,
        )

    def order(self, steps: Steps, edges: "_Edges") -> None:
        """Order the edges, once, as the other functions need it."""
        steps.add(self._order, edges)

    def forward(self, steps: Steps, edges: "_Edges", sums: Tensor) -> None:
        """Write the sums, when the features of all atoms are there."""
        steps.add(self._forward, edges, sums, together=True)

    def backward(
        self,
        steps: Steps,
        edges: "_Edges",
        of_sums: Tensor,
        of_vectors: Tensor,
        of_features: Copies | None,
    ) -> None:
        """From the derivative with respect to the sums, add to that with respect to edge vectors
        (n, K, 3) and to features.
        """
        steps.add(self._backward, edges, of_sums, of_vectors, of_features)


def pack_table(table: Tensor, layout: Blocks) -> Tensor:
    """(rows, coefficients, paths · channels) in the order in which the code reads it."""
    return layout.pack(table.unflatten(2, (-1, layout.channels)))


class _Edges(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("width", "species_count", "intervals")),
        ("cutoff", ctypes.c_double),
        *((name, ctypes.c_void_p) for name in ("species", "neighbours", "mask", "vectors")),
        *((name, ctypes.c_void_p) for name in ("order", "table", "features")),
    )
