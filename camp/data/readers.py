"""Reading labelled structures from the formats in which they are published; writing ours.

Whatever the file, a structure comes out as :class:`ase.Atoms` with positions in Å and a
:class:`~ase.calculators.singlepoint.SinglePointCalculator` that holds the energy (eV), the forces
(eV/Å) and, where the file has it, the stress (eV/Å³). Every frame is checked; nothing is unpickled.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from ase.geometry import complete_cell
from scipy.spatial import cKDTree
from tqdm import tqdm

from camp.data.formats.ase_database import database_frames
from camp.data.formats.frames import FrameReader, labelled, voigt
from camp.data.formats.json_table import json_frames
from camp.data.formats.npz import npz_frames
from camp.data.formats.rmd17 import extract_rmd17
from camp.data.formats.xyz import write_structures, xyz_frames
from camp.data.labels import LARGEST_NUMBER, absence, keys_of, label, missing
from camp.data.units import KCAL_PER_MOL
from camp.errors import InputError, reason
from camp.graph.neighbours import COINCIDENCE_DISTANCE
from camp.targets import ENERGY, FORCES, STRESS, Target, resolve

__all__ = [
    "convert",
    "energy_and_forces",
    "iterate_structures",
    "read_structures",
    "write_structures",
]


def read_structures(
    path: str | Path,
    *,
    kcal_per_mol: float = KCAL_PER_MOL,
    targets: Sequence[Target] = (ENERGY, FORCES),
    every: int = 1,
    first: int | None = None,
    energy_key: str = "energy",
    forces_key: str = "forces",
    any_of: Sequence[Target] = (),
    progress: bool = False,
) -> list[Atoms]:
    """All structures of a file; see :func:`iterate_structures` for everything else."""
    return list(
        iterate_structures(
            path,
            kcal_per_mol=kcal_per_mol,
            targets=targets,
            every=every,
            first=first,
            energy_key=energy_key,
            forces_key=forces_key,
            any_of=any_of,
            progress=progress,
        )
    )


def iterate_structures(
    path: str | Path,
    *,
    kcal_per_mol: float = KCAL_PER_MOL,
    targets: Sequence[Target] = (ENERGY, FORCES),
    every: int = 1,
    first: int | None = None,
    energy_key: str = "energy",
    forces_key: str = "forces",
    any_of: Sequence[Target] = (),
    progress: bool = False,
) -> Iterator[Atoms]:
    """The structures of a file one after another, checked.

    Formats, told by the file name: extended XYZ (``.xyz``, ``.extxyz``, also ``.gz`` and ``.xz``),
    ASE database (``.db``), MD17 and rMD17 (``.npz``, kcal/mol), tables of the authors and of
    pymatgen (``.json``).

    :param kcal_per_mol: eV; the factor for MD17 and rMD17, which is noted in ``info``.
    :param targets: labels that every frame must have; others may be missing.
    :param every: take frames 0, N, 2N, …
    :param first: stop after so many frames.
    :param energy_key: key of the energy (eV) in an extended XYZ file.
    :param forces_key: column of the forces (eV/Å) in an extended XYZ file.
    :param any_of: of these, if any, a frame must have one.
    :param progress: show a progress bar on the terminal.
    :raises InputError: naming file and frame (counted from 0): unknown format, missing, foreign or
        truncated file, no frames, no atoms, unknown element, numbers that are not finite, missing
        labels, coinciding atoms, periodic directions without a volume.
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
            _check(atoms, targets, any_of)
        except InputError as error:
            raise InputError(f"{path}, frame {index}: {reason(error)}") from None
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
    part: tuple[int, int] | None = None,
    without: Sequence[str | Path] = (),
    below: Mapping[str, float] | None = None,
    above: Mapping[str, float] | None = None,
    only_of: Mapping[str, str] | None = None,
    molecule: str | None = None,
    keys: Mapping[str, str] | None = None,
    progress: bool = False,
) -> int:
    """Join structures of any supported formats, with all their labels, into one extended XYZ file.

    Every frame notes in ``info`` its file (``source``, the file name, or the path as given where
    two files have the same name) and its number there (``source_frame``); a source that it
    already had becomes its ``origin``.

    :param every: of each file, take frames 0, N, 2N, …
    :param first: at most so many frames of each file.
    :param part: of these take only those from the first to before the second number.
    :param without: leave out frames with the atoms and positions of a frame in these files.
    :param below: only frames with a smaller number in ``info``, for each of these names.
    :param above: or a larger one.
    :param only_of: numbers of atoms by their name in the files and the symbol of the species that
        has them; those of other atoms count as not given.
    :param molecule: for rMD17 archives (``.zip``), the molecule to take.
    :param keys: names of energy, forces or stress in the files, which every frame must have then;
        they are written under the usual ones.
    :return: the number of frames written.
    :raises InputError: see :func:`iterate_structures` and :func:`write_structures`; a frame without
        a number to keep it by or the numbers of atoms that are asked for, or none that is kept.
        Nothing is written then.
    """
    files = [Path(path) for path in paths]
    names = Counter(path.name for path in files)
    named = resolve([*(keys or {})], keys)
    left_out = {
        _places(atoms) for file in without for atoms in iterate_structures(file, targets=())
    }

    def frames() -> Iterator[Atoms]:
        taken = 0
        for path in files:
            source = path.name if names[path.name] == 1 else str(path)
            if path.suffix.lower() == ".zip":
                if molecule is None:
                    raise InputError(f"{path}: name the molecule to take out of the archive")
                path = extract_rmd17(path, molecule)
            structures = iterate_structures(
                path,
                kcal_per_mol=kcal_per_mol,
                targets=named,
                every=every,
                first=first,
                progress=progress,
            )
            for number, atoms in enumerate(structures):
                if (part and not part[0] <= number < part[1]) or _places(atoms) in left_out:
                    continue
                try:
                    if not _is_within(atoms, below or {}, above or {}):
                        continue
                    for name, species in (only_of or {}).items():
                        _leave_to_species(atoms, name, species)
                except InputError as error:
                    raise InputError(f"{path}, frame {number * every}: {error}") from None
                if named:
                    _name_as_usual(atoms, named)
                if "source" in atoms.info:
                    atoms.info["origin"] = atoms.info["source"]
                atoms.info |= {"source": source, "source_frame": number * every}
                taken += 1
                yield atoms

        if not taken:
            raise InputError(f"{', '.join(map(str, files))}: no frame is as asked for")

    return write_structures(out, frames())


def _is_within(atoms: Atoms, below: Mapping[str, float], above: Mapping[str, float]) -> bool:
    """Whether the numbers of a frame's ``info`` are below and above these limits.

    :raises InputError: it has no such number.
    """
    numbers = {name: atoms.info.get(name) for name in (*below, *above)}
    for name, value in numbers.items():
        if not isinstance(value, int | float | np.number) or np.isnan(value):
            raise InputError(
                f"frames are kept by {name}, which is {'missing' if value is None else value} here "
                f"(the frame has: {', '.join(keys_of(atoms))})"
            )
    smaller = all(numbers[name] < limit for name, limit in below.items())
    return smaller and all(numbers[name] > limit for name, limit in above.items())


def _leave_to_species(atoms: Atoms, name: str, species: str) -> None:
    """Take numbers of atoms away from all atoms of other species.

    :raises InputError: the frame has no such numbers.
    """
    values = atoms.arrays.get(name)
    if values is None or name in ("numbers", "positions"):
        raise InputError(
            f"no {name} of atoms to leave to {species} (the frame has: {', '.join(keys_of(atoms))})"
        )
    values = values.astype(np.float64)
    values[atoms.numbers != atomic_numbers[species]] = np.nan
    atoms.arrays[name] = values


def _name_as_usual(atoms: Atoms, targets: Sequence[Target]) -> None:
    """Put labels that files have under other names where all else looks for them."""
    results = dict(atoms.calc.results) if atoms.calc is not None else {}
    for target in targets:
        found = label(atoms, target)
        assert found is not None
        results[target.name] = voigt(found) if target == STRESS else found
    energy = results.get(ENERGY.name)
    labelled(
        atoms,
        None if energy is None else float(energy),
        results.get(FORCES.name),
        results.get(STRESS.name),
    )


def _places(atoms: Atoms) -> tuple[bytes, bytes]:
    """Equal for frames of the same atoms at the same places, as far as files print them."""
    return atoms.numbers.tobytes(), (np.round(atoms.positions, 5) + 0.0).tobytes()


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
        return xyz_frames(path, energy_key, forces_key)
    if name.endswith(".npz"):
        return npz_frames(path, kcal_per_mol)
    if name.endswith(".json"):
        return json_frames(path)
    if name.endswith(".db"):
        return database_frames(path)
    raise InputError(
        f"{path}: unknown format; supported are .xyz and .extxyz (also .gz, .xz), .db, .npz, .json"
    )


# Checks


def _check(atoms: Atoms, targets: Sequence[Target], any_of: Sequence[Target]) -> None:
    """Refuse what would spoil a training or an evaluation."""
    if len(atoms) == 0:
        raise InputError("the frame has no atoms")
    if atoms.numbers.min() < 1 or atoms.numbers.max() >= len(chemical_symbols):
        raise InputError("an atom has no known element; atomic numbers are 1 to 118")
    absent = missing(atoms, targets)
    if any_of and len(none := missing(atoms, any_of)) == len(any_of):
        absent += none
    if absent:
        wanted = [target for target in (*targets, *any_of) if target.name in absent]
        raise InputError(absence(atoms, wanted))
    results = atoms.calc.results if atoms.calc is not None else {}
    forces = results.get("forces")
    if forces is not None and forces.shape != (len(atoms), 3):
        raise InputError(f"forces of shape {forces.shape} for {len(atoms)} atoms")
    for target in (*targets, *any_of):
        label(atoms, target)
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
    tolerance = max(COINCIDENCE_DISTANCE, 1e-10 * np.abs(vectors).max(initial=0.0))
    rank = np.linalg.matrix_rank(vectors, tol=tolerance) if len(vectors) else 0
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
