"""Energies from the scalars of one layer, from readout.cpp."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from camp.potential.native.library import load


class CompiledReadout:
    """A part of a trained :class:`camp.models.layers.Readout`.

    The functions work on the atoms first, …, last − 1.

    :param linear: linear layers from the scalars to one number, SiLU between them; copied.
    :raises InputError: see :func:`camp.potential.native.library.load`.
    """

    def __init__(self, linear: Sequence[nn.Linear], dtype: torch.dtype):
        self._library = load("readout.cpp", dtype)
        integers, pointer = 2 * (ctypes.c_int64,), ctypes.c_void_p
        for name in ("camp_readout", "camp_readout_backward"):
            getattr(self._library, name).argtypes = (pointer, *integers, *3 * (pointer,))
            getattr(self._library, name).restype = None
        widths = [layer.in_features for layer in linear] + [1]
        self.hidden = sum(widths[1:-1])
        # Addresses in the structure point into these.
        self._kept = (
            torch.tensor(widths),
            torch.cat([layer.weight.detach().to(dtype).mT.flatten() for layer in linear]),
            torch.cat([layer.bias.detach().to(dtype) for layer in linear]),
        )
        addresses = (tensor.data_ptr() for tensor in self._kept)
        self._readout = _Readout(len(linear), self.hidden, max(widths), *addresses)

    def forward(
        self, first: int, last: int, scalars: Tensor, hidden: Tensor, energies: Tensor
    ) -> None:
        """Scalars (n, channels): adds to energies (n,), and keeps what :meth:`backward` needs
        (n, hidden).
        """
        tensors = (scalars, hidden, energies)
        self._library.camp_readout(
            ctypes.byref(self._readout), first, last, *(tensor.data_ptr() for tensor in tensors)
        )

    def backward(
        self, first: int, last: int, hidden: Tensor, of_energies: Tensor, of_scalars: Tensor
    ) -> None:
        """From the derivative with respect to energies (n,) to that with respect to scalars."""
        tensors = (hidden, of_energies, of_scalars)
        self._library.camp_readout_backward(
            ctypes.byref(self._readout), first, last, *(tensor.data_ptr() for tensor in tensors)
        )


class _Readout(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("layers", "hidden", "widest")),
        *((name, ctypes.c_void_p) for name in ("widths", "weights", "biases")),
    )
