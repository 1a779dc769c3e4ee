"""Train on your own data, from Python: argon clusters labelled by ASE's Lennard-Jones potential."""

from pathlib import Path

import ase.io
import numpy as np
import yaml
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

import camp
from camp.cli import main


def labelled(count: int, seed: int) -> list[Atoms]:
    """Clusters with energies in eV and forces in eV/Å; replace it by structures of your own."""
    rng = np.random.default_rng(seed)
    structures = []
    for _ in range(count):
        atoms = Atoms("Ar4", [[0, 0, 0], [3.6, 0, 0], [0, 3.6, 0], [0, 0, 3.6]])
        atoms.positions += rng.normal(scale=0.15, size=(4, 3))
        atoms.calc = LennardJones(sigma=3.0, epsilon=0.05)
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        structures.append(atoms)
    return structures


if __name__ == "__main__":
    ase.io.write("train.xyz", labelled(40, seed=1))
    ase.io.write("validation.xyz", labelled(10, seed=2))
    settings = {
        "train": "train.xyz",
        "validation": "validation.xyz",
        "model": {"channels": 5, "max_rank": 2, "layers": 2, "cutoff": 5.0},
        "training": {"max_steps": 200, "schedule": "cosine", "ema_start": 50, "compile": False},
    }
    Path("argon.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    # The same as `camp train argon.yaml --seed 1 --out run --device cpu`.
    if main(["train", "argon.yaml", "--seed", "1", "--out", "run", "--device", "cpu"]) != 0:
        raise SystemExit(1)

    test = labelled(10, seed=3)
    predicted = camp.load("run/model.safetensors").evaluate(test)
    errors = np.array(predicted.forces) - [atoms.get_forces() for atoms in test]
    print(f"forces MAE {1000 * np.abs(errors).mean():.1f} meV/Å")
