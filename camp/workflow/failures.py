"""After a failed run: which results there are, and why the others are missing."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from camp.files import read_json
from camp.settings import Scale
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


# --- the jobs behind a number, in their order ----------------------------------------------------


def jobs_of_item(scale: Scale, item: str) -> Iterator[Job]:
    """Those that fetch an item."""
    if fetching.is_optional(scale, item):
        yield Job("fetch", {"item": item})
    else:
        for name in fetching.items(scale)[item]:
            yield Job("download", {"file": fetching.find(name).file_name})


def jobs_of_data(scale: Scale, dataset: str) -> Iterator[Job]:
    if "fetch" in scale.datasets[dataset]:
        yield from jobs_of_item(scale, f"data-{dataset}")
    made = "generate" if "generate" in scale.datasets[dataset] else "convert"
    yield Job(made, {"dataset": dataset})


def jobs_of_model(scale: Scale, task: str, run: str) -> Iterator[Job]:
    yield from jobs_of_data(scale, scale.tasks[task]["dataset"])
    seed = paths.seed_of(run)
    if seed is None:
        yield from jobs_of_item(scale, f"weights-{task}")
        yield Job("import_published", {"task": task})
        return
    yield Job("split", {"task": task})
    if task in paths.together(scale):
        yield Job("train_together", {"task": task})
    else:
        yield Job("train", {"task": task, "seed": str(seed)})


def jobs_of_evaluation(scale: Scale, task: str, run: str) -> Iterator[Job]:
    yield from jobs_of_model(scale, task, run)
    yield Job("evaluate", {"task": task, "run": run})
    yield Job("label", {"result": f"evaluation/{task}/{run}"})


def jobs_of_simulation(scale: Scale, simulation: str) -> Iterator[Job]:
    settings = scale.simulations[simulation]
    yield from jobs_of_model(scale, settings["task"], scale.runs(settings["task"])[0])
    if "fetch" in settings["start"]:
        yield from jobs_of_item(scale, f"start-{simulation}")
    else:
        yield from jobs_of_data(scale, settings["start"]["dataset"])
    yield Job("start", {"simulation": simulation})
    for part in scale.parts(simulation):
        yield Job("simulate", {"simulation": simulation, "part": part})
    yield Job("analyse", {"simulation": simulation})
    yield Job("label", {"result": f"md/{simulation}/analysis"})


# --- what became of them -------------------------------------------------------------------------


def why_not_done(scale: Scale, jobs: Iterable[Job], rules: Mapping[str, RulePaths]) -> str:
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
            return reason
    return ""


def last_line(log: Path) -> str:
    """What a log says last, as far as it is for people."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    nothing = "its log is empty; it was killed, or could not start"
    said = [line.strip() for line in lines if line.strip()] or [nothing]
    return said[-1].removeprefix("camp: error: ")[:LONGEST_REASON]


def evaluations_so_far(
    scale: Scale, rules: Mapping[str, RulePaths], folder: Path
) -> Iterator[Path]:
    """The evaluations, and files made in a folder with the reasons for those that are missing."""
    for task in scale.tasks:
        reasons = {}
        for run in scale.runs(task):
            if reason := why_not_done(scale, jobs_of_evaluation(scale, task, run), rules):
                reasons[run] = reason
            else:
                yield Path(paths.evaluation_file(scale, task, run))
        if reasons:
            # What stops all of them stops the first.
            same = len(set(reasons.values())) == 1
            text = reasons.popitem()[1] if same else "; ".join(reasons.values())
            file = folder / f"evaluation-{task}.json"
            file.write_text(json.dumps({"task": task, "reason": text}), encoding="utf-8")
            yield file


def analyses_so_far(scale: Scale, rules: Mapping[str, RulePaths], folder: Path) -> Iterator[Path]:
    """The same for analyses of simulations."""
    for simulation in scale.simulations:
        if reason := why_not_done(scale, jobs_of_simulation(scale, simulation), rules):
            content = {"simulation": simulation, "scale": scale.name, "unavailable": reason}
            file = folder / f"simulation-{simulation}.json"
            file.write_text(json.dumps(content), encoding="utf-8")
            yield file
        else:
            yield Path(f"{paths.simulation_folder(scale, simulation)}/analysis.json")


def speeds_so_far(scale: Scale) -> list[Path]:
    return sorted(Path(f"{paths.folder(scale)}/speed").glob("*.json"))
