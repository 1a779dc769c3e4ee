"""What a simulation measures: structure, diffusion, energy drift.

Everything here takes arrays in Å, fs, eV and u, so that it serves trajectories and reference
frames alike. Neighbours come from the library vesin.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import vesin
from ase.data import atomic_numbers, chemical_symbols
from ase.geometry import complete_cell
from scipy.fft import irfft, next_fast_len, rfft
from scipy.stats import linregress

from camp.errors import InputError

# 1 Å²/fs in cm²/s.
CM2_PER_S = 0.1
# The part of a run in which the mean-squared displacement is fitted unless told otherwise: later
# it has few origins to average over, earlier the motion is not diffusive yet.
FIT_FRACTIONS = (0.1, 0.5)
ALL_PAIRS = "all"
# Atoms whose Fourier transforms are held at once.
_ATOMS_AT_ONCE = 64


@dataclass(frozen=True)
class RadialDistribution:
    """g(r) of every frame, by pair of species; "all" for the total."""

    r: np.ndarray  # (bins,) Å, centres
    bin_width: float  # Å
    valid_to: float  # Å: beyond it, distances are correlated with those to periodic images
    g: dict[str, np.ndarray]  # (frames, bins)


def radial_distribution(
    numbers: np.ndarray,
    positions: np.ndarray,
    cell: np.ndarray,
    pbc: np.ndarray,
    *,
    pairs: Sequence[str] = (),
    bin_width: float = 0.05,
    r_max: float | None = None,
) -> RadialDistribution:
    """Radial distribution functions in a cell that is periodic in three directions.

    g(r) is the density of B at distance r from an A over the mean density N_B/V. All periodic
    images within ``r_max`` count, in any triclinic cell, so that a supercell has the g(r) of its
    unit cell and ρ∫4πr²g dr is a number of neighbours. (In a closed cell an ideal gas has
    g = 1 − 1/N for a species with itself; a liquid, being hardly compressible, is far nearer
    to its infinite limit with N² than with N(N−1) pairs: Lebowitz and Percus 1961.)

    :param numbers: (atoms,) atomic numbers.
    :param positions: (frames, atoms, 3) Å, wrapped or not.
    :param cell: (3, 3) or (frames, 3, 3) Å.
    :param pbc: (3,) bool.
    :param pairs: such as "O-H", beside the total.
    :param bin_width: Å.
    :param r_max: Å; half the smallest distance between opposite faces of the cell unless given.
    :raises InputError: a cell that is not periodic in three directions, no frame, an unknown
        pair, or no bin below ``r_max``.
    """
    if not np.all(pbc):
        raise InputError(
            "a radial distribution function needs a cell that is periodic in three directions"
        )
    if len(positions) == 0:
        raise InputError("a radial distribution function needs at least one frame")
    cells = np.broadcast_to(cell, (len(positions), 3, 3))
    limit = half_height(cells)
    edges = _edges(limit if r_max is None else r_max, bin_width)
    species = np.unique(numbers)
    wanted = {name: _species(name, 2, numbers) for name in pairs}
    bins, kinds = len(edges) - 1, len(species)
    search = vesin.NeighborList(cutoff=float(edges[-1]), full_list=False)
    kind = np.searchsorted(species, numbers)
    counts = np.empty((len(positions), kinds, kinds, bins))
    for frame, (points, box) in enumerate(zip(positions, cells, strict=True)):
        i, j, distance = search.compute(
            np.ascontiguousarray(points), np.ascontiguousarray(box), True, "ijd"
        )
        place = np.minimum((distance / bin_width).astype(np.int64), bins - 1)
        index = (kind[i] * kinds + kind[j]) * bins + place
        counts[frame] = np.bincount(index, minlength=kinds * kinds * bins).reshape(
            kinds, kinds, bins
        )
    shells = 4.0 / 3.0 * np.pi * np.diff(edges**3)
    fraction = shells / np.abs(np.linalg.det(cells))[:, None]
    g = {ALL_PAIRS: 2 * counts.sum((1, 2)) / (len(numbers) ** 2 * fraction)}
    for name, (a, b) in wanted.items():
        first, second = np.searchsorted(species, (a, b))
        # Each pair is found once, as A–B or as B–A.
        ordered = counts[:, first, second] + counts[:, second, first]
        g[name] = ordered / (np.sum(numbers == a) * np.sum(numbers == b) * fraction)
    return RadialDistribution(
        r=(edges[:-1] + edges[1:]) / 2,
        bin_width=bin_width,
        valid_to=float(min(edges[-1], limit)),
        g=g,
    )


def half_height(cell: np.ndarray) -> float:
    """Half the smallest distance between opposite faces of one cell or several, (…, 3, 3) in Å."""
    return float(0.5 / np.linalg.norm(np.linalg.inv(cell), axis=-2).max())


def angular_distribution(
    numbers: np.ndarray,
    positions: np.ndarray,
    cell: np.ndarray,
    pbc: np.ndarray,
    *,
    triple: str,
    cutoff: float,
    bin_width: float = 2.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Distribution of the angles A–B–C at B, with A and C nearer to B than ``cutoff``.

    :param positions: (frames, atoms, 3) Å; numbers, cell and pbc as for
        :func:`radial_distribution`, but any periodicity.
    :param triple: such as "S-P-S", the species at the vertex in the middle.
    :param cutoff: Å.
    :param bin_width: degrees.
    :return: centres of the bins (degrees) and the density per degree, of unit area; nan where no
        frame has such a triple.
    :raises InputError: an unknown triple.
    """
    a, vertex, c = _species(triple, 3, numbers)
    bins = round(180.0 / bin_width)
    edges = np.linspace(0.0, 180.0, bins + 1)
    cells = np.broadcast_to(cell, (len(positions), 3, 3))
    search = vesin.NeighborList(cutoff=cutoff, full_list=True, sorted=True)
    counts = np.zeros(bins)
    for points, box in zip(positions, cells, strict=True):
        i, j, vectors = search.compute(
            np.ascontiguousarray(points),
            np.ascontiguousarray(complete_cell(box)),
            [bool(p) for p in pbc],
            "ijD",
        )
        at_vertex = numbers[i] == vertex
        side_a = np.flatnonzero(at_vertex & (numbers[j] == a))
        side_c = np.flatnonzero(at_vertex & (numbers[j] == c))
        first, second = _with_one_centre(i[side_a], i[side_c])
        if a == c:
            once = first < second
            first, second = first[once], second[once]
        u, v = vectors[side_a[first]], vectors[side_c[second]]
        cosine = (u * v).sum(1) / (np.linalg.norm(u, axis=1) * np.linalg.norm(v, axis=1))
        angles = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
        counts += np.histogram(angles, edges)[0]
    total = counts.sum()
    density = counts / (total * bin_width) if total else np.full(bins, np.nan)
    return (edges[:-1] + edges[1:]) / 2, density


def _with_one_centre(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (k, l) of two sorted lists of centres with first[k] = second[l]."""
    start = np.searchsorted(second, first, side="left")
    length = np.searchsorted(second, first, side="right") - start
    rows = np.repeat(np.arange(len(first)), length)
    within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    return rows, start[rows] + within


def without_drift(positions: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Unwrapped positions (frames, atoms, 3) with respect to the centre of mass of all atoms."""
    return positions - np.average(positions, axis=1, weights=masses)[:, None]


def mean_squared_displacement(
    positions: np.ndarray, masses: np.ndarray, selected: np.ndarray
) -> np.ndarray:
    """⟨|r(t₀ + t) − r(t₀)|²⟩ over atoms and all time origins t₀, without the centre of mass.

    By fast Fourier transform, as in Calandrini et al., Collection SFN 12, 201 (2011)
    (doi:10.1051/sfn/201112010): the cost is that of one pass over the trajectory.

    :param positions: (frames, atoms, 3) Å, unwrapped, evenly spaced in time.
    :param masses: (atoms,) u.
    :param selected: (atoms,) bool, the atoms to average over.
    :return: (frames,) Å², for lags of 0, 1, … frames.
    :raises InputError: no atom is selected.
    """
    displaced = _selected_displacements(positions, masses, selected)
    frames, atoms = displaced.shape[:2]
    padded = next_fast_len(2 * frames, real=True)
    correlation = np.zeros(frames)
    for start in range(0, atoms, _ATOMS_AT_ONCE):
        spectrum = rfft(displaced[:, start : start + _ATOMS_AT_ONCE], n=padded, axis=0)
        correlation += irfft((np.abs(spectrum) ** 2).sum((1, 2)), n=padded)[:frames]
    squares = np.square(displaced).sum((1, 2))
    # Σ r²(t) + r²(t + lag) over the origins: prefix sums from both ends.
    both = np.cumsum(squares)[::-1] + np.cumsum(squares[::-1])[::-1]
    origins = frames - np.arange(frames)
    return (both - 2.0 * correlation) / (origins * atoms)


def displacement_from_start(
    positions: np.ndarray, masses: np.ndarray, selected: np.ndarray
) -> np.ndarray:
    """⟨|r(t) − r(0)|²⟩ over atoms, from the first frame only, as in ASE's DiffusionCoefficient.

    Parameters, result and errors as for :func:`mean_squared_displacement`.
    """
    displaced = _selected_displacements(positions, masses, selected)
    return np.square(displaced).sum((1, 2)) / displaced.shape[1]


def _selected_displacements(
    positions: np.ndarray, masses: np.ndarray, selected: np.ndarray
) -> np.ndarray:
    if not np.any(selected):
        raise InputError("no atom is selected for the mean-squared displacement")
    chosen = without_drift(positions, masses)[:, selected]
    return chosen - chosen[0]


def default_fit(length: float) -> tuple[float, float]:
    """The window in which a displacement is fitted, for a run of this length (any unit)."""
    return FIT_FRACTIONS[0] * length, FIT_FRACTIONS[1] * length


def diffusion_coefficient(
    times: np.ndarray, displacements: np.ndarray, fit: tuple[float, float] | None = None
) -> float:
    """D in cm²/s by the Einstein relation in three dimensions (Eq. 15): slope over six.

    A straight line with an intercept is fitted to the mean-squared displacement, as in ASE.

    :param times: (lags,) fs.
    :param displacements: (lags,) mean-squared displacements in Å².
    :param fit: first and last time of the fit in fs; the whole curve unless given.
    :raises InputError: a window outside the curve or with fewer than three points.
    """
    start, end = fit or (times[0], times[-1])
    tolerance = 1e-6 * (times[-1] - times[0])
    if start < times[0] - tolerance or end > times[-1] + tolerance or start >= end:
        raise InputError(
            f"the fit from {start / 1000:g} to {end / 1000:g} ps is not within the curve, which "
            f"goes from {times[0] / 1000:g} to {times[-1] / 1000:g} ps; correct the window"
        )
    inside = (times >= start - tolerance) & (times <= end + tolerance)
    if inside.sum() < 3:
        raise InputError(
            f"the fit from {start / 1000:g} to {end / 1000:g} ps has {inside.sum()} points; "
            "widen the window"
        )
    return float(linregress(times[inside], displacements[inside]).slope) / 6.0 * CM2_PER_S


def energy_drift(times: np.ndarray, energies: np.ndarray, atoms: int) -> float:
    """Slope of a conserved energy, in eV per atom and ps, by a linear fit.

    :param times: (frames,) fs, at least two.
    :param energies: (frames,) eV.
    """
    return float(linregress(times / 1000.0, energies / atoms).slope)


def selection(symbol: str, numbers: np.ndarray) -> np.ndarray:
    """(atoms,) bool: the atoms of one species.

    :raises InputError: there are none.
    """
    return numbers == _species(symbol, 1, numbers)[0]


def _species(name: str, count: int, numbers: np.ndarray) -> list[int]:
    """Atomic numbers of a name such as "S-P-S"."""
    parts = name.split("-")
    if len(parts) != count:
        example = "-".join(["A", "B", "C"][:count])
        raise InputError(f"{name}: write {count} species as {example}")
    present = set(numbers.tolist())
    for part in parts:
        if atomic_numbers.get(part) not in present:
            known = ", ".join(chemical_symbols[z] for z in sorted(present))
            raise InputError(f"{name}: the structure has no {part}; its species are {known}")
    return [atomic_numbers[part] for part in parts]


def _edges(r_max: float, bin_width: float) -> np.ndarray:
    # Only whole bins; the small addition keeps 6.0 / 0.05 from becoming 119.
    bins = int(r_max / bin_width + 1e-9)
    if bin_width <= 0 or bins < 1:
        raise InputError(f"no bin of {bin_width:g} Å fits below {r_max:g} Å; make the bins smaller")
    return bin_width * np.arange(bins + 1)
