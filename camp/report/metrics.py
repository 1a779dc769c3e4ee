"""The metrics that papers print and evaluations hold: what each is, and its units.

Errors are named by their target, ``<target>_mae`` and ``<target>_rmse``; whatever is in the table
of targets has them. Light to import: the workflow's graph is built from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from camp.targets import TARGETS, Target

STATISTICS = {"mae": "MAE", "rmse": "RMSE"}
# Of tensors, as far as an evaluation has them: what does not depend on the axes, and errors
# relative to the mean absolute deviation (MAD) of the reference.
OF_TENSORS = {
    "relative_mae": "MAE/MAD",
    "isotropic_mae": "isotropic MAE",
    "isotropic_relative_mae": "isotropic MAE/MAD",
    "anisotropy_mae": "anisotropy MAE",
    "anisotropy_relative_mae": "anisotropy MAE/MAD",
    "norm_mae": "norm MAE",
    "norm_relative_mae": "norm MAE/MAD",
}
# Units in which the field prints thousandths of ours; the files of numbers write A for Å.
_THOUSANDTH = {"eV": "meV", "eV/Å": "meV/A"}


@dataclass(frozen=True)
class Entry:
    """Where our side of a metric stands, and the factor from our unit to the printed one."""

    key: str
    factor: float = 1.0


@dataclass(frozen=True, eq=False)
class Metric:
    """One kind of number; there is one object of each."""

    name: str  # as in numbers.csv
    quantity: str  # a target, or a property of simulations
    title: str
    answered_by: Literal["evaluation", "simulation", "speed"]
    units: Mapping[str, Entry]  # by printed unit
    better: Literal["smaller", "larger", "nearer"] = "smaller"
    # An error that is counted from a value which the paper states.
    needs_reference: bool = False

    @property
    def label(self) -> str:
        return capitalised(self.quantity)


def capitalised(text: str) -> str:
    """With a large first letter, the others as they are."""
    return text[:1].upper() + text[1:]


def _error(target: Target, statistic: str) -> Metric:
    name = f"{target.name}_{statistic}"
    units = {target.unit: Entry(name)}
    if smaller := _THOUSANDTH.get(target.unit):
        units[smaller] = Entry(name, 1e3)
    if target.extensive and target.rank == 0:
        units |= {
            f"{unit}/atom": Entry(f"{name}_per_atom", entry.factor) for unit, entry in units.items()
        }
    title = f"{capitalised(target.name)} {STATISTICS[statistic]}"
    return Metric(name, target.name, title, "evaluation", units)


_DIFFUSIVITY = {"1e-5 cm2/s": Entry("diffusion", 1e5)}

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *(_error(target, statistic) for target in TARGETS.values() for statistic in STATISTICS),
        Metric(
            "diffusivity", "diffusivity", "Diffusivity", "simulation", _DIFFUSIVITY, better="nearer"
        ),
        Metric(
            "diffusivity_mae",
            "diffusivity",
            "Diffusivity MAE",
            "simulation",
            _DIFFUSIVITY,
            needs_reference=True,
        ),
        Metric(
            "stability",
            "stability",
            "Stability",
            "simulation",
            {"ps": Entry("stable")},
            better="larger",
        ),
        Metric(
            "energy_drift",
            "energy drift",
            "Energy drift",
            "simulation",
            {"µeV/atom/ps": Entry("drifts", 1e6)},
        ),
        Metric(
            "md_steps_per_s",
            "speed",
            "MD speed",
            "speed",
            {"1/s": Entry("steps")},
            better="larger",
        ),
    )
}


@dataclass(frozen=True)
class Shown:
    """How errors of a target are shown beside each other: key, unit, factor from our unit."""

    key: str
    unit: str
    factor: float


def shown_error(target: Target, statistic: str) -> Shown:
    """The usual way to show an error of a target: energies per atom, eV as meV, relative ones in
    per cent.
    """
    if statistic in OF_TENSORS:
        relative = statistic.endswith("relative_mae")
        unit, factor = ("%", 100.0) if relative else (target.unit, 1.0)
        return Shown(f"{target.name}_{statistic}", unit, factor)
    units = _error(target, statistic).units
    # The last unit is the finest: per atom, in thousandths.
    unit, entry = list(units.items())[-1]
    return Shown(entry.key, proper_unit(unit), entry.factor)


def proper_unit(unit: str) -> str:
    """The unit of a file of numbers with its proper signs."""
    return unit.replace("/A", "/Å").replace("1e-5 cm2/s", "10⁻⁵ cm²/s").replace("1/s", "s⁻¹")
