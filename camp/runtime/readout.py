"""Energies of atoms from their scalars, from readout.cpp."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from camp.runtime.library import HEADERS, addresses
from camp.runtime.mlp import Matrix, Mlp, tiles
from camp.runtime.team import Steps


class CompiledReadout:
    """A trained network from the scalars of an atom to one number, in one precision.

    The functions add steps.

    :param linear: its linear layers, SiLU between them; copied.
    :raises InputError: see :func:`camp.runtime.library.load`.
    """

    def __init__(self, linear: Sequence[nn.Linear], dtype: torch.dtype):
        names = ("camp_readout", "camp_readout_backward")
        self._forward, self._backward = addresses(names, HEADERS / "readout.cpp", dtype)
        # The structure has copies of these, and so does not keep what they point to.
        self._kept = Matrix(linear[0].weight.mT, dtype), Mlp(linear, dtype)
        self._readout = _Readout(*self._kept)
        self.dtype = dtype

    def room(self, atoms: int, threads: int) -> Tensor:
        """For what :meth:`backward` needs of :meth:`forward`."""
        return tiles(atoms, threads, self._kept[1].size, self.dtype)

    def forward(self, steps: Steps, scalars: Tensor, kept: Tensor, energies: Tensor) -> None:
        """Scalars (n, inputs): adds to energies (n,)."""
        steps.add(self._forward, self._readout, scalars, kept, energies)

    def backward(self, steps: Steps, kept: Tensor, of_energies: Tensor, of_scalars: Tensor) -> None:
        """From the derivative with respect to energies (n,) to that with respect to scalars."""
        steps.add(self._backward, self._readout, kept, of_energies, of_scalars)


class _Readout(ctypes.Structure):
    _fields_ = (("first", Matrix), ("others", Mlp))
