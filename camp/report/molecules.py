"""Figure 5: forces MAE, stability and speed of many models for two molecules, ours beside."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camp.report.answers import Answer, answers
from camp.report.declarations import FigureDeclaration
from camp.report.inputs import Inputs
from camp.report.metrics import capitalised
from camp.report.panels import foot_text
from camp.report.paper import PaperNumber, significant
from camp.report.results import Results, mean_std
from camp.report.speed import Record
from camp.report.style import COLOURS, make_figure

_TITLES = {
    "forces": "forces MAE (meV/Å)",
    "stability": "stability (ps)",
    "speed": "speed (MD steps/s)",
}
_LITERATURE, _PAPER, _OURS = "#b9bfc4", COLOURS[1], COLOURS[0]


@dataclass(frozen=True)
class _Bar:
    """A bar, or only the text where there is no value; ``own`` bars are this work's."""

    label: str
    text: str
    value: float | None = None
    std: float | None = None
    own: bool = False
    colour: str = _OURS


def compare_molecules(declared: FigureDeclaration, inputs: Inputs) -> Figure:
    """Bars of one table of the paper for every model, a row of panels for each molecule.

    Nothing is normalised: the speeds of the literature were measured on one GPU, ours on the
    machine that is named, with all contestants of the same run; these bars are hatched. Stabilities
    of ours say how long the runs were.
    """
    paper, results = inputs.paper, inputs.results
    needs = paper.needs(declared)
    printed = [n for n in paper.printed(declared.where) if n.metric.quantity in _TITLES]
    molecules = list(dict.fromkeys(number.system for number in printed))
    ours = paper.architecture
    groups = [group for task in needs.tasks for group in results.of_task(task, ours)]
    analyses = [one for name in needs.simulations for one in results.simulations.of(name, ours)]
    measured = [speed for name in needs.speeds if (speed := results.speeds.of(name, ours))]
    devices = " or ".join(dict.fromkeys(n.device for n in printed if n.device))
    remarks = [f"Grey, orange: reported by the paper, speeds on one {devices}"]
    remarks += [f"Hatched, speeds on this machine: {speed.title}" for speed in measured]
    foot = foot_text(analyses, results.scale, remarks, evaluations=groups)
    figure, panels = make_figure(
        declared.heading, foot, rows=len(molecules), columns=len(_TITLES), size=(12.0, 7.4)
    )
    for row, molecule in zip(panels, molecules, strict=True):
        for panel, (quantity, title) in zip(row, _TITLES.items(), strict=True):
            panel.set_title(f"{capitalised(molecule)}: {title}", fontsize=10)
            rows = [n for n in printed if (n.system, n.metric.quantity) == (molecule, quantity)]
            is_speed = quantity == "speed"
            own = [
                bar
                for number in rows
                if number.architecture
                for bar in (_speeds if is_speed else _ours)(number, results)
            ]
            _draw(panel, [*map(_reported, rows), *own], hatched=is_speed)
    return figure


def _reported(number: PaperNumber) -> _Bar:
    label, colour = number.model, _LITERATURE
    if number.architecture:
        label, colour = f"{number.model} (reported)", _PAPER
    return _Bar(label, number.shown, number.value, number.std, colour=colour)


def _ours(number: PaperNumber, results: Results) -> list[_Bar]:
    """A bar for each kind of weights that answers a number."""
    return [_own_bar(number, answer) for answer in answers(number, results)]


def _own_bar(number: PaperNumber, answer: Answer) -> _Bar:
    label = _own_label(answer.weights)
    if answer.value is None:
        return _Bar(label, f"missing: {answer.missing}", own=True)
    text = significant(answer.value, answer.std)
    if answer.simulated is not None:
        lasted = answer.value >= min(answer.simulated, number.value) * (1 - 1e-6)
        text += f", {answer.count_label}" + (",\nall stable to the end" if lasted else "")
    return _Bar(label, text, answer.value, answer.std, own=True)


def _speeds(number: PaperNumber, results: Results) -> list[_Bar]:
    """Steps per second as measured with the peers, else those of our runs; with the machine."""
    simulation = (number.answered_by_simulation, number.architecture)
    if speed := results.speeds.of(*simulation):
        return [_measured_bar(record) for record in speed.records]
    found = results.simulations.of(*simulation)
    if not found:
        reason = results.simulations.why_not(*simulation, results.scale)
        return [_Bar(_own_label(""), f"missing: {reason}", own=True)]
    bars = []
    for analysis in found:
        label = _own_label(analysis.weights)
        if not analysis.speeds:
            bars.append(_Bar(label, "missing: no speed was measured", own=True))
            continue
        mean, std = mean_std(analysis.speeds)
        text = f"{significant(mean, std)} on {analysis.device}"
        bars.append(_Bar(label, text, mean, std, own=True))
    return bars


def _measured_bar(record: Record) -> _Bar:
    label = f"{record.contestant} (here)"
    if record.unavailable:
        return _Bar(label, "not measured", own=True)
    return _Bar(label, record.steps_text, record.steps, own=True)


def _own_label(weights: str) -> str:
    return f"this work,\n{weights} weights" if weights else "this work"


def _draw(panel: Axes, bars: Sequence[_Bar], *, hatched: bool) -> None:
    """Horizontal bars from the top, ours below a line.

    :param hatched: our bars were measured on another machine than the others.
    """
    for k, bar in enumerate(bars):
        if bar.value is not None:
            hollow = bar.own and hatched
            panel.barh(
                k,
                bar.value,
                xerr=bar.std,
                height=0.72,
                color="none" if hollow else bar.colour,
                edgecolor=bar.colour,
                hatch="////" if hollow else None,
                error_kw={"elinewidth": 0.8, "capsize": 2, "ecolor": "#444444"},
            )
        end = (bar.value or 0.0) + (bar.std or 0.0)
        panel.annotate(
            bar.text if bar.value is not None else "\n".join(wrap(bar.text, 42)),
            (end, k),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            color="#444444" if bar.value is None else "#1a1a1a",
            style="italic" if bar.value is None else "normal",
        )
    first = next(k for k, bar in enumerate(bars) if bar.own)
    panel.axhline(first - 0.5, color="#444444", linewidth=0.8, linestyle=":")
    panel.set_yticks(range(len(bars)), [bar.label for bar in bars], fontsize=8)
    panel.set_ylim(len(bars) - 0.4, -0.6)
    panel.tick_params(axis="y", length=0)
    panel.tick_params(axis="x", labelsize=8)
    # Room for the numbers behind the bars.
    panel.set_xlim(0, 1.35 * max((b.value or 0.0) + (b.std or 0.0) for b in bars))
