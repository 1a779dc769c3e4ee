"""Neighbour lists, from the library vesin."""

import numpy as np
import vesin
from ase import Atoms
from ase.geometry import complete_cell

from camp.errors import InputError

# Two atoms nearer than this (Å) are the same atom written twice.
COINCIDENCE_DISTANCE = 1e-3


class CoincidingAtomsError(InputError):
    """Two atoms are at the same place; ``first`` and ``second`` are their indices."""

    def __init__(self, first: int, second: int, distance: float):
        super().__init__(
            f"atoms {first} and {second} coincide ({distance:.1e} Å apart); remove one of them"
        )
        self.first = first
        self.second = second


def neighbour_list(atoms: Atoms, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All ordered pairs (i, j) with |r_j + S·cell − r_i| < cutoff, images included.

    Every pair (i, j, S) is accompanied by its reverse (j, i, −S), also when the distance equals
    the cutoff to the last bit; an atom pairs with its own images in cells below the cutoff.

    :param atoms: positions in Å; any cell, periodic in 0–3 directions.
    :param cutoff: Å.
    :return: centres (e,), neighbours (e,) and integer cell shifts S (e, 3): the first half of
        the rows are the pairs, the second half, in the same order, their reverses. The order
        depends on the pairs alone, not on the positions or on pairs farther away.
    :raises InputError: periodic directions without a volume, or coinciding atoms.
    """
    cell = complete_cell(atoms.cell)
    if atoms.pbc.any():
        periodic_rows = atoms.cell[atoms.pbc]
        if np.linalg.matrix_rank(periodic_rows, tol=1e-8) < len(periodic_rows):
            raise InputError(
                "the cell has no volume but is periodic (pbc "
                f"{' '.join('T' if p else 'F' for p in atoms.pbc)}); "
                "give the cell vectors or switch periodicity off"
            )
    search = vesin.NeighborList(cutoff=cutoff, full_list=False)
    i, j, shift, distance = search.compute(
        points=np.ascontiguousarray(atoms.positions, dtype=np.float64),
        box=np.ascontiguousarray(cell, dtype=np.float64),
        periodic=[bool(p) for p in atoms.pbc],
        quantities="ijSd",
    )
    if len(distance) and distance.min() < COINCIDENCE_DISTANCE:
        closest = int(distance.argmin())
        raise CoincidingAtomsError(int(i[closest]), int(j[closest]), distance[closest])
    i, j, shift = i.astype(np.int64), j.astype(np.int64), shift.astype(np.int64)
    # Sums over neighbours are then the same to the last bit after a simulation was continued.
    order = np.argsort(_key(i, j, shift, len(atoms)), kind="stable")
    i, j, shift = i[order], j[order], shift.take(order, axis=0)
    return np.concatenate([i, j]), np.concatenate([j, i]), np.concatenate([shift, -shift])


def _key(i: np.ndarray, j: np.ndarray, shift: np.ndarray, count: int) -> np.ndarray:
    """A number for each pair of ``count`` atoms, to sort by: (e,) int64."""
    key = i * count + j
    for component in shift.T:
        # The shifts of one pair of atoms differ by a few cells only.
        key = key << 8 | component & 255
    return key
