"""A peer trained on the data of a task by its own command line, and its errors on the test set.

    python benchmarks/contestants/train.py SETTINGS PEER WORK --seed N --json OUT

SETTINGS is what ``camp train`` reads, with ``data``, ``split`` and ``max_time``: the peer gets the
same structures, batches of the same size and the same time. PEER is the record of install.py.
Writes an evaluation, or, where there is no peer or it fails, the reason why there is none.
"""

import argparse
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from compare import NAMES, measured_peer
from fitting import ENERGY, FORCES

from camp import targets
from camp.data.labels import absence, label
from camp.data.packing import content_hash
from camp.data.readers import read_structures
from camp.data.splits import read_split
from camp.errors import InputError
from camp.evaluation.comparison import compare, describe, evaluation_record
from camp.files import read_json, write_json
from camp.potential.prediction import Evaluation
from camp.settings import load_training
from camp.settings.commands import OwnTraining
from camp.targets import Target
from camp.training.sets import read_sets
from camp.workflow.availability import no_evaluation


@dataclass(frozen=True)
class Predicted:
    """What a peer has predicted of n structures, in the place of a model that predicts it."""

    energies: np.ndarray  # (n,) eV
    forces: np.ndarray  # (atoms of all, 3) eV/Å

    def evaluate(self, structures: Sequence[Atoms], *, progress: bool = False) -> Evaluation:
        ends = np.cumsum([len(atoms) for atoms in structures])[:-1]
        stresses = np.full((len(structures), 3, 3), np.nan)
        return Evaluation(self.energies, np.split(self.forces, ends), stresses, [])


def write_labelled(path: Path, structures: Iterable[Atoms], learnt: Sequence[Target]) -> None:
    """Extended XYZ with the labels alone, under the names that peers look for.

    :raises InputError: a structure without energy or forces.
    """
    energy, forces = (
        next(target for target in learnt if target.name == wanted.name)
        for wanted in (targets.ENERGY, targets.FORCES)
    )
    written = []
    for index, atoms in enumerate(structures):
        found = [label(atoms, target) for target in (energy, forces)]
        if any(values is None or np.isnan(values).any() for values in found):
            raise InputError(f"structure {index}: {absence(atoms, [energy, forces])}")
        plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        plain.info[ENERGY] = float(found[0])
        plain.arrays[FORCES] = found[1]
        written.append(plain)
    ase.io.write(path, written, format="extxyz")


def evaluated(settings: OwnTraining, peer: dict[str, Any], arguments) -> dict[str, Any]:
    """The evaluation of a peer after its training, or the reason why there is none.

    :raises InputError: see :func:`camp.training.sets.read_sets`; no time, or labels are missing.
    """
    training = settings.training
    if training.max_time is None:
        raise InputError(f"{arguments.settings}: training.max_time is missing, the peer's time")
    sets = read_sets(settings)
    structures = read_structures(settings.data, targets=())
    split = read_split(settings.split, structures)
    test = [structures[index] for index in split.test]
    parts = {"train": sets.training, "validation": sets.validation, "test": test}
    for name, some in parts.items():
        write_labelled(arguments.work / f"{name}.xyz", some, settings.learnt)
    options = ["--seconds", 3600 * training.max_time, "--batch-size", training.batch_size]
    told = [arguments.work.absolute(), *options, "--seed", arguments.seed]
    made = measured_peer(peer, told, arguments.threads, script="train")
    if "unavailable" in made:
        return no_evaluation(settings.task, NAMES[peer["peer"]], made["unavailable"])
    with np.load(arguments.work / "predictions.npz") as arrays:
        predicted = Predicted(arrays["energies"], arrays["forces"])
    comparison = compare(predicted, test, settings.learnt)
    unavailable = dict(text.split("=", 1) for text in arguments.unavailable)
    print(describe(comparison, unavailable))
    versions = ", ".join(f"{name} {number}" for name, number in made["versions"].items())
    hashes = [content_hash(some, settings.learnt) for some in (sets.training, sets.validation)]
    return evaluation_record(
        comparison,
        unavailable=unavailable,
        task=settings.task,
        architecture=NAMES[peer["peer"]],
        parameters=made["parameters"],
        seed=arguments.seed,
        scale=settings.labels.get("scale", ""),
        data=settings.labels.get("data", ""),
        generated=arguments.generated,
        weights="own",
        train_size=len(split.train),
        note=f"trained by its own command line ({versions}): {made['configuration']}",
        # As in training.json.
        training={
            "seed": arguments.seed,
            "steps": made["steps"],
            "epochs": made["epochs"],
            "seconds": round(made["seconds"], 1),
            "seeds_together": [arguments.seed],
            "peak_memory_bytes": made["peak_memory_bytes"],
            "device": "cpu",
            "threads": made["threads"],
            "budget": asdict(training.budget()),
            "asked": {"data": hashes},
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", type=Path)
    parser.add_argument("peer", type=Path)
    parser.add_argument("work", type=Path, help="folder of all that is written; is emptied first")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--json", type=Path, required=True, metavar="OUT")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--unavailable", action="append", default=[], metavar="TARGET=REASON")
    parser.add_argument("--generated", action="store_true", help="the data are not the paper's")
    arguments = parser.parse_args()
    settings, peer = load_training(arguments.settings), read_json(arguments.peer)
    if "reason" in peer:
        record = no_evaluation(settings.task, NAMES[peer["peer"]], peer["reason"])
    else:
        shutil.rmtree(arguments.work, ignore_errors=True)
        arguments.work.mkdir(parents=True)
        record = evaluated(settings, peer, arguments)
    write_json(arguments.json, record)


if __name__ == "__main__":
    main()
