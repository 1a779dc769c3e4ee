"""What all formats share: a frame that is read when it is needed, and its labels."""

from collections.abc import Callable
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

# One frame of a file, read when it is called.
FrameReader = Callable[[], Atoms]


def labelled(
    atoms: Atoms, energy: float | None, forces: np.ndarray | None, stress: np.ndarray | None
) -> Atoms:
    """The structure with its labels (eV, eV/Å, eV/Å³), those that are there."""
    results: dict[str, Any] = {"energy": energy, "forces": forces, "stress": stress}
    results = {key: value for key, value in results.items() if value is not None}
    atoms.calc = SinglePointCalculator(atoms, **results) if results else None
    return atoms


def voigt(stress: np.ndarray) -> np.ndarray:
    """(6,) from (3, 3), (9,) or (6,)."""
    if stress.size == 9:
        return full_3x3_to_voigt_6_stress(stress.reshape(3, 3))
    if stress.shape != (6,):
        raise ValueError(f"stress of {stress.size} numbers")
    return stress
