"""The messages Ar of CACE, from decays.cpp."""

import ctypes

import torch
from torch import Tensor

from camp.models.cace.messages import MessageAr
from camp.models.cace.network import Cace
from camp.models.cace.runtime import SOURCES
from camp.models.cace.runtime.atoms import own_order
from camp.runtime.degree_sums import EdgeRows
from camp.runtime.library import Blocks, addresses
from camp.runtime.splines import COEFFICIENTS
from camp.runtime.team import Copies, Steps


class CompiledDecays:
    """The messages Ar of one round of a trained model, in one precision.

    The functions add steps; A and messages have functions in blocks: (n, blocks, L, lanes).

    :param norm: g.
    :param cut: table of the cutoff function.
    :raises InputError: see :func:`camp.runtime.library.load`.
    """

    def __init__(
        self, model: Cace, message: MessageAr, norm: float, cut: Tensor, dtype: torch.dtype
    ):
        settings = model.settings
        self._kept = (cut.to(dtype).flatten().contiguous(), *pack(model, message, norm, dtype))
        self.blocks = self._kept[1].shape[1]
        self._forward, self._backward = addresses(
            ("cace_decays", "cace_decays_backward"),
            SOURCES / "decays.cpp",
            dtype,
            highest_rank=settings.max_l,
            coefficients=COEFFICIENTS,
        )

    def structure(self, edges: EdgeRows) -> "_Decays":
        """What the code gets; the edges must outlive it."""
        given = (edges.width, *edges.grid, self.blocks)
        places = (tensor.data_ptr() for tensor in (*edges.tensors, *self._kept))
        return _Decays(*given, *places)

    def forward(self, steps: Steps, decays: "_Decays", basis: Tensor, messages: Tensor) -> None:
        """From A to messages, when A of all atoms is there."""
        steps.add(self._forward, decays, basis, messages, together=True)

    def backward(
        self,
        steps: Steps,
        decays: "_Decays",
        basis: Tensor,
        of_messages: Tensor,
        of_vectors: Tensor,
        of_basis: Copies,
    ) -> None:
        """From the derivative with respect to the messages, add to that with respect to edge
        vectors (n, K, 3), and write that with respect to A, to be added up over copies.
        """
        steps.add(self._backward, decays, basis, of_messages, of_vectors, of_basis)


def pack(model: Cace, message: MessageAr, norm: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """ρ and g q of a message as decays.cpp reads them: (1, blocks, degrees, lanes)."""
    settings = model.settings
    layout = Blocks(settings.channels * settings.radial_functions, dtype)
    decays, prefactors = (
        layout.pack(own_order(values.detach(), settings.radial_functions)[None])
        for values in (message.decays, message.prefactors * norm)
    )
    return decays, prefactors


class _Decays(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("width", "intervals")),
        ("cutoff", ctypes.c_double),
        ("blocks", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("neighbours", "mask", "vectors")),
        *((name, ctypes.c_void_p) for name in ("cut", "decays", "prefactors")),
    )
