"""Our side of the comparison: evaluations, simulations and measured speeds of one scale."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from camp.errors import InputError
from camp.files import read_json
from camp.report.paper import PaperNumber, significant
from camp.report.simulations import Analysis, Simulations, collect_simulations, runs_text
from camp.report.speed import Speed, Speeds, collect_speeds

# (metric, unit) of the paper → key of an evaluation (eV, eV/Å) and the factor to the paper's unit.
EVALUATED = {
    ("energy_mae", "meV/atom"): ("energy_mae_per_atom", 1e3),
    ("energy_rmse", "meV/atom"): ("energy_rmse_per_atom", 1e3),
    ("energy_mae", "meV"): ("energy_mae", 1e3),
    ("energy_rmse", "meV"): ("energy_rmse", 1e3),
    ("forces_mae", "meV/A"): ("forces_mae", 1e3),
    ("forces_rmse", "meV/A"): ("forces_rmse", 1e3),
}
# Metrics (with their unit in the paper) that a simulation answers.
SIMULATED = {"diffusivity": "1e-5 cm2/s", "diffusivity_mae": "1e-5 cm2/s", "stability": "ps"}
# D of Li⁺ (1e-5 cm²/s) from which Table 2 counts the error.
REFERENCE_DIFFUSIVITY = 1.35
# The metric of the paper's speeds, and the GPU of the paper.
SPEED, PAPER_GPU = "md_steps_per_s_V100", "V100"
GENERATED_REMARK = (
    "Numbers on generated data show that every step runs; the structures and the reference "
    "method are not the paper's, so they neither confirm nor contradict a reported number."
)


def is_generated(data: str) -> bool:
    """Whether a data label says that the structures were made here, not taken from the paper."""
    return data.lower().startswith("generated")


@dataclass(frozen=True)
class TaskResult:
    """The evaluations of one task with one kind of weights: one for each seed."""

    task: str
    weights: str
    data: str
    files: tuple[Path, ...]
    seeds: tuple[int | None, ...]
    metrics: tuple[Mapping[str, float | None], ...]
    unavailable: Mapping[str, str]
    train_size: int | None
    note: str

    def values(self, key: str) -> list[float]:
        """The metric of each seed that has one, in eV, eV/Å."""
        return [v for one in self.metrics if (v := one.get(key)) is not None]

    @property
    def count_label(self) -> str:
        """'seeds 1, 2, 3', or 'one model' for published weights."""
        known = [str(seed) for seed in self.seeds if seed is not None]
        if not known:
            return "one model"
        return f"seed{'s' if len(known) > 1 else ''} {', '.join(known)}"

    @property
    def origin(self) -> str:
        """Data and weights in one line."""
        return f"data: {self.data}; weights: {self.weights}"


@dataclass(frozen=True)
class Results:
    """What one scale has; evaluations by (task, weights), with reasons for those it lacks."""

    scale: str
    groups: Mapping[tuple[str, str], TaskResult]
    unavailable: Mapping[str, str]
    simulations: Simulations = field(default_factory=Simulations)
    speeds: Speeds = field(default_factory=Speeds)

    def of_task(self, task: str) -> list[TaskResult]:
        return [group for (name, _), group in sorted(self.groups.items()) if name == task]


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


def mean_std(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and standard deviation of a sample (ddof = 1; None for a single value)."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def result_files(paths: Iterable[str | Path]) -> list[Path]:
    """The files themselves, and for a folder the evaluations in it, by name."""
    files: list[Path] = []
    for path in map(Path, paths):
        files += sorted(path.rglob("*.json")) if path.is_dir() else [path]
    return files


@dataclass
class _Group:
    """A TaskResult while its files are being read."""

    data: str
    train_size: int | None
    files: list[Path] = field(default_factory=list)
    seeds: list[int | None] = field(default_factory=list)
    metrics: list[dict[str, float | None]] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def collect(
    paths: Iterable[str | Path],
    scale: str,
    analyses: Iterable[str | Path] = (),
    speeds: Iterable[str | Path] = (),
) -> Results:
    """Read evaluations, analyses of simulations and 'unavailable' files of one scale.

    :param paths: evaluations, or folders that are searched for JSON files.
    :param analyses: see :func:`camp.report.simulations.collect_simulations`.
    :param speeds: see :func:`camp.report.speed.collect_speeds`.
    :raises InputError: an unreadable file, a missing key, another scale, a seed given twice, or
        evaluations of one task on different data.
    """
    groups: dict[tuple[str, str], _Group] = {}
    reasons: dict[str, str] = {}
    for path in result_files(paths):
        content = read_json(path)
        try:
            if "metrics" not in content:
                reasons[content["task"]] = content["reason"]
                continue
            key = (content["task"], content["weights"])
            found, seed, data = content["scale"], content["seed"], content["data"]
            metrics, unavailable = dict(content["metrics"]), dict(content["unavailable"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: not an evaluation (no {error}); evaluate again") from None
        if found != scale:
            raise InputError(f"{path}: of scale {found}, not {scale}; give files of one scale")
        size: Any = content.get("train_size")
        group = groups.setdefault(key, _Group(data, size))
        if (data, size) != (group.data, group.train_size):
            raise InputError(f"{path}: other data than {group.files[0]}; evaluate the task again")
        if seed in group.seeds:
            raise InputError(f"{path}: seed {seed} of {key[0]} is given twice; give it once")
        group.files.append(path)
        group.seeds.append(seed)
        group.metrics.append(metrics)
        group.unavailable.update(unavailable)
        if (note := content.get("note")) and note not in group.notes:
            group.notes.append(note)
    return Results(
        scale=scale,
        groups={key: _ordered(key, group) for key, group in groups.items()},
        unavailable=reasons,
        simulations=collect_simulations(analyses, scale),
        speeds=collect_speeds(speeds, scale),
    )


def _ordered(key: tuple[str, str], group: _Group) -> TaskResult:
    order = sorted(range(len(group.seeds)), key=lambda k: group.seeds[k] or 0)
    return TaskResult(
        task=key[0],
        weights=key[1],
        data=group.data,
        files=tuple(group.files[k] for k in order),
        seeds=tuple(group.seeds[k] for k in order),
        metrics=tuple(group.metrics[k] for k in order),
        unavailable=group.unavailable,
        train_size=group.train_size,
        note="; ".join(group.notes),
    )


def answers(number: PaperNumber, answering: Mapping[str, str], results: Results) -> list[Answer]:
    """Our values for a number of the paper, one for each kind of weights; at least one answer.

    :param answering: {id: task or simulation}, see :func:`camp.report.paper.read_answering`.
    """
    if number.metric == SPEED:
        return [_measured(results.speeds.of(answering.get(number.id)))]
    evaluated = (number.metric, number.unit) in EVALUATED
    if not evaluated and SIMULATED.get(number.metric) != number.unit:
        return [Answer(missing=f"{number.metric} is not evaluated")]
    if number.id not in answering:
        return [Answer(missing=f"no {'task' if evaluated else 'simulation'} answers this number")]
    name = answering[number.id]
    if not evaluated:
        simulations = results.simulations
        analyses = simulations.of(name)
        if not analyses:
            return [Answer(missing=simulations.why_not(name, results.scale))]
        return [_simulated(number, analysis) for analysis in analyses]
    groups = results.of_task(name)
    if not groups:
        nothing = f"no evaluation of task {name} at scale {results.scale}"
        return [Answer(missing=results.unavailable.get(name, nothing))]
    missing = results.unavailable.get(name, "")
    return [_evaluated(number, group, missing) for group in groups]


def _evaluated(number: PaperNumber, group: TaskResult, others: str) -> Answer:
    """:param others: why further seeds are missing."""
    key, factor = EVALUATED[number.metric, number.unit]
    values = [factor * value for value in group.values(key)]
    note = _joined(_size_note(number, group.train_size), group.note, others)
    if not values:
        reason = group.unavailable.get(key.partition("_")[0], f"the evaluation has no {key}")
        return Answer(weights=group.weights, data=group.data, note=note, missing=reason)
    mean, std = mean_std(values)
    return Answer(
        value=mean,
        std=std,
        seeds=len(values),
        weights=group.weights,
        data=group.data,
        train_size=group.train_size,
        note=note,
    )


def _measured(speed: Speed | None) -> Answer:
    """A speed on the paper's GPU; one on another machine is only a remark."""
    missing = f"needs a speed measurement on the authors' GPU (NVIDIA {PAPER_GPU})"
    if speed is None:
        return Answer(missing=missing)
    ours = speed.ours
    answer = Answer(weights=speed.weights, data=speed.data)
    if PAPER_GPU in ours.machine and ours.steps is not None:
        note = _joined(speed.title, speed.note)
        return replace(answer, value=ours.steps, seeds=1, note=note)
    note = f"on this machine, another than the paper's, {ours.steps_text} MD steps/s: {speed.title}"
    return replace(answer, missing=missing, note=_joined(note, speed.note))


def _simulated(number: PaperNumber, analysis: Analysis) -> Answer:
    """Stability, diffusivity, or how far the mean diffusivity is from the reference of Table 2."""
    notes = [_size_note(number, analysis.train_size), analysis.note]
    values, reason = _values_of_runs(number, analysis)
    if not values:
        return Answer(
            weights=analysis.weights, data=analysis.data, note=_joined(*notes), missing=reason
        )
    mean, std = mean_std(values)
    if number.metric == "diffusivity_mae":
        reference = f"{REFERENCE_DIFFUSIVITY}·10⁻⁵ cm²/s"
        notes.append(
            f"|D − {reference}|, the reference that Table 2 states, with D = "
            f"{significant(mean, std)}·10⁻⁵ cm²/s"
        )
        mean, std = abs(mean - REFERENCE_DIFFUSIVITY), None
    if number.metric == "stability" and "stability" in analysis.missing:
        notes.append(analysis.missing["stability"])
    if number.metric == "stability" and analysis.length > number.value:
        notes.append(f"times are counted up to {number.value:g} ps, the length of the paper's runs")
    return Answer(
        value=mean,
        std=std,
        runs=len(values),
        simulated=analysis.length,
        weights=analysis.weights,
        data=analysis.data,
        train_size=analysis.train_size,
        note=_joined(*notes),
    )


def _values_of_runs(number: PaperNumber, analysis: Analysis) -> tuple[list[float], str]:
    """The number for each run that has it (ps or 1e-5 cm²/s); without any, the reason."""
    if number.metric == "stability":
        # The paper's runs are all stable to their end: its number is their length.
        return [min(time, number.value) for time in analysis.stable], analysis.why_not("stability")
    if len(analysis.msd) > 1:
        return [], f"the analysis has the MSD of {', '.join(analysis.msd)}; ask for one species"
    displacement = analysis.only_displacement
    if displacement is None:
        return [], analysis.why_not("msd")
    return [1e5 * value for value in displacement.diffusion], displacement.reason


def _size_note(number: PaperNumber, train_size: int | None) -> str:
    if train_size in (None, number.train_size):
        return ""
    return f"trained on {train_size} structures, the paper's model on {number.train_size}"


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))
