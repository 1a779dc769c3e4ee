"""Programs of contractions of symmetric tensors, for contractions.hpp."""

import ctypes
from typing import NamedTuple

import torch

from camp.cartesian.symmetric import number_of_components


def begin(rank: int) -> int:
    """Components of all ranks below this one."""
    return sum(number_of_components(v) for v in range(rank))


class Operand(NamedTuple):
    """A tensor of an atom, and where its components begin among those of all its tensors."""

    rank: int
    place: int


class Program:
    """Contractions of tensors that come from one of each rank: 0, …, highest."""

    def __init__(self, highest: int):
        self.given = [Operand(rank, begin(rank)) for rank in range(highest + 1)]
        self.size = begin(highest + 1)
        self._known: dict[tuple[Operand, Operand], Operand] = {}

    def contract(self, low: Operand, high: Operand) -> Operand:
        """All indices of ``low`` with as many of ``high``. Equal ones share their work."""
        if (low, high) not in self._known:
            self._known[low, high] = Operand(high.rank - low.rank, self.size)
            self.size += number_of_components(high.rank - low.rank)
        return self._known[low, high]

    def rows(self) -> torch.Tensor:
        """(contractions, 5): as contractions.hpp has them."""
        return torch.tensor(
            [
                (low.rank, result.rank, low.place, high.place, result.place)
                for (low, high), result in self._known.items()
            ],
            dtype=torch.int64,
        ).view(-1, 5)


class Contractions(ctypes.Structure):
    """A program as contractions.hpp has it; a structure with a copy of it does not keep it."""

    _fields_ = (
        ("count", ctypes.c_int64),
        ("size", ctypes.c_int64),
        ("list", ctypes.c_void_p),
    )

    def __init__(self, program: Program):
        self.rows = program.rows()
        super().__init__(len(self.rows), program.size, self.rows.data_ptr())
