"""Train dipoles with CarNet, and read predictions: molecules of fixed charges, generated here."""

from pathlib import Path

import ase.io
import numpy as np
import yaml
from ase import Atoms
from ase.build import molecule

import camp
from camp.cli import main

CHARGES = {"H": 0.4, "O": -0.8}  # e


def labelled(count: int, seed: int) -> list[Atoms]:
    """Water molecules, bent and turned at random, with their dipoles in e·Å."""
    rng = np.random.default_rng(seed)
    structures = []
    for _ in range(count):
        atoms = molecule("H2O")
        atoms.rotate(360 * rng.random(), rng.normal(size=3))
        atoms.positions += rng.normal(scale=0.05, size=(3, 3))
        atoms.info["dipole"] = np.array([CHARGES[s] for s in atoms.symbols]) @ atoms.positions
        structures.append(atoms)
    return structures


if __name__ == "__main__":
    ase.io.write("dipoles.xyz", labelled(60, seed=1))
    ase.io.write("validation-dipoles.xyz", labelled(10, seed=2))
    settings = {
        "train": "dipoles.xyz",
        "validation": "validation-dipoles.xyz",
        "targets": ["dipole"],
        "model": {"architecture": "carnet", "channels": 4, "max_rank": 2, "cutoff": 4.0},
        "training": {"max_steps": 200, "schedule": "cosine", "ema_start": 50, "compile": False},
    }
    Path("dipole.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    if main(["train", "dipole.yaml", "--seed", "1", "--out", "dipole", "--device", "cpu"]) != 0:
        raise SystemExit(1)

    test = labelled(10, seed=3)
    predicted = camp.load("dipole/model.safetensors").evaluate(test).properties["dipole"]
    error = np.abs(predicted - [atoms.info["dipole"] for atoms in test]).mean()
    print(f"dipole MAE {error:.4f} e·Å")
