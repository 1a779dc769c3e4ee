"""Errors against the number of training structures: of a paper's sizes, or of declared curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camp.errors import InputError
from camp.report.answers import answers
from camp.report.declarations import FigureDeclaration
from camp.report.inputs import Inputs
from camp.report.metrics import STATISTICS, Shown, capitalised, shown_error
from camp.report.paper import PaperNumber
from camp.report.results import Results, TaskResult, mean_std
from camp.report.style import (
    COLOURS,
    make_figure,
    plain_logarithmic,
    provenance_text,
    say_missing,
)
from camp.targets import TARGETS

_MARKERS = {"own": ("o", COLOURS[0]), "published": ("D", COLOURS[2])}
_SHAPES = "osD^vP"


@dataclass(frozen=True)
class Curve:
    """Errors (in the unit of the axis) by number of training structures, all of shape (sizes,);
    std 0 where unknown.
    """

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
    lost = {name: results.unavailable.get((name, paper.architecture), "") for name in names}
    foot = _foot(groups, results.scale, "Hollow squares: reported by the paper.", lost)
    metrics = list(dict.fromkeys(number.metric.name for number in printed))
    figure, panels = make_figure(declared.heading, foot, columns=len(metrics))
    for panel, metric in zip(panels.flat, metrics, strict=True):
        rows = [number for number in printed if number.metric.name == metric]
        _draw(panel, _reported(rows), "s", COLOURS[3], hollow=True)
        for weights, curve in _ours(rows, results).items():
            marker, colour = _MARKERS[weights]
            _draw(panel, curve, marker, colour)
        _finish(panel, f"{rows[0].title} ({rows[0].shown_unit})")
    return figure


def learning_curves(declared: FigureDeclaration, inputs: Inputs) -> Figure:
    """Errors of tasks that differ in the number of training structures, a panel for each target.

    Sizes are those that the evaluations tell. What is not drawn says why below.

    :raises InputError: a task with several models or weights, or errors in different units.
    """
    results = inputs.results
    groups = {name: found for name in declared.curve_tasks if (found := _only(name, inputs))}
    lost = {name: _why_missing(name, declared, inputs) for name in declared.curve_tasks}
    figure, panels = make_figure(
        declared.heading,
        _foot([*groups.values()], results.scale, "", lost),
        columns=len(declared.targets),
        size=(7.0 * len(declared.targets), 5.0),
    )
    for panel, target in zip(panels.flat, declared.targets, strict=True):
        error = _error(target, [*groups.values()])
        for k, (label, names) in enumerate(declared.curves.items()):
            drawn = [groups[name] for name in names if name in groups]
            if points := _points(drawn, error):
                curve = Curve(label, *np.array(points).T)
                _draw(panel, curve, _SHAPES[k % len(_SHAPES)], COLOURS[k % len(COLOURS)])
        if panel.lines:
            _finish(panel, f"{capitalised(target)} {STATISTICS['mae']} ({error.unit})")
        else:
            say_missing(panel, "; ".join(dict.fromkeys(filter(None, lost.values()))))
    return figure


def _foot(groups: Sequence[TaskResult], scale: str, remark: str, lost: Mapping[str, str]) -> str:
    """Provenance, remarks, and what is missing: tasks with a reason that is not empty."""
    parts = [f"{provenance_text(groups, scale)}.", remark]
    if any(group.generated for group in groups):
        parts.append("Errors on generated data are not comparable with the paper's.")
    for reason in dict.fromkeys(filter(None, lost.values())):
        names = ", ".join(name for name, why in lost.items() if why == reason)
        parts.append(f"{names}: missing because {reason}.")
    return " ".join(filter(None, parts))


def _only(task: str, inputs: Inputs) -> TaskResult | None:
    """The evaluations of a task with the model that the paper is about, None without any.

    :raises InputError: there are those of several models or weights.
    """
    found = inputs.results.of_task(task, inputs.paper.architecture)
    if len(found) > 1:
        raise InputError(
            f"{found[1].files[0]}: {task} is given with several models or weights; give one of them"
        )
    return found[0] if found else None


def _why_missing(task: str, declared: FigureDeclaration, inputs: Inputs) -> str:
    """Why a task, or a target of it, is not in a figure; empty if all is."""
    results, group = inputs.results, _only(task, inputs)
    if why := results.unavailable.get((task, inputs.paper.architecture)):
        return why
    if group is None:
        return f"there is no evaluation at scale {results.scale}"
    if group.train_size is None:
        return "the evaluation does not tell the number of training structures"
    keys = {name: shown_error(TARGETS[name], "mae").key for name in declared.targets}
    return "; ".join(
        group.unavailable.get(target, f"the evaluation has no {key}")
        for target, key in keys.items()
        if not group.values(key)
    )


def _error(target: str, groups: Sequence[TaskResult]) -> Shown:
    """The error that is drawn, in the unit of the data.

    :raises InputError: the data have different units.
    """
    given = {one.unit: one for group in groups if (one := group.targets.get(target))}
    if len(given) > 1:
        raise InputError(f"the curves have the {target} in {' and in '.join(given)}; give one unit")
    return shown_error(next(iter(given.values()), TARGETS[target]), "mae")


def _points(groups: Sequence[TaskResult], error: Shown) -> list[tuple[float, float, float]]:
    """(number of training structures, mean, standard deviation over seeds) where there is all."""
    points = []
    for group in groups:
        values = [error.factor * value for value in group.values(error.key)]
        if values and group.train_size:
            mean, std = mean_std(values)
            points.append((float(group.train_size), mean, std or 0.0))
    return sorted(points)


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


def _finish(panel: Axes, label: str) -> None:
    panel.set(xscale="log", yscale="log", xlabel="Number of training structures", ylabel=label)
    plain_logarithmic(panel.xaxis)
    plain_logarithmic(panel.yaxis)
    panel.margins(0.08)
    panel.legend(frameon=False, fontsize=8)


def _draw(panel: Axes, curve: Curve, marker: str, colour: str, *, hollow: bool = False) -> None:
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
        # No caps without a spread.
        yerr=np.where(curve.stds > 0, curve.stds, np.nan),
        fmt=marker,
        color=colour,
        markerfacecolor="none" if hollow else colour,
        markersize=9 if hollow else 5,
        capsize=0 if hollow else 3,
        linestyle="none",
        label=label,
    )
