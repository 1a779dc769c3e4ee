"""The sums over neighbours of CAMP in training, radial functions on a grid, from grid_sums.cpp.

An edge with its interpolated radial functions R = Σ_k w_k T_k (:mod:`camp.runtime.interpolation`)
adds to Ψ = Σ_{v,v₁} R_{v,v₁} ⟨h^j_{v₁}, D_{v₁}⟩ ⟨D_v, S_v⟩, a form that is linear in the weights w,
the table T, the features h and S. Its derivatives are the sums themselves (with respect to S) and
what their first and second derivatives need: that is computed on every edge anew, so that no array
of edges and channels is ever made.
"""

import ctypes
from collections.abc import Sequence
from itertools import count
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from camp.errors import InputError
from camp.models.camp.network import Camp
from camp.models.camp.runtime import SOURCES
from camp.runtime.contractions import begin
from camp.runtime.interpolation import POINTS
from camp.runtime.library import REALS, VECTOR_BYTES, Blocks, addresses
from camp.runtime.team import Copies, Steps, threads_for

_FUNCTIONS = ("sums", "gradient", "table_gradient", "second_gradient")


def can_compile(model: Camp, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether there is code for all layers of a model; compiles it."""
    if device.type != "cpu" or dtype not in REALS:
        return False
    channels = _padded(model.channels, dtype)
    parts = [model.atomic_moments(layer) for layer in range(len(model.layers))]
    try:
        for rank in {part.max_feature_rank for part in parts}:
            _code(dtype, channels, model.max_rank, rank)
    except InputError:
        return False
    return True


def _padded(channels: int, dtype: torch.dtype) -> int:
    """So that channels fill blocks."""
    layout = Blocks(channels, dtype)
    return layout.blocks * layout.lanes


def _rank(components: int) -> int:
    """Up to which rank these are all components."""
    return next(rank for rank in count() if begin(rank + 1) >= components)


def _code(dtype: torch.dtype, channels: int, max_rank: int, max_feature_rank: int) -> list[int]:
    return addresses(
        [f"camp_grid_{name}" for name in _FUNCTIONS],
        SOURCES / "grid_sums.cpp",
        dtype,
        channels=channels,
        highest_rank=max_rank,
        max_feature_rank=max_feature_rank,
        points=POINTS,
    )


def neighbour_sums(
    weights: Tensor,
    polyadics: Sequence[Tensor],
    features: Sequence[Tensor],
    table: Tensor,
    first: Tensor,
    neighbours: Tensor,
    mask: Tensor,
) -> list[Tensor]:
    """Σ_j R_{v,v₁} ⟨h^j_{v₁}, D_{v₁}⟩ D_v of all v, as
    :meth:`camp.models.camp.network.AtomicMoments.neighbour_sums` returns them.

    Shapes: weights (n, K, POINTS) and first (n, K) from
    :meth:`camp.runtime.interpolation.GridTables.locate`; polyadics[v] (n, K, components(v)),
    features[v] (n, components(v), u), table (rows, paths · u), neighbours and mask (n, K).
    Differentiable twice.
    """
    channels = features[0].shape[-1]
    extra = _padded(channels, table.dtype) - channels
    polyadic, feature = torch.cat(list(polyadics), -1), torch.cat(list(features), 1)
    by_path = table.unflatten(1, (-1, channels))
    linear = [weights, polyadic, pad(feature, (0, extra)), pad(by_path, (0, extra))]
    sums = _sums([*linear, first, neighbours, mask])
    return list(sums[..., :channels].split([v.shape[-1] for v in polyadics], 1))


# The sums (n, components, u) and their derivatives. Given are w, D, h, T and all else in the order
# of neighbour_sums; tensors of all ranks come one after another, T has (rows, paths, u), and
# channels fill blocks.


@torch.library.custom_op("camp::grid_sums", mutates_args=())
def _sums(given: Sequence[Tensor]) -> Tensor:
    call = _Call(given)
    sums = call.empty_sums()
    call.run("sums", sums)
    return sums


@torch.library.custom_op("camp::grid_sums_gradient", mutates_args=())
def _gradient(of_sums: Tensor, given: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """∂Ψ/∂w, ∂Ψ/∂D and ∂Ψ/∂h, with S as given."""
    call = _Call(given)
    weights, polyadics, features, *_ = given
    of_edges = _zeros(weights), _zeros(polyadics)
    of_features = call.copies(features)
    call.run("gradient", _aligned(of_sums), *of_edges, of_features)
    return *of_edges, _total(of_features)


@torch.library.custom_op("camp::grid_sums_table_gradient", mutates_args=())
def _table_gradient(of_sums: Tensor, given: Sequence[Tensor]) -> Tensor:
    """∂Ψ/∂T, with S as given."""
    call = _Call(given)
    of_table = call.copies(given[3])
    call.run("table_gradient", _aligned(of_sums), of_table)
    return _total(of_table)


@torch.library.custom_op("camp::grid_sums_second_gradient", mutates_args=())
def _second_gradient(
    changes: Sequence[Tensor], of_sums: Tensor, given: Sequence[Tensor]
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Of Ψ's derivative along a change of w, D and h: that with respect to S, w, D, h and T."""
    call = _Call(given)
    weights, polyadics, features, table, *_ = given
    sums, of_edges = call.empty_sums(), (_zeros(weights), _zeros(polyadics))
    shared = call.copies(features), call.copies(table)
    known = map(_aligned, (of_sums, *changes))
    call.run("second_gradient", *known, sums, *of_edges, *shared)
    return sums, *of_edges, _total(shared[0]), _total(shared[1])


def _like(*given: Tensor) -> tuple[Tensor, ...]:
    return tuple(tensor.new_empty(tensor.shape) for tensor in given)


@_sums.register_fake
def _(given):
    _, polyadics, features, *_ = given
    return features.new_empty(features.shape[0], polyadics.shape[2], features.shape[2])


@_gradient.register_fake
def _(of_sums, given):
    return _like(*given[:3])


@_table_gradient.register_fake
def _(of_sums, given):
    return _like(given[3])[0]


@_second_gradient.register_fake
def _(changes, of_sums, given):
    return _like(of_sums, *given[:4])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *of_sums, given = inputs
    ctx.save_for_backward(*of_sums, *given)


def _of_sums(ctx: Any, of_sums: Tensor) -> list[Tensor | None]:
    given = list(ctx.saved_tensors)
    return [*_gradient(of_sums, given), _table_gradient(of_sums, given), None, None, None]


def _of_gradient(ctx: Any, *changes: Tensor | None) -> tuple[Tensor, list[Tensor | None]]:
    of_sums, *given = ctx.saved_tensors
    known = [
        torch.zeros_like(value) if change is None else change
        for change, value in zip(changes, given[:3], strict=True)
    ]
    of_of_sums, *of_given = _second_gradient(known, of_sums, given)
    return of_of_sums, [*of_given, None, None, None]


_sums.register_autograd(_of_sums, setup_context=_keep)
_gradient.register_autograd(_of_gradient, setup_context=_keep)


class _Call:
    """The arguments of one evaluation in the order in which the code reads them."""

    def __init__(self, given: Sequence[Tensor]):
        weights, polyadics, features, table, first, neighbours, mask = map(_aligned, given)
        self.atoms, width = neighbours.shape
        self.threads = threads_for(self.atoms, self.atoms * width)
        self.shape = (self.atoms, polyadics.shape[2], features.shape[2])
        ranks = (_rank(components) for components in (polyadics.shape[2], features.shape[1]))
        code = _code(features.dtype, features.shape[2], *ranks)
        self._code = dict(zip(_FUNCTIONS, code, strict=True))
        self._kept = (first, neighbours, mask, weights, polyadics, table, features)
        self._edges = _Edges(width, *(tensor.data_ptr() for tensor in self._kept))

    def empty_sums(self) -> Tensor:
        """For all atoms."""
        return self._kept[-1].new_empty(self.shape)

    def copies(self, like: Tensor) -> Copies:
        """What atoms of several threads add to."""
        lanes = Blocks(1, like.dtype).lanes
        return Copies(like.new_empty(self.threads, *like.shape), items=lanes)

    def run(self, name: str, *arguments: Tensor | Copies) -> None:
        """One of the functions; it writes into arguments, which are aligned."""
        steps = Steps()
        steps.add(self._code[name], self._edges, *arguments)
        steps.run_between_torch(self.atoms, self.threads)


def _aligned(tensor: Tensor) -> Tensor:
    """The same in one piece that begins where a vector register can be loaded from."""
    tensor = tensor.contiguous()
    return tensor.clone() if tensor.data_ptr() % VECTOR_BYTES else tensor


def _zeros(like: Tensor) -> Tensor:
    """In one piece, even where the other is not."""
    return like.new_zeros(like.shape)


def _total(copies: Copies) -> Tensor:
    return copies.tensor.sum(0) if len(copies.tensor) > 1 else copies.tensor[0]


class _Edges(ctypes.Structure):
    _fields_ = (
        ("width", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("first", "neighbours", "mask")),
        *((name, ctypes.c_void_p) for name in ("weights", "polyadics", "table", "features")),
    )
