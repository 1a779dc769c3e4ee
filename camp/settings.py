"""Settings: the YAML files of the workflow and of ``camp train``, merged and validated.

Read whenever the workflow's graph is built, so nothing heavy is imported here. Every complaint is
one line that names the file, the key and what is allowed.
"""

import copy
import csv
import difflib
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from camp.errors import InputError

Json = dict[str, Any]

# What the paper uses everywhere (Methods; README of the published weights); a task may differ.
DEFAULT_MODEL: Json = {
    "architecture": "camp",
    "channels": 33,
    "max_rank": 3,
    "layers": 3,
    "cutoff": 5.0,
    "chebyshev_degree": 8,
    "radial_hidden": [32, 32],
    "readout_hidden": [32, 32],
    "envelope_on": "radial",
}
DEFAULT_TRAINING: Json = {
    "batch_size": 4,
    "max_epochs": 10000,
    "max_steps": None,
    "patience": 400,
    "learning_rate": 0.01,
    "scheduler_factor": 0.8,
    "scheduler_patience": 100,
    "gradient_clip": 1.0,
    "energy_weight": 1.0,
    "forces_weight": 1.0,
    "ema_decay": 0.999,
    "ema_start": 1000,
    "ema_power": 0.6667,
    "ema_every": 10,
    "compile": True,
}
DEFAULT_RESOURCES: Json = {"threads": 1, "gpu": 0, "mem_mb": 4000, "runtime": 60}


# --- the schema: each leaf knows how to say what it expects ---------------------------------


def _leaf(expected: str, **schema: Any) -> Json:
    return {**schema, "expected": expected}


def _whole(least: int, most: int | None = None) -> Json:
    if most is None:
        return _leaf(f"a whole number of at least {least}", type="integer", minimum=least)
    expected = f"a whole number from {least} to {most}"
    return _leaf(expected, type="integer", minimum=least, maximum=most)


def _number(least: float, most: float | None = None, *, above: bool = False) -> Json:
    schema: Json = {"type": "number", "exclusiveMinimum" if above else "minimum": least}
    expected = f"a number {'above' if above else 'of at least'} {least:g}"
    if most is not None:
        schema["maximum"] = most
        expected += f" and at most {most:g}"
    return _leaf(expected, **schema)


def _choice(*values: str) -> Json:
    return _leaf("one of " + ", ".join(values), enum=list(values))


def _list(items: Json, *, least: int = 0, unique: bool = False) -> Json:
    expected = "a list" + (f" of at least {least}" if least else "") + ", each " + items["expected"]
    return _leaf(expected, type="array", items=items, minItems=least, uniqueItems=unique)


def _optional(schema: Json) -> Json:
    return {
        **schema,
        "type": [schema["type"], "null"],
        "expected": f"{schema['expected']}, or null",
    }


def _mapping(keys: Json, required: Sequence[str] = ()) -> Json:
    return _leaf(
        "keys with values",
        type="object",
        properties=keys,
        required=list(required),
        additionalProperties=False,
    )


def _named(entries: Json) -> Json:
    """Entries under names of their own; a name becomes part of file names."""
    return _leaf(
        "keys with values",
        type="object",
        additionalProperties=entries,
        propertyNames=_leaf(NAME, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$"),
    )


PARTS = ("train", "validation", "test")
NAME = "a name of letters, digits, '.', '_' and '-'"
TEXT = _leaf("a text", type="string")
FILE = _leaf("the name of a file", type="string", minLength=1)
COUNT_OR_REST = _leaf(
    "a whole number of at least 1, or 'rest'",
    type=["integer", "string"],
    minimum=1,
    pattern="^rest$",
)
MODEL = _mapping(
    {
        "architecture": _choice("camp"),
        "channels": _whole(1, 1024),
        "max_rank": _whole(0, 4),
        "layers": _whole(1, 10),
        "cutoff": _number(0, 20, above=True),
        "chebyshev_degree": _whole(1, 30),
        "radial_hidden": _list(_whole(1)),
        "readout_hidden": _list(_whole(1)),
        "envelope_on": _choice("radial", "basis"),
    }
)
TRAINING = _mapping(
    {
        "batch_size": _whole(1),
        "max_epochs": _whole(1),
        "max_steps": _optional(_whole(1)),
        "patience": _whole(1),
        "learning_rate": _number(0, 1, above=True),
        "scheduler_factor": _number(0, 1, above=True),
        "scheduler_patience": _whole(0),
        "gradient_clip": _number(0, above=True),
        "energy_weight": _number(0),
        "forces_weight": _number(0),
        "ema_decay": _number(0, 1),
        "ema_start": _whole(0),
        "ema_power": _number(0, above=True),
        "ema_every": _whole(1),
        "compile": _leaf("true or false", type="boolean"),
    }
)
SPLIT = _mapping(
    {
        "train": _whole(1),
        "validation": _whole(1),
        "test": COUNT_OR_REST,
        "seed": _whole(0),
        "sources": _mapping(dict.fromkeys(PARTS, FILE)),
    }
)
RESOURCES = _mapping(
    {
        "threads": _whole(1),
        "gpu": _whole(0),
        "mem_mb": _whole(100),
        "runtime": _whole(1),
    }
)
SEEDS = _list(_whole(0), least=1, unique=True)
_TASK: Json = {
    "title": TEXT,
    "system": _choice("lips", "water", "molecule", "graphene"),
    "paper": _mapping({"energy": TEXT, "forces": TEXT}),
    "split": SPLIT,
    "model": MODEL,
    "training": TRAINING,
}
TASKS = _named(_mapping(_TASK, required=list(_TASK)))
DATASET = _mapping(
    {
        "generate": TEXT,
        "frames": _whole(1),
        "seed": _whole(0),
        "fetch": _list(FILE, least=1, unique=True),
        "files": _list(FILE, least=1, unique=True),
        "molecule": TEXT,
        "every": _whole(1),
        "kcal_per_mol": _number(0, above=True),
        "data": TEXT,
        "note": TEXT,
    }
)
SCALE = _mapping(
    {
        "scale": _leaf(NAME, type="string", pattern=r"^[a-z0-9][a-z0-9_-]*$"),
        "data": TEXT,
        "weights": _choice("own", "published"),
        "seeds": SEEDS,
        "mirror": _optional(_leaf("a folder", type="string", minLength=1)),
        "data_folder": _optional(_leaf("a folder", type="string", minLength=1)),
        "resources": RESOURCES,
        "notebooks": _mapping({"training": TEXT, "model": TEXT}),
        "datasets": _named(DATASET),
        "tasks": _named(
            _mapping(
                {
                    **_TASK,
                    "dataset": TEXT,
                    "seeds": SEEDS,
                    "checkpoint": FILE,
                    "energy_unavailable": TEXT,
                    "note": TEXT,
                    "resources": RESOURCES,
                },
                required=["dataset"],
            )
        ),
    },
    required=["scale", "data", "weights", "datasets", "tasks"],
)
OWN_TRAINING = _mapping(
    {
        "task": _leaf(NAME, type="string", minLength=1),
        "title": TEXT,
        "data": FILE,
        "split": FILE,
        "train": FILE,
        "validation": FILE,
        "test": FILE,
        "model": MODEL,
        "training": TRAINING,
        "labels": _leaf("keys with texts", type="object", additionalProperties=TEXT),
    }
)

# Strict: true is no number, 2.0 is no whole number, and .nan and .inf are no numbers at all.
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
            "number": lambda _, value: (
                isinstance(value, int | float)
                and not isinstance(value, bool)
                and math.isfinite(value)
            ),
        }
    ),
)


# --- reading and merging --------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """YAML in which a key given twice is an error, not a silent choice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key_node.value!r} is given twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: str | Path) -> Json:
    """The mapping in a YAML file.

    :raises InputError: no such file, not YAML, a key given twice, or not a mapping.
    """
    path = Path(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8") from None
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{path}{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold keys with values, such as 'scale: quick'")
    return content


def merge(base: Any, extra: Any) -> Any:
    """``extra`` over ``base``: mappings key by key, anything else replaced; neither is changed."""
    if isinstance(base, Mapping) and isinstance(extra, Mapping):
        both = {key: merge(base[key], extra[key]) for key in base if key in extra}
        return {**copy.deepcopy(dict(base)), **copy.deepcopy(dict(extra)), **both}
    return copy.deepcopy(extra)


@dataclass(frozen=True)
class _Layer:
    source: str  # as shown in messages
    content: Json


class _Layers:
    """Settings from several places, of which the later ones win; remembers who said what."""

    def __init__(self, layers: Sequence[_Layer]):
        self.layers = layers
        self.content: Json = {}
        for layer in layers:
            self.content = merge(self.content, layer.content)

    def error(self, keys: Sequence[str | int], complaint: str) -> InputError:
        """The exception for these keys; names the place that set them."""
        return InputError(f"{self._source(keys)}: {_dotted(keys)} {complaint}".replace(":  ", ": "))

    def _source(self, keys: Sequence[str | int]) -> str:
        def depth(content: Any) -> int:
            count = 0
            for key in keys:
                try:
                    content = content[key]
                except (KeyError, IndexError, TypeError):
                    break
                count += 1
            return count

        return max(reversed(self.layers), key=lambda layer: depth(layer.content)).source

    def validate(self, schema: Json) -> None:
        """:raises InputError: the first thing wrong, misspelt keys before wrong values."""
        errors = sorted(
            _Validator(schema).iter_errors(self.content),
            key=lambda e: (
                e.validator != "additionalProperties",
                [str(k) for k in e.absolute_path],
            ),
        )
        if errors:
            raise self.error(*_complaint(errors[0]))


def _dotted(keys: Sequence[str | int]) -> str:
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.removeprefix(".")


def _complaint(error: jsonschema.ValidationError) -> tuple[list[str | int], str]:
    """The keys concerned and what is wrong with them."""
    keys, value = list(error.absolute_path), error.instance
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        wrong = next(key for key in value if key not in known)
        return [*keys, str(wrong)], f"is not a known key{suggestion(str(wrong), known)}"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in value)
        return keys, f"{'lacks' if keys else 'lacking is'} the key '{missing}'"
    if error.validator == "uniqueItems":
        twice = next(item for item in value if value.count(item) > 1)
        return keys, f"holds {twice!r} more than once"
    if "propertyNames" in error.absolute_schema_path:
        return [*keys, str(value)], f"is not a possible name; it must be {error.schema['expected']}"
    hint = ""
    if isinstance(value, str) and "number" in error.schema["expected"]:
        with suppress(ValueError):
            number = int(value) if value.isdecimal() else float(value)
            hint = f" (YAML reads this as text: write {number!r})"
    return keys, f"is {_shown(value)}; it must be {error.schema['expected']}{hint}"


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def suggestion(wrong: str, known: Sequence[str]) -> str:
    """End of a message about a misspelt name: the likely one, or all."""
    close = difflib.get_close_matches(wrong, known, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known are: {', '.join(sorted(known))}"


# --- the settings of one scale --------------------------------------------------------------


@dataclass(frozen=True)
class Scale:
    """Everything the workflow needs to know; every task complete with its defaults."""

    name: str
    data: str
    weights: str  # own | published
    mirror: str | None
    data_folder: str | None
    datasets: Json
    tasks: Json
    notebooks: Json

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
    files: Sequence[str | Path], overrides: Mapping[str, Any], *, tasks_file: str | Path
) -> Scale:
    """The settings of a scale.

    :param files: YAML files, the later ones over the earlier ones.
    :param overrides: values from the command line, over all files.
    :param tasks_file: the tasks of the paper with their hyperparameters.
    :raises InputError: unknown key, wrong type, impossible value; one line.
    """
    paper = _Layers([_Layer(str(tasks_file), read_yaml(tasks_file))])
    paper.validate(TASKS)
    layers = [_Layer(str(file), read_yaml(file)) for file in files]
    if overrides:
        layers.append(_Layer("--config", dict(overrides)))
    given = _Layers(layers)
    given.validate(SCALE)
    content = given.content
    for name in content["tasks"]:
        if name not in paper.content:
            hint = suggestion(name, [*paper.content])
            raise given.error(["tasks", name], f"is not a task of {tasks_file}{hint}")
    scale = Scale(
        name=content["scale"],
        data=content["data"],
        weights=content["weights"],
        mirror=content.get("mirror"),
        data_folder=content.get("data_folder"),
        datasets=content["datasets"],
        tasks={
            name: _complete_task(paper.content[name], task, content)
            for name, task in content["tasks"].items()
        },
        notebooks=content.get("notebooks", {}),
    )
    for keys, complaint in _impossible(scale, content):
        raise given.error(keys, complaint)
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
    }
    return merge(merge(defaults, paper), task)


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
    for name, task in scale.notebooks.items():
        if task not in scale.tasks:
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
        for key in ("split", "seeds", "model", "training"):
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
    yield from _impossible_split(scale, name)
    if task["training"]["energy_weight"] == task["training"]["forces_weight"] == 0:
        yield ["training", "energy_weight"], "and forces_weight are both 0; nothing could be learnt"


def _impossible_split(scale: Scale, name: str) -> Iterator[tuple[list[str | int], str]]:
    split, dataset = scale.tasks[name]["split"], scale.dataset_of(name)
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


# --- the settings of one training -----------------------------------------------------------


def load_training(path: str | Path) -> Json:
    """The file that ``camp train`` reads, complete with defaults for ``model`` and ``training``.

    It says where the structures are with ``data`` and ``split`` (a file of ``camp split``), or
    with the files ``train``, ``validation`` and, if there is one, ``test``. Paths are relative to
    the current folder.

    :raises InputError: unknown key, wrong type, impossible value; one line.
    """
    given = _Layers([_Layer(str(path), read_yaml(path))])
    given.validate(OWN_TRAINING)
    content = given.content
    pairs = (("data", "split"), ("train", "validation"))
    complete = [pair for pair in pairs if all(key in content for key in pair)]
    started = [pair for pair in pairs if any(key in content for key in pair)]
    if len(complete) != 1 or len(started) != 1:
        raise InputError(
            f"{path}: give the structures either as 'data' and 'split', or as 'train' and "
            "'validation' (and 'test')"
        )
    defaults = {
        "task": Path(path).stem,
        "title": "",
        "labels": {},
        "model": DEFAULT_MODEL,
        "training": DEFAULT_TRAINING,
    }
    return merge(defaults, content)
