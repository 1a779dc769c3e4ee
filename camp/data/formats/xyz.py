"""Extended XYZ, read and written: energies in eV, forces in eV/Å, stresses in eV/Å³.

Of ASE's reader only the parser of the second line is used, since the rest (3.29) takes damaged
files for good ones: it ignores columns that were not announced, leaves out all frames behind an
empty line, takes ``1.2`` for whole where the file was cut off within ``1.25``, and reads on for
minutes where the number of atoms is too large. Of a single frame it takes ``energy`` without a
value for 1 eV and ``pbc="1 2 3"`` for three flags, sets forces to zero where there is a column
``move_mask``, and names no atom in its messages.
"""

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from ase.io.extxyz import key_val_dict_to_str, key_val_str_to_dict

from camp.data.formats.frames import FrameReader, labelled, voigt
from camp.errors import InputError, reason
from camp.files import atomic_path

# Characters of a frame, and of a value in it; more were made to fill the memory.
LARGEST_FRAME = 100_000_000
LONGEST_VALUE = 64

# Reading


def xyz_frames(path: Path, energy_key: str, forces_key: str) -> Iterator[FrameReader]:
    """The frames of a file, each still to be parsed.

    :param energy_key: key of the energy (eV).
    :param forces_key: column of the forces (eV/Å).
    :raises InputError: damaged, cut off or foreign file; the readers raise it for their frame.
    """
    openers: dict[str, Callable[..., IO[str]]] = {".gz": gzip.open, ".xz": lzma.open}
    opener = openers.get(path.suffix.lower(), open)
    try:
        with opener(path, "rt", encoding="utf-8") as stream:
            for comment, lines in _blocks(path, stream):
                yield partial(_parse, comment, lines, energy_key, forces_key)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: damaged, cut off or not extended XYZ ({reason(error)})"
        ) from None


def _blocks(path: Path, stream: IO[str]) -> Iterator[tuple[str, list[str]]]:
    """Comment line and atom lines of every frame."""
    frame = 0
    while head := stream.readline(LARGEST_FRAME):
        if not head.strip():
            if any(line.strip() for line in iter(partial(stream.readline, LARGEST_FRAME), "")):
                raise InputError(f"{path}, frame {frame}: an empty line instead of a frame")
            return
        try:
            count = int(head)
        except ValueError:
            raise InputError(
                f"{path}, frame {frame}: not extended XYZ: "
                f"{head.strip()[:40]!r} instead of the number of atoms"
            ) from None
        comment = stream.readline(LARGEST_FRAME)
        size, lines = len(comment), []
        for line in islice(iter(partial(stream.readline, LARGEST_FRAME), ""), max(count, 0)):
            size += len(line)
            if size > LARGEST_FRAME:
                raise InputError(
                    f"{path}, frame {frame}: is longer than {LARGEST_FRAME:,} characters"
                )
            lines.append(line)
        if len(lines) < count:
            raise InputError(
                f"{path}, frame {frame}: the file is cut off after {len(lines)} of {count} atoms"
            )
        # Without its end nobody can tell whether the last number was cut in two.
        if not (lines[-1] if lines else comment).endswith("\n"):
            raise InputError(
                f"{path}, frame {frame}: the last line is cut off; "
                "get the file again, or end the line if it is complete"
            )
        yield comment, lines
        frame += 1


def _parse(comment: str, lines: list[str], energy_key: str, forces_key: str) -> Atoms:
    if not lines:
        raise InputError("the frame has no atoms")
    try:
        info = key_val_str_to_dict(comment)
    # A foreign line makes ASE fail in any way.
    except Exception as error:
        raise InputError(f"the second line is not extended XYZ ({reason(error)})") from None
    columns = _columns(info.pop("Properties", "species:S:1:pos:R:3"))
    width = sum(size for _, _, size in columns.values())
    rows = [line.split(maxsplit=width) for line in lines]
    for atom, row in enumerate(rows):
        if len(row) != width:
            found = "more" if len(row) > width else str(len(row))
            raise InputError(f"atom {atom} has {found} columns instead of {width}")
    if max(map(len, chain.from_iterable(rows)), default=0) > LONGEST_VALUE:
        raise InputError(f"a value is longer than {LONGEST_VALUE} characters")
    table = np.array(rows)
    values = {key: table[:, first : first + size] for key, (_, first, size) in columns.items()}
    if values.get("pos", table[:, :0]).shape[1:] != (3,):
        raise InputError("no column 'pos' of three numbers among the Properties")
    numbers = _elements(values)
    lattice = info.pop("Lattice", None)
    energy, stress = info.pop(energy_key, None), info.pop("stress", None)
    periodic = np.atleast_1d(info.pop("pbc", lattice is not None))
    if periodic.dtype != bool or periodic.shape not in ((1,), (3,)):
        raise InputError("pbc must be three flags T or F")
    try:
        # A key without a value reads as True.
        if isinstance(energy, bool):
            raise ValueError(f"{energy_key} has no value")
        forces = values[forces_key].astype(float) if forces_key in values else None
        atoms = Atoms(
            numbers=numbers,
            positions=values["pos"].astype(float),
            cell=None if lattice is None else np.asarray(lattice, dtype=float).T,
            pbc=np.broadcast_to(periodic, 3),
            info=info,
        )
        for key, (kind, _, _) in columns.items():
            if key not in ("species", "Z", "pos", forces_key, *atoms.arrays):
                atoms.set_array(key, _typed(values[key], kind))
        return labelled(
            atoms,
            None if energy is None else float(energy),
            forces,
            None if stress is None else voigt(np.asarray(stress, dtype=float)),
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"unreadable value ({reason(error)})") from None


def _columns(properties: Any) -> dict[str, tuple[str, int, int]]:
    """Kind, first column and number of columns of each property."""
    fields = str(properties).split(":")
    columns: dict[str, tuple[str, int, int]] = {}
    first = 0
    for name, kind, size in zip(fields[::3], fields[1::3], fields[2::3], strict=False):
        if kind not in ("S", "R", "I", "L") or not size.isdecimal() or name in columns:
            break
        columns[name] = (kind, first, int(size))
        first += int(size)
    if len(fields) != 3 * len(columns):
        raise InputError(f"unreadable Properties {str(properties)[:60]!r}")
    return columns


def _typed(column: np.ndarray, kind: str) -> np.ndarray:
    """Texts of a column as what the file says they are; one column without its own axis."""
    if kind == "L":
        if not np.isin(column, ("T", "F", "True", "False")).all():
            raise ValueError("a flag is neither T nor F")
        column = np.isin(column, ("T", "True"))
    else:
        column = column.astype({"S": str, "R": float, "I": int}[kind])
    return column[:, 0] if column.shape[1] == 1 else column


def _elements(values: dict[str, np.ndarray]) -> np.ndarray:
    """Atomic numbers from the column of symbols or of numbers."""
    column = values.get("species", values.get("Z"))
    if column is None or column.shape[1:] != (1,):
        raise InputError("no column 'species' among the Properties")
    symbols = column[:, 0].tolist()
    try:
        return np.array(
            [
                int(s) if s.isdecimal() and len(s) < 4 else atomic_numbers[s.capitalize()]
                for s in symbols
            ]
        )
    except KeyError as error:
        raise InputError(f"unknown element {error}") from None


# Writing


def write_structures(path: str | Path, structures: Iterable[Atoms]) -> int:
    """Write extended XYZ (``.xyz``, ``.extxyz``, also ``.gz``) in one step.

    Numbers are written in full, so that reading gives the same bits, and equal structures give
    equal files.

    :param structures: their stored energy, forces and stress are written where they have them.
    :return: the number of frames written.
    :raises InputError: another format, or see :func:`camp.files.atomic_path`.
    """
    path = Path(path)
    if not path.name.lower().removesuffix(".gz").endswith((".xyz", ".extxyz")):
        raise InputError(f"{path}: structures are written as .xyz or .extxyz, also with .gz")
    count = 0
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        stream: Any = file
        if path.suffix.lower() == ".gz":
            stream = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6)
        for atoms in structures:
            stream.write(_format(atoms).encode())
            count += 1
        if stream is not file:
            stream.close()
    return count


def _format(atoms: Atoms) -> str:
    results = atoms.calc.results if atoms.calc is not None else {}
    columns = {"pos": atoms.positions}
    columns |= {"forces": results["forces"]} if "forces" in results else {}
    for name, values in atoms.arrays.items():
        if name not in ("numbers", "positions", *columns):
            columns[name] = values.reshape(len(atoms), -1)
    properties = [f"{name}:{_kind(values)}:{values.shape[1]}" for name, values in columns.items()]
    head = {"Properties": ":".join(["species:S:1", *properties])}
    if atoms.cell.any():
        head = {"Lattice": _numbers(atoms.cell.array.reshape(-1)), **head}
    if "energy" in results:
        head["energy"] = _numbers(np.array([results["energy"]], dtype=float))
    if "stress" in results:
        # Voigt order xx, yy, zz, yz, xz, xy to the full matrix.
        full = np.asarray(results["stress"])[[0, 5, 4, 5, 1, 3, 4, 3, 2]]
        head["stress"] = _numbers(full)
    head["pbc"] = " ".join("T" if periodic else "F" for periodic in atoms.pbc)
    comment = key_val_dict_to_str({**atoms.info, **head})
    texts = [map(_numbers, values) for values in columns.values()]
    symbols = [chemical_symbols[z] for z in atoms.numbers]
    rows = map(" ".join, zip(symbols, *texts, strict=True))
    return "\n".join([str(len(atoms)), comment, *rows]) + "\n"


def _numbers(values: np.ndarray) -> str:
    """The shortest decimals that read back as the same bits; flags as T and F."""
    if values.dtype.kind == "b":
        return " ".join("T" if value else "F" for value in values)
    return " ".join(map(str, values.tolist()))


def _kind(values: np.ndarray) -> str:
    """The letter for the type of a column."""
    return {"b": "L", "i": "I", "u": "I", "f": "R"}.get(values.dtype.kind, "S")
