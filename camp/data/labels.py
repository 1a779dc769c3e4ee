"""The labels of a structure, by target: where files have them, in which form, and what is wrong."""

from collections.abc import Sequence

import numpy as np
import torch
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress

from camp.cartesian.natural.decomposition import check_symmetry, symmetrised
from camp.cartesian.voigt import piezoelectric_from_voigt, stiffness_from_voigt
from camp.errors import InputError
from camp.targets import STRESS, TARGETS, Target

# How far a label may be from its own symmetry, relative to its largest entry; then it is
# symmetrised, because published tensors are rounded.
ASYMMETRY = 0.05
# Whatever is larger, in any unit here, is no measurement.
LARGEST_NUMBER = 1e30
# Key of a frame's ``info`` with its weight in the loss.
WEIGHT = "config_weight"


def label(atoms: Atoms, target: Target) -> np.ndarray | None:
    """The label of one structure, float64: target.shape, or (atoms, *target.shape); None if it has
    none. Entries that are not given are NaN.

    Voigt's forms of stress (6), piezoelectric (3 × 6) and elastic tensors (6 × 6) are unfolded. The
    stress of a frame without a volume, which some programs write as zero, is none.

    :raises InputError: numbers of another shape, not finite but not NaN, or without the symmetry
        of the target; names the key.
    """
    if target == STRESS and not atoms.cell.volume:
        return None
    for key in names_of(target):
        found = _find(atoms, key)
        if found is not None:
            return _shaped(np.asarray(found), key, target, len(atoms))
    return None


def missing(atoms: Atoms, targets: Sequence[Target]) -> list[str]:
    """Names of the targets that a structure has no label for."""
    return [t.name for t in targets if all(_find(atoms, key) is None for key in names_of(t))]


def names_of(target: Target) -> tuple[str, ...]:
    """Under which names the label of a target is looked for, in this order."""
    return target.keys or (target.name,)


def absence(atoms: Atoms, targets: Sequence[Target]) -> str:
    """That a structure lacks labels, what it has instead, and what would be understood."""
    found, accepted = keys_of(atoms), [key for target in targets for key in names_of(target)]
    return (
        f"no {' and no '.join(target.name for target in targets)} (the frame has: "
        f"{', '.join(found)}); understood are {', '.join(accepted)}, and others by options such as "
        "--energy-key or 'keys' in the settings"
    )


def without_labels(given: Atoms) -> Atoms:
    """A copy without what a file says of any target, under any of its names; what is no label by
    its size, such as an angle alpha, stays.
    """
    atoms = given.copy()
    for target in TARGETS.values():
        place, count = (atoms.arrays, len(atoms)) if target.of_atoms else (atoms.info, 1)
        forms = {3**target.rank, *([size] if (size := _voigt_size(target)) else [])}
        for name in names_of(target):
            if name in place and np.size(place[name]) in {count * form for form in forms}:
                del place[name]
    return atoms


def weight_of(atoms: Atoms) -> float:
    """The weight of a structure in the loss, 1 where it has none.

    :raises InputError: no number from 0 on.
    """
    weight = atoms.info.get(WEIGHT, 1.0)
    try:
        if 0 <= float(weight) < np.inf:
            return float(weight)
    except (TypeError, ValueError):
        pass
    raise InputError(f"{WEIGHT} is {weight}; it must be a number from 0 on")


def keys_of(atoms: Atoms) -> list[str]:
    """All that a structure carries by name."""
    results = atoms.calc.results if atoms.calc is not None else {}
    plain = ("numbers", "positions")
    return [*results, *atoms.info, *(name for name in atoms.arrays if name not in plain)]


def _find(atoms: Atoms, key: str) -> np.ndarray | float | None:
    results = atoms.calc.results if atoms.calc is not None else {}
    for place in (results, atoms.info, atoms.arrays):
        if place.get(key) is not None:
            return place[key]
    return None


def _voigt_size(target: Target) -> int | None:
    """Of the form after Voigt, where a target has one."""
    if target.rank == 2:
        return 6 if target.symmetry == "ij=ji" else None
    return {3: 18, 4: 36}.get(target.rank)


def _shaped(found: np.ndarray, key: str, target: Target, atoms: int) -> np.ndarray:
    count = atoms if target.of_atoms else 1
    try:
        values = found.astype(np.float64).reshape(count, -1)
    except (ValueError, TypeError):
        raise InputError(f"{key}: no numbers for {count} {target.per}(s)") from None
    size, width = 3**target.rank, values.shape[1]
    if width == _voigt_size(target):
        values = _from_voigt(values)
    elif width != size:
        of_what = f" for each of {atoms} atoms" if target.of_atoms else ""
        raise InputError(f"{key}: {width} numbers{of_what}; {target.name} has {size}")
    values = values.reshape(count, *target.shape)
    unusable = ~np.isnan(values) & ~(np.abs(values) < LARGEST_NUMBER)
    if unusable.any():
        atom = f" of atom {np.argwhere(unusable)[0, 0]}" if target.of_atoms else ""
        raise InputError(f"{key}{atom}: {values[unusable][0]} is no usable number")
    values = _symmetric(values, key, target)
    return values if target.of_atoms else values[0]


def _from_voigt(values: np.ndarray) -> np.ndarray:
    """(n, 6), (n, 18) or (n, 36) → (n, 3, 3), (n, 3, 3, 3) or (n, 3, 3, 3, 3)."""
    if values.shape[1] == 6:
        return np.array([voigt_6_to_full_3x3_stress(row) for row in values])
    rows = torch.from_numpy(values.reshape(len(values), -1, 6))
    return (stiffness_from_voigt if rows.shape[1] == 6 else piezoelectric_from_voigt)(rows).numpy()


def _symmetric(values: np.ndarray, key: str, target: Target) -> np.ndarray:
    if "=" not in target.symmetry:
        return values
    given = ~np.isnan(values).reshape(len(values), -1).any(1)
    tensors = torch.from_numpy(values[given])
    try:
        check_symmetry(tensors, target.symmetry, ASYMMETRY)
    except InputError as error:
        raise InputError(f"{key}: {error}") from None
    result = values.copy()
    result[given] = symmetrised(tensors, target.symmetry).numpy()
    return result
