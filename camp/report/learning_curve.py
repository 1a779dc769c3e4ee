"""Figure 2: errors on LiPS against the number of training structures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camp.report.answers import answers
from camp.report.declarations import FigureDeclaration
from camp.report.inputs import Inputs
from camp.report.paper import PaperNumber
from camp.report.results import Results
from camp.report.style import COLOURS, make_figure, plain_logarithmic, provenance_text

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


def learning_curve(declared: FigureDeclaration, inputs: Inputs) -> Figure:
    """Errors of tasks of several sizes, ours over the paper's, a panel for each metric.

    Whatever sizes exist are drawn; what could not be evaluated says why below.
    """
    paper, results = inputs.paper, inputs.results
    printed = [n for n in paper.printed(declared.where) if n.architecture]
    names = paper.needs(declared).tasks
    groups = [group for name in names for group in results.of_task(name, paper.architecture)]
    foot = f"{provenance_text(groups, results.scale)}. Hollow squares: reported by the paper."
    if any(group.generated for group in groups):
        foot += " Errors on generated data are not comparable with the paper's."
    for name in names:
        if reason := results.unavailable.get((name, paper.architecture)):
            foot += f" {name}: missing because {reason}."
    metrics = list(dict.fromkeys(number.metric.name for number in printed))
    figure, panels = make_figure(declared.heading, foot, columns=len(metrics))
    for panel, metric in zip(panels.flat, metrics, strict=True):
        rows = [number for number in printed if number.metric.name == metric]
        _draw(panel, _reported(rows), "s", COLOURS[3], hollow=True)
        for weights, curve in _ours(rows, results).items():
            marker, colour = _MARKERS[weights]
            _draw(panel, curve, marker, colour, hollow=False)
        label = f"{rows[0].title} ({rows[0].shown_unit})"
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


def _ours(rows: Sequence[PaperNumber], results: Results) -> dict[str, Curve]:
    """One curve for each kind of weights, over the sizes that were really trained on."""
    points: dict[str, list[tuple[float, float, float]]] = {}
    for number in rows:
        for answer in answers(number, results):
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
