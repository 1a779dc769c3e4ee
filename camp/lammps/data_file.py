"""Structures as LAMMPS' data files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from ase.data import atomic_masses, atomic_numbers

from camp.errors import InputError
from camp.files import write_text

# Å, around the atoms in a direction that is not periodic: LAMMPS refuses very narrow boxes.
MARGIN = 10.0


@dataclass(frozen=True)
class Box:
    """A structure as LAMMPS wants it: the first cell vector along x, the second in the xy plane."""

    cell: np.ndarray  # (3, 3) Å, lower triangular
    origin: np.ndarray  # (3,) Å
    positions: np.ndarray  # (n, 3) Å
    pbc: tuple[bool, ...]
    rotation: np.ndarray  # (3, 3): vector in LAMMPS = vector · rotation

    @property
    def boundary(self) -> str:
        """The argument of LAMMPS' command."""
        return " ".join("p" if periodic else "m" for periodic in self.pbc)


def box_of(atoms: Atoms) -> Box:
    """A structure in LAMMPS' frame; positions in periodic directions stay as they are.

    :raises InputError: a cell that leans in a direction that is not periodic.
    """
    pbc = tuple(bool(periodic) for periodic in atoms.pbc)
    if not any(pbc):
        lowest, highest = atoms.positions.min(0) - MARGIN, atoms.positions.max(0) + MARGIN
        return Box(np.diag(highest - lowest), lowest, atoms.positions, pbc, np.eye(3))
    cell, rotation = atoms.cell.complete().array, np.eye(3)
    upper = np.triu(cell, 1)
    if upper.any() or (np.diag(cell) <= 0).any():
        prism = Prism(cell, np.array(pbc))
        cell, rotation = np.tril(prism.cell), prism.rot_mat
    positions, origin = atoms.positions @ rotation, np.zeros(3)
    for axis in np.flatnonzero(~np.array(pbc)):
        others = np.delete(cell[:, axis], axis)
        if np.abs(cell[axis]).sum() - cell[axis, axis] > 0 or np.abs(others).sum() > 0:
            raise InputError("the cell leans in a direction that is not periodic; make it periodic")
        origin[axis] = min(0.0, positions[:, axis].min() - MARGIN)
        cell[axis, axis] = max(cell[axis, axis], positions[:, axis].max() + MARGIN) - origin[axis]
    return Box(cell, origin, positions, pbc, rotation)


def write_data(path: Path, atoms: Atoms, elements: Sequence[str]) -> Box:
    """Write a structure as a data file of atom style atomic, with all digits and without
    velocities; returns it as written.

    :param elements: chemical symbols of the atom types.
    :raises InputError: an element that is not among them, see :func:`box_of`, or the file cannot
        be written.
    """
    symbols = atoms.get_chemical_symbols()
    if unknown := sorted(set(symbols) - set(elements)):
        raise InputError(f"the model does not know {', '.join(unknown)}")
    box = box_of(atoms)
    lines = [f"{len(atoms)} atoms, {atoms.get_chemical_formula()}", ""]
    lines += [f"{len(atoms)} atoms", f"{len(elements)} atom types", ""]
    for axis, name in enumerate("xyz"):
        low = float(box.origin[axis])
        lines.append(f"{low!r} {low + float(box.cell[axis, axis])!r} {name}lo {name}hi")
    tilts = [float(box.cell[k]) for k in ((1, 0), (2, 0), (2, 1))]
    if any(tilts):
        lines.append(f"{' '.join(map(repr, tilts))} xy xz yz")
    lines += ["", "Masses", ""]
    for number, element in enumerate(elements, 1):
        mass = float(atomic_masses[atomic_numbers[element]])
        lines.append(f"{number} {mass!r} # {element}")
    types = [elements.index(symbol) + 1 for symbol in symbols]
    lines += ["", "Atoms # atomic", ""]
    for number, (kind, position) in enumerate(zip(types, box.positions.tolist(), strict=True), 1):
        lines.append(f"{number} {kind} {' '.join(map(repr, position))}")
    write_text(path, "\n".join(lines) + "\n")
    return box
