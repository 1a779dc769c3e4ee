"""After a failed run: which results there are, and why the others are missing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from camp.files import read_json
from camp.settings import Run, Scale
from camp.workflow import fetching, paths

# Characters of the last line of a log.
LONGEST_REASON = 300


@dataclass(frozen=True)
class Job:
    """A job of a rule, by the values of its wildcards beside the scale."""

    rule: str
    wildcards: Mapping[str, str]

    def __str__(self) -> str:
        return " ".join([self.rule, *self.wildcards.values()])


@dataclass(frozen=True)
class RulePaths:
    """Outputs and log of a rule, with wildcards in braces."""

    outputs: Sequence[str]
    log: str


Rules = Mapping[str, RulePaths]


# --- the jobs behind a result, in their order ----------------------------------------------------


def jobs_of_item(scale: Scale, item: str) -> Iterator[Job]:
    """Those that fetch an item."""
    if fetching.is_optional(scale, item):
        yield Job("fetch", {"item": item})
    else:
        for name in fetching.items(scale)[item]:
            yield Job("download", {"file": fetching.find(name).file_name})


def jobs_of_data(scale: Scale, dataset: str) -> Iterator[Job]:
    settings = scale.datasets[dataset]
    for item in fetching.data_items(dataset):
        if item in fetching.items(scale):
            yield from jobs_of_item(scale, item)
    yield Job("generate" if settings.generate else "convert", {"dataset": dataset})


def jobs_of_model(scale: Scale, task: str, run: Run) -> Iterator[Job]:
    yield from jobs_of_data(scale, scale.tasks[task].dataset)
    model = {"task": task, "architecture": run.architecture}
    if run.weights == "published":
        yield from jobs_of_item(scale, fetching.weights_item(task, run.architecture))
        yield Job("import_published", model)
        return
    yield Job("split", {"task": task})
    if task in paths.together(scale):
        yield Job("train_together", model)
    else:
        yield Job("train", {**model, "seed": str(run.seed)})


def jobs_of_evaluation(scale: Scale, task: str, run: Run) -> Iterator[Job]:
    yield from jobs_of_model(scale, task, run)
    yield Job("evaluate", {"task": task, "run": run.name})
    yield Job("label", {"result": f"evaluation/{task}/{run.name}"})


def jobs_of_simulated_model(scale: Scale, simulation: str) -> Iterator[Job]:
    task = scale.simulations[simulation].task
    yield from jobs_of_model(scale, task, scale.simulating_run(simulation))


def jobs_of_start(scale: Scale, simulation: str) -> Iterator[Job]:
    yield from jobs_of_simulated_model(scale, simulation)
    dataset = scale.simulations[simulation].start.dataset
    if dataset is None:
        yield from jobs_of_item(scale, fetching.start_item(simulation))
    else:
        yield from jobs_of_data(scale, dataset)
    yield Job("start", {"simulation": simulation})


def jobs_of_simulation(scale: Scale, simulation: str) -> Iterator[Job]:
    yield from jobs_of_start(scale, simulation)
    for part in scale.simulations[simulation].parts:
        yield Job("simulate", {"simulation": simulation, "part": part})
    yield Job("analyse", {"simulation": simulation})
    yield Job("label", {"result": f"md/{simulation}/analysis"})


def jobs_of_speed(scale: Scale, simulation: str) -> Iterator[Job]:
    yield from jobs_of_start(scale, simulation)
    yield Job("speed", {"simulation": simulation})
    yield Job("label", {"result": f"speed/{simulation}"})


def jobs_of_interlayer_scan(scale: Scale, task: str, run: Run) -> Iterator[Job]:
    yield from jobs_of_model(scale, task, run)
    yield Job("interlayer_scan", {"task": task, "run": run.name})
    yield Job("label", {"result": f"scans/interlayer/{task}/{run.name}"})


def jobs_of_dimer_scan(scale: Scale, simulation: str) -> Iterator[Job]:
    yield from jobs_of_simulated_model(scale, simulation)
    yield Job("dimer_scan", {"simulation": simulation})
    yield Job("label", {"result": f"scans/dimer/{simulation}"})


# --- what became of them -------------------------------------------------------------------------


def why_not_done(scale: Scale, jobs: Iterable[Job], rules: Rules) -> str:
    """The reason why the last of these jobs has no result, or an empty text."""
    for job in jobs:
        values = {"scale": scale.name, **job.wildcards}
        outputs = [Path(pattern.format_map(values)) for pattern in rules[job.rule].outputs]
        log = Path(rules[job.rule].log.format_map(values))
        if not all(file.exists() for file in outputs):
            if not log.exists():
                return f"job {job} was not run"
            return f"job {job} failed: {last_line(log)} (see {log})"
        if job.rule == "fetch" and (reason := read_json(outputs[0]).get("reason")):
            return str(reason)
    return ""


def last_line(log: Path) -> str:
    """What a log says last, as far as it is for people."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    nothing = "its log is empty; it was killed, or could not start"
    said = [line.strip() for line in lines if line.strip()] or [nothing]
    return said[-1].removeprefix("camp: error: ")[:LONGEST_REASON]


@dataclass(frozen=True)
class Reasons:
    """Why each result of a scale is missing; an empty text for one that is there."""

    evaluations: Mapping[tuple[str, Run], str]
    analyses: Mapping[str, str]
    speeds: Mapping[str, str]

    def of_architecture(self, task: str, architecture: str) -> str:
        """Why evaluations of a task are missing; what stops all of them is said once."""
        found = [
            reason
            for (name, run), reason in self.evaluations.items()
            if (name, run.architecture) == (task, architecture)
        ]
        return "; ".join(filter(None, dict.fromkeys(found)))


def reasons_so_far(scale: Scale, rules: Rules) -> Reasons:
    """What is there, and why the rest is missing."""

    def why_not(jobs: Iterable[Job]) -> str:
        return why_not_done(scale, jobs, rules)

    models = [(task, run) for task in scale.tasks for run in scale.runs(task)]
    return Reasons(
        evaluations={model: why_not(jobs_of_evaluation(scale, *model)) for model in models},
        analyses={name: why_not(jobs_of_simulation(scale, name)) for name in scale.simulations},
        speeds={name: why_not(jobs_of_speed(scale, name)) for name in scale.speed.simulations},
    )
