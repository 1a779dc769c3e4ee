"""What the commands of the rules are told."""

import json
from typing import Any

import yaml

from camp.settings import Scale
from camp.workflow.paths import seed_of, split_files

PARTS = ("train", "validation", "test")


def as_yaml(settings: Any) -> str:
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)


def as_json(settings: Any) -> str:
    return json.dumps(settings, ensure_ascii=False)


def converting(scale: Scale, dataset: str) -> list[str]:
    keys = ("kcal_per_mol", "every", "molecule")
    given = {key: scale.datasets[dataset][key] for key in keys if key in scale.datasets[dataset]}
    return [text for k, v in given.items() for text in (f"--{k.replace('_', '-')}", str(v))]


def splitting(scale: Scale, task: str) -> list[str]:
    split = scale.tasks[task]["split"]
    arguments = ["--seed", str(split["seed"])]
    for part in PARTS:
        arguments += [f"--{part}", str(split[part])]
        if source := split.get("sources", {}).get(part):
            arguments += [f"--{part}-source", source]
    for kind in split.get("exclude", []):
        arguments += ["--exclude", kind]
    return arguments


def training_device(scale: Scale, task: str) -> list[str]:
    """Where ``camp train`` computes, and on how many GPUs."""
    gpus = scale.tasks[task]["resources"]["gpu"]
    return ["--devices", str(gpus)] if gpus else ["--device", "cpu"]


def device(resources: dict[str, int]) -> list[str]:
    """Where other commands compute."""
    return ["--device", "cuda" if resources["gpu"] else "cpu"]


def evaluating(scale: Scale, task: str, run: str) -> list[str]:
    """The test set, and what an evaluation keeps about where its numbers come from."""
    settings = scale.tasks[task]
    arguments = ["--task", task, "--scale", scale.name, "--weights", scale.weights]
    arguments += device(settings["resources"])
    if (seed := seed_of(run)) is not None:
        arguments += ["--seed", str(seed), "--split", *split_files(scale, task), "--part", "test"]
    if "energy_unavailable" in settings:
        arguments += ["--unavailable", f"energy={settings['energy_unavailable']}"]
    return arguments


def starting(scale: Scale, simulation: str) -> list[str]:
    """How starting structures are drawn."""
    settings = scale.simulations[simulation]
    start = settings["start"]
    arguments = ["--frames", str(start["frames"]), "--seed", str(start["seed"])]
    arguments += ["--repeat", *map(str, start["repeat"])]
    for file in starting_split(scale, simulation):
        arguments += ["--split", file, "--part", "test"]
    return arguments


def starting_split(scale: Scale, simulation: str) -> list[str]:
    """The split, where structures are of the dataset of the model: never one that it was trained
    on.
    """
    settings = scale.simulations[simulation]
    dataset = scale.tasks[settings["task"]]["dataset"]
    own = settings["start"].get("dataset") == dataset
    return split_files(scale, settings["task"]) if own else []


def replicas(part: str) -> list[str]:
    """Of one job of a simulation."""
    return [] if part == "all" else ["--replicas", part.removeprefix("replica-")]


def analysing(scale: Scale, simulation: str) -> list[str]:
    """What an analysis keeps about where its numbers come from."""
    settings = scale.simulations[simulation]
    arguments = ["--simulation", simulation, "--task", settings["task"]]
    arguments += ["--scale", scale.name, "--weights", scale.weights]
    if scale.weights == "own":
        arguments += ["--train-size", str(scale.tasks[settings["task"]]["split"]["train"])]
    return arguments


def scanning(scale: Scale, run: str) -> list[str]:
    """The same of a scan."""
    arguments = ["--scale", scale.name, "--weights", scale.weights]
    seed = seed_of(run)
    return arguments if seed is None else [*arguments, "--seed", str(seed)]


def measuring_speed(scale: Scale, simulation: str) -> list[str]:
    """How a speed is measured, and what it is of."""
    settings = scale.simulations[simulation]
    arguments = ["--seconds", str(scale.speed["seconds"])]
    arguments += ["--threads", str(scale.speed["threads"]), *device(settings["resources"])]
    arguments += ["--simulation", simulation, "--task", settings["task"]]
    return [*arguments, "--scale", scale.name, "--weights", scale.weights]


def labels(scale: Scale, result: str) -> list[str]:
    """Options of ``camp label``: what people read beside a result.

    :param result: its path in the folder of the scale, without its suffix.
    """
    kind, *names = result.split("/")
    if kind == "references":
        dataset = scale.references[names[0]]["dataset"]
        return ["--data-label", scale.datasets[dataset].get("data", scale.data)]
    if kind == "scans":
        own = scale.tasks if names[0] == "interlayer" else scale.simulations
        return ["--data-label", own[names[1]]["data"]]
    settings = (scale.tasks if kind == "evaluation" else scale.simulations)[names[0]]
    arguments = ["--data-label", settings["data"]]
    if settings["note"]:
        arguments += ["--note", settings["note"]]
    return [*arguments, "--title", settings["title"]] if kind == "md" else arguments
