"""Energies and forces from GFN-xTB."""

from collections.abc import Callable, Iterator

import numpy as np
from ase import Atoms
from ase.units import Bohr, Hartree

from camp.errors import InputError

# tblite's scale of its thresholds: charges converged to 2e-6 e instead of its default 2e-5.
ACCURACY = 0.1
# eV/Å; no force of these materials at these temperatures comes near: atoms have collided.
LARGEST_FORCE = 50.0

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
        try:
            from tblite.interface import Calculator
        except ImportError as error:
            raise InputError(
                "generated data need the package tblite; install camp-repro[workflow]"
            ) from error
        periodic = bool(atoms.pbc.any())
        self._calculator = Calculator(
            method,
            atoms.numbers,
            atoms.positions / Bohr,
            lattice=atoms.cell.array / Bohr if periodic else None,
            periodic=np.full(3, True) if periodic else None,
        )
        self._calculator.set("verbosity", 0)
        self._calculator.set("accuracy", ACCURACY)

    def __call__(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """Energy in eV and forces (n, 3) in eV/Å at positions (n, 3) in Å.

        :raises LabelError: the charges did not converge, or atoms have collided.
        """
        self._calculator.update(positions=positions / Bohr)
        try:
            result = self._calculator.singlepoint()
        except RuntimeError as error:
            raise LabelError("GFN-xTB did not converge") from error
        energy = float(result["energy"]) * Hartree
        forces = -result["gradient"] * (Hartree / Bohr)
        # The comparison is false for NaN as well.
        if not (np.isfinite(energy) and np.abs(forces).max() < LARGEST_FORCE):
            raise LabelError(f"a force is above {LARGEST_FORCE:g} eV/Å or not a number")
        return energy, forces
