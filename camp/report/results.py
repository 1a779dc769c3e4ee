"""Our side of the comparison: evaluations of one scale, collected over seeds."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from camp.errors import InputError
from camp.files import read_json
from camp.report.paper import PaperNumber

_NEEDS_MD = "needs molecular dynamics, which this version does not run"

# (metric, unit) of the paper → key of an evaluation (eV, eV/Å) and the factor to the paper's unit.
EVALUATED = {
    ("energy_mae", "meV/atom"): ("energy_mae_per_atom", 1e3),
    ("energy_rmse", "meV/atom"): ("energy_rmse_per_atom", 1e3),
    ("energy_mae", "meV"): ("energy_mae", 1e3),
    ("energy_rmse", "meV"): ("energy_rmse", 1e3),
    ("forces_mae", "meV/A"): ("forces_mae", 1e3),
    ("forces_rmse", "meV/A"): ("forces_rmse", 1e3),
}
NOT_EVALUATED = {
    "diffusivity": _NEEDS_MD,
    "diffusivity_mae": _NEEDS_MD,
    "stability": _NEEDS_MD,
    "md_steps_per_s_V100": "needs a speed measurement on the authors' GPU (NVIDIA V100)",
}
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
    def seeds_label(self) -> str:
        """'seeds 1, 2, 3', or 'one model' for published weights."""
        known = [str(seed) for seed in self.seeds if seed is not None]
        if not known:
            return "one model"
        return f"seed{'s' if len(known) > 1 else ''} {', '.join(known)}"


@dataclass(frozen=True)
class Results:
    """What one scale has: evaluations by (task, weights), reasons for tasks without."""

    scale: str
    groups: Mapping[tuple[str, str], TaskResult]
    unavailable: Mapping[str, str]

    def of_task(self, task: str) -> list[TaskResult]:
        return [group for (name, _), group in sorted(self.groups.items()) if name == task]


@dataclass(frozen=True)
class Answer:
    """Our side of one number of the paper, in the paper's unit, or the reason why it is missing.

    ``std`` is the standard deviation over seeds (ddof = 1), None for fewer than two.
    """

    value: float | None = None
    std: float | None = None
    seeds: int = 0
    weights: str = ""
    data: str = ""
    train_size: int | None = None
    note: str = ""
    missing: str = ""


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


def collect(paths: Iterable[str | Path], scale: str) -> Results:
    """Read evaluations and 'unavailable' files of one scale.

    :param paths: files, or folders that are searched for JSON files.
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


def answers(number: PaperNumber, tasks: Mapping[str, str], results: Results) -> list[Answer]:
    """Our values for a number of the paper, one for each kind of weights; at least one answer.

    :param tasks: {id: task}, see :func:`camp.report.paper.read_answering_tasks`.
    """
    if (number.metric, number.unit) not in EVALUATED:
        reason = NOT_EVALUATED.get(number.metric, f"{number.metric} is not evaluated")
        return [Answer(missing=reason)]
    if number.id not in tasks:
        return [Answer(missing="no task answers this number")]
    task = tasks[number.id]
    groups = results.of_task(task)
    if not groups:
        nothing = f"no evaluation of task {task} at scale {results.scale}"
        return [Answer(missing=results.unavailable.get(task, nothing))]
    return [_answer(number, group) for group in groups]


def _answer(number: PaperNumber, group: TaskResult) -> Answer:
    key, factor = EVALUATED[number.metric, number.unit]
    values = [factor * value for value in group.values(key)]
    note = group.note
    if group.train_size not in (None, number.train_size):
        size = f"trained on {group.train_size} structures, the paper's model on {number.train_size}"
        note = f"{size}; {note}" if note else size
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
