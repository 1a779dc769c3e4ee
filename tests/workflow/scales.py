"""Small scales that tests of the workflow share."""

import copy
from pathlib import Path
from typing import Any

import yaml

from camp.settings import Scale
from camp.workflow.loading import load
from tests.workflow.running import CONFIG

TINY = {"channels": 4, "max_rank": 1, "layers": 1, "cutoff": 4.0}
OTHER = {"embedding": 2, "max_l": 1, "max_nu": 2}
# Data that are generated and data that are fetched; one job for each replica, or one for all.
OWN: dict[str, Any] = {
    "scale": "small",
    "data": "generated (GFN-xTB)",
    "weights": "own",
    "seeds": [1],
    "datasets": {
        "ethanol": {"generate": "molecule:ethanol", "frames": 24},
        "aspirin": {"fetch": ["MD17 aspirin"], "data": "real"},
    },
    "tasks": {
        "md17-ethanol": {
            "title": "Ethanol",
            "dataset": "ethanol",
            "split": {"train": 12, "validation": 4, "test": "rest"},
            "models": {"camp": {"model": TINY}},
        },
        "md17-aspirin": {"dataset": "aspirin", "models": {"camp": {"model": TINY}}},
    },
    "simulations": {
        "ethanol": {
            "task": "md17-ethanol",
            "start": {"dataset": "ethanol"},
            "md": {"temperature": 100, "length": 0.1, "replicas": 2},
        },
        "aspirin": {
            "task": "md17-aspirin",
            "start": {"dataset": "aspirin"},
            "md": {"temperature": 100, "length": 0.1, "replicas": 2, "engine": "torchsim"},
        },
    },
}
PUBLISHED: dict[str, Any] = {
    "scale": "known",
    "data": "real",
    "weights": "published",
    "models": ["camp", "cace"],
    "datasets": {"water": {"fetch": ["dataset/water/test_water.json"]}},
    "tasks": {"water": {"dataset": "water"}},
    "simulations": {"water-300K": {"task": "water", "start": {"fetch": "md/water/liquid-64.xyz"}}},
    "references": {"xray-2014": {"fetch": "water_rdf/exp-gor-water.txt"}},
    "speed": {"simulations": ["water-300K"]},
}


def changed(content: dict[str, Any], *changes: tuple[str, object]) -> dict[str, Any]:
    """A scale with other values.

    :param changes: keys, with slashes between them, and their new values.
    """
    scale = copy.deepcopy(content)
    for keys, value in changes:
        *path, last = keys.split("/")
        section = scale
        for key in path:
            section = section.setdefault(key, {})
        section[last] = value
    return scale


def scale_of(folder: Path, content: dict[str, Any]) -> Scale:
    """A scale as the workflow reads it, from a file in a folder."""
    file = folder / f"{content['scale']}.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return load(CONFIG, [file], [])
