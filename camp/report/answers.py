"""Our answers to the numbers of a paper: values with spreads, or the reasons why there are none."""

from dataclasses import dataclass, replace

from camp.report.metrics import Entry
from camp.report.paper import PaperNumber, significant
from camp.report.provenance import architecture_label
from camp.report.results import Results, TaskResult, mean_std
from camp.report.simulations import Analysis, runs_text
from camp.report.speed import Speed


@dataclass(frozen=True)
class Answer:
    """Our side of one number of the paper, in the paper's unit, or the reason why it is missing.

    ``std`` is the standard deviation over seeds or runs (ddof = 1), None for fewer than two. An
    evaluation has seeds; a simulation has runs, each of the length ``simulated`` (ps).
    """

    value: float | None = None
    std: float | None = None
    seeds: int = 0
    runs: int = 0
    simulated: float | None = None
    weights: str = ""
    data: str = ""
    generated: bool = False
    train_size: int | None = None
    note: str = ""
    missing: str = ""

    @property
    def count_label(self) -> str:
        """How many models or simulations stand behind the number: '3 seeds', '3 runs of 20 ps'."""
        if self.simulated is not None:
            return runs_text(self.runs, self.simulated)
        if self.weights == "published":
            return "one model"
        return f"{self.seeds} seed{'' if self.seeds == 1 else 's'}"


def answers(number: PaperNumber, results: Results) -> list[Answer]:
    """Our values for a number of the paper, one for each kind of weights; at least one answer.

    :param number: one with an architecture, see :attr:`camp.report.declarations.Paper.own_numbers`.
    """
    task, simulation = number.answered_by_task, number.answered_by_simulation
    architecture, kind = number.architecture, number.metric.answered_by
    if kind == "speed":
        return [_measured(number, results.speeds.of(simulation, architecture))]
    if kind == "simulation":
        if not simulation:
            return [Answer(missing="no simulation answers this number")]
        simulations = results.simulations
        analyses = simulations.of(simulation, architecture)
        if not analyses:
            reason = simulations.why_not(simulation, architecture, results.scale)
            return [Answer(missing=reason)]
        return [_simulated(number, analysis) for analysis in analyses]
    if not task:
        return [Answer(missing="no task answers this number")]
    why = results.unavailable.get((task, architecture), "")
    groups = results.of_task(task, architecture)
    if not groups:
        return [Answer(missing=why or why_not_evaluated(results, task, architecture))]
    return [_evaluated(number, group, why) for group in groups]


def why_not_evaluated(results: Results, task: str, architecture: str) -> str:
    """What to say of a task without evaluations with an architecture."""
    others = results.of_task(task)
    model = f" with {architecture_label(architecture)}" if others else ""
    return f"no evaluation of task {task}{model} at scale {results.scale}"


def _evaluated(number: PaperNumber, group: TaskResult, others: str) -> Answer:
    """:param others: why further seeds are missing."""
    entry = number.metric.units[number.unit]
    values = [entry.factor * value for value in group.values(entry.key)]
    answer = Answer(
        weights=group.weights,
        data=group.data,
        generated=group.generated,
        note=_joined(_size_note(number, group.train_size), group.note, others),
    )
    if not values:
        nothing = f"the evaluation has no {entry.key}"
        return replace(answer, missing=group.unavailable.get(number.metric.quantity, nothing))
    mean, std = mean_std(values)
    return replace(answer, value=mean, std=std, seeds=len(values), train_size=group.train_size)


def _measured(number: PaperNumber, speed: Speed | None) -> Answer:
    """A speed on the paper's GPU; one on another machine is only a remark."""
    missing = f"needs a speed measurement on the authors' device ({number.device})"
    if speed is None:
        return Answer(missing=missing)
    ours = speed.ours
    answer = Answer(weights=speed.weights, data=speed.data, generated=speed.generated)
    if number.device in ours.device and ours.steps is not None:
        note = _joined(speed.title, speed.note)
        return replace(answer, value=ours.steps, seeds=1, note=note)
    note = f"on this machine, another than the paper's, {ours.steps_text} MD steps/s: {speed.title}"
    return replace(answer, missing=missing, note=_joined(note, speed.note))


def _simulated(number: PaperNumber, analysis: Analysis) -> Answer:
    """Stability, size of the drift, diffusivity, or how far the mean diffusivity is from the
    paper's reference.
    """
    notes = [_size_note(number, analysis.train_size), analysis.note]
    answer = Answer(weights=analysis.weights, data=analysis.data, generated=analysis.generated)
    entry, stability = number.metric.units[number.unit], number.metric.quantity == "stability"
    if stability:
        # The paper's runs are all stable to their end: its number is their length.
        values: list[float] = [min(entry.factor * time, number.value) for time in analysis.stable]
        reason = analysis.why_not("stability")
    elif number.metric.quantity == "energy drift":
        values, reason = _drifts(entry, analysis)
    else:
        values, reason = _diffusivities(entry, analysis)
    if not values:
        return replace(answer, note=_joined(*notes), missing=reason)
    mean, std = mean_std(values)
    if number.reference is not None:
        reference = f"{number.reference}·{number.shown_unit}"
        notes.append(
            f"|D − {reference}|, the reference that {number.where} states, with D = "
            f"{significant(mean, std)}·{number.shown_unit}"
        )
        mean, std = abs(mean - number.reference), None
    if stability and (said := analysis.missing.get(("stability", ""))):
        notes.append(said)
    if stability and analysis.length > number.value:
        notes.append(f"times are counted up to {number.value:g} ps, the length of the paper's runs")
    return replace(
        answer,
        value=mean,
        std=std,
        runs=len(values),
        simulated=analysis.length,
        train_size=analysis.train_size,
        note=_joined(*notes),
    )


def _drifts(entry: Entry, analysis: Analysis) -> tuple[list[float], str]:
    """Its size in each run that has one, in the printed unit; without any, the reason."""
    return [entry.factor * abs(drift) for drift in analysis.drifts], analysis.why_not("energy")


def _diffusivities(entry: Entry, analysis: Analysis) -> tuple[list[float], str]:
    """That of each run that has one, in the printed unit; without any, the reason."""
    if len(analysis.msd) > 1:
        return [], f"the analysis has the MSD of {', '.join(analysis.msd)}; ask for one species"
    displacement = analysis.only_displacement
    if displacement is None:
        return [], analysis.why_not("msd")
    return [entry.factor * value for value in displacement.diffusion], displacement.reason


def _size_note(number: PaperNumber, train_size: int | None) -> str:
    if train_size in (None, number.train_size):
        return ""
    return f"trained on {train_size} structures, the paper's model on {number.train_size}"


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))
