"""Rows of tables of pymatgen: a column of ``Structure.as_dict()``, and whatever else is known.

Such are the data of MatTen (Wen et al., Digital Discovery 3, 869 (2024); Venetos et al., J. Phys.
Chem. A 127, 2388 (2023)). pymatgen itself is not needed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from camp.errors import InputError

COLUMNS = ("structure",)
# Flags of a row: of which atoms its lists are.
SELECTOR = "atom_selector"
# What is read elsewhere, and what would stand beside the structure's own species and positions.
_READ = {*COLUMNS, SELECTOR, "energy", "forces", "stress"}
_OF_STRUCTURE = {"species", "Z", "pos", "numbers", "positions"}


def structure(row: Mapping[str, Any]) -> Atoms:
    """The structure of a row (Å), with the other columns under their names.

    In ``info`` are text, numbers and arrays of them, of any shape. Where the row has a column
    ``atom_selector``, its lists are of the selected atoms, or of all, and go to ``arrays``: float64
    (atoms, …), NaN for the other atoms. What is none of these is left out.

    :raises InputError: a site that is not one whole atom of a known element; a list that is neither
        of the selected atoms nor of all.
    :raises ValueError: an unreadable structure; TypeError and OverflowError likewise.
    """
    try:
        lattice, sites = row["structure"]["lattice"], row["structure"]["sites"]
        matrix = np.array(lattice["matrix"], dtype=float)
        fractions = np.array([site["abc"] for site in sites], dtype=float).reshape(-1, 3)
        numbers = [_atomic_number(index, site["species"]) for index, site in enumerate(sites)]
        periodic = lattice.get("pbc", True)  # not written by old versions
    except (LookupError, AttributeError) as error:
        raise ValueError(f"no Structure.as_dict(): {type(error).__name__} {error}") from None
    atoms = Atoms(numbers=numbers, positions=fractions @ matrix, cell=matrix, pbc=periodic)
    selected = _selected(row.get(SELECTOR), len(atoms))
    if selected is not None:
        atoms.arrays[SELECTOR] = selected
    for name, value in row.items():
        if name in _READ | _OF_STRUCTURE:
            continue
        if not isinstance(value, list):
            if isinstance(value, bool | int | float) or _is_line(value):
                atoms.info[name] = value
        elif (values := _numbers(value)) is not None:
            if selected is None:
                atoms.info[name] = values
            else:
                atoms.arrays[name] = _of_atoms(name, values, selected)
    return atoms


def _atomic_number(index: int, species: list[dict[str, Any]]) -> int:
    if len(species) != 1 or species[0]["occu"] != 1:
        what = ", ".join(f"{one['element']} {one['occu']}" for one in species) or "empty"
        raise InputError(f"site {index} is {what}; only sites of one whole atom can be read")
    try:
        return atomic_numbers[species[0]["element"]]
    except KeyError as error:
        raise InputError(f"site {index}: unknown element {error}") from None


def _selected(flags: Any, atoms: int) -> np.ndarray | None:
    if flags is None:
        return None
    selected = np.array(flags)
    if selected.shape != (atoms,) or selected.dtype != bool:
        raise InputError(f"{SELECTOR} must be true or false for each of {atoms} atoms")
    return selected


def _is_line(value: Any) -> bool:
    """Whether a value can stand in the second line of extended XYZ."""
    return isinstance(value, str) and value.isprintable()


def _numbers(value: list[Any]) -> np.ndarray | None:
    """Numbers or flags of any shape, NaN for null; None where there are others or none."""
    try:
        values = np.array(value)
        values = values.astype(float) if values.dtype == object else values
    # Lists of several lengths, or objects.
    except (ValueError, TypeError):
        return None
    return values if values.size and values.dtype.kind in "biuf" else None


def _of_atoms(name: str, values: np.ndarray, selected: np.ndarray) -> np.ndarray:
    """(atoms, …) float64 from numbers of the selected atoms or of all."""
    if len(values) == len(selected):
        return values.astype(float)
    if len(values) != (count := selected.sum()):
        raise InputError(
            f"{name} has {len(values)} entries for {count} selected of {len(selected)} atoms"
        )
    result = np.full((len(selected), *values.shape[1:]), np.nan)
    result[selected] = values
    return result
