"""JSON tables of structures, ``{column: {index: value}}``: of which kind, their rows and labels."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from camp.data.formats import pandas_json, pymatgen_json
from camp.data.formats.frames import FrameReader, labelled, voigt
from camp.errors import InputError, reason
from camp.files import read_json


@dataclass(frozen=True)
class _Kind:
    """A kind of table, told by the columns that it cannot do without."""

    columns: tuple[str, ...]
    structure: Callable[[Mapping[str, Any]], Atoms]


KINDS = (
    _Kind(pandas_json.COLUMNS, pandas_json.structure),
    _Kind(pymatgen_json.COLUMNS, pymatgen_json.structure),
)


def json_frames(path: Path) -> Iterator[FrameReader]:
    """The rows of a file as frames; energies in eV, forces in eV/Å, stresses in eV/Å³.

    :raises InputError: damaged or foreign file; the readers raise it for their row.
    """
    content = read_json(path)
    columns = content.items() if isinstance(content, dict) else ()
    table = {name: column for name, column in columns if isinstance(column, dict)}
    kind = next((kind for kind in KINDS if all(name in table for name in kind.columns)), None)
    if kind is None:
        raise InputError(
            f"{path}: not a table of structures; expected the columns "
            f"{', '.join(pandas_json.COLUMNS)}, energy, forces, or pymatgen's "
            f"{', '.join(pymatgen_json.COLUMNS)}, each {{index: value}}"
        )
    for key in table[kind.columns[0]]:
        yield partial(_frame, kind, table, key)


def _frame(kind: _Kind, table: Mapping[str, Mapping[str, Any]], key: str) -> Atoms:
    row = {name: column.get(key) for name, column in table.items()}
    if any(row[name] is None for name in kind.columns):
        raise InputError(f"row {key!r} lacks one of {', '.join(kind.columns)}")
    try:
        energy, forces, stress = (row.get(name) for name in ("energy", "forces", "stress"))
        return labelled(
            kind.structure(row),
            None if energy is None else float(energy),
            None if forces is None else np.asarray(forces, dtype=float).reshape(-1, 3),
            None if stress is None else voigt(np.asarray(stress, dtype=float)),
        )
    except InputError as error:
        raise InputError(f"row {key!r}: {error}") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"unreadable row {key!r} ({reason(error)})") from None
