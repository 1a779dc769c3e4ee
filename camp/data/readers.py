"""Reading labelled structures from the formats in which they are published; writing ours.

Whatever the file, a structure comes out as :class:`ase.Atoms` with positions in Å and a
:class:`~ase.calculators.singlepoint.SinglePointCalculator` that holds the energy (eV), the forces
(eV/Å) and, where the file has it, the stress (eV/Å³). Every frame is checked; nothing is unpickled.
"""

import gzip
import lzma
import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers, chemical_symbols
from ase.geometry import complete_cell
from ase.io.extxyz import key_val_dict_to_str, key_val_str_to_dict
from ase.stress import full_3x3_to_voigt_6_stress
from scipy.spatial import cKDTree
from tqdm import tqdm

from camp.data.sources import extract_rmd17
from camp.data.units import KCAL_PER_MOL
from camp.errors import InputError
from camp.files import atomic_path, read_json
from camp.graph.neighbours import COINCIDENCE_DISTANCE

# One frame of a file, read when it is called.
FrameReader = Callable[[], Atoms]

NPZ_KEYS = (
    {"energies": "E", "forces": "F", "positions": "R", "numbers": "z"},  # MD17
    {
        "energies": "energies",
        "forces": "forces",
        "positions": "coords",
        "numbers": "nuclear_charges",
    },  # rMD17
)
JSON_COLUMNS = ("coords", "atomic_number", "cell", "pbc")
# Whatever is larger, in any unit here, is no measurement.
LARGEST_NUMBER = 1e30


def read_structures(
    path: str | Path,
    *,
    kcal_per_mol: float = KCAL_PER_MOL,
    labels: bool = True,
    every: int = 1,
    first: int | None = None,
    energy_key: str = "energy",
    forces_key: str = "forces",
    progress: bool = False,
) -> list[Atoms]:
    """All structures of a file; see :func:`iterate_structures` for everything else."""
    return list(
        iterate_structures(
            path,
            kcal_per_mol=kcal_per_mol,
            labels=labels,
            every=every,
            first=first,
            energy_key=energy_key,
            forces_key=forces_key,
            progress=progress,
        )
    )


def iterate_structures(
    path: str | Path,
    *,
    kcal_per_mol: float = KCAL_PER_MOL,
    labels: bool = True,
    every: int = 1,
    first: int | None = None,
    energy_key: str = "energy",
    forces_key: str = "forces",
    progress: bool = False,
) -> Iterator[Atoms]:
    """The structures of a file one after another, checked.

    Formats, told by the file name: extended XYZ (``.xyz``, ``.extxyz``, also ``.gz`` and ``.xz``),
    ASE database (``.db``), MD17 and rMD17 (``.npz``, kcal/mol), the authors' pandas JSON
    (``.json``).

    :param kcal_per_mol: eV; the factor for MD17 and rMD17, which is noted in ``info``.
    :param labels: energy and forces must be there; otherwise they may be missing.
    :param every: take frames 0, N, 2N, …
    :param first: stop after so many frames.
    :param energy_key: key of the energy (eV) in an extended XYZ file.
    :param forces_key: column of the forces (eV/Å) in an extended XYZ file.
    :param progress: show a progress bar on the terminal.
    :raises InputError: naming file and frame (counted from 0): unknown format, missing, foreign or
        truncated file, no frames, no atoms, unknown element, numbers that are not finite, missing
        energy or forces, coinciding atoms, periodic directions without a volume.
    """
    path = Path(path)
    if every < 1 or (first is not None and first < 1):
        raise InputError(f"{path}: frames are chosen with every ≥ 1 and first ≥ 1")
    if not 0 < kcal_per_mol < LARGEST_NUMBER:
        raise InputError(f"{path}: 1 kcal/mol cannot be {kcal_per_mol} eV")
    stop = None if first is None else every * first
    frames = _open_format(path, kcal_per_mol, energy_key, forces_key)
    chosen = islice(enumerate(frames), 0, stop, every)
    read = 0
    for index, read_frame in tqdm(chosen, desc=path.name, unit="frame", disable=not progress):
        try:
            atoms = read_frame()
            _check(atoms, labels)
        except InputError as error:
            raise InputError(f"{path}, frame {index}: {error}") from None
        read += 1
        yield atoms
    if read == 0:
        raise InputError(f"{path}: the file holds no frames")


def convert(
    paths: Sequence[str | Path],
    out: str | Path,
    *,
    kcal_per_mol: float = KCAL_PER_MOL,
    every: int = 1,
    first: int | None = None,
    molecule: str | None = None,
    progress: bool = False,
) -> int:
    """Join labelled structures of any supported formats into one extended XYZ file.

    Every frame notes in ``info`` its file (``source``, the file name, or the path as given where
    two files have the same name) and its number there (``source_frame``); a source that it
    already had becomes its ``origin``.

    :param every: of each file, take frames 0, N, 2N, …
    :param first: at most so many frames of each file.
    :param molecule: for rMD17 archives (``.zip``), the molecule to take.
    :return: the number of frames written.
    :raises InputError: see :func:`iterate_structures` and :func:`write_structures`; nothing is
        written then.
    """
    files = [Path(path) for path in paths]
    names = Counter(path.name for path in files)

    def frames() -> Iterator[Atoms]:
        for path in files:
            source = path.name if names[path.name] == 1 else str(path)
            if path.suffix.lower() == ".zip":
                if molecule is None:
                    raise InputError(f"{path}: name the molecule to take out of the archive")
                path = extract_rmd17(path, molecule)
            structures = iterate_structures(
                path, kcal_per_mol=kcal_per_mol, every=every, first=first, progress=progress
            )
            for number, atoms in enumerate(structures):
                if "source" in atoms.info:
                    atoms.info["origin"] = atoms.info["source"]
                atoms.info |= {"source": source, "source_frame": number * every}
                yield atoms

    return write_structures(out, frames())


def energy_and_forces(atoms: Atoms) -> tuple[float | None, np.ndarray | None]:
    """The stored energy (eV) and forces (n, 3) (eV/Å) of a structure; None where it has none."""
    results = atoms.calc.results if atoms.calc is not None else {}
    return results.get("energy"), results.get("forces")


def _open_format(
    path: Path, kcal_per_mol: float, energy_key: str, forces_key: str
) -> Iterator[FrameReader]:
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give a file")
    if not path.exists():
        raise InputError(f"{path}: no such file")
    name = path.name.lower()
    if name.removesuffix(".gz").removesuffix(".xz").endswith((".xyz", ".extxyz")):
        return _xyz_frames(path, energy_key, forces_key)
    if name.endswith(".npz"):
        return _npz_frames(path, kcal_per_mol)
    if name.endswith(".json"):
        return _json_frames(path)
    if name.endswith(".db"):
        return _database_frames(path)
    raise InputError(
        f"{path}: unknown format; supported are .xyz and .extxyz (also .gz, .xz), .db, .npz, .json"
    )


def _labelled(
    atoms: Atoms, energy: float | None, forces: np.ndarray | None, stress: np.ndarray | None
) -> Atoms:
    """The structure with its labels (eV, eV/Å, eV/Å³), those that are there."""
    results: dict[str, Any] = {"energy": energy, "forces": forces, "stress": stress}
    results = {key: value for key, value in results.items() if value is not None}
    atoms.calc = SinglePointCalculator(atoms, **results) if results else None
    return atoms


# Checks


def _check(atoms: Atoms, labels: bool) -> None:
    """Refuse what would spoil a training or an evaluation."""
    if len(atoms) == 0:
        raise InputError("the frame has no atoms")
    if atoms.numbers.min() < 1 or atoms.numbers.max() >= len(chemical_symbols):
        raise InputError("an atom has no known element; atomic numbers are 1 to 118")
    results = atoms.calc.results if atoms.calc is not None else {}
    energy, forces = energy_and_forces(atoms)
    if labels and (energy is None or forces is None):
        missing = [key for key in ("energy", "forces") if key not in results]
        found = ", ".join([*atoms.info, *atoms.arrays])
        raise InputError(f"no {' and no '.join(missing)} (the frame has: {found})")
    if forces is not None and forces.shape != (len(atoms), 3):
        raise InputError(f"forces of shape {forces.shape} for {len(atoms)} atoms")
    for name, value in {"positions": atoms.positions, "cell": atoms.cell.array, **results}.items():
        usable = np.abs(value) < LARGEST_NUMBER  # False for NaN too
        if not usable.all():
            culprit = np.asarray(value)[~usable][0]
            atom = f" of atom {np.argwhere(~usable)[0, 0]}" if len(np.shape(value)) == 2 else ""
            raise InputError(
                f"{name}{'' if name == 'cell' else atom}: {culprit} is no usable number"
            )
    _check_volume(atoms)
    _check_distances(atoms)


def _check_volume(atoms: Atoms) -> None:
    vectors = atoms.cell.array[atoms.pbc]
    rank = np.linalg.matrix_rank(vectors, tol=COINCIDENCE_DISTANCE) if len(vectors) else 0
    if rank < len(vectors):
        flags = " ".join("T" if periodic else "F" for periodic in atoms.pbc)
        raise InputError(
            f"the cell has no volume but is periodic (pbc {flags}); "
            "give the cell vectors or switch periodicity off"
        )


def _check_distances(atoms: Atoms) -> None:
    """Coinciding atoms, also across a periodic boundary, by a tree in fractional coordinates."""
    cell = complete_cell(np.where(atoms.pbc[:, None], atoms.cell.array, 0.0))
    inverse = np.linalg.inv(cell)
    points = atoms.positions @ inverse
    # Rounding can wrap −1e-17 to 1.
    wrapped = np.mod(points, 1.0)
    points = np.where(atoms.pbc, np.where(wrapped < 1.0, wrapped, 0.0), points)
    radius = min(COINCIDENCE_DISTANCE * np.linalg.norm(inverse, 2), 0.49)
    tree = cKDTree(points, boxsize=atoms.pbc.astype(float))
    distances, nearest = tree.query(points, k=2, distance_upper_bound=radius)
    for i in np.flatnonzero(np.isfinite(distances[:, 1])):
        j = nearest[i, 0] if nearest[i, 1] == i else nearest[i, 1]
        difference = points[j] - points[i]
        difference -= np.where(atoms.pbc, np.round(difference), 0.0)
        distance = np.linalg.norm(difference @ cell)
        if distance < COINCIDENCE_DISTANCE:
            raise InputError(f"atoms {i} and {j} coincide ({distance:.1e} Å apart)")


# Extended XYZ


def _xyz_frames(path: Path, energy_key: str, forces_key: str) -> Iterator[FrameReader]:
    openers: dict[str, Callable[..., IO[str]]] = {".gz": gzip.open, ".xz": lzma.open}
    opener = openers.get(path.suffix.lower(), open)
    try:
        with opener(path, "rt", encoding="utf-8") as stream:
            for comment, lines in _xyz_blocks(path, stream):
                yield partial(_parse_xyz, comment, lines, energy_key, forces_key)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: damaged, cut off or not extended XYZ ({error})") from None


def _xyz_blocks(path: Path, stream: IO[str]) -> Iterator[tuple[str, list[str]]]:
    """Comment line and atom lines of every frame."""
    frame = 0
    while head := stream.readline():
        if not head.strip():
            if stream.read().strip():
                raise InputError(f"{path}, frame {frame}: an empty line instead of a frame")
            return
        try:
            count = int(head)
        except ValueError:
            raise InputError(
                f"{path}, frame {frame}: not extended XYZ: "
                f"{head.strip()[:40]!r} instead of the number of atoms"
            ) from None
        comment = stream.readline()
        lines = list(islice(stream, max(count, 0)))
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


def _parse_xyz(comment: str, lines: list[str], energy_key: str, forces_key: str) -> Atoms:
    if not lines:
        raise InputError("the frame has no atoms")
    try:
        info = key_val_str_to_dict(comment)
    except (ValueError, IndexError, TypeError, RecursionError) as error:
        raise InputError(f"the second line is not extended XYZ ({error})") from None
    columns = _xyz_columns(info.pop("Properties", "species:S:1:pos:R:3"))
    width = sum(size for _, size in columns.values())
    rows = [line.split() for line in lines]
    for atom, row in enumerate(rows):
        if len(row) != width:
            raise InputError(f"atom {atom} has {len(row)} columns instead of {width}")
    table = np.array(rows)
    values = {key: table[:, first : first + size] for key, (first, size) in columns.items()}
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
        return _labelled(
            atoms,
            None if energy is None else float(energy),
            forces,
            None if stress is None else _voigt(np.asarray(stress, dtype=float)),
        )
    except (ValueError, TypeError) as error:
        raise InputError(f"unreadable value ({error})") from None


def _xyz_columns(properties: Any) -> dict[str, tuple[int, int]]:
    """First column and number of columns of each property."""
    fields = str(properties).split(":")
    columns: dict[str, tuple[int, int]] = {}
    first = 0
    for name, kind, size in zip(fields[::3], fields[1::3], fields[2::3], strict=False):
        if kind not in ("S", "R", "I", "L") or not size.isdecimal() or name in columns:
            break
        columns[name] = (first, int(size))
        first += int(size)
    if len(fields) != 3 * len(columns):
        raise InputError(f"unreadable Properties {str(properties)[:60]!r}")
    return columns


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


def _voigt(stress: np.ndarray) -> np.ndarray:
    """(6,) from (3, 3), (9,) or (6,)."""
    if stress.size == 9:
        return full_3x3_to_voigt_6_stress(stress.reshape(3, 3))
    if stress.shape != (6,):
        raise ValueError(f"stress of {stress.size} numbers")
    return stress


# MD17 and rMD17


def _npz_frames(path: Path, kcal_per_mol: float) -> Iterator[FrameReader]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            keys = next((k for k in NPZ_KEYS if set(k.values()) <= set(archive.files)), None)
            arrays = {} if keys is None else {name: archive[key] for name, key in keys.items()}
            found = ", ".join(archive.files)
    # Foreign bytes make zipfile, zlib and the header parser raise nearly anything.
    except Exception as error:
        raise InputError(f"{path}: damaged or not an npz file of plain arrays ({error})") from None
    if keys is None:
        raise InputError(
            f"{path}: neither MD17 (keys E, F, R, z) nor rMD17 (keys nuclear_charges, coords, "
            f"energies, forces); it has {found or 'nothing'}"
        )
    shapes = {name: array.shape for name, array in arrays.items()}
    energies, numbers = arrays["energies"].reshape(-1), arrays["numbers"]
    expected = (len(energies), numbers.size, 3)
    if (
        any(array.dtype.kind not in "fiu" for array in arrays.values())
        or numbers.ndim != 1
        or arrays["positions"].shape != expected
        or arrays["forces"].shape != expected
    ):
        raise InputError(f"{path}: shapes or types do not belong together: {shapes}")

    def frame(k: int) -> Atoms:
        atoms = Atoms(
            numbers=numbers,
            positions=arrays["positions"][k],
            info={"kcal_per_mol": kcal_per_mol},
        )
        forces = arrays["forces"][k].astype(float) * kcal_per_mol
        return _labelled(atoms, float(energies[k]) * kcal_per_mol, forces, None)

    for k in range(len(energies)):
        yield partial(frame, k)


# The authors' pandas JSON


def _json_frames(path: Path) -> Iterator[FrameReader]:
    try:
        columns = read_json(path)
    except InputError:
        raise
    except (OSError, RecursionError, ValueError) as error:
        raise InputError(f"{path}: not a readable JSON file ({error})") from None
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
            atoms = Atoms(
                numbers=numbers,
                positions=np.asarray(row["coords"], dtype=float).reshape(-1, 3),
                cell=np.asarray(row["cell"], dtype=float),
                pbc=row["pbc"],
            )
            energy, forces, stress = (row.get(name) for name in ("energy", "forces", "stress"))
            return _labelled(
                atoms,
                None if energy is None else float(energy),
                None if forces is None else np.asarray(forces, dtype=float).reshape(-1, 3),
                None if stress is None else _voigt(np.asarray(stress, dtype=float)),
            )
        except (ValueError, TypeError, OverflowError) as error:
            raise InputError(f"unreadable row {key!r} ({error})") from None

    for key in columns["coords"]:
        yield partial(frame, key)


# ASE database


def _database_frames(path: Path) -> Iterator[FrameReader]:
    import ase.db

    def frame(row) -> Atoms:
        try:
            # A new object without the constraints, which would hide forces.
            atoms = Atoms(row.numbers, row.positions, cell=row.cell, pbc=row.pbc)
            atoms.info.update(row.key_value_pairs)
            return _labelled(atoms, row.get("energy"), row.get("forces"), row.get("stress"))
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
            stream.write(_format_xyz(atoms).encode())
            count += 1
        if stream is not file:
            stream.close()
    return count


def _format_xyz(atoms: Atoms) -> str:
    results = atoms.calc.results if atoms.calc is not None else {}
    properties = "species:S:1:pos:R:3" + (":forces:R:3" if "forces" in results else "")
    head = {"Properties": properties}
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
    numbers = [atoms.positions] + ([results["forces"]] if "forces" in results else [])
    table = np.concatenate(numbers, axis=1)
    rows = (
        f"{chemical_symbols[z]} {_numbers(row)}"
        for z, row in zip(atoms.numbers, table, strict=True)
    )
    return "\n".join([str(len(atoms)), comment, *rows]) + "\n"


def _numbers(values: np.ndarray) -> str:
    """The shortest decimals that read back as the same bits."""
    return " ".join(map(repr, values.tolist()))
