"""Loading a scale: its own files over those that all scales share."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from camp.errors import InputError
from camp.settings.architectures import architectures, default_architecture
from camp.settings.checks import impossible
from camp.settings.layers import Layer, Layers, merge, read_yaml
from camp.settings.scale import ArchitectureFile, Scale
from camp.settings.sections import TaskData
from camp.settings.simulation import SimulationConditions
from camp.settings.words import Json, Keys, suggestion

# What scales share.
TASKS, SIMULATIONS, MODELS = "tasks.yaml", "simulations.yaml", "models"


def load_scale(
    files: Sequence[str | Path], overrides: Mapping[str, Any], *, folder: str | Path
) -> Scale:
    """The settings of a scale.

    :param files: YAML files, the later ones over the earlier ones.
    :param overrides: values from the command line, over all files.
    :param folder: with ``tasks.yaml`` and ``simulations.yaml``, those of the papers, and
        ``models/<architecture>.yaml``, hyperparameters and recipes of an architecture.
    :raises InputError: unknown key, wrong type, impossible value; one line.
    """
    folder = Path(folder)
    layers = [Layer(str(file), read_yaml(file)) for file in files]
    if overrides:
        layers.append(Layer("--config", dict(overrides)))
    given = Layers(layers)
    Layers([_architectures_of(given), *layers]).check(Scale)
    tasks = _read_named(folder / TASKS, TaskData)
    simulations = _read_named(folder / SIMULATIONS, SimulationConditions)
    everything = Layers(
        [
            _chosen(given, "tasks", tasks),
            _chosen(given, "simulations", simulations),
            *_models(given, folder / MODELS, tasks),
            *layers,
        ]
    )
    everything.validate(Scale)
    scale = Scale.model_validate(_with_inherited(everything.content))
    for keys, complaint in impossible(scale, given.content):
        raise everything.error(keys, complaint)
    return scale.reduced()


def _read_named(file: Path, section: type[TaskData] | type[SimulationConditions]) -> Layer:
    """A file of entries under names, each checked."""
    content = Layers([Layer(str(file), read_yaml(file))])
    for name in content.content:
        content.validate(section, [name])
    return content.layers[0]


def _chosen(given: Layers, kind: str, known: Layer) -> Layer:
    """The entries of a file that a scale has."""
    names = given.content.get(kind, {})
    _check_names(given, [kind], names, known.content, f"is not a {kind[:-1]} of {known.source}")
    entries = {name: known.content[name] for name in names}
    return Layer(known.source, {kind: entries} if entries else {})


def _check_names(
    given: Layers, keys: Keys, names: Iterable[str], known: Json, complaint: str
) -> None:
    for name in names:
        if name not in known:
            hint = suggestion(name, [*map(str, known)])
            raise given.error([*keys, name], f"{complaint}{hint}")


def _architectures_of(given: Layers) -> Layer:
    """The architectures that a scale names in its tasks, whatever else it says."""
    tasks = given.content.get("tasks")
    named = {
        task: {"models": dict(map(_named, entry["models"]))}
        for task, entry in (tasks if isinstance(tasks, dict) else {}).items()
        if isinstance(entry, dict) and isinstance(entry.get("models"), dict)
    }
    return Layer(given.layers[0].source, {"tasks": named})


def _models(given: Layers, folder: Path, tasks: Layer) -> Iterator[Layer]:
    """What the files of the architectures say of the tasks of a scale."""
    of_scale = given.content.get("models", [default_architecture()])
    chosen = {
        task: list(entry.get("models") or of_scale)
        for task, entry in given.content.get("tasks", {}).items()
    }
    by_recipe = {"training": {"recipe": recipe}} if (recipe := given.content.get("recipe")) else {}
    # In the order in which they are named.
    named = {
        task: {"models": {name: {**_named(name)[1], **by_recipe} for name in names}}
        for task, names in chosen.items()
    }
    yield Layer(given.layers[0].source, {"tasks": named} if named else {})
    for file in sorted(folder.glob("*.yaml")):
        known = _read_architecture(file, tasks)
        of_tasks = {
            task: {"models": {file.stem: {**known[task], **by_recipe}}}
            for task, names in chosen.items()
            if file.stem in names and task in known
        }
        yield Layer(str(file), {"tasks": of_tasks} if of_tasks else {})


def _read_architecture(file: Path, tasks: Layer) -> Json:
    """What the file of an architecture says of each task, with its recipe."""
    if file.stem not in architectures():
        hint = suggestion(file.stem, [*architectures()])
        raise InputError(f"{file}: '{file.stem}' is no architecture{hint}")
    given = Layers([Layer(str(file), read_yaml(file))])
    entries = given.content.get("tasks", {})
    names = entries if isinstance(entries, dict) else {}
    named = {"tasks": dict.fromkeys(names, _named(file.stem)[1])}
    Layers([Layer(str(file), named), *given.layers]).validate(ArchitectureFile)
    _check_names(given, ["tasks"], names, tasks.content, f"is not a task of {tasks.source}")
    recipes = given.content.get("recipes", {})
    of_tasks = {}
    for task, entry in entries.items():
        recipe = {"training": recipes.get(entry.get("recipe"), {})}
        of_tasks[task] = {k: v for k, v in merge(recipe, entry).items() if k != "recipe"}
    return of_tasks


def _named(architecture: str) -> tuple[str, Json]:
    """An entry of an architecture, which says whose keys its section ``model`` has."""
    return architecture, {"model": {"architecture": architecture}}


def _with_inherited(content: Json) -> Json:
    """With what tasks and simulations take from the scale, its datasets and tasks."""
    of_scale = {"resources": content.get("resources", {}), "data": content["data"]}
    if "seeds" in content:
        of_scale["seeds"] = content["seeds"]
    tasks = {}
    for name, task in content["tasks"].items():
        dataset = content["datasets"].get(task["dataset"], {})
        labels = {key: dataset[key] for key in ("data", "note") if key in dataset}
        tasks[name] = merge({**of_scale, **labels}, task)
    simulations = {}
    for name, simulation in content.get("simulations", {}).items():
        inherited = {"data": content["data"], "resources": {**of_scale["resources"], "threads": 1}}
        if task := tasks.get(simulation["task"]):
            inherited |= {"data": task["data"], "model": next(iter(task["models"]))}
        simulations[name] = merge(inherited, simulation)
    return {**content, "tasks": tasks, "simulations": simulations}
