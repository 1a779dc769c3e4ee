"""Energies, forces, and the response of molecules to a uniform field from GFN-xTB."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from ase import Atoms
from ase.units import Bohr, Hartree

from camp.errors import InputError

# tblite's scale of its thresholds: charges converged to 2e-6 e instead of its default 2e-5.
ACCURACY = 0.1
# eV/Å; no force of these materials at these temperatures comes near: atoms have collided.
LARGEST_FORCE = 50.0
# Hartree/(e·a₀), of central differences; tenfold smaller or larger changes α by less than 10⁻³.
FIELD = 1e-3

Sample = tuple[Atoms, float, np.ndarray]  # structure, energy in eV, forces (n, 3) in eV/Å
Sampler = Callable[[np.random.Generator, str], Iterator[Sample]]  # random numbers, method


class LabelError(Exception):
    """The charges did not converge, or atoms have collided."""


class Xtb:
    """GFN-xTB for structures that differ in positions only.

    Every call starts from superposed atoms, so a label depends on its geometry alone and not on
    the frames before it.
    """

    def __init__(self, method: str, atoms: Atoms) -> None:
        """
        :param method: ``GFN1-xTB`` or ``GFN2-xTB``.
        :param atoms: numbers, cell and periodicity; tblite treats every direction of a cell as
            periodic, so vacuum must be part of it.
        :raises InputError: tblite is not installed.
        """
        self._calculator = _calculator(method, atoms)

    def __call__(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """Energy in eV and forces (n, 3) in eV/Å at positions (n, 3) in Å.

        :raises LabelError: the charges did not converge, or atoms have collided.
        """
        self._calculator.update(positions=positions / Bohr)
        result = _singlepoint(self._calculator)
        energy = float(result["energy"]) * Hartree
        forces = -result["gradient"] * (Hartree / Bohr)
        # The comparison is false for NaN as well.
        if not (np.isfinite(energy) and np.abs(forces).max() < LARGEST_FORCE):
            raise LabelError(f"a force is above {LARGEST_FORCE:g} eV/Å or not a number")
        return energy, forces


def response(method: str, atoms: Atoms) -> dict[str, np.ndarray]:
    """What a molecule does in a uniform electric field, by name of the target.

    The dipole (3,) in e·Å, from negative to positive charge; of a charged system it would depend on
    the origin. The polarizability (3, 3) in Å³ is the dipole's derivative with respect to the field
    by central differences of :data:`FIELD`.

    :param method: see :class:`Xtb`.
    :raises LabelError: the charges did not converge.
    :raises InputError: tblite is not installed.
    """
    slopes = []
    for axis in np.eye(3):
        ahead, behind = (_dipole(method, atoms, sign * FIELD * axis) for sign in (1, -1))
        slopes.append((ahead - behind) / (2 * FIELD))
    polarizability = np.array(slopes) * Bohr**3
    return {
        "dipole": _dipole(method, atoms, np.zeros(3)) * Bohr,
        "polarizability": (polarizability + polarizability.T) / 2,
    }


def _dipole(method: str, atoms: Atoms, field: np.ndarray) -> np.ndarray:
    """(3,) in e·a₀, in a field (3,) in Hartree/(e·a₀)."""
    calculator = _calculator(method, atoms)
    if field.any():
        # The library takes no array.
        calculator.add("electric-field", field.tolist())
    return np.array(_singlepoint(calculator)["dipole"])


def _calculator(method: str, atoms: Atoms) -> Any:
    try:
        from tblite.interface import Calculator
    except ImportError as error:
        raise InputError(
            "generated data need the package tblite; install camp-repro[workflow]"
        ) from error
    periodic = bool(atoms.pbc.any())
    calculator = Calculator(
        method,
        atoms.numbers,
        atoms.positions / Bohr,
        lattice=atoms.cell.array / Bohr if periodic else None,
        periodic=np.full(3, True) if periodic else None,
    )
    calculator.set("verbosity", 0)
    calculator.set("accuracy", ACCURACY)
    return calculator


def _singlepoint(calculator: Any) -> Any:
    try:
        return calculator.singlepoint()
    except RuntimeError as error:
        raise LabelError("GFN-xTB did not converge") from error
