"""What a layer of CAMP does on atoms, from atoms.cpp."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from camp.cartesian.symmetric import number_of_components
from camp.models.camp import CampLayer, HyperMoments
from camp.potential.native.library import Blocks, load


class CompiledAtoms:
    """From sums over neighbours to scalars for the readout, and to what the next layer sums.

    :param layer: a trained layer; its weights are copied.
    :param following: the next layer, if there is one.
    :raises InputError: see :func:`camp.potential.native.library.load`.
    """

    def __init__(
        self,
        layer: CampLayer,
        following: CampLayer | None,
        *,
        channels: int,
        max_rank: int,
        dtype: torch.dtype,
    ):
        self._library = load("atoms.cpp", dtype, channels=channels, max_rank=max_rank)
        integers, pointer = 2 * (ctypes.c_int64,), ctypes.c_void_p
        self._library.camp_atoms.argtypes = (pointer, *integers, *5 * (pointer,))
        self._library.camp_atoms_backward.argtypes = (
            *(pointer, *integers, pointer, pointer),
            *(*integers, *3 * (pointer,)),
        )
        self.layout = Blocks(channels, dtype)
        hyper = layer.hyper
        assert isinstance(hyper, HyperMoments)
        products, terms, size = _products_and_terms(hyper.paths, max_rank)
        weights = self.layout.pack(torch.cat([w.detach() for w in hyper.path_weights])[None])
        update, keep = ([w.detach().double() for w in ws] for ws in (layer.update, layer.residual))
        after = [] if following is None else [w.detach().double() for w in following.mixing]
        mixings = (
            [weight.detach() for weight in layer.atomic.mixing],
            [a @ b for a, b in zip(update, after, strict=False)],
            [a @ b for a, b in zip(keep, after, strict=False)],
            update[:1],
            keep[:1],
        )
        # Addresses in the structure point into these.
        self._kept = [products, terms, weights]
        self._layer = _Layer(
            len(products),
            len(terms),
            size,
            begin(len(hyper.paths)),
            begin(layer.atomic.max_feature_rank + 1),
            *(tensor.data_ptr() for tensor in self._kept),
            *(self._mixing(matrices) for matrices in mixings),
        )

    def forward(self, first: int, last: int, *tensors: Tensor | None) -> None:
        """For the atoms first, …, last − 1: from sums over neighbours and the features that were
        summed to moments, the next features (None in the last layer) and scalars.

        Scalars are (n, channels); all others have channels in blocks.
        """
        self._library.camp_atoms(ctypes.byref(self._layer), first, last, *_addresses(tensors))

    def backward(
        self,
        first: int,
        last: int,
        moments: Tensor,
        of_following: Tensor | None,
        *others: Tensor | None,
    ) -> None:
        """From the derivatives with respect to next features and scalars to that with respect to
        sums; adds to that with respect to features, unless None, what does not come through the
        sums. That with respect to next features is the sum of ``of_following`` over its first
        axis, of which these atoms' first place is used up.
        """
        copies = 0 if of_following is None else len(of_following)
        self._library.camp_atoms_backward(
            ctypes.byref(self._layer),
            first,
            last,
            *_addresses((moments, of_following)),
            copies,
            moments.numel() // self.layout.lanes,
            *_addresses(others),
        )

    def _mixing(self, matrices: Sequence[Tensor]) -> "_Mixing":
        if not matrices:
            return _Mixing(0, None, None)
        stacked = torch.stack(list(matrices))
        packed = self.layout.pack(stacked), self.layout.pack(stacked.mT)
        self._kept += packed
        return _Mixing(len(matrices), *(tensor.data_ptr() for tensor in packed))


def begin(rank: int) -> int:
    """Components of all ranks below this one."""
    return sum(number_of_components(v) for v in range(rank))


def _addresses(tensors: Sequence[Tensor | None]) -> list[int | None]:
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]


class _Mixing(ctypes.Structure):
    _fields_ = (
        ("ranks", ctypes.c_int64),
        ("matrices", ctypes.c_void_p),
        ("transposed", ctypes.c_void_p),
    )


class _Layer(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("products", "terms", "size")),
        *((name, ctypes.c_int64) for name in ("message_components", "feature_components")),
        *((name, ctypes.c_void_p) for name in ("product", "term", "weights")),
        *((name, _Mixing) for name in ("moments", "update", "keep")),
        *((name, _Mixing) for name in ("scalar_update", "scalar_keep")),
    )


def _products_and_terms(
    paths: Sequence[Sequence[tuple[int, ...]]], max_rank: int
) -> tuple[Tensor, Tensor, int]:
    """What atoms.cpp calls a program: products (p, 4), terms (t, 2), and how many components all
    tensors of an atom have together.
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
