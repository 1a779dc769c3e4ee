"""Programs of weighted products by constant sparse tables, for products.hpp."""

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

REALS = {torch.float32: np.float32, torch.float64: np.float64}


class Factor(NamedTuple):
    """A tensor of an atom: where its components begin among those of all its tensors."""

    place: int
    components: int


class Program:
    """Products of tensors that begin with given ones, which stand one after another.

    :param components: of each of the given tensors.
    """

    def __init__(self, components: Sequence[int]):
        self.size = 0
        self.given = [self.add(number) for number in components]
        self.given_size = self.size
        self.products: list[tuple[int, ...]] = []
        self.entries: list[tuple[int, int, int, float]] = []

    def add(self, components: int) -> Factor:
        """A tensor in which products are summed."""
        factor = Factor(self.size, components)
        self.size += components
        return factor

    def multiply(self, first: Factor, second: Factor, result: Factor, table: Tensor) -> None:
        """Add w Σ_ab table[c, a, b] x_a y_b to a tensor, with a weight w for every channel; the
        k-th product has the k-th weight.

        :param table: (components of the result, of the first and of the second factor).
        """
        begin = len(self.entries)
        self.entries += sparse(table)
        places = (first.place, second.place, result.place, len(self.products))
        self.products.append((*places, first.components, begin, len(self.entries)))


def sparse(table: Tensor) -> list[tuple[int, int, int, float]]:
    """The indices and values of what is not zero, sorted by the first index."""
    return [(c, a, b, float(table[c, a, b])) for c, a, b in table.nonzero().tolist()]


def packed_entries(
    entries: Sequence[tuple[int, int, int, float]], dtype: torch.dtype
) -> np.ndarray:
    """As the code has them: three indices and a value."""
    fields = [("result", np.int32), ("first", np.int32), ("second", np.int32)]
    found = np.zeros(len(entries), np.dtype([*fields, ("value", REALS[dtype])], align=True))
    found[:] = entries
    return found


class Products(ctypes.Structure):
    """A program as products.hpp has it; a structure with a copy of it does not keep it."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("count", "given", "size", "widest")),
        *((name, ctypes.c_void_p) for name in ("list", "entries")),
    )

    def __init__(self, program: Program, dtype: torch.dtype):
        rows = torch.tensor(program.products, dtype=torch.int64).view(-1, 7)
        entries = packed_entries(program.entries, dtype)
        self.kept = rows, entries
        widest = max((row[4] for row in program.products), default=0)
        sizes = (len(rows), program.given_size, program.size, widest)
        super().__init__(*sizes, rows.data_ptr(), entries.ctypes.data)
