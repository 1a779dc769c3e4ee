"""Liquid water: eight molecules in a periodic cube at 300 K."""

from collections.abc import Iterator
from itertools import islice, product

import numpy as np
from ase import Atoms, units
from ase.build import molecule
from scipy.spatial.transform import Rotation

from camp.data.generate.dynamics import langevin, mobility_of_heavy_hydrogen
from camp.data.generate.xtb import Sample, Xtb

MOLECULES_PER_EDGE = 2
DENSITY = 1.0  # g/cm³
TEMPERATURE = 300.0  # K
TIMESTEP = 2.0 * units.fs
MEMORY = 0.9  # friction of 1 / (19 fs)
EQUILIBRATION = 30  # steps
EVERY = 4  # steps from frame to frame

# TIP3P (doi:10.1063/1.445869) for the start; O, H, H.
CHARGES = np.array([-0.834, 0.417, 0.417])  # e
LENNARD_JONES = (3.1506, 0.1521 * units.kcal / units.mol)  # Å, eV
SWEEPS = 500
LARGEST_TURN, LARGEST_SHIFT = 0.6, 0.3  # rad, Å


def sample(rng: np.random.Generator, method: str) -> Iterator[Sample]:
    """Frames of a trajectory that starts from :func:`liquid`."""
    start = liquid(rng)
    trajectory = langevin(
        Xtb(method, start),
        start,
        rng,
        temperature=TEMPERATURE,
        mobility=mobility_of_heavy_hydrogen(start),
        timestep=TIMESTEP,
        memory=MEMORY,
    )
    return islice(trajectory, EQUILIBRATION, None, EVERY)


def liquid(rng: np.random.Generator) -> Atoms:
    """Rigid molecules from a lattice, turned at random, after Monte Carlo with TIP3P.

    The hydrogen bonds form here within a fraction of a second, which takes GFN-xTB a minute.
    """
    monomer = molecule("H2O")
    count = MOLECULES_PER_EDGE**3
    grams = count * monomer.get_masses().sum() / units.kg * 1e3
    edge = (grams / DENSITY) ** (1 / 3) * 1e8  # cm → Å
    sites = np.array(list(product(range(MOLECULES_PER_EDGE), repeat=3))) * edge / MOLECULES_PER_EDGE
    shape = monomer.positions - monomer.positions[0]
    turns = Rotation.from_quat(rng.standard_normal((count, 4)))
    molecules = np.array([t.apply(shape) + s for t, s in zip(turns, sites, strict=True)])
    for move in range(SWEEPS * count):
        moved = move % count
        others = np.delete(molecules, moved, axis=0)
        old = molecules[moved]
        turn = Rotation.from_rotvec(rng.uniform(-LARGEST_TURN, LARGEST_TURN, 3))
        shift = rng.uniform(-LARGEST_SHIFT, LARGEST_SHIFT, 3)
        new = turn.apply(old - old[0]) + old[0] + shift
        rise = _interaction(new, others, edge) - _interaction(old, others, edge)
        if rng.random() < np.exp(-max(rise, 0.0) / (units.kB * TEMPERATURE)):
            molecules[moved] = new
    numbers = np.tile(monomer.numbers, count)
    return Atoms(numbers, molecules.reshape(-1, 3), cell=[edge] * 3, pbc=True)


def _interaction(one: np.ndarray, others: np.ndarray, edge: float) -> float:
    """TIP3P energy (eV) of one molecule (3, 3) with the nearest images of others (m, 3, 3)."""
    nearest = others - edge * np.round((others[:, :1] - one[0]) / edge)
    distances = np.linalg.norm(nearest[:, :, None] - one, axis=-1)
    coulomb = units.Hartree * units.Bohr * np.outer(CHARGES, CHARGES) / distances
    length, depth = LENNARD_JONES
    sixth = (length / distances[:, 0, 0]) ** 6
    return float(coulomb.sum() + (4 * depth * (sixth**2 - sixth)).sum())
