"""Parity and distribution of errors of the evaluations of one task, target by target."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camp.errors import InputError
from camp.report.declarations import FigureDeclaration
from camp.report.inputs import Inputs
from camp.report.metrics import STATISTICS, capitalised, shown_error
from camp.report.paper import significant
from camp.report.provenance import architecture_label
from camp.report.results import TaskResult, mean_std
from camp.report.style import (
    COLOURS,
    DENSITY,
    make_figure,
    missing_figure,
    provenance_text,
    say_missing,
)
from camp.targets import ENERGY, FORCES, Target

_MANY = 3000
_BINS = 60
# Names of the predictions in the file of arrays, where they are not those of their target.
_ARRAYS = {"energy": "energies"}
_LINES = ("-", "--", "-.", ":")

Arrays = Mapping[str, np.ndarray]


def read_predictions(
    files: Sequence[Path], targets: Sequence[str] = ("energy", "forces")
) -> dict[str, np.ndarray]:
    """The arrays beside evaluations, of all seeds together.

    :param files: evaluations …/x.json; the arrays are in …/x.npz.
    :return: for each target its predictions (energies, forces, …) and ``reference_`` …, in its
        unit, with a row for each structure or atom; atoms (structures,), numbers (atoms,).
    :raises InputError: missing or foreign file.
    """
    predicted = [_ARRAYS.get(target, target) for target in targets]
    names = ("atoms", "numbers", *predicted, *(f"reference_{name}" for name in predicted))
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for file in files:
        path = file.with_suffix(".npz")
        try:
            with np.load(path, allow_pickle=False) as arrays:
                for name in names:
                    parts[name].append(arrays[name])
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; evaluate again") from None
        except (KeyError, ValueError, OSError) as error:
            raise InputError(f"{path}: not the arrays of an evaluation ({error})") from None
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def parity(declared: FigureDeclaration, inputs: Inputs) -> Figure:
    """The figure :func:`draw_parity` of all models of a task; without any, why there is none.

    :raises InputError: see :func:`read_predictions`.
    """
    return _of_task(declared, inputs, draw_parity)


def errors(declared: FigureDeclaration, inputs: Inputs) -> Figure:
    """The figure :func:`draw_errors` of all models of a task; without any, why there is none.

    :raises InputError: see :func:`read_predictions`.
    """
    return _of_task(declared, inputs, draw_errors)


def draw_parity(groups: Sequence[TaskResult], scale: str) -> Figure:
    """Predicted against reference values, a row for each model and a column for each target.

    Energies are per atom and relative to the mean of the reference, so that their axis is readable.

    :raises InputError: see :func:`read_predictions`.
    """
    return _panels("Parity", groups, scale, _parity_of_target, height=4.7)


def draw_errors(groups: Sequence[TaskResult], scale: str) -> Figure:
    """Distribution of errors, those of targets of atoms by species; rows and columns as above.

    :raises InputError: see :func:`read_predictions`.
    """
    return _panels("Errors", groups, scale, _errors_of_target, height=4.4)


def _of_task(
    declared: FigureDeclaration,
    inputs: Inputs,
    draw: Callable[[Sequence[TaskResult], str], Figure],
) -> Figure:
    results = inputs.results
    if groups := results.of_task(inputs.task):
        return draw(groups, inputs.scale)
    nothing = f"no evaluation of task {inputs.task} at scale {inputs.scale}"
    title = f"{declared.name}: {inputs.task}"
    return missing_figure(title, inputs.scale, results.why_not(inputs.task) or nothing)


def _panels(
    name: str,
    groups: Sequence[TaskResult],
    scale: str,
    draw: Callable[[Axes, TaskResult, Target, Arrays], None],
    *,
    height: float,
) -> Figure:
    """A panel for each model and target of a task; what may not be shown says why."""
    columns = max(len(group.targets) for group in groups)
    figure, panels = make_figure(
        f"{name}: {groups[0].task}",
        provenance_text(groups, scale),
        rows=len(groups),
        columns=columns,
        size=(4.5 * columns, height * len(groups)),
    )
    for row, group in zip(panels, groups, strict=True):
        shown = [target for target in group.targets if target not in group.unavailable]
        # The file of predictions is not asked for where nothing of it may be shown.
        arrays = read_predictions(group.files, shown) if shown else {}
        for panel, target in zip(row, group.targets, strict=False):
            if target in group.unavailable:
                say_missing(panel, group.unavailable[target])
            else:
                draw(panel, group, group.targets[target], arrays)
        for panel in row[len(group.targets) :]:
            panel.set_axis_off()
        if len(groups) > 1:
            model = f"{architecture_label(group.architecture)}, {group.weights} weights"
            row[0].set_title(model, loc="left", fontsize=9)
    return figure


def _values(arrays: Arrays, target: Target) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions and references of a target, energies per atom, where there is a reference; and
    in which rows there is one.
    """
    name = _ARRAYS.get(target.name, target.name)
    atoms = arrays["atoms"] if target is ENERGY else 1
    predicted, reference = arrays[name] / atoms, arrays[f"reference_{name}"] / atoms
    given = np.asarray(np.isfinite(reference).reshape(len(reference), -1).all(axis=1))
    return predicted[given], reference[given], given


def _parity_of_target(panel: Axes, group: TaskResult, target: Target, arrays: Arrays) -> None:
    predicted, reference, _ = _values(arrays, target)
    label, unit = _component(target), target.unit
    if target is ENERGY:
        shift = reference.mean()
        reference, predicted = 1e3 * (reference - shift), 1e3 * (predicted - shift)
        label, unit = "energy − mean", "meV/atom"
    _parity_panel(panel, reference.ravel(), predicted.ravel())
    panel.set(xlabel=f"Reference {label} ({unit})", ylabel=f"Predicted {label} ({unit})")
    lines = []
    for statistic, title in STATISTICS.items():
        error = shown_error(target, statistic)
        if values := [error.factor * value for value in group.values(error.key)]:
            lines.append(f"{title} {significant(*mean_std(values))} {error.unit}")
    panel.text(0.04, 0.96, "\n".join(lines), transform=panel.transAxes, va="top", fontsize=9)


def _errors_of_target(panel: Axes, group: TaskResult, target: Target, arrays: Arrays) -> None:
    error = shown_error(target, "mae")
    predicted, reference, given = _values(arrays, target)
    differences = error.factor * (predicted - reference)
    if target.per == "atom":
        numbers = arrays["numbers"][given]
        _errors_by_species(panel, differences, numbers, _component(target), error.unit)
        return
    # On use, because its import takes a second and registers colour maps with matplotlib.
    import seaborn

    seaborn.histplot(
        differences.ravel(),
        bins=_BINS // 2,
        color=COLOURS[0],
        alpha=0.85,
        linewidth=0,
        legend=False,
        ax=panel,
    )
    panel.axvline(0, color="#444444", linewidth=0.8)
    counted = "Components" if target.rank else "Structures"
    panel.set(xlabel=f"{capitalised(target.name)} error ({error.unit})", ylabel=counted)


def _component(target: Target) -> str:
    return "force" if target is FORCES else target.name


def _parity_panel(panel: Axes, reference: np.ndarray, predicted: np.ndarray) -> None:
    low = min(reference.min(), predicted.min())
    high = max(reference.max(), predicted.max())
    margin = 0.05 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    if reference.size > _MANY:
        cells = panel.hexbin(
            reference,
            predicted,
            gridsize=_BINS,
            bins="log",
            mincnt=1,
            cmap=DENSITY,
            extent=(*limits, *limits),
            linewidths=0.1,
        )
        figure: Any = panel.figure
        figure.colorbar(cells, ax=panel, label="Points in cell", shrink=0.85)
    else:
        panel.plot(reference, predicted, ".", color=COLOURS[0], alpha=0.5, markersize=4)
    panel.plot(limits, limits, color="#444444", linewidth=0.8)
    panel.set(xlim=limits, ylim=limits, aspect="equal")


def _errors_by_species(
    panel: Axes, differences: np.ndarray, numbers: np.ndarray, name: str, unit: str
) -> None:
    """Densities of the components' errors (atoms, …), a line for each atomic number."""
    # The rarest large errors would squeeze the rest into one bin.
    reach = float(np.quantile(np.abs(differences), 0.999)) or 1.0
    bins = np.linspace(-reach, reach, int(np.clip(np.sqrt(differences.size) / 2, 12, _BINS)) + 1)
    for k, number in enumerate(np.unique(numbers)):
        own = differences[numbers == number].ravel()
        heights, _ = np.histogram(own, bins)
        panel.stairs(
            heights / (own.size * (bins[1] - bins[0])),
            bins,
            color=COLOURS[k % len(COLOURS)],
            linestyle=_LINES[k % len(_LINES)],
            linewidth=1.4,
            label=f"{chemical_symbols[int(number)]}, MAE {np.abs(own).mean():.3g} {unit}",
        )
    panel.set(
        yscale="log",
        xlabel=f"Error of a {name} component ({unit})",
        ylabel=f"Probability density (per {unit})",
    )
    panel.margins(x=0.02)
    panel.legend(frameon=False, fontsize=8)
