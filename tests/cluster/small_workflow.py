"""A small part of the workflow that tests share: trainings of a few seeds on generated data."""

import sys
from collections.abc import Iterable
from pathlib import Path

import yaml
from safetensors.torch import load_file

REPOSITORY = Path(__file__).resolve().parents[2]
PROFILES = REPOSITORY / "profiles"
TRAININGS = Path("results/cluster/training/md17-ethanol")
LOGS = Path("results/cluster/logs/train/md17-ethanol")
SCALE = {
    "scale": "cluster",
    "data": "generated (GFN-xTB)",
    "weights": "own",
    "seeds": [1],
    "resources": {"threads": 1, "gpu": 1, "mem_mb": 1000, "runtime": 5},
    "datasets": {"ethanol": {"generate": "molecule:ethanol", "frames": 18}},
    "tasks": {
        "md17-ethanol": {
            "dataset": "ethanol",
            "split": {"train": 12, "validation": 4, "test": "rest"},
            "model": {
                "channels": 4,
                "max_rank": 1,
                "layers": 1,
                "cutoff": 4.0,
                "radial_hidden": [4],
                "readout_hidden": [4],
            },
            "training": {"max_epochs": 60, "ema_start": 2, "ema_every": 1, "compile": False},
        }
    },
}


def model(seed: int) -> Path:
    return TRAININGS / f"seed-{seed}/model.safetensors"


def workflow(
    folder: Path, profile: Path, seeds: Iterable[int], *options: str | Path
) -> list[str | Path]:
    """The command that trains these seeds with the results in a folder, made if need be."""
    folder.mkdir(exist_ok=True)
    scale = folder / "cluster.yaml"
    scale.write_text(yaml.safe_dump(SCALE), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", *map(model, seeds), "--configfile", scale]
    command += ["--snakefile", REPOSITORY / "Snakefile", "--directory", folder]
    return [*command, "--workflow-profile", profile, *options]


def same_weights(folder: Path, other: Path, seeds: Iterable[int]) -> bool:
    """Whether models in two folders have the same weights, byte for byte."""
    for seed in seeds:
        first, second = load_file(folder / model(seed)), load_file(other / model(seed))
        if first.keys() != second.keys():
            return False
        if any(first[k].numpy().tobytes() != second[k].numpy().tobytes() for k in first):
            return False
    return True
