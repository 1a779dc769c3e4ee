"""Lists of compiled functions that several threads work through together, by team.cpp."""

import ctypes
import os
from functools import cache
from typing import Any

import torch
from torch import Tensor

from camp.runtime.library import HEADERS, load

# Fewer neighbour slots than this are done before another thread has woken up.
SLOTS_PER_THREAD = 2_000


def threads_for(atoms: int, slots: int) -> int:
    """How many threads to use for atoms with so many neighbour slots: not more than torch may."""
    return max(1, min(torch.get_num_threads(), atoms, slots // SLOTS_PER_THREAD))


class Copies(ctypes.Structure):
    """A tensor (threads, …) in which every thread has a copy of its own."""

    _fields_ = (
        ("count", ctypes.c_int64),
        ("stride", ctypes.c_int64),
        ("values", ctypes.c_void_p),
    )

    def __init__(self, tensor: Tensor, *, items: int = 1):
        """:param items: numbers in what the code counts as one."""
        super().__init__(len(tensor), tensor[0].numel() // items, tensor.data_ptr())
        self.tensor = tensor


class Steps:
    """Functions to be called one after the other, each by all threads, for atoms of their own:
    thread k of n has always the k-th n-th of the atoms.
    """

    def __init__(self) -> None:
        self._steps: list[_Step] = []
        self._kept: list[Any] = []

    def add(
        self, function: int, *arguments: Tensor | ctypes.Structure | None, together: bool = False
    ) -> None:
        """One more function, from :func:`camp.runtime.library.addresses`.

        :param together: no thread begins it before all have done what comes before.
        """
        addresses = (ctypes.c_void_p * len(arguments))(*map(_address, arguments))
        self._kept.append((addresses, arguments))
        self._steps.append(_Step(function, ctypes.addressof(addresses), together))

    def run(self, atoms: int, threads: int) -> None:
        """Do all of it."""
        team, library = _team(threads)
        library.camp_run(team, (_Step * len(self._steps))(*self._steps), len(self._steps), atoms)

    def run_between_torch(self, atoms: int, threads: int) -> None:
        """The same by torch's own threads, which stay awake for a while after each of its
        operations and would be in the way of others.
        """
        if (pool := _pool()) is None:
            self.run(atoms, threads)
            return
        _, library = _team(1)
        steps = (_Step * len(self._steps))(*self._steps)
        library.camp_run_in_pool(ctypes.byref(pool), steps, len(steps), atoms, threads)


class _Step(ctypes.Structure):
    _fields_ = (
        ("function", ctypes.c_void_p),
        ("addresses", ctypes.c_void_p),
        ("together", ctypes.c_bool),
    )


def _address(argument: Tensor | ctypes.Structure | None) -> int | None:
    if isinstance(argument, ctypes.Structure):
        return ctypes.addressof(argument)
    return None if argument is None else argument.data_ptr()


@cache
def _team(threads: int) -> tuple[int, ctypes.CDLL]:
    library = load(HEADERS / "team.cpp", torch.float64)
    library.camp_team.argtypes = (ctypes.c_int64,)
    library.camp_team.restype = ctypes.c_void_p
    for function, counts in ((library.camp_run, 2), (library.camp_run_in_pool, 3)):
        function.argtypes = (*2 * (ctypes.c_void_p,), *counts * (ctypes.c_int64,))
        function.restype = None
    return library.camp_team(threads), library


class _Pool(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_void_p) for name in ("parallel", "number", "threads"))


@cache
def _pool() -> _Pool | None:
    """The OpenMP library that torch has brought into the process, if it has GNU's names."""
    process = ctypes.CDLL(None)
    names = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
    try:
        return _Pool(*(ctypes.cast(getattr(process, name), ctypes.c_void_p) for name in names))
    except AttributeError:
        return None


# A forked process has none of the threads.
os.register_at_fork(after_in_child=_team.cache_clear)
