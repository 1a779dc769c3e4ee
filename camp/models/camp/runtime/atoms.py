"""What a layer of CAMP does on atoms, from atoms.cpp."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from camp.models.camp.network import CampLayer, HyperMoments
from camp.models.camp.runtime import SOURCES
from camp.runtime.contractions import Contractions, Operand, Program, begin
from camp.runtime.library import Blocks, addresses
from camp.runtime.team import Copies, Steps


class CompiledAtoms:
    """From sums over neighbours to scalars for the readout, and to what the next layer sums.

    :param layer: a trained layer; its weights are copied.
    :param following: the next layer, if there is one.
    :raises InputError: see :func:`camp.runtime.library.load`.
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
        names = ("camp_atoms", "camp_atoms_backward")
        self._forward, self._backward = addresses(
            names, SOURCES / "atoms.cpp", dtype, channels=channels, highest_rank=max_rank
        )
        self.layout = Blocks(channels, dtype)
        hyper = layer.hyper
        assert isinstance(hyper, HyperMoments)
        program, terms = _products_and_terms(hyper.paths, max_rank)
        products = Contractions(program)
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
            products,
            len(terms),
            begin(len(hyper.paths)),
            begin(layer.atomic.max_feature_rank + 1),
            terms.data_ptr(),
            weights.data_ptr(),
            *(self._mixing(matrices) for matrices in mixings),
        )

    def forward(
        self,
        steps: Steps,
        sums: Tensor,
        features: Tensor,
        moments: Tensor,
        following: Tensor | None,
        scalars: Tensor,
    ) -> None:
        """From sums over neighbours and the features that were summed to moments, the next
        features (None in the last layer) and scalars.

        Scalars are (n, channels); all others have channels in blocks.
        """
        steps.add(self._forward, self._layer, sums, features, moments, following, scalars)

    def backward(
        self,
        steps: Steps,
        moments: Tensor,
        of_following: Copies | None,
        of_scalars: Tensor,
        of_sums: Tensor,
        of_features: Copies | None,
    ) -> None:
        """From the derivatives with respect to next features and scalars to that with respect to
        sums, and to that with respect to features, unless None, as far as it does not come through
        the sums. That with respect to next features is the sum of its copies, of which the first
        is used up.
        """
        arguments = (moments, of_following, of_scalars, of_sums, of_features)
        steps.add(self._backward, self._layer, *arguments, together=True)

    def _mixing(self, matrices: Sequence[Tensor]) -> "_Mixing":
        if not matrices:
            return _Mixing(0, None, None)
        stacked = torch.stack(list(matrices))
        packed = self.layout.pack(stacked), self.layout.pack(stacked.mT)
        self._kept += packed
        return _Mixing(len(matrices), *(tensor.data_ptr() for tensor in packed))


class _Mixing(ctypes.Structure):
    _fields_ = (
        ("ranks", ctypes.c_int64),
        ("matrices", ctypes.c_void_p),
        ("transposed", ctypes.c_void_p),
    )


class _Layer(ctypes.Structure):
    _fields_ = (
        ("products", Contractions),
        *((name, ctypes.c_int64) for name in ("terms", "message_components")),
        ("feature_components", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("term", "weights")),
        *((name, _Mixing) for name in ("moments", "update", "keep")),
        *((name, _Mixing) for name in ("scalar_update", "scalar_keep")),
    )


def _products_and_terms(
    paths: Sequence[Sequence[tuple[int, ...]]], max_rank: int
) -> tuple[Program, Tensor]:
    """The contractions of moments in all paths, and the terms (t, 2) as atoms.cpp has them."""
    program = Program(max_rank)

    def product(ranks: tuple[int, ...]) -> Operand:
        first, *others = ranks
        moment = program.given[first]
        return program.contract(moment, product(tuple(others))) if others else moment

    terms = [(rank, product(path).place) for rank, into in enumerate(paths) for path in into]
    return program, torch.tensor(terms)
