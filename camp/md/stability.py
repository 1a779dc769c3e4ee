"""How long a simulation is stable: Eqs. 16 and 17, after Fu et al., TMLR 2023 (arXiv:2210.07237).

Both criteria return the time (fs) at which a simulation becomes unstable, or None.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from camp.errors import InputError

# Two atoms are bonded whose mean distance is below so many sums of their covalent radii; the
# nearest non-bonded pairs of organic molecules (H···H, C···H) are above 1.8.
BOND_FACTOR = 1.3


def unstable_by_structure(
    times: np.ndarray, g: np.ndarray, *, bin_width: float, window: float, threshold: float
) -> float | None:
    """Eq. 16: ∫ |⟨g(r)⟩ from t to t + τ − ⟨g(r)⟩ of the whole trajectory| dr > Δ.

    The equation names one g(r): that of all atoms together. Every frame with a whole window
    behind it is tried as t. Where a simulation breaks early, the average over the whole trajectory
    is that of the broken part and t comes out as zero, as the equation has it.

    :param times: (frames,) fs.
    :param g: (frames, bins) radial distribution function of every frame.
    :param bin_width: dr, Å.
    :param window: τ, fs.
    :param threshold: Δ, Å.
    :return: the start of the first window above Δ, or None; None, too, without a whole window.
    """
    tolerance = 1e-6 * window
    starts = np.flatnonzero(times + window <= times[-1] + tolerance)
    ends = np.searchsorted(times, times[starts] + window + tolerance, side="right")
    sums = np.concatenate([np.zeros((1, g.shape[1])), np.cumsum(g, axis=0)])
    means = (sums[ends] - sums[starts]) / (ends - starts)[:, None]
    differences = np.abs(means - g.mean(0)).sum(1) * bin_width
    return _first(times[starts], differences > threshold)


@dataclass(frozen=True)
class Bonds:
    """The bonds of a molecule and their mean lengths in the reference data."""

    numbers: np.ndarray  # (atoms,)
    pairs: np.ndarray  # (bonds, 2)
    lengths: np.ndarray  # (bonds,) Å


def reference_bonds(structures: Sequence[Atoms]) -> Bonds:
    """Bonds of a molecule: pairs whose mean distance is below 1.3 sums of covalent radii.

    :param structures: frames of one molecule without periodicity, its atoms in one order.
    :raises InputError: no frame, frames of different molecules, periodic ones, or no bond.
    """
    if not structures:
        raise InputError("the mean bonds need at least one reference structure")
    numbers = structures[0].numbers
    for place, atoms in enumerate(structures):
        if atoms.pbc.any():
            raise InputError(
                f"reference structure {place} is periodic; bonds are looked for in molecules only"
            )
        if not np.array_equal(atoms.numbers, numbers):
            raise InputError(f"reference structure {place} is another molecule than the first one")
    pairs = np.column_stack(np.triu_indices(len(numbers), 1))
    lengths = pair_distances(np.array([atoms.positions for atoms in structures]), pairs).mean(0)
    bonded = lengths < BOND_FACTOR * covalent_radii[numbers[pairs]].sum(1)
    if not bonded.any():
        raise InputError("the reference structures have no bonds")
    return Bonds(numbers, pairs[bonded], lengths[bonded])


def unstable_by_bonds(
    times: np.ndarray, positions: np.ndarray, bonds: Bonds, *, threshold: float
) -> float | None:
    """Eq. 17: the first time at which any bond differs from its mean length by more than Δ.

    :param times: (frames,) fs.
    :param positions: (frames, atoms, 3) Å, atoms in the order of the reference data.
    :param threshold: Δ, Å.
    """
    deviations = np.abs(pair_distances(positions, bonds.pairs) - bonds.lengths).max(1)
    return _first(times, deviations > threshold)


def pair_distances(positions: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(frames, pairs) distances in Å between the atoms of each pair (pairs, 2)."""
    return np.linalg.norm(positions[:, pairs[:, 1]] - positions[:, pairs[:, 0]], axis=-1)


def _first(times: np.ndarray, unstable: np.ndarray) -> float | None:
    return float(times[unstable.argmax()]) if unstable.any() else None
