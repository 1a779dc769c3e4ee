"""What no section can see alone: settings that contradict each other or the disk."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from camp.settings.scale import Scale
from camp.settings.sections import PARTS, Source
from camp.settings.words import Json, Keys, suggestion
from camp.targets import ENERGY, FORCES

Complaints = Iterator[tuple[Keys, str]]


def impossible(scale: Scale, given: Json) -> Complaints:
    """What is wrong with a scale: (keys, complaint).

    :param given: what its own files say.
    """
    if scale.weights == "own" and not scale.seeds:
        yield ["seeds"], "is missing; give one seed for each training, such as [1, 2, 3, 4, 5]"
    for key in ("mirror", "data_folder"):
        folder = getattr(scale, key)
        if folder is not None and not Path(folder).is_dir():
            yield [key], f"is '{folder}', which is not a folder"
    for name in scale.datasets:
        yield from _under(["datasets", name], _dataset(scale, name))
    check_task = _published_task if scale.weights == "published" else _own_task
    for name, task in scale.tasks.items():
        keys = ["tasks", name]
        if task.dataset not in scale.datasets:
            yield [*keys, "dataset"], _no("dataset", task.dataset, scale.datasets)
            return
        for architecture, model in task.models.items():
            if (other := model.model.architecture) != architecture:
                wrong = [*keys, "models", architecture, "model", "architecture"]
                yield wrong, f"is '{other}'; it must be '{architecture}'"
        yield from _under(keys, check_task(scale, name, given["tasks"][name]))
    for name in scale.simulations:
        yield from _under(["simulations", name], _simulation(scale, name))
    for name, reference in scale.references.items():
        yield from _under(["references", name], _source(scale, reference))
        if reference.msd is not None and not Path(file := scale.path(reference.msd)).is_file():
            yield ["references", name, "msd"], f"is '{file}', and there is no such file"
    named = {architecture: task for task in scale.tasks.values() for architecture in task.models}
    for index, architecture in enumerate(scale.only or []):
        if architecture not in named:
            yield ["only", index], _no("architecture of a task", architecture, named)
    for index, wanted in enumerate(scale.speed.simulations):
        if wanted not in scale.simulations:
            no = _no("simulation of this scale", wanted, scale.simulations)
            yield ["speed", "simulations", index], no
    yield from _under(["notebooks"], _notebooks(scale))


def _under(keys: Keys, complaints: Complaints) -> Complaints:
    for inner, complaint in complaints:
        yield [*keys, *inner], complaint


def _no(kind: str, name: str, known: Iterable[str]) -> str:
    return f"is '{name}', no {kind}{suggestion(name, [*known])}"


def _dataset(scale: Scale, name: str) -> Complaints:
    for index, file in enumerate(scale.datasets[name].files or []):
        if scale.data_folder is None and not Path(file).is_absolute():
            yield (
                ["files", index],
                f"is '{file}', but it is not known where that lies; set data_folder, "
                "for example --config data_folder=/path/to/data",
            )
        if not Path(path := scale.path(file)).is_file():
            yield ["files", index], f"is '{file}', and there is no file {path}"


def _published_task(scale: Scale, name: str, given: Json) -> Complaints:
    """Of weights that others have trained."""
    only = "goes with 'weights: own' only; published weights get all frames"
    for key in ("split", "seeds", "seeds_together", "peers"):
        if key in given:
            yield [key], only
    for architecture, model in scale.tasks[name].models.items():
        said = given.get("models", {}).get(architecture, {})
        for key in ("model", "training"):
            if key in said:
                yield ["models", architecture, key], only
        if model.checkpoint is None:
            complaint = "is missing; name the published weights in the registry"
            yield ["models", architecture, "checkpoint"], complaint


def _own_task(scale: Scale, name: str, given: Json) -> Complaints:
    """Of weights that are trained here."""
    for architecture, said in given.get("models", {}).items():
        if "checkpoint" in said:
            complaint = "goes with 'weights: published' only"
            yield ["models", architecture, "checkpoint"], complaint
    if scale.tasks[name].seeds_together and "seeds" in given:
        yield ["seeds"], "goes without 'seeds_together', which takes the seeds of the scale"
    if scale.tasks[name].peers:
        yield from _peers(scale, name)
    split, dataset = scale.tasks[name].split, scale.dataset_of(name)
    if dataset.frames is not None:
        parts: dict[str, Any] = {part: getattr(split, part) for part in PARTS}
        if sum(1 if count == "rest" else count for count in parts.values()) > dataset.frames:
            sizes = " + ".join(f"{count} {part}" for part, count in parts.items())
            of_dataset = f"the dataset '{scale.tasks[name].dataset}' has {dataset.frames} frames"
            yield ["split"], f"asks for {sizes}, but {of_dataset}"
    known = [Path(file).name for file in [*(dataset.fetch or []), *(dataset.files or [])]]
    for part, source in split.sources.items():
        if source not in known:
            yield ["split", "sources", part], _no("file of its dataset", source, known)


def _peers(scale: Scale, name: str) -> Complaints:
    """Of a task on which others are trained too."""
    task = scale.tasks[name]
    architecture = next(iter(task.models))
    if task.models[architecture].training.max_time is None:
        key = f"models.{architecture}.training.max_time"
        yield ["peers"], f"needs {key}, the hours that they are trained for"
    if {*task.targets} != {ENERGY.name, FORCES.name}:
        yield ["peers"], "goes with the targets energy and forces only"


def _simulation(scale: Scale, name: str) -> Complaints:
    simulation = scale.simulations[name]
    if simulation.task not in scale.tasks:
        yield ["task"], _no("task of this scale", simulation.task, scale.tasks)
    elif simulation.model not in (models := scale.tasks[simulation.task].models):
        yield (
            ["model"],
            _no(f"architecture of the task '{simulation.task}'", simulation.model, models),
        )
    for key, complaint in simulation.md.impossible_times():
        yield ["md", key], complaint
    yield from _under(["start"], _source(scale, simulation.start))


def _source(scale: Scale, source: Source) -> Complaints:
    if source.dataset is not None and source.dataset not in scale.datasets:
        yield ["dataset"], _no("dataset", source.dataset, scale.datasets)


def _notebooks(scale: Scale) -> Complaints:
    for name, topic in scale.notebooks:
        if topic is None:
            continue
        if name == "trajectory":
            if topic not in scale.simulations:
                yield [name], _no("simulation of this scale", topic, scale.simulations)
        elif topic not in scale.tasks:
            yield [name], _no("task", topic, scale.tasks)
        elif name == "training" and scale.weights == "published":
            yield [name], "needs a training, and published weights have none here"
