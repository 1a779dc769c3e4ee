"""Figure 2: errors on LiPS against the number of training structures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camp.report.paper import PaperNumber
from camp.report.results import Results, answers, is_generated
from camp.report.style import COLOURS, make_figure, plain_logarithmic, provenance_text

_PANELS = {"energy_mae": "Energy MAE (meV/atom)", "forces_mae": "Forces MAE (meV/Å)"}
_MARKERS = {"own": ("o", COLOURS[0]), "published": ("D", COLOURS[2])}


@dataclass(frozen=True)
class Curve:
    """Errors (in the paper's units) by number of training structures; std 0 where unknown."""

    label: str
    sizes: np.ndarray
    errors: np.ndarray
    stds: np.ndarray


def power_law(sizes: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """(prefactor, exponent) of errors = prefactor · sizes^exponent, least squares in log–log."""
    exponent, logarithm = np.polyfit(np.log(sizes), np.log(errors), 1)
    return float(np.exp(logarithm)), float(exponent)


def learning_curve(
    numbers: Sequence[PaperNumber], tasks: Mapping[str, str], results: Results
) -> Figure:
    """Energy and forces MAE of the LiPS tasks, ours over the paper's.

    :param numbers: all numbers of the paper.
    :param tasks: {id: task}.
    :param results: whatever sizes exist are drawn.
    """
    printed = [n for n in numbers if n.where == "Table 1" and n.model == "CAMP"]
    names = dict.fromkeys(tasks[n.id] for n in printed if n.id in tasks)
    groups = [group for name in names for group in results.of_task(name)]
    foot = f"{provenance_text(groups, results.scale)}. Hollow squares: reported by the paper."
    if any(is_generated(group.data) for group in groups):
        foot += " Errors on generated data are not comparable with the paper's."
    figure, panels = make_figure("Figure 2: learning curve on LiPS", foot)
    for panel, (metric, label) in zip(panels.flat, _PANELS.items(), strict=True):
        rows = [number for number in printed if number.metric == metric]
        _draw(panel, _reported(rows), "s", COLOURS[3], hollow=True)
        for weights, curve in _ours(rows, tasks, results).items():
            marker, colour = _MARKERS[weights]
            _draw(panel, curve, marker, colour, hollow=False)
        panel.set(xscale="log", yscale="log", xlabel="Number of training structures", ylabel=label)
        plain_logarithmic(panel.xaxis)
        plain_logarithmic(panel.yaxis)
        panel.margins(0.08)
        panel.legend(frameon=False, fontsize=8)
    return figure


def _reported(rows: Sequence[PaperNumber]) -> Curve:
    return Curve(
        "paper (reported)",
        np.array([n.train_size for n in rows], float),
        np.array([n.value for n in rows]),
        np.array([n.std or 0.0 for n in rows]),
    )


def _ours(
    rows: Sequence[PaperNumber], tasks: Mapping[str, str], results: Results
) -> dict[str, Curve]:
    """One curve for each kind of weights, over the sizes that were really trained on."""
    points: dict[str, list[tuple[float, float, float]]] = {}
    for number in rows:
        for answer in answers(number, tasks, results):
            size = answer.train_size or number.train_size
            if answer.value is not None and size:
                point = (float(size), answer.value, answer.std or 0.0)
                points.setdefault(answer.weights, []).append(point)
    return {
        weights: Curve(f"this work, {weights} weights", *np.array(sorted(given)).T)
        for weights, given in points.items()
    }


def _draw(panel: Axes, curve: Curve, marker: str, colour: str, *, hollow: bool) -> None:
    label = curve.label
    if len(set(curve.sizes)) > 1:
        prefactor, exponent = power_law(curve.sizes, curve.errors)
        ends = np.array([curve.sizes.min(), curve.sizes.max()])
        style = ":" if hollow else "-"
        panel.plot(ends, prefactor * ends**exponent, style, color=colour, linewidth=1.2)
        label += f", slope {exponent:.2f}".replace("-", "−")
    panel.errorbar(
        curve.sizes,
        curve.errors,
        yerr=curve.stds,
        fmt=marker,
        color=colour,
        markerfacecolor="none" if hollow else colour,
        markersize=9 if hollow else 5,
        capsize=0 if hollow else 3,
        linestyle="none",
        label=label,
    )
