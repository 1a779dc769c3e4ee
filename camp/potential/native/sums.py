"""The sums over neighbours Σ_j g_{uv}(ij) D_v(r̂_ij) of CAMP, from neighbour_sums.cpp."""

import ctypes
from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor

from camp.cartesian.symmetric import number_of_components
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
        self.vectors = vectors
        self.atoms, self.width = neighbours.shape
        order = torch.empty_like(neighbours)
        kept = (species, neighbours, mask, vectors.detach(), order)
        self._kept = tuple(tensor.contiguous() for tensor in kept)
        self._header = (self.width, species_count, intervals, cutoff)
        self.threads = threads_for(self.atoms, self.atoms * self.width // SLOTS_PER_THREAD)
        self._ordered = False

    def structure(self, library: ctypes.CDLL, table: Tensor, features: Tensor) -> "_Edges":
        """What the code gets; the tensors must outlive it."""
        pointers = (tensor.data_ptr() for tensor in (*self._kept, table, features))
        structure = _Edges(*self._header, *pointers)
        if not self._ordered:
            self.in_threads(
                lambda _, first, last: library.camp_order(ctypes.byref(structure), first, last)
            )
            self._ordered = True
        return structure

    def in_threads(self, part: Callable[[int, int, int], None]) -> None:
        """Call part(number, first atom, last atom + 1) for one range of atoms per thread; always
        the same ranges, for which the edges have been ordered.
        """
        in_threads(self.atoms, self.threads, part)


class CompiledSums:
    """The sums in layers with the same channels and ranks, in one precision.

    :raises InputError: see :func:`camp.potential.native.library.load`.
    """

    def __init__(self, *, channels: int, max_rank: int, max_feature_rank: int, dtype: torch.dtype):
        self.layout = Blocks(channels, dtype)
        self.moment_components = [number_of_components(v) for v in range(max_rank + 1)]
        self.library = load(
            "neighbour_sums.cpp",
            dtype,
            channels=channels,
            max_rank=max_rank,
            max_feature_rank=max_feature_rank,
            coefficients=COEFFICIENTS,
        )
        integers, pointer = 2 * (ctypes.c_int64,), ctypes.c_void_p
        functions = {
            "camp_pack": (*integers, pointer, pointer),
            "camp_unpack": (*integers, pointer, pointer),
            "camp_order": (pointer, *integers),
            "camp_sums": (pointer, *integers, pointer),
            "camp_sums_backward": (pointer, *integers, pointer, pointer, pointer),
        }
        for name, arguments in functions.items():
            getattr(self.library, name).argtypes = arguments
            getattr(self.library, name).restype = None

    def __call__(self, edges: Edges, table: Tensor, features: Sequence[Tensor]) -> list[Tensor]:
        """Shapes: features[v] (n, components(v), channels), table as from :meth:`pack_table`;
        returns the sums (n, components(v), channels). Differentiable, once, with respect to
        features and edge vectors.
        """
        sums = _Sums.apply(edges.vectors, torch.cat(list(features), dim=1), self, edges, table)
        return list(sums.split(self.moment_components, dim=1))

    def pack_table(self, table: Tensor) -> Tensor:
        """(rows, coefficients, paths · channels) in the order in which the code reads it."""
        return self.layout.pack(table.unflatten(2, (-1, self.layout.channels)))

    def pack(self, values: Tensor) -> Tensor:
        """(n, components, channels) in blocks of channels."""
        n, components, _ = values.shape
        values = values.contiguous()
        packed = values.new_empty(n, self.layout.blocks, components, self.layout.lanes)
        self.library.camp_pack(n, components, values.data_ptr(), packed.data_ptr())
        return packed

    def unpack(self, packed: Tensor) -> Tensor:
        """The reverse of :meth:`pack`."""
        n, _, components, _ = packed.shape
        values = packed.new_empty(n, components, self.layout.channels)
        self.library.camp_unpack(n, components, packed.data_ptr(), values.data_ptr())
        return values


@cache
def compiled_sums(
    *, channels: int, max_rank: int, max_feature_rank: int, dtype: torch.dtype
) -> CompiledSums:
    """The same :class:`CompiledSums` for the same arguments."""
    return CompiledSums(
        channels=channels, max_rank=max_rank, max_feature_rank=max_feature_rank, dtype=dtype
    )


class _Edges(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("width", "species_count", "intervals")),
        ("cutoff", ctypes.c_double),
        *((name, ctypes.c_void_p) for name in ("species", "neighbours", "mask", "vectors")),
        *((name, ctypes.c_void_p) for name in ("order", "table", "features")),
    )


class _Sums(torch.autograd.Function):
    @staticmethod
    def forward(ctx, vectors, features, kernel: CompiledSums, edges: Edges, table):
        packed = kernel.pack(features)
        ctx.save_for_backward(packed, table)
        ctx.kernel, ctx.edges = kernel, edges
        components = sum(kernel.moment_components)
        moments = packed.new_empty(*packed.shape[:2], components, packed.shape[3])
        structure = edges.structure(kernel.library, table, packed)

        def part(number: int, first: int, last: int) -> None:
            kernel.library.camp_sums(ctypes.byref(structure), first, last, moments.data_ptr())

        edges.in_threads(part)
        return kernel.unpack(moments)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        packed, table = ctx.saved_tensors
        kernel, edges = ctx.kernel, ctx.edges
        outer = kernel.pack(gradient)
        structure = edges.structure(kernel.library, table, packed)
        of_vectors = outer.new_empty(edges.vectors.shape)
        wanted = ctx.needs_input_grad[1]
        # One for each thread, because atoms of several threads have neighbours in common.
        of_features = packed.new_zeros(edges.threads if wanted else 0, *packed.shape)

        def part(number: int, first: int, last: int) -> None:
            kernel.library.camp_sums_backward(
                ctypes.byref(structure),
                first,
                last,
                outer.data_ptr(),
                of_vectors.data_ptr(),
                of_features[number].data_ptr() if wanted else None,
            )

        edges.in_threads(part)
        if not wanted:
            return of_vectors, None, None, None, None
        together = of_features.sum(0) if len(of_features) > 1 else of_features[0]
        return of_vectors, kernel.unpack(together), None, None, None
