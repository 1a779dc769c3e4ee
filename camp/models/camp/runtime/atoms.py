"""What a layer of CAMP does on atoms, from atoms.cpp."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from camp.models.camp.network import CampLayer, HyperMoments
from camp.models.camp.runtime import SOURCES
from camp.runtime.contractions import Contractions, Operand, Program, begin
from camp.runtime.library import Blocks, addresses
from camp.runtime.team import Copies, Steps


@dataclass(frozen=True)
class PackedMixing:
    """Matrices of channel mixing and their transposes, one for each rank that is mixed:
    (ranks, blocks, channels, lanes).
    """

    matrices: Tensor
    transposed: Tensor

    @property
    def addresses(self) -> tuple[int, int]:
        return self.matrices.data_ptr(), self.transposed.data_ptr()


@dataclass(frozen=True)
class PackedAtoms:
    """A layer as atoms.cpp reads it, see there."""

    program: Program
    terms: Tensor  # (t, 2)
    message_components: int
    feature_components: int
    weights: Tensor
    mixings: dict[str, PackedMixing]

    @classmethod
    def of(
        cls, layer: CampLayer, following: CampLayer | None, max_rank: int, layout: Blocks
    ) -> "PackedAtoms":
        """A trained layer and, if there is one, the next; weights are copied."""
        hyper = layer.hyper
        assert isinstance(hyper, HyperMoments)
        program, terms = _products_and_terms(hyper.paths, max_rank)
        update, keep = ([w.detach().double() for w in ws] for ws in (layer.update, layer.residual))
        after = [] if following is None else [w.detach().double() for w in following.mixing]
        mixings = {
            "moments": [weight.detach() for weight in layer.atomic.mixing],
            "update": [a @ b for a, b in zip(update, after, strict=False)],
            "keep": [a @ b for a, b in zip(keep, after, strict=False)],
            "scalar_update": update[:1],
            "scalar_keep": keep[:1],
        }
        no_matrices = torch.empty(0, layout.channels, layout.channels)
        stacked = {
            name: torch.stack(matrices) if matrices else no_matrices
            for name, matrices in mixings.items()
        }
        return cls(
            program,
            terms,
            begin(len(hyper.paths)),
            begin(layer.atomic.max_feature_rank + 1),
            layout.pack(torch.cat([w.detach() for w in hyper.path_weights])[None]),
            {
                name: PackedMixing(layout.pack(matrices), layout.pack(matrices.mT))
                for name, matrices in stacked.items()
            },
        )


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
        # Addresses in the structure point into these.
        self._packed = packed = PackedAtoms.of(layer, following, max_rank, Blocks(channels, dtype))
        self._products = Contractions(packed.program)
        self._layer = _Layer(
            self._products,
            len(packed.terms),
            packed.message_components,
            packed.feature_components,
            packed.terms.data_ptr(),
            packed.weights.data_ptr(),
            *(_Mixing(len(m.matrices), *m.addresses) for m in packed.mixings.values()),
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
