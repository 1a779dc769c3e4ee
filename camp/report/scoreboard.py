"""Every number of a paper that one of our models answers, against ours, with a verdict.

How a verdict is found. The printed value x counts as reproduced within a tolerance of

- 2σ, where the paper prints a standard deviation σ. A σ printed as zero was rounded; it may be as
  large as half a unit of the last printed digit of x, and this is taken for it;
- 10 % of x where the paper prints none;
- never less than half a unit of the last printed digit of x: nearer, the two print the same.

Outside, an error that is smaller and a stability or speed that is larger is 'better', the opposite
'worse'; a property with a target value, as a diffusivity, 'differs'. On data that are not the
paper's no verdict is given, whatever the numbers are.

A stability cannot be longer than the simulation. The papers' runs are all stable to their end, so
that the number x is their length, and

- runs that are all stable to their end, but shorter than x, neither confirm nor contradict it: the
  verdict says how long they are ('stable to the end of 20 ps (paper: 50 ps)');
- everything else is compared as above: runs as long as the paper's, and shorter ones of which one
  collapsed. Of longer runs the time counts up to x, since nobody knows how long the paper's would
  have lasted; so a stability is never 'better'.
"""

from collections import Counter
from dataclasses import dataclass
from html import escape

from camp.report.answers import Answer, answers
from camp.report.declarations import Paper
from camp.report.pages import page, paragraph, rows_to_csv
from camp.report.paper import PaperNumber, significant
from camp.report.provenance import GENERATED_REMARK
from camp.report.results import Results

CSV_COLUMNS = (
    "id",
    "where",
    "task",
    "train_size",
    "metric",
    "device",
    "unit",
    "paper",
    "paper_std",
    "ours",
    "ours_std",
    "seeds",
    "runs",
    "simulated_ps",
    "data",
    "architecture",
    "weights",
    "scale",
    "verdict",
    "note",
)
SHORTER = "stable in shorter runs"
NOT_COMPARABLE = "not comparable (generated data)"
MISSING = "missing"
# Colour-blind-safe backgrounds; the sign and the word say the same.
_LOOKS = {
    "reproduced": ("✓", "#cfe6f5"),
    "better": ("▲", "#c8ead9"),
    "worse": ("▼", "#fbdcb5"),
    "differs": ("≠", "#fbdcb5"),
    SHORTER: ("○", "#e6f0e0"),
    NOT_COMPARABLE: ("∼", "#eeeeee"),
    MISSING: ("–", "#ffffff"),
}
_RULE = (
    "Verdict: reproduced within two standard deviations of the paper, or within 10 % where it "
    "prints none; a standard deviation printed as zero counts as half a unit of the last printed "
    "digit; values that round to the printed one are reproduced. Otherwise better or worse, or "
    "differs for a property with a target value. Runs that are stable to their end, but shorter "
    "than the paper's, get no verdict on the stability: how long they are stands there. AIMD "
    "values are references and not listed."
)


@dataclass(frozen=True)
class Row:
    """One number of the paper and our answer to it with one kind of weights."""

    number: PaperNumber
    answer: Answer
    kind: str

    @property
    def verdict(self) -> str:
        """The kind of verdict; for a missing number why, for shorter runs how long they are."""
        if self.kind == MISSING:
            return f"missing because: {self.answer.missing}"
        if self.kind == SHORTER:
            return (
                f"stable to the end of {self.answer.simulated:g} ps "
                f"(paper: {self.number.value:g} ps)"
            )
        return self.kind


def tolerance(number: PaperNumber) -> float:
    """How far a reproduced value may be from the printed one (unit of the number)."""
    if number.std is None:
        return max(0.1 * abs(number.value), number.rounding)
    return max(2 * (number.std or number.rounding), number.rounding)


def judge(number: PaperNumber, answer: Answer) -> str:
    """A key of the legend: reproduced, better, worse, differs, missing, not comparable or, for
    stabilities, stable in shorter runs."""
    if answer.value is None:
        return MISSING
    if answer.generated:
        return NOT_COMPARABLE
    difference = answer.value - number.value
    # The margin is for values that are equal but for binary rounding.
    if abs(difference) <= tolerance(number) * (1 + 1e-9):
        return "reproduced"
    # The mean is the length only if every run lasted to its end.
    lasted = answer.simulated is not None and answer.value >= answer.simulated * (1 - 1e-6)
    if number.metric.quantity == "stability" and lasted:
        return SHORTER
    if number.metric.better == "nearer":
        return "differs"
    return "better" if (difference > 0) == (number.metric.better == "larger") else "worse"


# Eleven columns in the width that the report leaves of a window of 1,400 pixels.
_STYLE = """
table { font-size: .87em; }
th, td { padding: .3em .45em; }
td:first-child { min-width: 9em; }
code { font-size: .85em; overflow-wrap: anywhere; }
"""


@dataclass(frozen=True)
class Scoreboard:
    """All numbers of a paper that one of our models answers, in its order."""

    paper: str  # its label
    rows: tuple[Row, ...]
    scale: str

    def summary(self) -> str:
        """One line of counts."""
        counts = Counter(row.kind for row in self.rows)
        numbers = len({row.number.id for row in self.rows})
        parts = [f"{counts[kind]} {kind}" for kind in _LOOKS if counts[kind]]
        rows = f" in {len(self.rows)} rows" if len(self.rows) > numbers else ""
        return f"{numbers} numbers{rows} at scale {self.scale}: {', '.join(parts)}."

    def to_csv(self) -> str:
        """One row for each number and kind of weights, see CSV_COLUMNS."""
        return rows_to_csv(CSV_COLUMNS, [_csv_row(row, self.scale) for row in self.rows])

    def to_html(self) -> str:
        headings = (
            "Where",
            "Task",
            "Training size",
            "Quantity",
            "Paper (reported)",
            "This work",
            "Seeds or runs",
            "Data",
            "Weights",
            "Verdict",
            "Number",
        )
        body = [
            paragraph(self.summary()),
            paragraph(_RULE),
            *([paragraph(GENERATED_REMARK)] if self._has_generated else []),
            "<table><thead><tr>",
            *(f"<th>{escape(heading)}</th>" for heading in headings),
            "</tr></thead><tbody>",
            *(_html_row(row) for row in self.rows),
            "</tbody></table>",
        ]
        title = f"Scoreboard of the paper {self.paper}, scale {self.scale}"
        return page(title, "\n".join(body), _STYLE)

    @property
    def _has_generated(self) -> bool:
        return any(row.answer.generated for row in self.rows)


def make_scoreboard(paper: Paper, results: Results) -> Scoreboard:
    """Compare every number of a paper that one of our models answers with ours."""
    rows = [
        Row(number, answer, judge(number, answer))
        for number in paper.own_numbers
        for answer in answers(number, results)
    ]
    return Scoreboard(paper.label, tuple(rows), results.scale)


def _csv_row(row: Row, scale: str) -> dict[str, object]:
    number, answer = row.number, row.answer
    return {
        "id": number.id,
        "where": number.where,
        "task": number.task,
        "train_size": number.train_size,
        "metric": number.metric.name,
        "device": number.device,
        "unit": number.unit,
        "paper": number.value,
        "paper_std": number.std,
        "ours": answer.value,
        "ours_std": answer.std,
        "seeds": answer.seeds,
        "runs": answer.runs,
        "simulated_ps": answer.simulated,
        "data": answer.data,
        "architecture": number.architecture,
        "weights": answer.weights,
        "scale": scale,
        "verdict": row.verdict,
        "note": answer.note,
    }


def _html_row(row: Row) -> str:
    number, answer = row.number, row.answer
    ours = "" if answer.value is None else significant(answer.value, answer.std)
    sign, colour = _LOOKS[row.kind]
    texts = (
        number.where,
        number.shown_task,
        "" if number.train_size is None else str(number.train_size),
        f"{number.title} ({number.shown_unit})",
        number.shown,
        ours,
        answer.count_label if answer.value is not None else "",
        answer.data,
        answer.weights,
    )
    note = f"<small>{escape(answer.note)}</small>" if answer.note else ""
    kind = ' class="missing"' if row.kind == MISSING else ""
    return (
        "<tr>"
        + "".join(f"<td>{escape(text)}</td>" for text in texts)
        + f'<td{kind} style="background:{colour}">{sign} {escape(row.verdict)}{note}</td>'
        + f"<td><code>{escape(number.id)}</code></td></tr>"
    )
