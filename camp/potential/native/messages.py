"""Messages Σ_paths W M_{v₁} ⊙ … ⊙ M_{v_n} of CAMP, from hyper_moments.cpp."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from camp.cartesian.symmetric import number_of_components
from camp.models.camp import HyperMoments
from camp.potential.native.library import Blocks, in_threads, load, threads_for

# Fewer atoms than this are done before another thread has woken up.
ATOMS_PER_THREAD = 100


class CompiledHyperMoments(nn.Module):
    """In place of a trained :class:`HyperMoments`; differentiable once, not in its weights.

    Away from the CPU it hands on to what it replaces.

    :raises InputError: see :func:`camp.potential.native.library.load`.
    """

    def __init__(self, plain: HyperMoments, *, channels: int, max_rank: int, dtype: torch.dtype):
        super().__init__()
        self.plain = plain
        self.channels = channels
        self.max_rank = max_rank
        self.message_components = [number_of_components(v) for v in range(len(plain.paths))]
        self._products, self._terms, self._size = _products_and_terms(plain.paths, max_rank)
        self._programs: dict[torch.dtype, tuple[_Program, Tensor]] = {}
        self._library(dtype)

    def _apply(self, fn, recurse=True):
        """Weights are packed anew after a change of precision."""
        self._programs.clear()
        return super()._apply(fn, recurse)

    def __getstate__(self):
        """Addresses are not for a copy."""
        return {**super().__getstate__(), "_programs": {}}

    def forward(self, moments: Sequence[Tensor]) -> list[Tensor]:
        if moments[0].device.type != "cpu":
            return self.plain(moments)
        messages = _Messages.apply(torch.cat(list(moments), dim=1), self)
        return list(messages.split(self.message_components, dim=1))

    def run(self, function: str, *tensors: Tensor) -> None:
        """Call a function of the library for all atoms; first axes of the tensors are atoms."""
        library = self._library(tensors[0].dtype)
        program = ctypes.byref(self._program(tensors[0].dtype))
        atoms = len(tensors[0])

        def part(number: int, first: int, last: int) -> None:
            pointers = (t.data_ptr() + first * t.stride(0) * t.itemsize for t in tensors)
            getattr(library, function)(program, last - first, *pointers)

        in_threads(atoms, threads_for(atoms, atoms // ATOMS_PER_THREAD), part)

    def _library(self, dtype: torch.dtype) -> ctypes.CDLL:
        library = load("hyper_moments.cpp", dtype, channels=self.channels, max_rank=self.max_rank)
        pointer = ctypes.c_void_p
        for name, tensors in (("camp_messages", 2), ("camp_messages_backward", 3)):
            getattr(library, name).argtypes = (pointer, ctypes.c_int64, *tensors * (pointer,))
            getattr(library, name).restype = None
        return library

    def _program(self, dtype: torch.dtype) -> "_Program":
        if dtype not in self._programs:
            stacked = torch.cat([weight.detach() for weight in self.plain.path_weights])
            weights = Blocks(self.channels, dtype).pack(stacked[None])
            program = _Program(
                len(self._products),
                len(self._terms),
                self._size,
                sum(self.message_components),
                self._products.data_ptr(),
                self._terms.data_ptr(),
                weights.data_ptr(),
            )
            self._programs[dtype] = (program, weights)
        return self._programs[dtype][0]


class _Program(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("products", "terms", "size", "components")),
        *((name, ctypes.c_void_p) for name in ("product", "term", "weights")),
    )


class _Messages(torch.autograd.Function):
    @staticmethod
    def forward(ctx, moments, module: CompiledHyperMoments):
        ctx.save_for_backward(moments)
        ctx.module = module
        n, _, channels = moments.shape
        messages = moments.new_empty(n, sum(module.message_components), channels)
        module.run("camp_messages", moments, messages)
        return messages

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        (moments,) = ctx.saved_tensors
        of_moments = torch.empty_like(moments)
        ctx.module.run("camp_messages_backward", moments, gradient.contiguous(), of_moments)
        return of_moments, None


def _products_and_terms(
    paths: Sequence[Sequence[tuple[int, ...]]], max_rank: int
) -> tuple[Tensor, Tensor, int]:
    """What hyper_moments.cpp calls a program: products (p, 4), terms (t, 2), and how many
    components all tensors of an atom have together.
    """
    place: dict[tuple[int, ...], int] = {}
    size = 0
    for rank in range(max_rank + 1):
        place[(rank,)] = size
        size += number_of_components(rank)
    products, terms = [], []
    for rank, into_rank in enumerate(paths):
        for path in into_rank:
            # Products that end alike share their work.
            for length in range(2, len(path) + 1):
                low, *middle, last = ending = path[-length:]
                if ending not in place:
                    product_rank = last - sum(middle) - low
                    products.append((low, product_rank, place[ending[1:]], size))
                    place[ending] = size
                    size += number_of_components(product_rank)
            terms.append((rank, place[path]))
    return torch.tensor(products).view(-1, 4), torch.tensor(terms), size
