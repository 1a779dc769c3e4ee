"""Figure 5: forces MAE, stability and speed of many models for two molecules, ours beside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camp.report.panels import foot_text
from camp.report.paper import PaperNumber, significant
from camp.report.results import SPEED, Answer, Results, answers, mean_std
from camp.report.speed import CONTESTANTS, Speed
from camp.report.style import COLOURS, make_figure

MOLECULES = ("aspirin", "ethanol")
_TITLES = {
    "forces_mae": "forces MAE (meV/Å)",
    "stability": "stability (ps)",
    SPEED: "speed (MD steps/s)",
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


def compare_molecules(
    numbers: Sequence[PaperNumber], answering: Mapping[str, str], results: Results
) -> Figure:
    """Bars of Table S2 for every model, a row of panels for each molecule.

    Nothing is normalised: the speeds of the literature were measured on one NVIDIA V100, ours on
    the machine that is named, with all contestants of the same run; these bars are hatched.
    Stabilities of ours say how long the runs were.

    :param numbers: all numbers of the paper.
    :param answering: {id: task or simulation}.
    """
    analyses = [found for name in MOLECULES for found in results.simulations.of(name)]
    printed = [n for n in numbers if n.where == "Table S2" and n.metric in _TITLES]
    tasks = dict.fromkeys(answering[n.id] for n in printed if n.id in answering)
    remarks = ["Grey, orange: reported by the paper, speeds on one NVIDIA V100"]
    measured = [speed for name in MOLECULES if (speed := results.speeds.of(name))]
    remarks += [f"Hatched, speeds on this machine: {speed.title}" for speed in measured]
    foot = foot_text(
        analyses,
        results.scale,
        remarks,
        evaluations=[group for task in tasks for group in results.of_task(task)],
    )
    figure, panels = make_figure(
        "Figure 5: forces, stability and speed of models for small molecules",
        foot,
        rows=len(MOLECULES),
        columns=len(_TITLES),
        size=(12.0, 7.4),
    )
    for row, molecule in zip(panels, MOLECULES, strict=True):
        for panel, (metric, title) in zip(row, _TITLES.items(), strict=True):
            panel.set_title(f"{molecule.capitalize()}: {title}", fontsize=10)
            rows = [n for n in printed if (n.task, n.metric) == (f"MD17 {molecule}", metric)]
            own = _speeds(molecule, results) if metric == SPEED else _ours(rows, answering, results)
            _draw(panel, [*map(_reported, rows), *own], hatched=metric == SPEED)
    return figure


def _reported(number: PaperNumber) -> _Bar:
    label = "CAMP (reported)" if number.model == "CAMP" else number.model
    return _Bar(label, number.shown, number.value, number.std)


def _ours(
    rows: Sequence[PaperNumber], answering: Mapping[str, str], results: Results
) -> list[_Bar]:
    """A bar for each kind of weights that answers the CAMP number among the rows."""
    (number,) = [row for row in rows if row.model == "CAMP"]
    return [_own_bar(number, answer) for answer in answers(number, answering, results)]


def _own_bar(number: PaperNumber, answer: Answer) -> _Bar:
    label = _own_label(answer.weights)
    if answer.value is None:
        return _Bar(label, f"missing: {answer.missing}", own=True)
    text = significant(answer.value, answer.std)
    if answer.simulated is not None:
        lasted = answer.value >= min(answer.simulated, number.value) * (1 - 1e-6)
        text += f", {answer.count_label}" + (",\nall stable to the end" if lasted else "")
    return _Bar(label, text, answer.value, answer.std, own=True)


def _speeds(molecule: str, results: Results) -> list[_Bar]:
    """Steps per second as measured with the peers, else those of our runs; with the machine."""
    if speed := results.speeds.of(molecule):
        return [_measured_bar(speed, contestant) for contestant in CONTESTANTS]
    found = results.simulations.of(molecule)
    if not found:
        reason = results.simulations.why_not(molecule, results.scale)
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


def _measured_bar(speed: Speed, contestant: str) -> _Bar:
    record = speed.of(contestant)
    if record.unavailable:
        return _Bar(f"{contestant} (here)", "not measured", own=True)
    return _Bar(f"{contestant} (here)", record.steps_text, record.steps, own=True)


def _own_label(weights: str) -> str:
    return f"this work,\n{weights} weights" if weights else "this work"


def _draw(panel: Axes, bars: Sequence[_Bar], *, hatched: bool) -> None:
    """Horizontal bars from the top, ours below a line.

    :param hatched: our bars were measured on another machine than the others.
    """
    for k, bar in enumerate(bars):
        if bar.value is not None:
            colour = _OURS if bar.own else _PAPER if "reported" in bar.label else _LITERATURE
            hollow = bar.own and hatched
            panel.barh(
                k,
                bar.value,
                xerr=bar.std,
                height=0.72,
                color="none" if hollow else colour,
                edgecolor=colour,
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
