"""ASE databases (SQLite): energies in eV, forces in eV/Å, stresses in eV/Å³."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms

from camp.data.formats.frames import FrameReader, labelled, voigt
from camp.errors import InputError, reason


def database_frames(path: Path) -> Iterator[FrameReader]:
    """The rows of a file as frames; the file is only read.

    :raises InputError: damaged or foreign file; the readers raise it for their row.
    """
    import ase.db

    def frame(row) -> Atoms:
        try:
            # A new object without the constraints, which would hide forces.
            atoms = Atoms(row.numbers, row.positions, cell=row.cell, pbc=row.pbc)
            atoms.info.update(row.key_value_pairs)
            energy, forces, stress = (row.get(name) for name in ("energy", "forces", "stress"))
            return labelled(
                atoms,
                None if energy is None else float(energy),
                None if forces is None else np.asarray(forces, dtype=float),
                None if stress is None else voigt(np.asarray(stress, dtype=float)),
            )
        # A damaged row makes ASE fail in any way.
        except Exception as error:
            raise InputError(f"unreadable row ({reason(error)})") from None

    try:
        # ASE would add its tables to a foreign database, hence the look beforehand.
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            content = set(connection.execute("SELECT type, name FROM sqlite_master"))
        # Views and triggers would be run.
        active = any(kind not in ("table", "index") for kind, _ in content)
        if active or ("table", "systems") not in content:
            raise InputError(f"{path}: a database, but not one of ASE")
        for row in ase.db.connect(path, type="db", use_lock_file=False).select():
            yield partial(frame, row)
    except InputError:
        raise
    # A damaged file makes the libraries fail in any way.
    except Exception as error:
        raise InputError(f"{path}: damaged or not an ASE database ({reason(error)})") from None
