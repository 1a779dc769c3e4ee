"""Rows of the authors' pandas JSON: positions and cells in Å."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms

COLUMNS = ("coords", "atomic_number", "cell", "pbc")


def structure(row: Mapping[str, Any]) -> Atoms:
    """The structure of a row, without its labels.

    :raises ValueError: unreadable numbers; TypeError and OverflowError likewise.
    """
    numbers = np.asarray(row["atomic_number"])
    if numbers.dtype.kind not in "iu" and numbers.size:
        raise ValueError("atomic numbers must be integers")
    periodic = np.asarray(row["pbc"])
    if periodic.shape != (3,) or periodic.dtype != bool:
        raise ValueError("pbc must be three times true or false")
    return Atoms(
        numbers=numbers,
        positions=np.asarray(row["coords"], dtype=float).reshape(-1, 3),
        cell=np.asarray(row["cell"], dtype=float),
        pbc=periodic,
    )
