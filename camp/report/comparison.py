"""The architectures beside each other: errors, size, training and simulation on every task."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from camp.report.answers import why_not_evaluated
from camp.report.declarations import TableDeclaration
from camp.report.inputs import Inputs
from camp.report.metrics import (
    METRICS,
    OF_TENSORS,
    STATISTICS,
    Metric,
    Shown,
    capitalised,
    proper_unit,
    shown_error,
)
from camp.report.pages import markdown_row, page, paragraph, rows_to_csv
from camp.report.paper import significant
from camp.report.provenance import (
    GENERATED_REMARK,
    architecture_label,
    ours_first,
    with_weights,
)
from camp.report.results import Results, TaskResult, mean_std
from camp.report.tables import Cell, cell_to_html, cell_to_text
from camp.report.trainings import Training, read_trainings
from camp.targets import FORCES

CSV_COLUMNS = (
    "task",
    "architecture",
    "weights",
    "metric",
    "unit",
    "value",
    "std",
    "seeds",
    "simulation",
    "parameters",
    "budget",
    "training_steps",
    "training_seconds",
    "seconds_per_training_step",
    "training_memory_bytes",
    "training_device",
    "seconds_per_energy_forces",
    "data",
    "scale",
    "note",
)
# What simulations tell of the models of a task.
SIMULATED = (METRICS["md_steps_per_s"], METRICS["energy_drift"])
# What is compared of two trainings.
_ASPECTS = {"data": "structures", "seed": "seeds", "budget": "budget"}


@dataclass(frozen=True)
class Measured:
    """A number of molecular dynamics, for each run that has it, in our unit."""

    simulation: str
    values: tuple[float, ...]
    how: str


@dataclass(frozen=True)
class Row:
    """One architecture with one kind of weights on one task; ``missing`` says why it has none.

    ``energy_forces`` is in seconds, None where it was not measured. ``simulated`` has what there is
    of each metric of :data:`SIMULATED`, or the reason why there is nothing.
    """

    task: str
    architecture: str
    result: TaskResult | None
    trainings: tuple[Training, ...] = ()
    energy_forces: float | None = None
    simulated: tuple[tuple[Measured, ...] | str, ...] = ()
    missing: str = ""

    @property
    def label(self) -> str:
        weights = self.result.weights if self.result else ""
        return with_weights(architecture_label(self.architecture), weights)

    def error(self, shown: Shown) -> tuple[float, float | None] | None:
        """Mean and standard deviation over seeds in the shown unit, None without any."""
        values = self.result.values(shown.key) if self.result else []
        return mean_std([shown.factor * value for value in values]) if values else None

    def why_not(self, target: str) -> str:
        return self.result.unavailable.get(target, "not evaluated") if self.result else self.missing

    def trained(self, number: Callable[[Training], float | None]) -> float | None:
        """The mean over its trainings, None where one of them does not have it."""
        values = [number(training) for training in self.trainings]
        known = [value for value in values if value is not None]
        return _mean(known) if len(known) == len(values) else None

    @property
    def memory(self) -> int | None:
        """That of the training which took most (bytes)."""
        return max((t.memory for t in self.trainings if t.memory is not None), default=None)

    def told(self, name: str) -> str:
        """What its trainings say under a name, each text once."""
        said = (getattr(training, name) for training in self.trainings)
        return "; ".join(dict.fromkeys(str(text or "not recorded") for text in said))


@dataclass(frozen=True)
class Comparison:
    """All rows, those of one task together."""

    declaration: TableDeclaration
    scale: str
    rows: tuple[Row, ...]

    def to_csv(self) -> str:
        """One row for each task, architecture, weights and metric, see CSV_COLUMNS."""
        return rows_to_csv(CSV_COLUMNS, [line for row in self.rows for line in self._lines(row)])

    def to_html(self) -> str:
        body = [paragraph(self.declaration.caption)]
        if any(row.result and row.result.generated for row in self.rows):
            body.append(paragraph(GENERATED_REMARK))
        for task, rows in self._tasks():
            headings, cells = _laid_out(rows)
            body.append(f"<h2>{escape(task)}</h2>")
            if common := in_common(rows):
                body.append(paragraph(common))
            body.append("<table><thead><tr>")
            body += [f"<th>{escape(heading)}</th>" for heading in headings]
            body.append("</tr></thead><tbody>")
            for of_row in cells:
                body.append(f"<tr>{''.join(map(cell_to_html, of_row))}</tr>")
            body.append("</tbody></table>")
        return page(f"{self.declaration.heading}, scale {self.scale}", "\n".join(body))

    def to_markdown(self) -> str:
        lines = [f"## {self.declaration.heading}, scale {self.scale}", ""]
        lines += [self.declaration.caption]
        for task, rows in self._tasks():
            headings, cells = _laid_out(rows)
            common = in_common(rows)
            lines += ["", f"### {task}", "", *([common, ""] if common else [])]
            lines += [markdown_row(headings), markdown_row(["---"] * len(headings))]
            lines += [markdown_row([*map(cell_to_text, of_row)]) for of_row in cells]
        return "\n".join(lines) + "\n"

    def _tasks(self) -> list[tuple[str, list[Row]]]:
        names = dict.fromkeys(row.task for row in self.rows)
        return [(name, [row for row in self.rows if row.task == name]) for name in names]

    def _lines(self, row: Row) -> Iterator[dict[str, object]]:
        common: dict[str, object] = {
            "task": row.task,
            "architecture": row.architecture,
            "scale": self.scale,
        }
        if row.result is None:
            yield {**common, "note": f"missing: {row.missing}"}
            return
        common |= {
            "weights": row.result.weights,
            "seeds": len(row.result.files),
            "parameters": row.result.parameters,
            "budget": row.told("budget"),
            "training_steps": row.trained(lambda training: training.steps),
            "training_seconds": row.trained(lambda training: training.seconds),
            "seconds_per_training_step": row.trained(lambda training: training.seconds_per_step),
            "training_memory_bytes": row.memory,
            "training_device": row.told("device"),
            "seconds_per_energy_forces": row.energy_forces,
            "data": row.result.data,
            "note": row.result.note,
        }
        for target, statistic, shown in _errors([row]):
            mean, std = row.error(shown) or (None, None)
            note = f"missing: {row.why_not(target)}" if mean is None else row.result.note
            named = {"metric": f"{target}_{statistic}", "unit": shown.unit}
            yield {**common, **named, "value": mean, "std": std, "note": note}
        for metric, found in zip(SIMULATED, row.simulated, strict=True):
            unit, factor = _unit(metric)
            named = {"metric": metric.name, "unit": unit}
            if isinstance(found, str):
                yield {**common, **named, "note": f"missing: {found}"}
                continue
            for one in found:
                mean, std = mean_std([factor * value for value in one.values])
                values = {"simulation": one.simulation, "value": mean, "std": std}
                yield {**common, **named, **values, "note": one.how}


def comparison_table(table: TableDeclaration, inputs: Inputs) -> Comparison:
    """Every architecture on every task that was evaluated or could not be.

    :raises InputError: a file that is no summary of a training.
    """
    results, trainings = inputs.results, read_trainings(inputs.trainings)
    rows = []
    known = [origin[:2] for origin in results.groups]
    for task, architecture in sorted(
        {*known, *results.unavailable}, key=lambda pair: ours_first(*pair)
    ):
        groups = results.of_task(task, architecture)
        if not groups:
            why = results.unavailable.get((task, architecture), "")
            missing = why or why_not_evaluated(results, task, architecture)
            rows.append(Row(task, architecture, None, missing=missing))
        for group in groups:
            own = trainings.get((task, architecture), ()) if group.weights == "own" else ()
            rows.append(
                Row(
                    task,
                    architecture,
                    group,
                    trainings=own or group.trainings,
                    energy_forces=_evaluation_time(results, group),
                    simulated=tuple(_simulated(metric, results, group) for metric in SIMULATED),
                )
            )
    return Comparison(table, inputs.scale, tuple(rows))


def in_common(rows: Iterable[Row]) -> str:
    """What the trainings of several models have in common, and what not; empty for fewer."""
    trained = [row.trainings for row in rows if row.trainings]
    if len(trained) < 2:
        return ""
    said: dict[str, list[str]] = {"The same for all": [], "Different": [], "Not recorded": []}
    for name, title in _ASPECTS.items():
        of_models = [{getattr(training, name) for training in of} for of in trained]
        if any(None in found for found in of_models):
            said["Not recorded"].append(title)
        else:
            alike = all(found == of_models[0] for found in of_models)
            said["The same for all" if alike else "Different"].append(title)
    parts = (f"{heading}: {', '.join(titles)}." for heading, titles in said.items() if titles)
    return f"Trainings. {' '.join(parts)}"


def _evaluation_time(results: Results, group: TaskResult) -> float | None:
    """Seconds of energy and forces with the models of a task, as measured for a simulation."""
    speeds = results.speeds.of_task(group.task, group.architecture)
    return _mean([speed.ours.seconds for speed in speeds if speed.weights == group.weights])


def _simulated(metric: Metric, results: Results, group: TaskResult) -> tuple[Measured, ...] | str:
    """What there is of a metric with the models of a task, or why there is nothing. A speed is the
    measured one, or else that of simulations.
    """
    model = (group.task, group.architecture)
    if FORCES.name not in group.targets:
        return "predicts no forces"
    simulations = results.simulations.of_task(*model, group.weights)
    if metric.answered_by == "speed":
        what = "speed or simulation"
        found = [
            Measured(speed.simulation, (speed.ours.steps,), speed.ours.machine)
            for speed in results.speeds.of_task(*model)
            if speed.weights == group.weights and speed.ours.steps is not None
        ] or [Measured(one.simulation, one.speeds, one.how) for one in simulations if one.speeds]
    else:
        what = "simulation at constant energy"
        conserving = [one for one in simulations if one.ensemble == "nve"]
        found = [Measured(one.simulation, one.drifts, one.how) for one in conserving if one.drifts]
    failed = results.simulations.why_none(*model)
    return tuple(found) or failed or f"no {what} with this model at scale {results.scale}"


def _unit(metric: Metric) -> tuple[str, float]:
    """The first unit of a metric, as shown, and the factor from ours."""
    unit, entry = next(iter(metric.units.items()))
    return proper_unit(unit), entry.factor


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _errors(rows: Iterable[Row]) -> list[tuple[str, str, Shown]]:
    """(target, statistic, how it is shown) of all targets that the rows have."""
    results = [row.result for row in rows if row.result]
    targets = {name: target for result in results for name, target in result.targets.items()}
    known = [
        (name, statistic, shown_error(target, statistic))
        for name, target in targets.items()
        for statistic in (*STATISTICS, *OF_TENSORS)
    ]
    return [
        (target, statistic, shown)
        for target, statistic, shown in known
        if statistic in STATISTICS or any(result.values(shown.key) for result in results)
    ]


# --- as people read it --------------------------------------------------------------------------


def _laid_out(rows: Sequence[Row]) -> tuple[list[str], list[list[Cell]]]:
    """Headings and cells of one task's table."""
    errors, titles = _errors(rows), {**STATISTICS, **OF_TENSORS}
    headings = [f"{capitalised(t)} {titles[s]} ({shown.unit})" for t, s, shown in errors]
    simulated = [f"{metric.title} ({_unit(metric)[0]})" for metric in SIMULATED]
    return (
        ["Model", *headings, *_OF_MODEL, *simulated, "Data"],
        [
            [Cell(row.label), *_error_cells(row, errors), *_model_cells(row), *_last_cells(row)]
            for row in rows
        ],
    )


def _error_cells(row: Row, errors: Sequence[tuple[str, str, Shown]]) -> list[Cell]:
    found = [(target, row.error(shown)) for target, _, shown in errors]
    return [
        Cell(significant(*error)) if error else _missing(row.why_not(target))
        for target, error in found
    ]


_OF_MODEL = (
    "Parameters",
    "Models",
    "Budget of the training",
    "Steps",
    "Training (s)",
    "Training step (ms)",
    "Memory of training (MiB)",
    "Energy and forces (ms)",
)


def _model_cells(row: Row) -> list[Cell]:
    """Those under :data:`_OF_MODEL`."""
    if row.result is None:
        return [Cell()] * len(_OF_MODEL)
    size, steps = row.result.parameters, row.trained(lambda training: training.steps)
    untrained = "published weights" if row.result.weights == "published" else ""
    return [
        Cell("" if size is None else f"{size:,}"),
        Cell(row.result.count_label),
        Cell(row.told("budget"), detail=row.told("device")) if row.trainings else Cell(untrained),
        Cell("" if steps is None else f"{steps:,.0f}"),
        _number(row.trained(lambda training: training.seconds)),
        _number(row.trained(lambda training: training.seconds_per_step), 1e3),
        Cell("not recorded") if row.trainings and not row.memory else _number(row.memory, 2**-20),
        _number(row.energy_forces, 1e3),
    ]


def _last_cells(row: Row) -> list[Cell]:
    """What simulations tell, and the data."""
    if row.result is None:
        return [*[Cell()] * len(SIMULATED), _missing(row.missing)]
    cells = [_simulated_cell(*both) for both in zip(SIMULATED, row.simulated, strict=True)]
    return [*cells, Cell(row.result.data)]


def _simulated_cell(metric: Metric, found: tuple[Measured, ...] | str) -> Cell:
    if isinstance(found, str):
        return _missing(found)
    _, factor = _unit(metric)
    means = [significant(*mean_std([factor * v for v in one.values])) for one in found]
    return Cell(
        ", ".join(mean.replace("-", "−") for mean in means),
        detail="; ".join(f"{one.simulation}: {one.how}" for one in found),
    )


def _number(value: float | None, factor: float = 1.0) -> Cell:
    return Cell("" if value is None else significant(factor * value, None))


def _missing(reason: str) -> Cell:
    return Cell(f"missing: {reason}", missing=True)
