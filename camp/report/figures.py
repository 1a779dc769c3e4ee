"""Figures by name: figure-2, training-<task>, parity-<task>, errors-<task>."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from camp.errors import InputError
from camp.report.learning_curve import learning_curve
from camp.report.paper import read_answering_tasks, read_paper_numbers
from camp.report.predictions import errors, parity
from camp.report.results import collect
from camp.report.style import missing_figure
from camp.report.training_curves import training_curves

_BY_TASK = {"parity": parity, "errors": errors}


def draw_figure(
    name: str,
    *,
    scale: str,
    evaluations: Sequence[Path] = (),
    metrics: Sequence[Path] = (),
    data: str | None = None,
    tasks: Path | None = None,
    paper: Path | None = None,
) -> Figure:
    """The figure of this name; each kind needs its own inputs.

    :param evaluations: files or folders; for figure-2, parity and errors.
    :param metrics: tables metrics.csv; for training.
    :param data: label of the data; for training.
    :param tasks: the list of tasks (YAML); for figure-2.
    :param paper: the paper's numbers (CSV); for figure-2.
    :return: where an 'unavailable' file stands for the evaluations, a figure that says why.
    :raises InputError: unknown name, an input that the figure needs is missing or bad.
    """
    kind, _, task = name.partition("-")
    if name == "figure-2":
        if tasks is None or paper is None:
            raise InputError("figure-2 needs --tasks and --paper; give both files")
        numbers, answering = read_paper_numbers(paper), read_answering_tasks(tasks)
        return learning_curve(numbers, answering, collect(evaluations, scale))
    if kind == "training" and task:
        if not metrics or not data:
            raise InputError(f"{name} needs --metrics and --data; give both")
        return training_curves(task, metrics, scale, data)
    if kind in _BY_TASK and task:
        results = collect(evaluations, scale)
        groups = results.of_task(task)
        if not groups and task in results.unavailable:
            return missing_figure(name, scale, results.unavailable[task])
        if len(groups) != 1:
            weights = ", ".join(group.weights for group in groups) or "none"
            raise InputError(
                f"{name} needs evaluations of {task} with one kind of weights (given: {weights})"
            )
        return _BY_TASK[kind](groups[0], scale)
    raise InputError(
        f"no figure {name!r}; choose figure-2, training-TASK, parity-TASK or errors-TASK"
    )
