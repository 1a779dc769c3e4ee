"""The architectures beside each other: errors, size and time on every task of a scale."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from camp.errors import InputError
from camp.files import read_json
from camp.report.answers import why_not_evaluated
from camp.report.declarations import TableDeclaration
from camp.report.inputs import Inputs
from camp.report.metrics import OF_TENSORS, STATISTICS, Shown, capitalised, shown_error
from camp.report.pages import markdown_row, page, paragraph, rows_to_csv
from camp.report.paper import significant
from camp.report.provenance import GENERATED_REMARK, architecture_label
from camp.report.results import Results, TaskResult, mean_std

CSV_COLUMNS = (
    "task",
    "architecture",
    "weights",
    "metric",
    "unit",
    "value",
    "std",
    "seeds",
    "parameters",
    "seconds_per_training_step",
    "seconds_per_energy_forces",
    "data",
    "scale",
    "note",
)
_HEADINGS = (
    "Parameters",
    "Models",
    "Training step (ms)",
    "Energy and forces (ms)",
    "Data",
)


@dataclass(frozen=True)
class Row:
    """One architecture with one kind of weights on one task; ``missing`` says why it has none.

    Times are seconds, None where they were not measured.
    """

    task: str
    architecture: str
    result: TaskResult | None
    training_step: float | None = None
    energy_forces: float | None = None
    missing: str = ""

    @property
    def label(self) -> str:
        weights = f", {self.result.weights} weights" if self.result and self.result.weights else ""
        return f"{architecture_label(self.architecture)}{weights}"

    def error(self, shown: Shown) -> tuple[float, float | None] | None:
        """Mean and standard deviation over seeds in the shown unit, None without any."""
        values = self.result.values(shown.key) if self.result else []
        return mean_std([shown.factor * value for value in values]) if values else None

    def why_not(self, target: str) -> str:
        return self.result.unavailable.get(target, "not evaluated") if self.result else self.missing


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
            body += [f"<h2>{escape(task)}</h2>", "<table><thead><tr>"]
            body += [f"<th>{escape(heading)}</th>" for heading in headings]
            body.append("</tr></thead><tbody>")
            for row, texts in zip(rows, cells, strict=True):
                kind = "" if row.result else ' class="missing"'
                body.append("<tr>" + "".join(f"<td{kind}>{escape(t)}</td>" for t in texts))
                body.append("</tr>")
            body.append("</tbody></table>")
        return page(f"{self.declaration.heading}, scale {self.scale}", "\n".join(body))

    def to_markdown(self) -> str:
        lines = [f"## {self.declaration.heading}, scale {self.scale}", ""]
        lines += [self.declaration.caption]
        for task, rows in self._tasks():
            headings, cells = _laid_out(rows)
            lines += ["", f"### {task}", "", markdown_row(headings)]
            lines += [markdown_row(["---"] * len(headings)), *map(markdown_row, cells)]
        return "\n".join(lines) + "\n"

    def _tasks(self) -> list[tuple[str, list[Row]]]:
        names = dict.fromkeys(row.task for row in self.rows)
        return [(name, [row for row in self.rows if row.task == name]) for name in names]

    def _lines(self, row: Row) -> list[dict[str, object]]:
        common: dict[str, object] = {
            "task": row.task,
            "architecture": row.architecture,
            "scale": self.scale,
        }
        if row.result is None:
            return [{**common, "note": f"missing: {row.missing}"}]
        common |= {
            "weights": row.result.weights,
            "seeds": len(row.result.files),
            "parameters": row.result.parameters,
            "seconds_per_training_step": row.training_step,
            "seconds_per_energy_forces": row.energy_forces,
            "data": row.result.data,
            "note": row.result.note,
        }
        lines = []
        for target, statistic, shown in _errors([row]):
            mean, std = row.error(shown) or (None, None)
            note = f"missing: {row.why_not(target)}" if mean is None else row.result.note
            metric = {"metric": f"{target}_{statistic}", "unit": shown.unit}
            lines.append({**common, **metric, "value": mean, "std": std, "note": note})
        return lines


def comparison_table(table: TableDeclaration, inputs: Inputs) -> Comparison:
    """Every architecture on every task that was evaluated or could not be.

    :raises InputError: a file that is no summary of a training.
    """
    results, times = inputs.results, _training_times(inputs.trainings)
    rows = []
    known = [origin[:2] for origin in results.groups]
    for task, architecture in sorted({*known, *results.unavailable}):
        groups = results.of_task(task, architecture)
        if not groups:
            why = results.unavailable.get((task, architecture), "")
            missing = why or why_not_evaluated(results, task, architecture)
            rows.append(Row(task, architecture, None, missing=missing))
        for group in groups:
            steps = times.get((task, architecture), []) if group.weights == "own" else []
            seconds = _evaluation_times(results, group)
            rows.append(
                Row(task, architecture, group, training_step=_mean(steps), energy_forces=seconds)
            )
    return Comparison(table, inputs.scale, tuple(rows))


def _training_times(summaries: Iterable[Path]) -> dict[tuple[str, str], list[float]]:
    """Seconds of a training step of one model, by task and architecture."""
    times: dict[tuple[str, str], list[float]] = {}
    for path in summaries:
        content = read_json(path)
        try:
            key = (content["task"], content["architecture"])
            models = len(content["seeds_together"])
            if content["steps"]:
                seconds = content["seconds"] / content["steps"] / models
                times.setdefault(key, []).append(seconds)
        except (KeyError, TypeError, ZeroDivisionError) as error:
            raise InputError(f"{path}: not the summary of a training ({error})") from None
    return times


def _evaluation_times(results: Results, group: TaskResult) -> float | None:
    """Seconds of energy and forces with the models of a task, as measured for a simulation."""
    speeds = results.speeds.of_task(group.task, group.architecture)
    return _mean([speed.ours.seconds for speed in speeds if speed.weights == group.weights])


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _errors(rows: Iterable[Row]) -> list[tuple[str, str, Shown]]:
    """(target, statistic, how it is shown) of all targets that the rows have."""
    results = [row.result for row in rows if row.result]
    targets = dict.fromkeys(target for result in results for target in result.targets)
    known = [(t, s, shown_error(t, s)) for t in targets for s in (*STATISTICS, *OF_TENSORS)]
    return [
        (target, statistic, shown)
        for target, statistic, shown in known
        if statistic in STATISTICS or any(result.values(shown.key) for result in results)
    ]


def _laid_out(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Headings and texts of one task's table."""
    errors = _errors(rows)
    titles = {**STATISTICS, **OF_TENSORS}
    headings = [f"{capitalised(t)} {titles[s]} ({shown.unit})" for t, s, shown in errors]
    return (
        ["Model", *headings, *_HEADINGS],
        [[row.label, *_error_texts(row, errors), *_other_texts(row)] for row in rows],
    )


def _error_texts(row: Row, errors: Sequence[tuple[str, str, Shown]]) -> list[str]:
    texts = []
    for target, _, shown in errors:
        found = row.error(shown)
        texts.append(significant(*found) if found else f"missing: {row.why_not(target)}")
    return texts


def _other_texts(row: Row) -> list[str]:
    if row.result is None:
        return ["", "", "", "", row.missing]
    known = "" if row.result.parameters is None else f"{row.result.parameters:,}"
    times = [row.training_step, row.energy_forces]
    milliseconds = ["" if t is None else significant(1e3 * t, None) for t in times]
    return [known, row.result.count_label, *milliseconds, row.result.data]
