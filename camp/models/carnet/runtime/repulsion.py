"""The repulsion of close atoms, from repulsion.cpp."""

import ctypes

import torch
from torch import Tensor, nn

from camp.models.carnet.repulsion import COULOMB, ZblRepulsion
from camp.models.carnet.runtime import SOURCES
from camp.models.carnet.runtime.moments import CompiledEdges
from camp.runtime.library import addresses
from camp.runtime.team import Steps


class CompiledRepulsion:
    """A trained repulsion for edge vectors of one precision; the functions add steps.

    :raises InputError: see :func:`camp.runtime.library.load`.
    """

    def __init__(self, repulsion: ZblRepulsion, dtype: torch.dtype):
        names = ("carnet_repulsion", "carnet_repulsion_backward")
        self._forward, self._backward = addresses(names, SOURCES / "repulsion.cpp", dtype)
        self._tables, length = pack(repulsion)
        self._given = (repulsion.smooth, repulsion.cutoff, length)

    def structure(self, edges: CompiledEdges) -> "_Repulsion":
        """What the code gets; the argument must outlive it."""
        tensors = (*self._tables, edges.species, edges.neighbours, edges.mask, edges.vectors)
        return _Repulsion(edges.width, *self._given, *(tensor.data_ptr() for tensor in tensors))

    def forward(self, steps: Steps, repulsion: "_Repulsion", energies: Tensor) -> None:
        """Write energies (n,) in eV."""
        steps.add(self._forward, repulsion, energies)

    def backward(
        self, steps: Steps, repulsion: "_Repulsion", of_energies: Tensor, of_vectors: Tensor
    ) -> None:
        """Add to the derivative with respect to edge vectors (n, K, 3)."""
        steps.add(self._backward, repulsion, of_energies, of_vectors)


def pack(repulsion: ZblRepulsion) -> tuple[tuple[Tensor, Tensor, Tensor], float]:
    """Charges, screening and radii as repulsion.cpp reads them, and the length in Å."""
    softplus = nn.functional.softplus
    charges = repulsion.table("charges").detach().double()
    screening = charges ** softplus(repulsion.power.detach().double())
    radii = repulsion.table("radii").detach().double()
    length = softplus(repulsion.length.detach().double()).item()
    return (charges * (0.5 * COULOMB) ** 0.5, screening, radii), length


class _Repulsion(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("width", "smooth")),
        *((name, ctypes.c_double) for name in ("cutoff", "length")),
        *((name, ctypes.c_void_p) for name in ("charges", "screening", "radii")),
        *((name, ctypes.c_void_p) for name in ("species", "neighbours", "mask", "vectors")),
    )
