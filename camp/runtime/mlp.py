"""Matrices and small networks for atoms in tiles, as mlp.hpp and tiles.hpp have them."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from camp.runtime.library import VECTOR_BYTES


def tiles(atoms: int, threads: int, values: int, dtype: torch.dtype) -> Tensor:
    """Room for so many values of atoms in tiles: (tiles, values, lanes)."""
    lanes = VECTOR_BYTES // dtype.itemsize
    return torch.empty(atoms // lanes + threads, values, lanes, dtype=dtype)


class Matrix(ctypes.Structure):
    """A matrix (inputs, outputs), which is copied."""

    _fields_ = (
        ("inputs", ctypes.c_int64),
        ("outputs", ctypes.c_int64),
        ("values", ctypes.c_void_p),
        ("transposed", ctypes.c_void_p),
    )

    def __init__(self, values: Tensor, dtype: torch.dtype):
        packed = values.detach().to(dtype, copy=True)
        # Addresses point into these.
        self.kept = packed.contiguous(), packed.mT.contiguous()
        super().__init__(*packed.shape, *(tensor.data_ptr() for tensor in self.kept))


class Mlp(ctypes.Structure):
    """Linear layers with SiLU between them, but for the matrix of the first one; copied."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("layers", "size", "outputs", "widest")),
        *((name, ctypes.c_void_p) for name in ("matrices", "biases")),
    )

    def __init__(self, linear: Sequence[nn.Linear], dtype: torch.dtype):
        widths = [layer.out_features for layer in linear]
        others = [Matrix(layer.weight.mT, dtype) for layer in linear[1:]]
        matrices = (Matrix * len(others))(*others)
        biases = torch.cat([layer.bias.detach().to(dtype) for layer in linear])
        self.kept = others, matrices, biases
        super().__init__(
            len(linear),
            sum(widths),
            widths[-1],
            max(widths),
            ctypes.addressof(matrices),
            biases.data_ptr(),
        )


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    """Of an MLP."""
    return [layer for layer in network.children() if isinstance(layer, nn.Linear)]
