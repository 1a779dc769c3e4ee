"""The sums over neighbours Σ_j g_{uv}(ij) D_v(r̂_ij) of CAMP, from neighbour_sums.cpp."""

import ctypes
from collections.abc import Callable

import torch
from torch import Tensor

from camp.potential.native.library import Blocks, in_threads, load, threads_for
from camp.potential.splines import COEFFICIENTS

# Fewer neighbour slots than this are done before another thread has woken up.
SLOTS_PER_THREAD = 2_000


class Edges:
    """What all layers share: edges (n, K) of atoms of given species, on the CPU."""

    def __init__(
        self,
        *,
        species_count: int,
        intervals: int,
        cutoff: float,
        species: Tensor,
        vectors: Tensor,
        neighbours: Tensor,
        mask: Tensor,
    ):
        self.shape = vectors.shape
        self.atoms, width = neighbours.shape
        order = torch.empty_like(neighbours)
        kept = (species, neighbours, mask, vectors.detach(), order)
        self._kept = tuple(tensor.contiguous() for tensor in kept)
        self._given = (width, species_count, intervals, cutoff, *map(Tensor.data_ptr, self._kept))
        self.threads = threads_for(self.atoms, self.atoms * width // SLOTS_PER_THREAD)

    def structure(self, table: Tensor, features: Tensor) -> "_Edges":
        """What the code gets; the tensors must outlive it."""
        return _Edges(*self._given, table.data_ptr(), features.data_ptr())

    def in_threads(self, part: Callable[[int, int, int], None]) -> None:
        """Call part(number, first atom, last atom + 1) for one range of atoms per thread; always
        the same ranges.
        """
        in_threads(self.atoms, self.threads, part)


class CompiledSums:
    """The sums in layers with the same channels and ranks, in one precision.

    The functions work on the atoms first, …, last − 1; all tensors but the last of
    :meth:`backward` have channels in blocks: (n, blocks, components, lanes).

    :raises InputError: see :func:`camp.potential.native.library.load`.
    """

    def __init__(self, *, channels: int, max_rank: int, max_feature_rank: int, dtype: torch.dtype):
        self.layout = Blocks(channels, dtype)
        self._library = load(
            "neighbour_sums.cpp",
            dtype,
            channels=channels,
            max_rank=max_rank,
            max_feature_rank=max_feature_rank,
            coefficients=COEFFICIENTS,
        )
        integers, pointer = 2 * (ctypes.c_int64,), ctypes.c_void_p
        functions = {
            "camp_order": (pointer, *integers),
            "camp_sums": (pointer, *integers, pointer),
            "camp_sums_backward": (pointer, *integers, pointer, pointer, pointer),
        }
        for name, arguments in functions.items():
            getattr(self._library, name).argtypes = arguments
            getattr(self._library, name).restype = None

    def order(self, edges: "_Edges", first: int, last: int) -> None:
        """Order the edges of these atoms, once, as the other functions need it for them."""
        self._library.camp_order(ctypes.byref(edges), first, last)

    def forward(self, edges: "_Edges", first: int, last: int, sums: Tensor) -> None:
        """Write the sums."""
        self._library.camp_sums(ctypes.byref(edges), first, last, sums.data_ptr())

    def backward(
        self,
        edges: "_Edges",
        first: int,
        last: int,
        of_sums: Tensor,
        of_features: Tensor | None,
        of_vectors: Tensor,
    ) -> None:
        """From the derivative with respect to the sums, add to that with respect to features, of
        all atoms, and to edge vectors (n, K, 3).
        """
        self._library.camp_sums_backward(
            ctypes.byref(edges),
            first,
            last,
            of_sums.data_ptr(),
            of_vectors.data_ptr(),
            None if of_features is None else of_features.data_ptr(),
        )

    def pack_table(self, table: Tensor) -> Tensor:
        """(rows, coefficients, paths · channels) in the order in which the code reads it."""
        return self.layout.pack(table.unflatten(2, (-1, self.layout.channels)))


class _Edges(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("width", "species_count", "intervals")),
        ("cutoff", ctypes.c_double),
        *((name, ctypes.c_void_p) for name in ("species", "neighbours", "mask", "vectors")),
        *((name, ctypes.c_void_p) for name in ("order", "table", "features")),
    )
