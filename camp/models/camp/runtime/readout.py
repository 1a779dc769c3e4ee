"""Energies from the scalars of one layer, from readout.cpp."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from camp.models.camp.runtime import SOURCES
from camp.runtime.library import addresses
from camp.runtime.team import Steps


@dataclass(frozen=True)
class PackedReadout:
    """Linear layers as readout.cpp reads them, see there."""

    widths: Tensor
    weights: Tensor
    biases: Tensor

    @classmethod
    def of(cls, linear: Sequence[nn.Linear], dtype: torch.dtype) -> "PackedReadout":
        """Linear layers from the scalars to one number; copied."""
        return cls(
            torch.tensor([*(layer.in_features for layer in linear), 1]),
            torch.cat([layer.weight.detach().to(dtype).mT.flatten() for layer in linear]),
            torch.cat([layer.bias.detach().to(dtype) for layer in linear]),
        )


class CompiledReadout:
    """A part of a trained :class:`camp.models.camp.layers.Readout`.

    The functions add steps.

    :param linear: linear layers from the scalars to one number, SiLU between them; copied.
    :raises InputError: see :func:`camp.runtime.library.load`.
    """

    def __init__(self, linear: Sequence[nn.Linear], dtype: torch.dtype):
        names = ("camp_readout", "camp_readout_backward")
        self._forward, self._backward = addresses(names, SOURCES / "readout.cpp", dtype)
        # Addresses in the structure point into these.
        self._packed = packed = PackedReadout.of(linear, dtype)
        widths = packed.widths.tolist()
        self.hidden = sum(widths[1:-1])
        places = (t.data_ptr() for t in (packed.widths, packed.weights, packed.biases))
        self._readout = _Readout(len(linear), self.hidden, max(widths), *places)

    def forward(self, steps: Steps, scalars: Tensor, hidden: Tensor, energies: Tensor) -> None:
        """Scalars (n, channels): adds to energies (n,), and keeps what :meth:`backward` needs
        (n, hidden).
        """
        steps.add(self._forward, self._readout, scalars, hidden, energies)

    def backward(
        self, steps: Steps, hidden: Tensor, of_energies: Tensor, of_scalars: Tensor
    ) -> None:
        """From the derivative with respect to energies (n,) to that with respect to scalars."""
        steps.add(self._backward, self._readout, hidden, of_energies, of_scalars)


class _Readout(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("layers", "hidden", "widest")),
        *((name, ctypes.c_void_p) for name in ("widths", "weights", "biases")),
    )
