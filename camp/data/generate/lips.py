"""γ-Li₃PS₄ at 520 K, the temperature of the LiPS set of the paper."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from ase.spacegroup import crystal

from camp.data.generate.dynamics import langevin
from camp.data.generate.xtb import Sample, Xtb

TEMPERATURE = 520.0  # K
# Pmn2₁ with the cell of doi:10.1016/j.ssi.2010.10.001 in Å; coordinates relaxed with GFN1-xTB.
CELL = [7.708, 6.535, 6.137, 90, 90, 90]
SITES = [
    ("Li", (0.2417, 0.3314, 0.9782)),
    ("Li", (0.5000, 0.8443, 0.9640)),
    ("P", (0.0000, 0.8203, 0.0039)),
    ("S", (0.2312, 0.6861, 0.9040)),
    ("S", (0.0000, 0.1155, 0.8962)),
    ("S", (0.5000, 0.1912, 0.8334)),
]
# (pair, longest distance in Å, eV/Å²): fitted to the GFN1-xTB Hessian of the relaxed crystal.
SPRINGS = [
    (("P", "S"), 2.5, 12.7),
    (("Li", "S"), 3.0, 1.3),
    (("Li", "P"), 4.3, 0.8),
    (("S", "S"), 3.7, 1.6),
    (("S", "S"), 4.3, 0.4),
]
# In units of the inverse frequency of the springs, where all vibrations lie at 0.4 to 1.6.
TIMESTEP = 0.9
MEMORY = 0.5
EQUILIBRATION = 10  # steps; every step after them is a frame


def sample(rng: np.random.Generator, method: str) -> Iterator[Sample]:
    """Frames of Langevin dynamics whose mass matrix is the spring matrix of the crystal.

    With it all vibrations have nearly the same period and a single step takes the structure a
    large part of it away, so no call of GFN-xTB is spent between frames.
    """
    start = crystal_structure()
    trajectory = langevin(
        Xtb(method, start),
        start,
        rng,
        temperature=TEMPERATURE,
        mobility=_inverse_root(spring_matrix(start)),
        timestep=TIMESTEP,
        memory=MEMORY,
    )
    return islice(trajectory, EQUILIBRATION, None)


def crystal_structure() -> Atoms:
    """The 16-atom cell of γ-Li₃PS₄."""
    symbols, positions = zip(*SITES, strict=True)
    atoms = crystal(symbols, positions, spacegroup="P m n 21", cellpar=CELL)
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)


def spring_matrix(atoms: Atoms) -> np.ndarray:
    """Second derivatives (3n, 3n), in eV/Å², of springs at rest between the atoms."""
    n = len(atoms)
    hessian = np.zeros((n, 3, n, 3))
    for pair, longest, strength in SPRINGS:
        first, second, vectors = neighbor_list("ijD", atoms, {pair: longest})
        for i, j, vector in zip(first, second, vectors, strict=True):
            block = strength * np.outer(vector, vector) / (vector @ vector)
            hessian[i, :, i] += block
            hessian[i, :, j] -= block
    return hessian.reshape(3 * n, 3 * n)


def _inverse_root(matrix: np.ndarray) -> np.ndarray:
    """matrix^−½ without its null space, the three translations of the whole crystal."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors[:, 3:] * values[3:] ** -0.5) @ vectors[:, 3:].T
