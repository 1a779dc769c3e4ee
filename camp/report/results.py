"""Our results of one scale: evaluations, simulations and measured speeds."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from camp.errors import InputError
from camp.files import read_json
from camp.report.provenance import Origin, provenance
from camp.report.simulations import Simulations, collect_simulations
from camp.report.speed import Speeds, collect_speeds
from camp.report.trainings import Training, training_of
from camp.settings.words import suggestion
from camp.targets import TARGETS, Target, resolve


@dataclass(frozen=True)
class TaskResult:
    """The evaluations of one task with one architecture and kind of weights, one for each seed.

    ``targets`` have the units of the data; ``metrics`` are those of each seed by name,
    ``unavailable`` gives reasons by target.
    """

    origin: Origin
    targets: Mapping[str, Target]
    data: str
    generated: bool
    files: tuple[Path, ...]
    seeds: tuple[int | None, ...]
    metrics: tuple[Mapping[str, float | None], ...]
    unavailable: Mapping[str, str]
    parameters: int | None
    train_size: int | None
    note: str
    # What evaluations themselves tell of trainings, as those of peers do; else empty.
    trainings: tuple[Training, ...] = ()

    @property
    def task(self) -> str:
        return self.origin.name

    @property
    def architecture(self) -> str:
        return self.origin.architecture

    @property
    def weights(self) -> str:
        return self.origin.weights

    def values(self, key: str) -> list[float]:
        """The metric of each seed that has one, in the units of its target."""
        return [v for one in self.metrics if (v := one.get(key)) is not None]

    @property
    def count_label(self) -> str:
        """'seeds 1, 2, 3', or 'one model' for published weights."""
        known = [str(seed) for seed in self.seeds if seed is not None]
        if not known:
            return "one model"
        return f"seed{'s' if len(known) > 1 else ''} {', '.join(known)}"

    @property
    def provenance(self) -> str:
        """Model, data and weights in one line."""
        return provenance(self.architecture, self.data, self.weights)


@dataclass(frozen=True)
class Results:
    """What one scale has; of tasks without evaluations, the reasons by task and architecture."""

    scale: str
    groups: Mapping[Origin, TaskResult]
    unavailable: Mapping[tuple[str, str], str]
    simulations: Simulations = field(default_factory=Simulations)
    speeds: Speeds = field(default_factory=Speeds)

    def why_not(self, task: str) -> str:
        """The reasons why a task has no evaluations, of all architectures."""
        known = [why for (name, _), why in self.unavailable.items() if name == task]
        return "; ".join(dict.fromkeys(known))

    def of_task(self, task: str, architecture: str = "") -> list[TaskResult]:
        """The results of a task, of all architectures unless one is named."""
        return [
            group
            for origin, group in sorted(self.groups.items())
            if origin.name == task and architecture in ("", origin.architecture)
        ]


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

    # What all seeds have in common: data, generated, targets, parameters, train_size.
    common: dict[str, Any]
    files: list[Path] = field(default_factory=list)
    seeds: list[int | None] = field(default_factory=list)
    metrics: list[dict[str, float | None]] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    trainings: list[Training] = field(default_factory=list)


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
    groups: dict[Origin, _Group] = {}
    reasons: dict[tuple[str, str], str] = {}
    for path in result_files(paths):
        content = read_json(path)
        try:
            if "metrics" not in content:
                reasons[content["task"], content["architecture"]] = content["reason"]
                continue
            origin = Origin(content["task"], content["architecture"], content["weights"])
            found, seed = content["scale"], content["seed"]
            metrics, unavailable = dict(content["metrics"]), dict(content["unavailable"])
            common = {
                "data": content["data"],
                "generated": content["generated"],
                "targets": dict(content["targets"]),
                "parameters": content.get("parameters"),
                "train_size": content.get("train_size"),
            }
            told = content.get("training")
            trainings = [] if told is None else [training_of(told)]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: not an evaluation (no {error}); evaluate again") from None
        if found != scale:
            raise InputError(f"{path}: of scale {found}, not {scale}; give files of one scale")
        for target in common["targets"]:
            if target not in TARGETS:
                raise InputError(f"{path}: no target {target!r}{suggestion(target, [*TARGETS])}")
        units = common["targets"]
        common["targets"] = {target.name: target for target in resolve([*units], units=units)}
        group = groups.setdefault(origin, _Group(common))
        if common != group.common:
            raise InputError(
                f"{path}: other data or model than {group.files[0]}; evaluate the task again"
            )
        if seed in group.seeds:
            raise InputError(f"{path}: seed {seed} of {origin.name} is given twice; give it once")
        group.files.append(path)
        group.seeds.append(seed)
        group.metrics.append(metrics)
        group.unavailable.update(unavailable)
        group.trainings += trainings
        if (note := content.get("note")) and note not in group.notes:
            group.notes.append(note)
    return Results(
        scale=scale,
        groups={origin: _ordered(origin, group) for origin, group in groups.items()},
        unavailable=reasons,
        simulations=collect_simulations(analyses, scale),
        speeds=collect_speeds(speeds, scale),
    )


def _ordered(origin: Origin, group: _Group) -> TaskResult:
    order = sorted(range(len(group.seeds)), key=lambda k: group.seeds[k] or 0)
    return TaskResult(
        origin=origin,
        files=tuple(group.files[k] for k in order),
        seeds=tuple(group.seeds[k] for k in order),
        metrics=tuple(group.metrics[k] for k in order),
        unavailable=group.unavailable,
        note="; ".join(group.notes),
        trainings=tuple(sorted(group.trainings, key=lambda training: training.seed)),
        **group.common,
    )
