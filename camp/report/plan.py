"""What a scale will cost, and what of it is done: jobs, hours by measured rates, disk."""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from camp.errors import InputError
from camp.files import read_json
from camp.settings import Scale, TrainingSettings
from camp.settings.architectures import find_architecture
from camp.settings.sections import ResourceSettings

HEADINGS = ("", "done", "jobs left", "steps left", "steps/s", "hours left", "on")
UNKNOWN = "?"


@dataclass(frozen=True)
class Item:
    """The trainings of an architecture in one task, or the replicas of one simulation.

    ``steps`` are left at most, all jobs together, and ``limit`` hours where jobs have a time;
    ``rate`` is measured in steps per second, None if it was not; ``side_by_side`` steps are made at
    a time.
    """

    name: str
    done: int
    wanted: int
    jobs: int
    steps: int
    rate: float | None
    device: str
    side_by_side: int = 1
    limit: float | None = None

    @property
    def hours(self) -> float | None:
        """At most, of one device."""
        if self.steps == 0:
            return 0.0
        known = [] if self.limit is None else [self.limit]
        if self.rate is not None:
            known.append(self.steps / self.side_by_side / self.rate / 3600)
        return min(known, default=None)

    def row(self) -> tuple[str, ...]:
        return (
            self.name,
            f"{self.done}/{self.wanted}",
            str(self.jobs),
            f"{self.steps:,}",
            UNKNOWN if self.rate is None else f"{self.rate:.3g}",
            UNKNOWN if self.hours is None else f"{self.hours:.1f}",
            self.device,
        )


@dataclass(frozen=True)
class Plan:
    """Everything that takes long; the jobs for data, tables and figures take minutes."""

    scale: str
    trainings: tuple[Item, ...]
    simulations: tuple[Item, ...]
    bytes_now: int

    def to_text(self) -> str:
        lines = [f"Scale {self.scale}"]
        for title, items in (("Trainings", self.trainings), ("Simulations", self.simulations)):
            if items:
                lines += ["", *_aligned([(title, *HEADINGS[1:]), *(item.row() for item in items)])]
        items = self.trainings + self.simulations
        lines.append("")
        for device in sorted({item.device for item in items}):
            own = [item for item in items if item.device == device]
            known = sum(item.hours for item in own if item.hours is not None)
            unknown = [item.name for item in own if item.hours is None]
            line = f"{device} hours left: at most {known:.1f}"
            if unknown:
                line += f", and {', '.join(unknown)}, whose speed is not known yet"
            lines.append(line)
        lines.append(f"disk used by this scale: {self.bytes_now / 1e9:.2f} GB")
        lines += [
            "Trainings mostly end before all their steps. Speeds are of what ran in this folder: "
            "trainings that are finished or on their way, the rule 'speed', finished simulations.",
            "'snakemake --dry-run' counts the jobs of every kind.",
        ]
        return "\n".join(lines)


def make_plan(scale: Scale, results: Path) -> Plan:
    """The plan of a scale.

    :param results: its folder; what is in it counts as done, and tells how fast this machine is.
    :raises InputError: a file in there that cannot be read.
    """
    trainings: tuple[Item, ...] = ()
    if scale.weights == "own":
        trainings = tuple(
            _training(scale, name, architecture, results / "training" / name)
            for name, task in scale.tasks.items()
            for architecture in task.models
        )
    simulations = tuple(_simulation(scale, name, results) for name in scale.simulations)
    size = sum(file.stat().st_size for file in results.rglob("*") if file.is_file())
    return Plan(scale.name, trainings, simulations, size)


def _training(scale: Scale, task: str, architecture: str, folder: Path) -> Item:
    settings = scale.tasks[task]
    runs = [run for run in scale.runs(task) if run.architecture == architecture]
    together = len(runs) if settings.seeds_together else 1
    training = settings.models[architecture].training
    most = _most_steps(settings.split.train, training)
    done, left, hours, rates = 0, 0, 0.0, []
    for run in runs:
        steps, seconds = _progress(folder / run.name / "metrics.csv")
        if seconds:
            rates.append(steps / seconds)
        if (folder / run.name / "training.json").exists():
            done += 1
        else:
            left += max(most - steps, 0)
            hours += max((training.max_time or 0.0) - seconds / 3600, 0.0)
    unfinished = len(runs) - done
    return Item(
        name=f"{task} ({find_architecture(architecture).label})",
        done=done,
        wanted=len(runs),
        jobs=math.ceil(unfinished / together),
        steps=left,
        rate=sum(rates) / len(rates) if rates else None,
        device=_device(settings.resources),
        side_by_side=together,
        limit=hours / together if training.max_time else None,
    )


def _most_steps(structures: int, training: TrainingSettings) -> int:
    """Steps of one training that does not end early."""
    of_epoch = training.validate_every or math.ceil(structures / training.batch_size)
    most = training.epochs * of_epoch
    return most if training.max_steps is None else min(most, training.max_steps)


def _progress(metrics: Path) -> tuple[int, float]:
    """Steps and seconds of a training so far."""
    if not metrics.exists():
        return 0, 0.0
    try:
        rows = list(csv.DictReader(metrics.read_text(encoding="utf-8").splitlines()))
        return (int(rows[-1]["step"]), float(rows[-1]["seconds"])) if rows else (0, 0.0)
    except (KeyError, ValueError, TypeError):
        raise InputError(f"{metrics}: not a table of metrics; delete it") from None


def _simulation(scale: Scale, name: str, results: Path) -> Item:
    settings = scale.simulations[name]
    md, parts = settings.md, settings.parts
    summaries = [
        read_json(file)
        for part in parts
        if (file := results / "md" / name / part / "simulation.json").exists()
    ]
    steps = round(1000 * (md.equilibration + md.length) / md.timestep)
    replicas = md.replicas // len(parts)
    left = len(parts) - len(summaries)
    rates = list(_measured_rates(results / "speed" / f"{name}.json"))
    rates = rates or [
        rate
        for summary in summaries
        for replica in summary["replicas"]
        if (rate := replica["steps_per_second"])
    ]
    return Item(
        name=name,
        done=len(summaries) * replicas,
        wanted=md.replicas,
        jobs=left,
        steps=left * replicas * steps,
        rate=sum(rates) / len(rates) if rates else None,
        device=_device(settings.resources),
    )


def _measured_rates(speed: Path) -> Iterator[float]:
    if speed.exists():
        for record in read_json(speed):
            if record["kind"] == "accelerated" and record.get("md_steps_per_second"):
                yield record["md_steps_per_second"]


def _device(resources: ResourceSettings) -> str:
    return "GPU" if resources.gpu else "CPU"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0])]
        cells += [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return lines
