"""ASE databases (SQLite): energies in eV, forces in eV/Å, stresses in eV/Å³."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from ase import Atoms

from camp.data.formats.frames import FrameReader, labelled
from camp.errors import InputError


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
            return labelled(atoms, row.get("energy"), row.get("forces"), row.get("stress"))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"unreadable row ({error})") from None

    try:
        # ASE would add its tables to a foreign database, hence the look beforehand.
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            if not connection.execute(
                "SELECT 1 FROM sqlite_master WHERE name = 'systems'"
            ).fetchone():
                raise InputError(f"{path}: a database, but not one of ASE")
        for row in ase.db.connect(path, type="db", use_lock_file=False).select():
            yield partial(frame, row)
    except InputError:
        raise
    except (OSError, sqlite3.Error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: damaged or not an ASE database ({error})") from None
