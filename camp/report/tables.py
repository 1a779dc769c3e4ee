"""The paper's tables with our numbers beside: raw (CSV) and laid out (HTML, Markdown)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from camp.errors import InputError
from camp.report.pages import markdown_row, page, paragraph, rows_to_csv
from camp.report.paper import PaperNumber, with_std
from camp.report.results import GENERATED_REMARK, SPEED, Answer, Results, answers, is_generated
from camp.report.speed import CONTESTANTS, Speed, SpeedTable
from camp.report.speed import TITLE as SPEED_TITLE

CSV_COLUMNS = (
    "id",
    "task",
    "train_size",
    "model",
    "metric",
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
QUANTITIES = {
    "energy_mae": "Energy",
    "energy_rmse": "Energy",
    "forces_mae": "Forces",
    "forces_rmse": "Forces",
    "diffusivity_mae": "Diffusivity",
    "stability": "Stability",
    SPEED: "Speed",
}

Labels = Callable[[PaperNumber], tuple[str, ...]]


def _quantity(number: PaperNumber) -> str:
    return f"{QUANTITIES[number.metric]} ({number.shown_unit})"


def _alone(number: PaperNumber) -> tuple[str, ...]:
    return (_quantity(number),)


def _by_size(number: PaperNumber) -> tuple[str, ...]:
    return str(number.train_size), _quantity(number)


def _by_molecule(number: PaperNumber) -> tuple[str, ...]:
    molecule = number.task.split()[-1].replace("_", " ").capitalize()
    return molecule, _quantity(number)


def _by_setting(number: PaperNumber) -> tuple[str, ...]:
    setting = number.task.partition(": ")[2].replace("(A)", "(Å)")
    return setting[:1].upper() + setting[1:], number.id.rpartition("-")[2]


@dataclass(frozen=True)
class Layout:
    """How the paper prints one table: its title, the headings of the row labels, the labels."""

    where: str
    title: str
    headings: tuple[str, ...]
    labels: Labels
    caption: str


_STD_OVER_MODELS = (
    "In parentheses: standard deviations over independently trained models (five in the paper)."
)
_SPEED = "Speed: MD steps per second for 192 atoms of water on one NVIDIA V100."

LAYOUTS = {
    "table-1": Layout(
        "Table 1",
        "Table 1: LiPS, by number of training structures",
        ("Training size", "MAE"),
        _by_size,
        f"Mean absolute errors of energy and forces on the test set. {_STD_OVER_MODELS}",
    ),
    "table-2": Layout(
        "Table 2",
        "Table 2: LiPS, 19,000 training structures",
        ("Quantity",),
        _alone,
        "MAE of forces, MAE of the diffusivity of Li⁺ (reference 1.35·10⁻⁵ cm²/s), and stability: "
        "the time (at most 50 ps, the length of the paper's runs) before a simulation collapses, "
        "standard deviations over runs (five in the paper) in parentheses.",
    ),
    "table-3": Layout(
        "Table 3",
        "Table 3: liquid water",
        ("RMSE, speed",),
        _alone,
        f"Root-mean-square errors of energy and forces on the test set. {_SPEED} "
        f"{_STD_OVER_MODELS}",
    ),
    "table-4": Layout(
        "Table 4",
        "Table 4: MD17, 950 training structures",
        ("Molecule", "MAE"),
        _by_molecule,
        f"Mean absolute errors of the total energy and of forces. {_STD_OVER_MODELS}",
    ),
    "table-5": Layout(
        "Table 5",
        "Table 5: bilayer graphene",
        ("MAE",),
        _alone,
        f"Mean absolute errors of energy and forces on the test set. {_STD_OVER_MODELS}",
    ),
    "table-s1": Layout(
        "Table S1",
        "Table S1: speed for water",
        ("Quantity",),
        _alone,
        _SPEED,
    ),
    "table-s2": Layout(
        "Table S2",
        "Table S2: MD17, 9,500 training structures",
        ("Molecule", "Quantity"),
        _by_molecule,
        "Mean absolute errors of the total energy and of forces, stability (the time, at most "
        "300 ps, the length of the paper's runs, before a bond breaks; standard deviations over "
        "runs, five in the paper, in parentheses) and MD steps per second on one NVIDIA V100.",
    ),
    "table-s3": Layout(
        "Table S3",
        "Table S3: rMD17, 950 training structures",
        ("Molecule", "MAE"),
        _by_molecule,
        "Mean absolute errors of the total energy and of forces on 1,000 test structures.",
    ),
    "ablation": Layout(
        "SI section 6",
        "SI section 6: ablation on LiPS, 100 training structures",
        ("Setting", "Value"),
        _by_setting,
        "Mean absolute error of the energy (meV/atom) for one setting changed at a time; the text "
        "of the SI prints these numbers.",
    ),
}


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

    layout: Layout
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
            paragraph(self.layout.caption),
            "<table><thead><tr>",
            *(f"<th>{escape(heading)}</th>" for heading in self.layout.headings),
            *(_html_heading(column) for column in self.columns),
            "</tr></thead><tbody>",
        ]
        for labels, cells in zip(_spans(self.labels), self.cells, strict=True):
            body.append("<tr>")
            for text, rows in labels:
                body.append(f'<th scope="row" rowspan="{rows}">{escape(text)}</th>')
            body += [_html_cell(cell, c.ours) for cell, c in zip(cells, self.columns, strict=True)]
            body.append("</tr>")
        body.append("</tbody></table>")
        body += [paragraph(note, "notes") for note in self.notes]
        if self.measured:
            body += [f"<h2>{SPEED_TITLE}</h2>", self.measured.body()]
        return page(self.layout.title, "\n".join(body))

    def to_markdown(self) -> str:
        headings = [*self.layout.headings]
        headings += [f"{column.heading} ({column.detail})" for column in self.columns]
        lines = [f"## {self.layout.title}", "", self.layout.caption, ""]
        lines += [markdown_row(headings), markdown_row(["---"] * len(headings))]
        for labels, cells in zip(self.labels, self.cells, strict=True):
            texts = [f"{c.text} [{c.detail}]" if c.detail else c.text for c in cells]
            lines.append(markdown_row([*labels, *texts]))
        for note in self.notes:
            lines += ["", note]
        text = "\n".join(lines) + "\n"
        return f"{text}\n{self.measured.to_markdown()}" if self.measured else text


def make_table(
    name: str, numbers: Sequence[PaperNumber], answering: Mapping[str, str], results: Results
) -> Table:
    """One table of the paper, with a column of ours for each kind of weights.

    :param name: a key of LAYOUTS.
    :param numbers: all numbers of the paper.
    :param answering: {id: task or simulation}.
    :raises InputError: unknown name.
    """
    if name not in LAYOUTS:
        raise InputError(f"no table {name!r}; choose one of {', '.join(LAYOUTS)}")
    layout = LAYOUTS[name]
    printed = [number for number in numbers if number.where == layout.where]
    # As in the paper, CAMP stands last.
    models = sorted(dict.fromkeys(n.model for n in printed), key=lambda model: model == "CAMP")
    by_place = {(number.id, number.model): number for number in printed}
    ours = {n.id: answers(n, answering, results) for n in printed if n.model == "CAMP"}
    weights = sorted({a.weights for given in ours.values() for a in given if a.weights}) or [""]

    columns = [Column(model, "reported", ours=False) for model in models]
    columns += [Column("CAMP, this work", _heading(w, results.scale), ours=True) for w in weights]
    labels, cells = [], []
    for number in _row_order(layout, [by_place[identifier, "CAMP"] for identifier in ours]):
        given = ours[number.id]
        reported = [by_place.get((number.id, model)) for model in models]
        labels.append(layout.labels(number))
        cells.append(
            (
                *(Cell(n.shown if n else "") for n in reported),
                *(_cell(number, _with_weights(given, w, results.scale)) for w in weights),
            )
        )
    raw = [_reported_row(number) for number in printed]
    raw += [
        _our_row(by_place[identifier, "CAMP"], answer, results.scale)
        for identifier, given in ours.items()
        for answer in given
    ]
    measured = [
        (number, speed)
        for number in printed
        if (number.model, number.metric) == ("CAMP", SPEED)
        and (speed := results.speeds.of(answering.get(number.id)))
    ]
    raw += [row for number, speed in measured for row in _measured_rows(number, speed)]
    flat = [answer for given in ours.values() for answer in given]
    return Table(
        layout=layout,
        columns=tuple(columns),
        labels=tuple(labels),
        cells=tuple(cells),
        notes=_notes(ours, layout, by_place, any(is_generated(a.data) for a in flat)),
        raw=tuple(raw),
        measured=SpeedTable(tuple(speed for _, speed in measured)) if measured else None,
    )


def _row_order(layout: Layout, rows: Sequence[PaperNumber]) -> list[PaperNumber]:
    """The rows, those with the same first labels together."""
    groups = list(dict.fromkeys(layout.labels(number)[:-1] for number in rows))
    return sorted(rows, key=lambda number: groups.index(layout.labels(number)[:-1]))


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
    ours: Mapping[str, Sequence[Answer]],
    layout: Layout,
    by_place: Mapping[tuple[str, str], PaperNumber],
    generated: bool,
) -> tuple[str, ...]:
    """Remarks below the table, each said once with the rows that it concerns."""
    rows: dict[str, list[str]] = {}
    for identifier, given in ours.items():
        label = layout.labels(by_place[identifier, "CAMP"])
        for answer in given:
            if answer.note:
                rows.setdefault(answer.note, []).append(", ".join(label))
    notes = [f"{'; '.join(dict.fromkeys(labels))}: {note}." for note, labels in rows.items()]
    source = "Columns marked reported repeat what the paper prints; nothing of them is computed."
    return (source, *([GENERATED_REMARK] if generated else []), *notes)


def _reported_row(number: PaperNumber) -> dict[str, object]:
    return {
        "id": number.id,
        "task": number.task,
        "train_size": number.train_size,
        "model": number.model,
        "metric": number.metric,
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
    """What was measured on this machine, under a metric of its own: one row for each contestant."""
    return [
        {
            **_reported_row(number),
            "train_size": None,
            "model": record.contestant,
            "metric": "md_steps_per_s",
            "value": record.steps,
            "source": "measured on this machine",
            "weights": record.weights,
            "data": speed.data,
            "scale": speed.scale,
            "note": record.machine or record.why_not,
        }
        for record in map(speed.of, CONTESTANTS)
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


def _html_cell(cell: Cell, ours: bool) -> str:
    kinds = [*(["ours"] if ours else []), *(["missing"] if cell.missing else [])]
    kind = f' class="{" ".join(kinds)}"' if kinds else ""
    detail = f"<small>{escape(cell.detail)}</small>" if cell.detail else ""
    return f"<td{kind}>{escape(cell.text)}{detail}</td>"
