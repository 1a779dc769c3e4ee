"""The paper's tables with our numbers beside: raw (CSV) and laid out (HTML, Markdown)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Protocol

from camp.report.answers import Answer, answers
from camp.report.declarations import TableDeclaration, resolve
from camp.report.inputs import Inputs
from camp.report.metrics import capitalised
from camp.report.pages import markdown_row, page, paragraph, rows_to_csv
from camp.report.paper import PaperNumber, with_std
from camp.report.provenance import GENERATED_REMARK
from camp.report.speed import TITLE as SPEED_TITLE
from camp.report.speed import Speed, SpeedTable

CSV_COLUMNS = (
    "id",
    "task",
    "train_size",
    "model",
    "architecture",
    "metric",
    "device",
    "unit",
    "value",
    "std",
    "source",
    "weights",
    "data",
    "scale",
    "seeds",
    "runs",
    "simulated_ps",
    "note",
)


class Document(Protocol):
    """What every table can be written as."""

    def to_csv(self) -> str: ...
    def to_html(self) -> str: ...
    def to_markdown(self) -> str: ...


@dataclass(frozen=True)
class Cell:
    """What stands in a cell: the number, below it in small print where it is from."""

    text: str = ""
    detail: str = ""
    missing: bool = False


@dataclass(frozen=True)
class Column:
    heading: str
    detail: str
    ours: bool


@dataclass(frozen=True)
class Table:
    """One table, ready to be written as CSV, HTML or Markdown."""

    declaration: TableDeclaration
    columns: tuple[Column, ...]
    labels: tuple[tuple[str, ...], ...]
    cells: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]
    raw: tuple[Mapping[str, object], ...]
    measured: SpeedTable | None

    def to_csv(self) -> str:
        """One row for each number, see CSV_COLUMNS; what is missing has no value but a note."""
        return rows_to_csv(CSV_COLUMNS, self.raw)

    def to_html(self) -> str:
        body = [
            paragraph(self.declaration.caption),
            "<table><thead><tr>",
            *(f"<th>{escape(heading)}</th>" for heading in self.declaration.rows),
            *(_html_heading(column) for column in self.columns),
            "</tr></thead><tbody>",
        ]
        for labels, cells in zip(_spans(self.labels), self.cells, strict=True):
            body.append("<tr>")
            for text, rows in labels:
                body.append(f'<th scope="row" rowspan="{rows}">{escape(text)}</th>')
            columns = zip(cells, self.columns, strict=True)
            body += [cell_to_html(cell, ours=column.ours) for cell, column in columns]
            body.append("</tr>")
        body.append("</tbody></table>")
        body += [paragraph(note, "notes") for note in self.notes]
        if self.measured:
            body += [f"<h2>{SPEED_TITLE}</h2>", self.measured.body()]
        return page(self.declaration.heading, "\n".join(body))

    def to_markdown(self) -> str:
        headings = [*self.declaration.rows]
        headings += [f"{column.heading} ({column.detail})" for column in self.columns]
        lines = [f"## {self.declaration.heading}", "", self.declaration.caption, ""]
        lines += [markdown_row(headings), markdown_row(["---"] * len(headings))]
        for labels, cells in zip(self.labels, self.cells, strict=True):
            lines.append(markdown_row([*labels, *map(cell_to_text, cells)]))
        for note in self.notes:
            lines += ["", note]
        text = "\n".join(lines) + "\n"
        return f"{text}\n{self.measured.to_markdown()}" if self.measured else text


def make_table(name: str, inputs: Inputs) -> Document:
    """The table of this name, as its paper declares it.

    :raises InputError: unknown name.
    """
    table = inputs.paper.table(name)
    return resolve(table.make)(table, inputs)


def paper_table(table: TableDeclaration, inputs: Inputs) -> Table:
    """A table as the paper prints it, with a column of ours for each kind of weights.

    Its rows are those of the paper's own model; numbers of other models stand in the row with
    the same labels.
    """
    results, printed = inputs.results, inputs.paper.printed(table.where)
    own = [number for number in printed if number.architecture]
    # As papers do, their own model stands last.
    names = {number.model for number in own}
    models = sorted(dict.fromkeys(n.model for n in printed), key=lambda model: model in names)
    by_place = {(_labels(table, number), number.model): number for number in printed}
    ours = {number: answers(number, results) for number in own}
    weights = sorted({a.weights for given in ours.values() for a in given if a.weights}) or [""]

    columns = [Column(model, "reported", ours=False) for model in models]
    title = f"{inputs.paper.label}, this work"
    columns += [Column(title, _heading(w, results.scale), ours=True) for w in weights]
    labels, cells = [], []
    for number in _row_order(table, own):
        labels.append(_labels(table, number))
        reported = [by_place.get((labels[-1], model)) for model in models]
        cells.append(
            (
                *(Cell(n.shown if n else "") for n in reported),
                *(_cell(number, _with_weights(ours[number], w, results.scale)) for w in weights),
            )
        )
    raw = [_reported_row(number) for number in printed]
    raw += [_our_row(number, answer, results.scale) for number in own for answer in ours[number]]
    measured = [
        (number, speed)
        for number in own
        if number.metric.answered_by == "speed"
        and (speed := results.speeds.of(number.answered_by_simulation, number.architecture))
    ]
    raw += [row for number, speed in measured for row in _measured_rows(number, speed)]
    return Table(
        declaration=table,
        columns=tuple(columns),
        labels=tuple(labels),
        cells=tuple(cells),
        notes=_notes(table, ours),
        raw=tuple(raw),
        measured=SpeedTable(tuple(speed for _, speed in measured)) if measured else None,
    )


def speed_table(table: TableDeclaration, inputs: Inputs) -> SpeedTable:
    """Everything that was measured on this machine."""
    return SpeedTable(tuple(inputs.results.speeds.measured.values()), table.heading, table.caption)


def _labels(table: TableDeclaration, number: PaperNumber) -> tuple[str, ...]:
    """The labels of a number's row, one under each heading."""
    return tuple(_label(number, what) for what in table.rows.values())


def _label(number: PaperNumber, what: str) -> str:
    if what == "quantity":
        return f"{number.metric.label} ({number.shown_unit})"
    return capitalised(str(getattr(number, what)))


def _row_order(table: TableDeclaration, rows: Sequence[PaperNumber]) -> list[PaperNumber]:
    """The rows, those with the same first labels together."""
    groups = list(dict.fromkeys(_labels(table, number)[:-1] for number in rows))
    return sorted(rows, key=lambda number: groups.index(_labels(table, number)[:-1]))


def _heading(weights: str, scale: str) -> str:
    return f"{weights} weights, scale {scale}" if weights else f"scale {scale}"


def _with_weights(given: Sequence[Answer], weights: str, scale: str) -> Answer:
    """The answer for a column; a reason that holds for all weights stands in every column."""
    for answer in given:
        if answer.weights in (weights, ""):
            return answer
    return Answer(missing=f"not computed with {weights} weights at scale {scale}")


def _cell(number: PaperNumber, answer: Answer) -> Cell:
    if answer.value is None:
        return Cell(f"missing: {answer.missing}", missing=True)
    # The digits of the paper, and at least two that mean something.
    decimals = max(number.decimals, number.std_decimals)
    while decimals < 6 and 0 < abs(answer.value) < 10.0 ** (1 - decimals):
        decimals += 1
    return Cell(
        with_std(answer.value, answer.std, decimals, decimals),
        detail=f"{answer.data}, {answer.count_label}",
    )


def _notes(
    table: TableDeclaration, ours: Mapping[PaperNumber, Sequence[Answer]]
) -> tuple[str, ...]:
    """Remarks below the table, each said once with the rows that it concerns."""
    rows: dict[str, list[str]] = {}
    for number, given in ours.items():
        for answer in given:
            if answer.note:
                rows.setdefault(answer.note, []).append(", ".join(_labels(table, number)))
    notes = [f"{'; '.join(dict.fromkeys(labels))}: {note}." for note, labels in rows.items()]
    source = "Columns marked reported repeat what the paper prints; nothing of them is computed."
    generated = any(answer.generated for given in ours.values() for answer in given)
    return (source, *([GENERATED_REMARK] if generated else []), *notes)


def _reported_row(number: PaperNumber) -> dict[str, object]:
    return {
        "id": number.id,
        "task": number.task,
        "train_size": number.train_size,
        "model": number.model,
        "architecture": number.architecture,
        "metric": number.metric.name,
        "device": number.device,
        "unit": number.unit,
        "value": number.value,
        "std": number.std,
        "source": "reported",
    }


def _our_row(number: PaperNumber, answer: Answer, scale: str) -> dict[str, object]:
    missing = [f"missing: {answer.missing}"] if answer.missing else []
    return {
        **_reported_row(number),
        "train_size": answer.train_size or number.train_size,
        "value": answer.value,
        "std": answer.std,
        "source": "this work",
        "weights": answer.weights,
        "data": answer.data,
        "scale": scale,
        "seeds": answer.seeds,
        "runs": answer.runs,
        "simulated_ps": answer.simulated,
        "note": "; ".join([*missing, *([answer.note] if answer.note else [])]),
    }


def _measured_rows(number: PaperNumber, speed: Speed) -> list[dict[str, object]]:
    """What was measured on this machine, with the device: one row for each contestant."""
    return [
        {
            **_reported_row(number),
            "train_size": None,
            "model": record.contestant,
            "architecture": "" if record.kind == "peer" else speed.architecture,
            "device": record.device,
            "value": record.steps,
            "source": "measured on this machine",
            "weights": record.weights,
            "data": speed.data,
            "scale": speed.scale,
            "note": record.machine or record.why_not,
        }
        for record in speed.records
    ]


def _spans(labels: Sequence[tuple[str, ...]]) -> list[list[tuple[str, int]]]:
    """Row labels with the number of rows each covers; equal first labels stand once."""
    rows: list[list[tuple[str, int]]] = []
    for group, members in groupby(labels, key=lambda label: label[:-1]):
        block = list(members)
        rows += [[(label[-1], 1)] for label in block]
        rows[-len(block)][:0] = [(text, len(block)) for text in group]
    return rows


def _html_heading(column: Column) -> str:
    kind = ' class="ours"' if column.ours else ""
    return f"<th{kind}>{escape(column.heading)}<small>{escape(column.detail)}</small></th>"


def cell_to_text(cell: Cell) -> str:
    """On one line, for Markdown."""
    return f"{cell.text} [{cell.detail}]" if cell.detail else cell.text


def cell_to_html(cell: Cell, *, ours: bool = False) -> str:
    """As HTML, marked where it is missing or of our results."""
    kinds = [*(["ours"] if ours else []), *(["missing"] if cell.missing else [])]
    kind = f' class="{" ".join(kinds)}"' if kinds else ""
    detail = f"<small>{escape(cell.detail)}</small>" if cell.detail else ""
    return f"<td{kind}>{escape(cell.text)}{detail}</td>"
