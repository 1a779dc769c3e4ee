"""The settings of one scale: everything that the workflow makes, and what cannot be made."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from camp.settings.layers import Layer, Layers, merge, read_yaml, suggestion
from camp.settings.schema import (
    DEFAULT_ANALYSIS,
    DEFAULT_MD,
    DEFAULT_MODEL,
    DEFAULT_RESOURCES,
    DEFAULT_SPEED,
    DEFAULT_TRAINING,
    PARTS,
    SCALE,
    SIMULATIONS,
    TASKS,
    Json,
)
from camp.settings.simulation import REQUIRED, impossible_times


@dataclass(frozen=True)
class Scale:
    """Everything the workflow needs to know; every task complete with its defaults."""

    name: str
    data: str
    weights: str  # own | published
    seeds: list[int]  # of tasks that have none of their own; empty with published weights
    mirror: str | None
    data_folder: str | None
    datasets: Json
    tasks: Json
    notebooks: Json
    simulations: Json
    references: Json
    speed: Json

    def runs(self, task: str) -> list[str]:
        """Names of the models of a task: seed-1, seed-2, … or published."""
        if self.weights == "published":
            return ["published"]
        return [f"seed-{seed}" for seed in self.tasks[task]["seeds"]]

    def dataset_of(self, task: str) -> Json:
        return self.datasets[self.tasks[task]["dataset"]]

    def files_of(self, dataset: str) -> list[str]:
        """Paths of a dataset's own files (not the fetched ones)."""
        folder = Path(self.data_folder or "")
        return [str(folder / file) for file in self.datasets[dataset].get("files", [])]

    def reference_file(self, name: str, key: str) -> list[str]:
        """Path of a file that belongs to a reference, if it has one."""
        file = self.references[name].get(key)
        return [str(Path(self.data_folder or "") / file)] if file else []

    def parts(self, simulation: str) -> list[str]:
        """Jobs of a simulation: one for each replica, or one for all where they share a batch."""
        settings = self.simulations[simulation]["md"]
        if settings["engine"] == "torchsim":
            return ["all"]
        return [f"replica-{k}" for k in range(1, settings["replicas"] + 1)]

    def training_settings(self, task: str, *, data: str, split: str) -> Json:
        """What ``camp train`` reads: one self-contained mapping for a task."""
        settings = self.tasks[task]
        labels = {"scale": self.name, "data": settings["data"], "note": settings["note"]}
        return {
            "task": task,
            "title": settings["title"],
            "data": data,
            "split": split,
            "model": settings["model"],
            "training": settings["training"],
            "labels": labels,
        }


def load_scale(
    files: Sequence[str | Path],
    overrides: Mapping[str, Any],
    *,
    tasks_file: str | Path,
    simulations_file: str | Path,
) -> Scale:
    """The settings of a scale.

    :param files: YAML files, the later ones over the earlier ones.
    :param overrides: values from the command line, over all files.
    :param tasks_file: the tasks of the paper with their hyperparameters.
    :param simulations_file: the simulations of the paper with their conditions.
    :raises InputError: unknown key, wrong type, impossible value; one line.
    """
    paper = Layers([Layer(str(tasks_file), read_yaml(tasks_file))])
    paper.validate(TASKS)
    simulated = Layers([Layer(str(simulations_file), read_yaml(simulations_file))])
    simulated.validate(SIMULATIONS)
    layers = [Layer(str(file), read_yaml(file)) for file in files]
    if overrides:
        layers.append(Layer("--config", dict(overrides)))
    given = Layers(layers)
    given.validate(SCALE)
    content = given.content
    for kind, file, known in (
        ("tasks", tasks_file, paper.content),
        ("simulations", simulations_file, simulated.content),
    ):
        for name in content.get(kind, {}):
            if name not in known:
                hint = suggestion(name, [*known])
                complaint = f"is not a {kind.removesuffix('s')} of {file}{hint}"
                raise given.error([kind, name], complaint)
    tasks = {
        name: _complete_task(paper.content[name], task, content)
        for name, task in content["tasks"].items()
    }
    scale = Scale(
        name=content["scale"],
        data=content["data"],
        weights=content["weights"],
        mirror=content.get("mirror"),
        data_folder=content.get("data_folder"),
        datasets=content["datasets"],
        tasks=tasks,
        seeds=content.get("seeds", []),
        notebooks=content.get("notebooks", {}),
        simulations={
            name: _complete_simulation(simulated.content[name], simulation, tasks, content)
            for name, simulation in content.get("simulations", {}).items()
        },
        references=content.get("references", {}),
        speed=merge(DEFAULT_SPEED, content.get("speed", {})),
    )
    everything = Layers(
        [
            Layer(str(tasks_file), {"tasks": paper.content}),
            Layer(str(simulations_file), {"simulations": simulated.content}),
            *layers,
        ]
    )
    for keys, complaint in _impossible(scale, content):
        raise everything.error(keys, complaint)
    return scale


def _complete_task(paper: Json, task: Json, content: Json) -> Json:
    """A task with everything that is said elsewhere: tasks file, dataset, scale, defaults."""
    dataset = content["datasets"].get(task["dataset"], {})
    defaults = {
        "model": DEFAULT_MODEL,
        "training": DEFAULT_TRAINING,
        "split": {"seed": 0},
        "seeds": content.get("seeds", []),
        "data": dataset.get("data", content["data"]),
        "note": dataset.get("note", ""),
        "resources": merge(DEFAULT_RESOURCES, content.get("resources", {})),
        "seeds_together": False,
    }
    return merge(merge(defaults, paper), task)


def _complete_simulation(paper: Json, simulation: Json, tasks: Json, content: Json) -> Json:
    """A simulation with everything that is said elsewhere."""
    task = tasks.get(simulation["task"], {})
    defaults = {
        "md": DEFAULT_MD,
        "analysis": DEFAULT_ANALYSIS,
        "start": {"frames": 1, "seed": 0, "repeat": [1, 1, 1]},
        "data": task.get("data", content["data"]),
        "note": "",
        # Replicas side by side are faster than many threads on one.
        "resources": {**DEFAULT_RESOURCES, **content.get("resources", {}), "threads": 1},
    }
    return merge(merge(defaults, paper), simulation)


def _impossible(scale: Scale, content: Json) -> Iterator[tuple[list[str | int], str]]:
    """What no schema can see: values that contradict each other or the disk."""
    if scale.weights == "own" and "seeds" not in content:
        yield ["seeds"], "is missing; give one seed for each training, such as [1, 2, 3, 4, 5]"
    for key in ("mirror", "data_folder"):
        folder = content.get(key)
        if folder is not None and not Path(folder).is_dir():
            yield [key], f"is '{folder}', which is not a folder"
    for name in scale.datasets:
        for keys, complaint in _impossible_dataset(scale, name):
            yield ["datasets", name, *keys], complaint
    for name in scale.tasks:
        given = content["tasks"][name]
        for keys, complaint in _impossible_task(scale, name, given):
            yield ["tasks", name, *keys], complaint
    for name in scale.simulations:
        for keys, complaint in _impossible_simulation(scale, name):
            yield ["simulations", name, *keys], complaint
    for name in scale.references:
        for keys, complaint in _impossible_source(scale, scale.references[name]):
            yield ["references", name, *keys], complaint
        for file in scale.reference_file(name, "msd"):
            if not Path(file).is_file():
                yield ["references", name, "msd"], f"is '{file}', and there is no such file"
    for index, name in enumerate(scale.speed["simulations"]):
        if name not in scale.simulations:
            hint = suggestion(name, [*scale.simulations])
            yield ["speed", "simulations", index], f"is '{name}', no simulation of this scale{hint}"
    for name, task in scale.notebooks.items():
        if name == "trajectory":
            if task not in scale.simulations:
                hint = suggestion(task, [*scale.simulations])
                yield ["notebooks", name], f"is '{task}', no simulation of this scale{hint}"
        elif task not in scale.tasks:
            yield ["notebooks", name], f"is '{task}', no task{suggestion(task, [*scale.tasks])}"
        elif name == "training" and scale.weights == "published":
            yield ["notebooks", name], "needs a training, and published weights have none here"


def _impossible_dataset(scale: Scale, name: str) -> Iterator[tuple[list[str | int], str]]:
    dataset = scale.datasets[name]
    if "generate" in dataset:
        for key in ("fetch", "files", "molecule", "every", "kcal_per_mol"):
            if key in dataset:
                yield [key], "does not go together with 'generate'"
        if "frames" not in dataset:
            yield ["frames"], "is missing; say how many frames to generate"
    elif "fetch" not in dataset and "files" not in dataset:
        yield [], "needs one of 'generate', 'fetch' and 'files'"
    else:
        for key in ("frames", "seed"):
            if key in dataset:
                yield [key], "goes with 'generate' only"
    known = registry_names()
    for index, wanted in enumerate(dataset.get("fetch", [])):
        if wanted not in known:
            yield (
                ["fetch", index],
                f"is '{wanted}', no name in the registry{suggestion(wanted, known)}",
            )
    for index, file in enumerate(dataset.get("files", [])):
        if scale.data_folder is None and not Path(file).is_absolute():
            yield (
                ["files", index],
                f"is '{file}', but it is not known where that lies; set data_folder, "
                "for example --config data_folder=/path/to/data",
            )
        path = Path(scale.data_folder or "") / file
        if not path.is_file():
            yield ["files", index], f"is '{file}', and there is no file {path}"


def _impossible_task(scale: Scale, name: str, given: Json) -> Iterator[tuple[list[str | int], str]]:
    task = scale.tasks[name]
    if task["dataset"] not in scale.datasets:
        wrong = task["dataset"]
        yield ["dataset"], f"is '{wrong}', no dataset{suggestion(wrong, [*scale.datasets])}"
        return
    if scale.weights == "published":
        for key in ("split", "seeds", "model", "training", "seeds_together"):
            if key in given:
                yield (
                    [key],
                    "goes with 'weights: own' only; published weights get all frames",
                )
        if "checkpoint" not in task:
            yield ["checkpoint"], "is missing; name the published weights in the registry"
        elif task["checkpoint"] not in registry_names():
            wrong = task["checkpoint"]
            yield (
                ["checkpoint"],
                f"is '{wrong}', no name in the registry{suggestion(wrong, registry_names())}",
            )
        return
    if "checkpoint" in task:
        yield ["checkpoint"], "goes with 'weights: published' only"
    if task["seeds_together"] and "seeds" in given:
        yield ["seeds"], "goes without 'seeds_together', which takes the seeds of the scale"
    yield from _impossible_split(scale, name)
    if task["training"]["energy_weight"] == task["training"]["forces_weight"] == 0:
        yield ["training", "energy_weight"], "and forces_weight are both 0; nothing could be learnt"


def _impossible_simulation(scale: Scale, name: str) -> Iterator[tuple[list[str | int], str]]:
    simulation = scale.simulations[name]
    task = simulation["task"]
    if task not in scale.tasks:
        yield ["task"], f"is '{task}', no task of this scale{suggestion(task, [*scale.tasks])}"
    for key in REQUIRED:
        if key not in simulation["md"]:
            yield ["md", key], "is missing"
            return
    for key, complaint in impossible_times(simulation["md"]):
        yield ["md", key], complaint
    for keys, complaint in _impossible_source(scale, simulation["start"]):
        yield ["start", *keys], complaint


def _impossible_source(scale: Scale, source: Json) -> Iterator[tuple[list[str | int], str]]:
    """Where structures or reference data come from: a dataset of the scale, or a public file."""
    if ("dataset" in source) == ("fetch" in source):
        yield [], "needs one of 'dataset' and 'fetch'"
        return
    if "dataset" in source and source["dataset"] not in scale.datasets:
        wrong = source["dataset"]
        yield ["dataset"], f"is '{wrong}', no dataset{suggestion(wrong, [*scale.datasets])}"
    if "fetch" in source and source["fetch"] not in (known := registry_names()):
        wrong = source["fetch"]
        yield ["fetch"], f"is '{wrong}', no name in the registry{suggestion(wrong, known)}"


def _impossible_split(scale: Scale, name: str) -> Iterator[tuple[list[str | int], str]]:
    split, dataset = scale.tasks[name]["split"], scale.dataset_of(name)
    for part in PARTS:
        if part not in split:
            yield ["split", part], "is missing; say how many frames"
            return
    if "frames" in dataset:
        parts = {part: split[part] for part in PARTS}
        wanted = sum(count for count in parts.values() if count != "rest")
        wanted += "rest" in parts.values()
        if wanted > dataset["frames"]:
            sizes = " + ".join(f"{count} {part}" for part, count in parts.items())
            yield (
                ["split"],
                f"asks for {sizes}, but the dataset '{scale.tasks[name]['dataset']}' has "
                f"{dataset['frames']} frames",
            )
    known = [Path(file).name for key in ("fetch", "files") for file in dataset.get(key, [])]
    for part, source in split.get("sources", {}).items():
        if source not in known:
            yield (
                ["split", "sources", part],
                f"is '{source}', no file of its dataset{suggestion(source, known)}",
            )


def registry_names() -> list[str]:
    """Names of all files that ``camp fetch`` knows."""
    table = resources.files("camp.data").joinpath("registry.csv").read_text(encoding="utf-8")
    return [row["name"] for row in csv.DictReader(table.splitlines())]
