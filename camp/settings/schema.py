"""Defaults and schemas of the settings; each leaf knows how to say what it expects."""

from collections.abc import Sequence
from typing import Any

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
# The paper's thermostat and sampling are not printed; these are the usual ones.
DEFAULT_MD: Json = {
    "engine": "ase",
    "ensemble": "nvt",
    "equilibration": 0.0,
    "thermostat_time": 100.0,
    "sample_every": 10.0,
    "replicas": 1,
    "seed": 1,
    "compile": True,
}
DEFAULT_ANALYSIS: Json = {
    "rdf": [],
    "rdf_bin": 0.05,
    "rdf_max": None,
    "adf": {},
    "msd": [],
    "fit": None,
    "stability": "end",
    "threshold": 1.0,
    "window": 1.0,
}
DEFAULT_SPEED: Json = {"simulations": [], "seconds": 5.0, "threads": 2, "peers": []}
DEFAULT_RESOURCES: Json = {"threads": 1, "gpu": 0, "mem_mb": 4000, "runtime": 60}


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


def _list(items: Json, *, least: int = 0, most: int | None = None, unique: bool = False) -> Json:
    size = f" of at least {least}" if least else f" of at most {most}" if most else ""
    schema: Json = {} if most is None else {"maxItems": most}
    return _leaf(
        f"a list{size}, each {items['expected']}",
        type="array",
        items=items,
        minItems=least,
        uniqueItems=unique,
        **schema,
    )


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
        propertyNames=_leaf(NAME, type="string", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z"),
    )


PARTS = ("train", "validation", "test")
# \Z and not $, before which a line break may stand.
ELEMENT = r"^[A-Z][a-z]?\Z"
PAIR = r"^[A-Z][a-z]?-[A-Z][a-z]?\Z"
TRIPLE = r"^[A-Z][a-z]?-[A-Z][a-z]?-[A-Z][a-z]?\Z"
PEERS = ("mace", "nequip")
REFERENCES = ("aimd", "xray-2013", "xray-2014", "neutron", "revpbe0")
NAME = "a name of letters, digits, '.', '_' and '-'"
TEXT = _leaf("a text", type="string")
FILE = _leaf("the name of a file", type="string", minLength=1)
COUNT_OR_REST = _leaf(
    "a whole number of at least 1, or 'rest'",
    type=["integer", "string"],
    minimum=1,
    pattern=r"^rest\Z",
)
_HIDDEN = _list(_whole(1, 4096), most=10)
MODEL = _mapping(
    {
        "architecture": _choice("camp"),
        "channels": _whole(1, 1024),
        "max_rank": _whole(0, 4),
        "layers": _whole(1, 10),
        "cutoff": _number(0, 20, above=True),
        "chebyshev_degree": _whole(1, 30),
        "radial_hidden": _HIDDEN,
        "readout_hidden": _HIDDEN,
        "envelope_on": _choice("radial", "basis"),
    }
)
_FINITE = _leaf("a number", type="number")
# What a model file says of its model; these two are not among its hyperparameters.
_OUTSIDE = ("architecture", "cutoff")
SAVED_MODEL = _mapping(
    {
        "architecture": _choice("camp"),
        "hyperparameters": _mapping(
            {
                **{key: MODEL["properties"][key] for key in DEFAULT_MODEL if key not in _OUTSIDE},
                "radial_hidden": _optional(_HIDDEN),
                "readout_hidden": _optional(_HIDDEN),
                "average_neighbours": _number(0, above=True),
            },
            required=["channels", "max_rank", "layers"],
        ),
        "species": _list(_whole(1, 118), least=1, unique=True),
        "cutoff": MODEL["properties"]["cutoff"],
        "energy_scale": _FINITE,
        "energy_shift": _list(_FINITE, least=1),
        "origin": _leaf("keys with values", type="object"),
    },
    required=["architecture", "hyperparameters", "species", "cutoff"],
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
        "exclude": _list(_choice("rigid-bilayers"), unique=True),
    }
)
MD = _mapping(
    {
        "engine": _choice("ase", "torchsim"),
        "ensemble": _choice("nvt", "nve"),
        "temperature": _number(0, above=True),
        "timestep": _number(0, 20, above=True),
        "length": _number(0, above=True),
        "equilibration": _number(0),
        "thermostat_time": _number(0, above=True),
        "sample_every": _number(0, above=True),
        "replicas": _whole(1),
        "seed": _whole(0),
        "compile": _leaf("true or false", type="boolean"),
    },
)
ANALYSIS = _mapping(
    {
        "rdf": _list(_leaf("a pair such as O-O", type="string", pattern=PAIR)),
        "rdf_bin": _number(0, 1, above=True),
        "rdf_max": _optional(_number(0, above=True)),
        "adf": _leaf(
            "angles such as S-P-S with their cutoff in Å",
            type="object",
            additionalProperties=_number(0, above=True),
            propertyNames=_leaf("a triple such as S-P-S", type="string", pattern=TRIPLE),
        ),
        "msd": _list(_leaf("the symbol of an element", type="string", pattern=ELEMENT)),
        "fit": _optional(_list(_number(0), least=2)),
        "stability": _choice("rdf", "bonds", "end"),
        "threshold": _number(0, above=True),
        "window": _number(0, above=True),
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
_SIMULATION: Json = {
    "title": TEXT,
    "md": MD,
    "analysis": ANALYSIS,
}
SIMULATIONS = _named(_mapping(_SIMULATION, required=["title", "md", "analysis"]))
_START = _mapping(
    {
        "dataset": TEXT,
        "fetch": FILE,
        "frames": _whole(1),
        "seed": _whole(0),
        "repeat": _list(_whole(1), least=3),
    }
)
_REFERENCE = _mapping({"dataset": TEXT, "msd": FILE, "fetch": FILE})
SCALE = _mapping(
    {
        "scale": _leaf(NAME, type="string", pattern=r"^[a-z0-9][a-z0-9_-]*\Z"),
        "data": TEXT,
        "weights": _choice("own", "published"),
        "seeds": SEEDS,
        "mirror": _optional(_leaf("a folder", type="string", minLength=1)),
        "data_folder": _optional(_leaf("a folder", type="string", minLength=1)),
        "resources": RESOURCES,
        "notebooks": _mapping({"training": TEXT, "model": TEXT, "trajectory": TEXT}),
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
                    "seeds_together": _leaf("true or false", type="boolean"),
                },
                required=["dataset"],
            )
        ),
        "simulations": _named(
            _mapping(
                {
                    **_SIMULATION,
                    "task": TEXT,
                    "start": _START,
                    "data": TEXT,
                    "note": TEXT,
                    "resources": RESOURCES,
                },
                required=["task", "start"],
            )
        ),
        "references": _mapping(dict.fromkeys(REFERENCES, _REFERENCE)),
        "speed": _mapping(
            {
                "simulations": _list(TEXT, unique=True),
                "seconds": _number(0, above=True),
                "threads": _whole(1),
                "peers": _list(_choice(*PEERS), unique=True),
            }
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
