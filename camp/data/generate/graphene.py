"""Bilayer graphene: strained, perturbed and rigid cells, all labelled in one 4×4 supercell.

tblite knows the Γ point only. A 4×4 supercell samples the bands of the primitive cell on a 4×4
mesh; it is the smallest with the right order and about the right size of the interlayer
energies, E(AA) − E(AB) = 0.9 meV/atom at 3.4 Å (5×5: 1.1) and a minimum near a = 2.45 Å. 2×2
(0.05 s instead of 0.4 s on one core) has its minimum beyond a = 2.5 Å; 3×3 (0.2 s) holds the
point K, where the bands touch, and puts AA 9 meV/atom below AB. The same supercell for all frames
keeps the energies of small and large cells on one scale.
"""

import math
from collections.abc import Iterator
from itertools import count, cycle

import numpy as np
from ase import Atoms

from camp.data import bilayers
from camp.data.generate.xtb import Sample, Xtb

MESH = 4
LATTICE_CONSTANT = 2.45  # Å, of GFN1-xTB
HEIGHT = 25.0  # Å, cell perpendicular to the layers
STRAIN = 0.02
STRAINED_DISTANCES = (3.0, 4.5)  # Å
PERTURBED_DISTANCES = (3.1, 3.7)  # Å
DISPLACEMENTS = (0.02, 0.05)  # Å, standard deviation of each coordinate
RIGID_DISTANCES = (2.9, 5.1)  # Å
FIRST_RIGID_DISTANCE = 3.4  # Å
GOLDEN_RATIO = (math.sqrt(5.0) - 1.0) / 2.0

# Shift of the upper layer in units of the lattice vectors, which include 120°; None: random.
STACKINGS: dict[str, tuple[float, float] | None] = {
    "AB": (1 / 3, 2 / 3),
    "AA": (0.0, 0.0),
    "SP": (1 / 2, 1 / 2),
    "random": None,
}


def sample(rng: np.random.Generator, method: str) -> Iterator[Sample]:
    """Strained 4-atom, perturbed 4-atom, strained 4-atom, perturbed 16-atom, rigid cell; and so on.

    The strained ones take AB, AA, SP and random stackings in turn, the perturbed ones random
    stackings; these frames have an in-plane strain of up to ±2 % and a layer distance of their
    own. The rigid ones are those of :func:`rigid_bilayers`.
    """
    stackings = cycle(STACKINGS.values())
    rigid = rigid_bilayers()
    while True:
        for size, perturbed in ((1, False), (1, True), (1, False), (2, True)):
            if perturbed:
                atoms = bilayer(None, rng.uniform(*PERTURBED_DISTANCES), rng)
                atoms = atoms.repeat((size, size, 1))
                amplitude = rng.uniform(*DISPLACEMENTS)
                atoms.positions += amplitude * rng.standard_normal(atoms.positions.shape)
            else:
                atoms = bilayer(next(stackings), rng.uniform(*STRAINED_DISTANCES), rng)
            yield atoms, *label(atoms, MESH // size, method)
        atoms = next(rigid)
        yield atoms, *label(atoms, MESH, method)


def rigid_bilayers() -> Iterator[Atoms]:
    """Rigid bilayers in AB, SP and AA stacking at one distance, then at the next, without end.

    The distances fill their range evenly however many there are: the golden ratio sequence.
    """
    low, high = RIGID_DISTANCES
    start = (FIRST_RIGID_DISTANCE - low) / (high - low)
    for k in count():
        distance = low + (high - low) * ((start + k * GOLDEN_RATIO) % 1.0)
        for shift in bilayers.STACKINGS.values():
            yield bilayers.build_bilayer(LATTICE_CONSTANT, distance, shift, HEIGHT)


def bilayer(shift: tuple[float, float] | None, distance: float, rng: np.random.Generator) -> Atoms:
    """A strained 4-atom cell, periodic in the plane.

    :param shift: of the upper layer, in lattice vectors; None: random.
    :param distance: of the layers, Å.
    """
    unstrained = LATTICE_CONSTANT * np.array([[1.0, 0.0], [-0.5, 0.75**0.5]])
    xx, yy, xy = rng.uniform(-STRAIN, STRAIN, 3)
    cell = np.zeros((3, 3))
    cell[:2, :2] = unstrained @ (np.eye(2) + np.array([[xx, xy / 2], [xy / 2, yy]]))
    cell[2, 2] = HEIGHT
    upper = rng.uniform(0.0, 1.0, 2) if shift is None else np.array(shift)
    layer = np.array([[0.0, 0.0], [1 / 3, 2 / 3]])
    in_plane = np.concatenate([layer, layer + upper])
    heights = HEIGHT / 2 + distance / 2 * np.array([-1.0, -1.0, 1.0, 1.0])
    scaled = np.column_stack([in_plane, heights / HEIGHT])
    return Atoms("C4", scaled_positions=scaled, cell=cell, pbc=[True, True, False])


def label(atoms: Atoms, repeats: int, method: str) -> tuple[float, np.ndarray]:
    """Energy (eV) and forces (eV/Å) of one cell, from its supercell of repeats × repeats.

    :raises LabelError: see :class:`~camp.data.generate.xtb.Xtb`.
    """
    supercell = atoms.repeat((repeats, repeats, 1))
    energy, forces = Xtb(method, supercell)(supercell.positions)
    cells = repeats**2
    # The images of an atom feel the same force up to rounding.
    return energy / cells, forces.reshape(cells, len(atoms), 3).mean(axis=0)
