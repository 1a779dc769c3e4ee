"""Whether the disagreement of the seeds of a task tells how large the error of their mean is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from camp.errors import InputError
from camp.report.declarations import FigureDeclaration
from camp.report.inputs import Inputs
from camp.report.predictions import read_predictions
from camp.report.provenance import architecture_label
from camp.report.results import TaskResult
from camp.report.style import (
    COLOURS,
    DENSITY,
    make_figure,
    missing_figure,
    plain_logarithmic,
    provenance_text,
    say_missing,
)
from camp.targets import ENERGY, FORCES

FEWEST_SEEDS = 2
_SHOWN = {
    FORCES.name: ("a force", "meV/Å", "Atoms"),
    ENERGY.name: ("the energy", "meV/atom", "Structures"),
}
_BINS, _PER_BIN = 12, 10


@dataclass(frozen=True)
class Calibration:
    """Of n atoms or structures, in eV/Å or eV/atom: how far the members of an ensemble lie apart,
    and the error of their mean.
    """

    deviations: np.ndarray  # (n,)
    errors: np.ndarray  # (n,) absolute

    def rank_correlation(self) -> float:
        """Spearman's, of deviations and errors; NaN where one of them never changes."""
        if np.ptp(self.deviations) == 0 or np.ptp(self.errors) == 0:
            return np.nan
        return float(spearmanr(self.deviations, self.errors).statistic)

    def ratio(self) -> float:
        """Root mean square error by that of the deviations; one, if the deviation is the error."""
        apart = _root_mean_square(self.deviations)
        return _root_mean_square(self.errors) / apart if apart else np.inf

    def binned(self) -> tuple[np.ndarray, np.ndarray]:
        """Root mean squares of deviations and errors in bins of ascending deviation, as many in
        one as in another.
        """
        order = np.argsort(self.deviations, kind="stable")
        bins = np.array_split(order, np.clip(len(order) // _PER_BIN, 1, _BINS))
        deviations, errors = (
            np.array([_root_mean_square(values[one]) for one in bins])
            for values in (self.deviations, self.errors)
        )
        return deviations, errors


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean()))


def calibrations(group: TaskResult) -> dict[str, Calibration]:
    """Of energies per atom and of forces, as far as they may be reported, from the predictions of
    all seeds.

    :raises InputError: the seeds were not evaluated on the same structures, or see
        :func:`camp.report.predictions.read_predictions`.
    """
    shown = [name for name in _SHOWN if name in group.targets and name not in group.unavailable]
    members = [read_predictions([file], shown) for file in group.files]
    first = members[0]
    names = {ENERGY.name: "energies", FORCES.name: "forces"}
    for file, other in zip(group.files, members, strict=True):
        for name in ("numbers", *(f"reference_{names[target]}" for target in shown)):
            if not np.array_equal(other[name], first[name], equal_nan=name != "numbers"):
                raise InputError(
                    f"{file.with_suffix('.npz')}: of other structures than "
                    f"{group.files[0].with_suffix('.npz')}; evaluate again"
                )
    found = {}
    for target in shown:
        predicted = np.array([one[names[target]] for one in members])
        difference = predicted.mean(0) - first[f"reference_{names[target]}"]
        apart = predicted.std(0)
        if target == ENERGY.name:
            deviations, errors = apart / first["atoms"], np.abs(difference) / first["atoms"]
        else:
            deviations, errors = np.linalg.norm(apart, axis=1), np.linalg.norm(difference, axis=1)
        given = np.isfinite(errors)
        if given.any():
            found[target] = Calibration(deviations[given], errors[given])
    return found


def calibration(declared: FigureDeclaration, inputs: Inputs) -> Figure:
    """Errors of the mean of the seeds against their deviation, a row for each model of a task that
    has several seeds.

    :raises InputError: see :func:`calibrations`.
    """
    every = inputs.results.of_task(inputs.task)
    groups = [group for group in every if len(group.files) >= FEWEST_SEEDS]
    title = f"{declared.name}: {inputs.task}"
    if not groups:
        reason = inputs.results.why_not(inputs.task) or "no model with several seeds"
        return missing_figure(title, inputs.scale, reason)
    return _draw(title, groups, inputs.scale)


def _draw(title: str, groups: Sequence[TaskResult], scale: str) -> Figure:
    figure, panels = make_figure(
        title,
        provenance_text(groups, scale),
        rows=len(groups),
        columns=len(_SHOWN),
        size=(4.5 * len(_SHOWN), 4.4 * len(groups)),
    )
    for row, group in zip(panels, groups, strict=True):
        found = calibrations(group)
        for panel, target in zip(row, _SHOWN, strict=True):
            if target in found:
                _panel(panel, found[target], target)
            else:
                say_missing(panel, group.unavailable.get(target, f"no {target}"))
        if len(groups) > 1:
            row[0].set_title(architecture_label(group.architecture), loc="left", fontsize=9)
    return figure


def _panel(panel: Axes, values: Calibration, target: str) -> None:
    what, unit, counted = _SHOWN[target]
    deviations, errors = 1e3 * values.deviations, 1e3 * values.errors
    # Axes are logarithmic.
    positive = (deviations > 0) & (errors > 0)
    if not positive.any():
        say_missing(panel, "the seeds agree, or are without error")
        return
    deviations, errors = deviations[positive], errors[positive]
    if len(errors) > 1000:
        cells = panel.hexbin(
            deviations,
            errors,
            gridsize=40,
            bins="log",
            xscale="log",
            yscale="log",
            mincnt=1,
            cmap=DENSITY,
            linewidths=0.1,
        )
        figure = panel.get_figure()
        assert figure is not None
        figure.colorbar(cells, ax=panel, label=f"{counted} in cell", shrink=0.85)
    else:
        panel.loglog(deviations, errors, ".", color=COLOURS[0], alpha=0.5, markersize=4)
    limits = np.array([deviations.min(), deviations.max()])
    panel.plot(limits, limits, color="#444444", linewidth=0.8, label="error = deviation")
    x, y = (1e3 * means for means in values.binned())
    panel.plot(x, y, "o-", color=COLOURS[3], markersize=4, label="root mean squares")
    # Single small errors would squeeze all others into a corner.
    panel.set_ylim(bottom=np.quantile(errors, 0.01))
    panel.set(
        xlabel=f"Deviation of {what} over seeds ({unit})",
        ylabel=f"Error of their mean ({unit})",
    )
    plain_logarithmic(panel.xaxis)
    plain_logarithmic(panel.yaxis)
    text = (
        f"rank correlation {values.rank_correlation():.2f}\nRMSE / deviation {values.ratio():.2f}"
    )
    panel.text(0.04, 0.96, text, transform=panel.transAxes, va="top", fontsize=9)
    panel.legend(frameon=False, fontsize=8, loc="lower right")
