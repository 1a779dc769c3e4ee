"""The authors' pandas JSON: columns of a table, energies in eV, forces in eV/Å."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms

from camp.data.formats.frames import FrameReader, labelled, voigt
from camp.errors import InputError, reason
from camp.files import read_json

JSON_COLUMNS = ("coords", "atomic_number", "cell", "pbc")


def json_frames(path: Path) -> Iterator[FrameReader]:
    """The rows of a file as frames.

    :raises InputError: damaged or foreign file; the readers raise it for their row.
    """
    columns = read_json(path)
    if not isinstance(columns, dict) or not all(
        isinstance(columns.get(name), dict) for name in JSON_COLUMNS
    ):
        raise InputError(
            f"{path}: not a table of structures; expected the columns "
            f"{', '.join(JSON_COLUMNS)}, energy, forces, each {{index: value}}"
        )

    def frame(key: str) -> Atoms:
        row = {
            name: column.get(key) for name, column in columns.items() if isinstance(column, dict)
        }
        if any(row[name] is None for name in JSON_COLUMNS):
            raise InputError(f"row {key!r} lacks one of {', '.join(JSON_COLUMNS)}")
        try:
            numbers = np.asarray(row["atomic_number"])
            if numbers.dtype.kind not in "iu" and numbers.size:
                raise ValueError("atomic numbers must be integers")
            periodic = np.asarray(row["pbc"])
            if periodic.shape != (3,) or periodic.dtype != bool:
                raise ValueError("pbc must be three times true or false")
            atoms = Atoms(
                numbers=numbers,
                positions=np.asarray(row["coords"], dtype=float).reshape(-1, 3),
                cell=np.asarray(row["cell"], dtype=float),
                pbc=periodic,
            )
            energy, forces, stress = (row.get(name) for name in ("energy", "forces", "stress"))
            return labelled(
                atoms,
                None if energy is None else float(energy),
                None if forces is None else np.asarray(forces, dtype=float).reshape(-1, 3),
                None if stress is None else voigt(np.asarray(stress, dtype=float)),
            )
        except (ValueError, TypeError, OverflowError) as error:
            raise InputError(f"unreadable row {key!r} ({reason(error)})") from None

    for key in columns["coords"]:
        yield partial(frame, key)
