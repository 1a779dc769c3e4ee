"""Energy drift of NVE simulations, and the energy of one pair crossing the cutoff."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camp.errors import InputError
from camp.files import read_json
from camp.report.declarations import FigureDeclaration
from camp.report.inputs import Inputs
from camp.report.panels import foot_text, mark
from camp.report.paper import significant
from camp.report.results import mean_std
from camp.report.simulations import Analysis
from camp.report.style import COLOURS, make_figure, make_room, say_missing

_LINES = ("-", "--", ":", "-.")
_UNITS = {"µeV": 1e6, "meV": 1e3}


@dataclass(frozen=True)
class _Convention:
    """What the cutoff function multiplies, and how it is drawn."""

    name: str
    colour: str
    line: str


# By whether the model is smooth at the cutoff; a figure names their NVE simulations in this order.
_CONVENTIONS = {
    True: _Convention("smooth", COLOURS[0], "-"),
    False: _Convention("published convention", COLOURS[3], "--"),
}


@dataclass(frozen=True)
class PairScan:
    """Energy (eV) of two atoms alone against their distance (Å), with one convention."""

    pair: str
    smooth_at_cutoff: bool
    cutoff: float
    distances: np.ndarray
    energies: np.ndarray
    data: str
    weights: str

    @property
    def step(self) -> float:
        """By how much the energy (eV) rises between the points next to the cutoff."""
        beyond = int(np.argmax(self.distances > self.cutoff))
        return float(self.energies[beyond] - self.energies[beyond - 1])


def read_pair_scan(path: str | Path, scale: str) -> PairScan | None:
    """One scan of a pair across the cutoff, at ascending distances; None if it could not be made.

    :raises InputError: missing or foreign file, another scale, no points on both sides of the
        cutoff.
    """
    path = Path(path)
    content = read_json(path)
    try:
        found = content["scale"]
        if "unavailable" in content:
            return None
        scan = PairScan(
            pair=content["pair"],
            smooth_at_cutoff={True: True, False: False}[content["smooth_at_cutoff"]],
            cutoff=float(content["cutoff_A"]),
            distances=np.array(content["r_A"], dtype=float),
            energies=np.array(content["energy_eV"], dtype=float),
            data=content["data"],
            weights=content["weights"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not the scan of a pair ({error}); scan again") from None
    if found != scale:
        raise InputError(f"{path}: of scale {found}, not {scale}; give files of one scale")
    r = scan.distances
    if r.shape != scan.energies.shape or not r[0] < scan.cutoff < r[-1]:
        raise InputError(f"{path}: no energies on both sides of the cutoff; scan again")
    return scan


def energy_drift(declared: FigureDeclaration, inputs: Inputs) -> Figure:
    """NVE: conserved energy per atom against time, and a pair at the cutoff, by convention.

    Its simulations are smooth at the cutoff, and of the published convention; its scans are files
    of :class:`PairScan`.

    :raises InputError: see :func:`read_pair_scan`.
    """
    found: list[tuple[_Convention, Analysis]] = []
    absent = []
    simulations = declared.exactly(len(_CONVENTIONS), "simulations")
    for convention, simulation in zip(_CONVENTIONS.values(), simulations, strict=True):
        if analysis := inputs.simulated(simulation):
            found.append((convention, analysis))
        else:
            absent.append(inputs.why_not_simulated(simulation))
    pairs = [scan for path in inputs.scans if (scan := read_pair_scan(path, inputs.scale))]
    remarks = [f"Missing: {reason}" for reason in absent] if found else []
    remarks += dict.fromkeys(f"Pair {p.pair}: data: {p.data}; weights: {p.weights}" for p in pairs)
    figure, (panels,) = make_figure(
        declared.heading,
        foot_text([analysis for _, analysis in found], inputs.scale, remarks),
        size=(10.0, 4.4),
    )
    for panel, letter in zip(panels, "ab", strict=True):
        mark(panel, letter)
    if found:
        _draw_energies(panels[0], found)
    else:
        say_missing(panels[0], "; ".join(absent))
    if pairs:
        _draw_pairs(panels[1], pairs)
    else:
        say_missing(panels[1], "no scan of a pair across the cutoff was given")
    return figure


def _draw_energies(panel: Axes, found: Sequence[tuple[_Convention, Analysis]]) -> None:
    for look, analysis in found:
        label = f"{look.name}: drift {_drift_text(analysis)}"
        for run in analysis.energies or [np.array([])]:
            times = analysis.energy_times[: len(run)]
            panel.plot(times, 1e3 * run, look.line, color=look.colour, linewidth=1.1, label=label)
            label = ""
    panel.set(xlabel="Time (ps)", ylabel="Conserved energy − first value (meV/atom)")
    panel.margins(x=0)
    make_room(panel, panel.legend(frameon=False, fontsize=8, loc="upper left"))


def _drift_text(analysis: Analysis) -> str:
    """The drift, mean (std) over runs, in the unit of its size; or why there is none."""
    if not analysis.drifts:
        return analysis.why_not("energy")
    largest = max(map(abs, analysis.drifts))
    unit, factor = next((u for u in _UNITS.items() if u[1] * largest < 1e3), ("eV", 1.0))
    text = significant(*mean_std([factor * drift for drift in analysis.drifts]))
    return f"{text.replace('-', '−')} {unit}/atom/ps"


def _draw_pairs(panel: Axes, scans: Sequence[PairScan]) -> None:
    """Energies relative to those beyond the cutoff, in the last ångström before it."""
    pairs = list(dict.fromkeys(scan.pair for scan in scans))
    for scan in scans:
        look = _CONVENTIONS[scan.smooth_at_cutoff]
        beyond = scan.distances > scan.cutoff
        energies = 1e3 * (scan.energies - scan.energies[beyond][0])
        shown = scan.distances >= scan.cutoff - 1.0
        panel.plot(
            scan.distances[shown],
            energies[shown],
            _LINES[pairs.index(scan.pair) % len(_LINES)],
            color=look.colour,
            linewidth=1.4,
            label=f"{_pair_text(scan)}, {look.name}: {_step_text(scan)}",
        )
    panel.axvline(scans[0].cutoff, color="#444444", linewidth=0.8, linestyle=":")
    panel.set(xlabel="Distance (Å)", ylabel="Energy − energy beyond the cutoff (meV)")
    panel.margins(x=0)
    make_room(panel, panel.legend(frameon=False, fontsize=8, loc="upper left"))


def _pair_text(scan: PairScan) -> str:
    return scan.pair.replace("-", "–")


def _step_text(scan: PairScan) -> str:
    """The size of the step; rounding errors are none."""
    size = 1e3 * abs(scan.step)
    return "no step" if size < 1e-6 else f"step of {size:.3g} meV"
