"""Rigid bilayers of graphene: two flat, perfect honeycombs on one hexagonal lattice.

Such a bilayer has three parameters: the lattice constant, the distance of the layers, and the
shift of the top layer against the bottom one. Shifts are counted in lattice vectors that include
60°, from AA stacking (atoms on top of atoms), and are folded by the symmetry of the honeycomb
(lattice translations, six rotations, reflections; swapping the layers is one of them) into the
triangle

    0 ≤ s₁ ≤ s₂,  s₁ + 2 s₂ ≤ 1

whose corners are AA (0, 0), SP (0, 1/2) and AB (1/3, 1/3).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from camp.data.readers import energy_and_forces

CARBON = 6
# Å; how far atoms may be from the places of the perfect bilayer.
TOLERANCE = 1e-3
# Å; the least empty space above a bilayer that is repeated in the third direction, too.
VACUUM = 10.0
STACKINGS: dict[str, tuple[float, float]] = {
    "AB": (1 / 3, 1 / 3),
    "SP": (0.0, 1 / 2),
    "AA": (0.0, 0.0),
}
OTHER = "other"

# The rotation by 60° and a reflection, in lattice vectors that include 60°: columns are images.
_ROTATION = np.array([[0, -1], [1, 1]])
_REFLECTION = np.array([[0, 1], [1, 0]])
_POINT_GROUP = np.array(
    [
        np.linalg.matrix_power(_ROTATION, turns) @ np.linalg.matrix_power(_REFLECTION, flips)
        for turns in range(6)
        for flips in range(2)
    ]
)


@dataclass(frozen=True)
class RigidBilayer:
    """A rigid bilayer of graphene, without its place and direction in space."""

    lattice_constant: float  # Å
    distance: float  # Å, of the layers
    shift: tuple[float, float]  # of the top layer, folded; see the module
    energy: float | None = None  # eV/atom

    @property
    def stacking(self) -> str:
        """AB, SP, AA or other."""
        for name, shift in STACKINGS.items():
            if math.dist(self.shift, shift) * self.lattice_constant < TOLERANCE:
                return name
        return OTHER


def describe_bilayer(atoms: Atoms) -> RigidBilayer | None:
    """The parameters of a 4-atom cell of carbon if it is a rigid bilayer, else None.

    The bilayer may lie anywhere and in any direction. Its plane is spanned by two periodic
    directions; a third one must leave 10 Å of vacuum. Atoms may be 1e-3 Å off their places.
    """
    if len(atoms) != 4 or (atoms.numbers != CARBON).any():
        return None
    for first, second, third in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        if not (atoms.pbc[first] and atoms.pbc[second]):
            continue
        plane = _hexagonal(atoms.cell.array[[first, second]])
        if plane is None:
            continue
        repeat = atoms.cell.array[third] if atoms.pbc[third] else None
        found = _describe(atoms, plane, repeat)
        if found is not None:
            return found
    return None


def find_bilayers(structures: Iterable[Atoms]) -> dict[int, RigidBilayer]:
    """The rigid bilayers among structures, by index (from 0)."""
    described = ((index, describe_bilayer(atoms)) for index, atoms in enumerate(structures))
    return {index: bilayer for index, bilayer in described if bilayer is not None}


def fold_shift(shift: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """The equivalent of a shift (in lattice vectors that include 60°) in the triangle."""
    images = _POINT_GROUP @ np.asarray(shift, dtype=float)
    images -= np.round(images)
    # Of the translations of each image, those around the nearest lattice points.
    steps = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)])
    images = (images[:, None, :] + steps).reshape(-1, 2)
    s1, s2 = images.T
    # How far outside the triangle, if at all: rounding leaves points on an edge a little outside.
    outside = np.maximum.reduce([-s1, s1 - s2, s1 + 2 * s2 - 1])
    s1, s2 = np.maximum(images[outside.argmin()], 0.0)
    return float(s1), float(s2)


def build_bilayer(
    lattice_constant: float,
    distance: float,
    shift: tuple[float, float],
    height: float | None = None,
) -> Atoms:
    """A rigid bilayer as a 4-atom cell, periodic in the plane, lattice vectors including 60°.

    :param lattice_constant: Å.
    :param distance: of the layers, Å.
    :param shift: of the top layer, in lattice vectors.
    :param height: of the cell, Å; default: so much that the vacuum is 20 Å.
    """
    height = distance + 20.0 if height is None else height
    in_plane = np.array([[1 / 3, 1 / 3], [2 / 3, 2 / 3]])
    shifted = np.concatenate([in_plane, in_plane + np.asarray(shift)])
    heights = height / 2 + distance / 2 * np.array([-1.0, -1.0, 1.0, 1.0])
    cell = _cell(lattice_constant, height)
    scaled = np.column_stack([shifted, heights / height])
    return Atoms("C4", scaled_positions=scaled, cell=cell, pbc=[True, True, False])


def build_monolayer(lattice_constant: float) -> Atoms:
    """One layer as a 2-atom cell, periodic in the plane."""
    scaled = [[1 / 3, 1 / 3, 0.5], [2 / 3, 2 / 3, 0.5]]
    cell = _cell(lattice_constant, 20.0)
    return Atoms("C2", scaled_positions=scaled, cell=cell, pbc=[True, True, False])


def _cell(lattice_constant: float, height: float) -> np.ndarray:
    a = lattice_constant
    return np.array([[a, 0.0, 0.0], [a / 2, a * math.sqrt(0.75), 0.0], [0.0, 0.0, height]])


def _hexagonal(vectors: np.ndarray) -> np.ndarray | None:
    """Lattice vectors (2, 3) of the same lattice that include 60°; None if it is not hexagonal."""
    first, second = vectors
    if first @ second < 0:
        second = second + first
    lengths = [np.linalg.norm(v) for v in (first, second, second - first)]
    if max(lengths) - min(lengths) > TOLERANCE or min(lengths) == 0:
        return None
    return np.array([first, second])


def _describe(atoms: Atoms, plane: np.ndarray, repeat: np.ndarray | None) -> RigidBilayer | None:
    """The bilayer parallel to ``plane`` (2, 3), repeated by the vector ``repeat``."""
    a = float(np.linalg.norm(plane, axis=1).mean())
    normal = np.cross(*plane)
    normal /= np.linalg.norm(normal)
    positions = atoms.positions
    if repeat is not None:
        positions = _joined(positions, normal, repeat)
        if positions is None:
            return None
    heights = positions @ normal
    order = np.argsort(heights)
    bottom, top = heights[order[:2]], heights[order[2:]]
    if max(np.ptp(bottom), np.ptp(top)) > TOLERANCE or top[0] - bottom[1] < TOLERANCE:
        return None
    fractions = positions[order] @ np.linalg.pinv(plane)
    centres = [_hexagon_centre(pair, a) for pair in (fractions[:2], fractions[2:])]
    if centres[0] is None or centres[1] is None:
        return None
    energy, _ = energy_and_forces(atoms)
    return RigidBilayer(
        lattice_constant=a,
        distance=float(top.mean() - bottom.mean()),
        shift=fold_shift(centres[1] - centres[0]),
        energy=None if energy is None else energy / len(atoms),
    )


def _joined(positions: np.ndarray, normal: np.ndarray, repeat: np.ndarray) -> np.ndarray | None:
    """Positions with all atoms on the same side of the vacuum; None if there is none."""
    if repeat @ normal < 0:
        repeat = -repeat
    period = repeat @ normal
    if period < VACUUM:
        return None
    positions = positions - np.floor(positions @ normal / period)[:, None] * repeat
    heights = positions @ normal
    order = np.argsort(heights)
    gaps = np.diff(heights[order], append=heights[order[0]] + period)
    widest = int(gaps.argmax())
    if gaps[widest] < VACUUM:
        return None
    positions[order[: widest + 1]] += repeat
    return positions


def _hexagon_centre(fractions: np.ndarray, lattice_constant: float) -> np.ndarray | None:
    """Centre (2,), in lattice vectors, of a hexagon of the honeycomb of two atoms (2, 2)."""
    third = np.array([1 / 3, 1 / 3])
    for first, second in ((0, 1), (1, 0)):
        off = fractions[second] - fractions[first] - third
        off -= np.round(off)
        if np.abs(off).max() * lattice_constant < TOLERANCE:
            return fractions[first] - third + off / 2
    return None
