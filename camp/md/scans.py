"""Static scans: the energies of bilayer graphene (Fig. 6), and of a pair crossing the cutoff."""

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from scipy.interpolate import CubicSpline

from camp.data.bilayers import (
    STACKINGS,
    TOLERANCE,
    RigidBilayer,
    build_bilayer,
    build_monolayer,
)
from camp.errors import InputError
from camp.potential.potential import Potential

# Å; the layer distance from which the paper counts in Fig. 6b, and at which Fig. 6c is drawn.
FIXED_DISTANCE = 3.4
NEAREST, FARTHEST, STEP = 2.5, 6.0, 0.02  # Å, of the curves; they reach beyond the cutoff, too
MINIMA = (2.9, 4.2)  # Å; where the minima of the curves are looked for
# Å; energies are interpolated between layer distances that are no further apart.
INTERPOLATED = 0.1
# In lattice vectors; shifts that agree within this are the same.
SAME_SHIFT = 1e-3
PATH = ("AB", "SP", "AA")
DIFFERENCES = (("SP", "AB"), ("AA", "AB"))
CUTOFF_RANGE = (0.8, 1.05)  # of the cutoff; where a pair is scanned
# eV and eV/Å: rounding in double precision stays far below, a step in a real model far above.
SMOOTH_ENERGY, SMOOTH_SLOPE = 1e-9, 1e-6


def interlayer_scan(
    potential: Potential,
    references: Sequence[RigidBilayer],
    lattice_constant: float | None = None,
    *,
    monolayer_energy: float | None = None,
    distance: float = FIXED_DISTANCE,
    shifts: int = 25,
    **labels: Any,
) -> dict[str, Any]:
    """Rigid bilayers of a model beside reference energies; results are in meV/atom.

    The interlayer energy is E(bilayer)/atom − E(monolayer)/atom at one lattice constant. The
    model's monolayer is its own. The reference's is ``monolayer_energy``; without it, the
    reference is shifted so that its bilayer of largest layer distance has the model's interlayer
    energy (which is 0 from the cutoff on), and the attraction that the reference has left there is
    not seen.

    Results: ``references`` (every reference beside the model in the same geometry), ``mae`` (of
    total energies over all references, for which no zero is needed; of interlayer energies over
    those at the lattice constant, without the one that sets the zero), ``curves`` against the
    layer distance, ``minima`` and ``differences`` (SP and AA above AB, each at its own minimum
    over the layer distance, and all at the fixed one), ``surface`` (the generalised stacking-fault
    energy at the fixed layer distance, above AB there; rows follow the shift along the first
    lattice vector) and ``path`` (the same along the straight lines AB–SP–AA). What the references
    are too few for is None or absent.

    :param references: rigid bilayers with energies, of any lattice constants.
    :param lattice_constant: Å; default: the one that most references have.
    :param monolayer_energy: eV/atom, of the reference method at the lattice constant.
    :param distance: the fixed layer distance, Å.
    :param shifts: points of the surface along each lattice vector, both ends included.
    :param labels: task, seed, scale, architecture, weights, data, generated, train_size, note; kept
        with the results.
    :raises InputError: no references with this lattice constant, one without an energy, or a model
        that does not know carbon or predicts no energy.
    """
    potential.require_energy("a scan")
    energies = _energies_of(references)
    a = _usual_lattice_constant(references) if lattice_constant is None else lattice_constant
    chosen = np.array([abs(b.lattice_constant - a) < TOLERANCE for b in references])
    if not chosen.any():
        raise InputError(f"no rigid bilayer has the lattice constant {a:g} Å")
    model = _BilayerModel(potential, a)
    compared = _compare(model, references, energies, chosen, monolayer_energy)
    curves = model.curves()
    known = _curves([b for b, use in zip(references, chosen, strict=True) if use])
    sides = {"model": (curves, model.monolayer), "reference": (known, compared.zero)}
    return {
        **labels,
        "lattice_constant_A": float(a),
        "zero": {
            "model": "monolayer",
            "model_eV_per_atom": model.monolayer,
            "reference": compared.origin,
            "reference_eV_per_atom": compared.zero,
        },
        "mae": compared.errors(),
        "minima": _minima(sides),
        "differences": {
            "own_minimum": _differences(sides, None),
            "fixed_distance": {"distance_A": distance, **_differences(sides, distance)},
        },
        "curves": {
            "distance_A": curves[0].distances.tolist(),
            **{
                name: (1e3 * (curve.energies - model.monolayer)).tolist()
                for name, curve in zip(STACKINGS, curves, strict=True)
            },
        },
        **_stacking_faults(model, known, distance, shifts),
        "references": compared.rows(),
    }


def dimer_scan(
    potential: Potential, first: str, second: str, points: int = 200, **labels: Any
) -> dict[str, Any]:
    """Energy of two atoms alone around the cutoff, relative to the isolated atoms, eV.

    Points lie evenly from 0.8 to 1.05 of the cutoff, and densely on both sides of it. ``step_eV``
    is the jump of the energy from just inside to just outside, ``slope_inside_eV_per_A`` is dE/dr
    just inside (outside it is 0). The first derivative is continuous if both vanish within
    1e-9 eV and 1e-6 eV/Å.

    :param first: chemical symbol; so is ``second``.
    :param points: about how many.
    :param labels: scale, architecture, weights, data, generated, note; kept with the results.
    :raises InputError: no element, one that the model does not know, or a model without energies.
    """
    potential.require_energy("a scan")
    if unknown := [symbol for symbol in (first, second) if symbol not in atomic_numbers]:
        raise InputError(f"{unknown[0]!r} is no chemical element; give symbols such as C")
    exact = copy.deepcopy(potential).double()
    near = np.geomspace(1e-9, 1e-2, max(points // 4, 2))
    even = np.linspace(*CUTOFF_RANGE, max(points // 2, 2))
    relative = np.unique(np.concatenate([even[np.abs(even - 1.0) > near[0]], 1 - near, 1 + near]))
    distances = exact.cutoff * relative
    isolated = exact.evaluate([Atoms(first), Atoms(second)]).energies.sum()
    result = exact.evaluate(
        [Atoms([first, second], [[0.0, 0.0, 0.0], [r, 0.0, 0.0]]) for r in distances]
    )
    energies = result.energies - isolated
    inside = int(np.flatnonzero(relative < 1.0)[-1])
    step = float(energies[inside + 1] - energies[inside])
    slope = -float(result.forces[inside][1, 0])
    return {
        **labels,
        "pair": f"{first}-{second}",
        "cutoff_A": exact.cutoff,
        "smooth_at_cutoff": exact.settings.smooth_at_cutoff,
        "r_A": distances.tolist(),
        "energy_eV": energies.tolist(),
        "step_eV": step,
        "slope_inside_eV_per_A": slope,
        "energy_continuous": abs(step) < SMOOTH_ENERGY,
        "first_derivative_continuous": abs(step) < SMOOTH_ENERGY and abs(slope) < SMOOTH_SLOPE,
    }


@dataclass(frozen=True)
class _Curve:
    """Energies (eV/atom) of one shift at ascending layer distances (Å)."""

    shift: tuple[float, float]
    distances: np.ndarray
    energies: np.ndarray

    def minimum(self) -> tuple[float, float] | None:
        """Layer distance and energy of the minimum of a spline through the points."""
        if len(self.distances) < 4:
            return None
        spline = CubicSpline(self.distances, self.energies)
        turning = spline.derivative().roots(extrapolate=False)
        inside = turning[(turning > MINIMA[0]) & (turning < MINIMA[1])]
        minima = [(float(spline(d)), float(d)) for d in inside if spline(d, 2) > 0]
        if not minima:
            return None
        energy, distance = min(minima)
        return distance, energy

    def at(self, distance: float) -> float | None:
        """Energy at a layer distance: of a point there, or interpolated between close ones."""
        nearest = int(np.abs(self.distances - distance).argmin())
        if abs(self.distances[nearest] - distance) < TOLERANCE:
            return float(self.energies[nearest])
        above = int(np.searchsorted(self.distances, distance))
        if above in (0, len(self.distances)):
            return None
        if self.distances[above] - self.distances[above - 1] > INTERPOLATED:
            return None
        return float(CubicSpline(self.distances, self.energies)(distance))


class _BilayerModel:
    """Energies (eV/atom) of a potential, in float64, for bilayers with one lattice constant."""

    def __init__(self, potential: Potential, lattice_constant: float):
        self.potential = copy.deepcopy(potential).double()
        self.lattice_constant = lattice_constant
        self.monolayer = float(self.energies([build_monolayer(lattice_constant)])[0])

    def energies(self, structures: Sequence[Atoms]) -> np.ndarray:
        sizes = np.array([len(atoms) for atoms in structures])
        return self.potential.evaluate(structures).energies / sizes

    def shifted(self, distance: float, shifts: np.ndarray) -> np.ndarray:
        """Energies (…) at one layer distance for shifts (…, 2)."""
        a, flat = self.lattice_constant, shifts.reshape(-1, 2)
        energies = self.energies([build_bilayer(a, distance, (s1, s2)) for s1, s2 in flat])
        return energies.reshape(shifts.shape[:-1])

    def curves(self) -> list[_Curve]:
        """One for each stacking, from where the layers touch to beyond the cutoff."""
        distances = np.arange(NEAREST, max(FARTHEST, self.potential.cutoff) + 0.5, STEP)
        return [
            _Curve(
                shift,
                distances,
                self.energies([build_bilayer(self.lattice_constant, d, shift) for d in distances]),
            )
            for shift in STACKINGS.values()
        ]


@dataclass(frozen=True)
class _Comparison:
    """A model beside the energies of n reference bilayers; interlayer energies are NaN where the
    lattice constant is another.
    """

    references: Sequence[RigidBilayer]
    energies: np.ndarray  # (n,) eV/atom, of the reference
    predicted: np.ndarray  # (n,) eV/atom, of the model
    zero: float  # eV/atom, of the reference's interlayer energies
    origin: str  # where it comes from
    monolayer: float  # eV/atom, of the model
    chosen: np.ndarray  # (n,) bool: those at the lattice constant
    counted: np.ndarray  # (n,) bool: of these, without one that sets the zero

    def interlayer(self) -> tuple[np.ndarray, np.ndarray]:
        """Interlayer energies (n,) of the reference and of the model, meV/atom."""
        return (
            1e3 * np.where(self.chosen, self.energies - self.zero, np.nan),
            1e3 * np.where(self.chosen, self.predicted - self.monolayer, np.nan),
        )

    def errors(self) -> dict[str, Any]:
        """Mean absolute errors."""
        reference, model = self.interlayer()
        errors = np.abs(model - reference)
        names = np.array([b.stacking for b in self.references])
        return {
            "total_energy_meV_per_atom": float(1e3 * np.abs(self.predicted - self.energies).mean()),
            "total_energy_bilayers": len(self.references),
            "interlayer_meV_per_atom": _mean(errors[self.counted]),
            "interlayer_bilayers": int(self.counted.sum()),
            "interlayer_by_stacking_meV_per_atom": {
                name: _mean(errors[self.counted & (names == name)])
                for name in sorted(set(names[self.counted].tolist()))
            },
        }

    def rows(self) -> dict[str, list[Any]]:
        """Every reference beside the model in the same geometry."""
        reference, model = self.interlayer()
        return {
            "lattice_constant_A": [b.lattice_constant for b in self.references],
            "stacking": [b.stacking for b in self.references],
            "shift": [list(b.shift) for b in self.references],
            "distance_A": [float(b.distance) for b in self.references],
            "reference_eV_per_atom": self.energies.tolist(),
            "model_eV_per_atom": self.predicted.tolist(),
            "reference_interlayer_meV_per_atom": _none_for_nan(reference),
            "model_interlayer_meV_per_atom": _none_for_nan(model),
        }


def _energies_of(references: Sequence[RigidBilayer]) -> np.ndarray:
    """eV/atom; raises as :func:`interlayer_scan`."""
    if not references:
        raise InputError("no rigid bilayers to compare with; give structures that hold some")
    labelled = [b.energy for b in references if b.energy is not None]
    if len(labelled) < len(references):
        raise InputError("a rigid bilayer has no energy; give labelled structures")
    return np.array(labelled)


def _compare(
    model: _BilayerModel,
    references: Sequence[RigidBilayer],
    energies: np.ndarray,
    chosen: np.ndarray,
    monolayer_energy: float | None,
) -> _Comparison:
    """The model in the geometries of the references, and the zero of the references' energies."""
    predicted = model.energies(
        [build_bilayer(b.lattice_constant, b.distance, b.shift) for b in references]
    )
    counted = chosen.copy()
    if monolayer_energy is None:
        distances = np.array([b.distance for b in references])
        farthest = int(np.where(chosen, distances, 0.0).argmax())
        zero = float(energies[farthest] - (predicted[farthest] - model.monolayer))
        counted[farthest] = False
        origin = (
            f"aligned with the model at the largest layer distance, {distances[farthest]:.2f} Å"
        )
    else:
        zero, origin = monolayer_energy, "monolayer"
    return _Comparison(
        references, energies, predicted, zero, origin, model.monolayer, chosen, counted
    )


# Curves of a method, and the zero of its interlayer energies (eV/atom).
_Side = tuple[list[_Curve], float]


def _usual_lattice_constant(references: Sequence[RigidBilayer]) -> float:
    rounded = [round(b.lattice_constant / TOLERANCE) for b in references]
    usual = Counter(rounded).most_common(1)[0][0]
    return references[rounded.index(usual)].lattice_constant


def _curves(references: Sequence[RigidBilayer]) -> list[_Curve]:
    """References of one lattice constant, by shift; of equal ones the last."""
    grouped: dict[tuple[int, int], list[RigidBilayer]] = {}
    for bilayer in references:
        s1, s2 = bilayer.shift
        grouped.setdefault((round(s1 / SAME_SHIFT), round(s2 / SAME_SHIFT)), []).append(bilayer)
    curves = []
    for group in grouped.values():
        points = {round(b.distance, 4): b.energy for b in group}
        distances = sorted(points)
        energies = np.array([points[d] for d in distances], dtype=float)
        curves.append(_Curve(group[0].shift, np.array(distances), energies))
    return curves


def _of_stacking(curves: Sequence[_Curve], name: str) -> _Curve | None:
    """The curve of a named stacking, if there is one."""
    shift = np.array(STACKINGS[name])
    close = (curve for curve in curves if np.abs(curve.shift - shift).max() < SAME_SHIFT)
    return next(close, None)


def _minima(sides: Mapping[str, _Side]) -> dict[str, dict[str, Any]]:
    """Layer distance and interlayer energy of the minimum, by stacking and side."""
    result: dict[str, dict[str, Any]] = {name: {} for name in STACKINGS}
    for name in STACKINGS:
        for side, (curves, zero) in sides.items():
            curve = _of_stacking(curves, name)
            minimum = curve.minimum() if curve else None
            result[name][side] = minimum and {
                "distance_A": minimum[0],
                "interlayer_meV_per_atom": 1e3 * (minimum[1] - zero),
            }
    return result


def _differences(sides: Mapping[str, _Side], distance: float | None) -> dict[str, Any]:
    """Energies above AB at one layer distance, or (None) each at its own minimum."""

    def energy(curves: Sequence[_Curve], name: str) -> float | None:
        curve = _of_stacking(curves, name)
        if curve is None:
            return None
        if distance is not None:
            return curve.at(distance)
        minimum = curve.minimum()
        return None if minimum is None else minimum[1]

    result: dict[str, dict[str, float | None]] = {}
    for upper, lower in DIFFERENCES:
        result[f"{upper}-{lower}"] = {}
        for side, (curves, _) in sides.items():
            high, low = energy(curves, upper), energy(curves, lower)
            difference = None if high is None or low is None else 1e3 * (high - low)
            result[f"{upper}-{lower}"][f"{side}_meV_per_atom"] = difference
    return result


def _stacking_faults(
    model: _BilayerModel, known: Sequence[_Curve], distance: float, shifts: int
) -> dict[str, Any]:
    """The stacking-fault surface at one layer distance, and the path AB–SP–AA on it."""
    corners = np.array([STACKINGS[name] for name in PATH])
    lowest = model.shifted(distance, corners[0])

    def above_lowest(at: np.ndarray) -> np.ndarray:
        return 1e3 * (model.shifted(distance, at) - lowest)

    along = np.linspace(0.0, 1.0, shifts)
    grid = np.stack(np.meshgrid(along, along, indexing="ij"), axis=-1)
    steps = np.linspace(0.0, 2.0, 2 * shifts - 1)
    path = np.stack([np.interp(steps, [0, 1, 2], corner) for corner in corners.T], axis=-1)
    found = [(c.shift, e) for c in known if (e := c.at(distance)) is not None]
    reference_ab = _of_stacking(known, "AB")
    zero = reference_ab.at(distance) if reference_ab else None
    if zero is None:
        found = []
    points = np.array([shift for shift, _ in found]).reshape(-1, 2)
    reference = 1e3 * (np.array([energy for _, energy in found]) - (zero or 0.0))
    predicted = above_lowest(points)
    positions = _positions_on_path(points)
    on_path = ~np.isnan(positions)
    a = model.lattice_constant
    return {
        "surface": {
            "distance_A": distance,
            "shift": along.tolist(),
            "model_meV_per_atom": above_lowest(grid).tolist(),
            "reference_shift": points.tolist(),
            "reference_meV_per_atom": reference.tolist(),
            "mae_meV_per_atom": _mean(np.abs(predicted - reference)),
        },
        "path": {
            "distance_A": distance,
            "stackings": list(PATH),
            "stackings_position_A": (a * _positions_on_path(corners)).tolist(),
            "position_A": (a * _positions_on_path(path)).tolist(),
            "model_meV_per_atom": above_lowest(path).tolist(),
            "reference_position_A": (a * positions[on_path]).tolist(),
            "reference_meV_per_atom": reference[on_path].tolist(),
        },
    }


def _positions_on_path(shifts: np.ndarray) -> np.ndarray:
    """Lengths (n,) of AB–SP–AA, in lattice constants, up to folded shifts (n, 2); NaN beside it."""
    s1, s2 = shifts.T
    # From AB (1/3, 1/3) along s₁ + 2 s₂ = 1 to SP (0, 1/2), then along s₁ = 0 to AA.
    to_sp = np.sqrt(3.0) * (s2 - 1 / 3)
    to_aa = np.sqrt(1 / 12) + 1 / 2 - s2
    beside = np.where(np.abs(s1 + 2 * s2 - 1) < SAME_SHIFT, to_sp, np.nan)
    return np.where(np.abs(s1) < SAME_SHIFT, to_aa, beside)


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _none_for_nan(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
