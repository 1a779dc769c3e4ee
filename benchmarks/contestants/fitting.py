"""What peers share when they are trained: how long, and what is kept of it.

Each is trained by the command line of its own package, with the Python of its own environment, on
extended XYZ files; nothing of ours is used. First a few short passes over a part of the structures
tell how long a step takes. Then the training has as many passes as the time that is left allows, so
that its learning rate comes to its end.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

# Names of the labels in the files, eV and eV/Å.
ENERGY, FORCES = "REF_energy", "REF_forces"
# Of the first run: steps of a pass, passes, and structures to validate with.
PROBED_STEPS, PROBED_PASSES, PROBED_FRAMES = 10, 3, 4
# Validations of a training, at least where there are so many passes.
VALIDATIONS = 10
# What is left for the steps to become slower.
SPARE = 0.03


@dataclass(frozen=True)
class Plan:
    """One training: ``validations`` times ``every`` passes over the structures, in steps of
    ``batch_size``; each of these parts ends with a validation.
    """

    folder: Path  # for all that it writes
    train: Path
    validation: Path
    seed: int
    batch_size: int
    every: int
    validations: int
    seconds: float  # that it may take, where the package has a limit

    @property
    def passes(self) -> int:
        return self.every * self.validations


@dataclass(frozen=True)
class Fit:
    """What came of it; times without loading of libraries and data, as ours are counted."""

    steps: int
    seconds: float  # validations included
    step: float  # s, of one step
    frame: float  # s, of one structure in a validation


def command(name: str, *arguments: object, folder: Path) -> None:
    """Run a program of the package in a folder; end with its last words if it fails."""
    program = Path(sysconfig.get_path("scripts")) / name
    full = [str(program), *map(str, arguments)]
    print("+", *full, flush=True)
    done = subprocess.run(full, cwd=folder, stdout=sys.stdout, check=False)
    if done.returncode:
        sys.exit(done.returncode if done.returncode > 0 else 128 - done.returncode)


def planned(seconds: float, paces: Fit, steps_per_pass: int, frames: int) -> tuple[int, int]:
    """(every, validations) of a training that takes so long.

    :param paces: of the first run.
    :param frames: structures of a validation.
    """
    one_pass = steps_per_pass * paces.step
    validating = VALIDATIONS * frames * paces.frame
    passes = int((1 - SPARE) * (seconds - validating) / one_pass)
    if passes < VALIDATIONS:
        # Few passes: a validation after each.
        return 1, max(1, int((1 - SPARE) * seconds / (one_pass + frames * paces.frame)))
    most = passes // VALIDATIONS
    # Of similar intervals that which leaves least of the time.
    every = min(range(max(1, most * 2 // 3), most + 1), key=lambda n: (passes % n, -n))
    return every, passes // every


def run(
    name: str,
    fit: Callable[[Plan], Fit],
    load: Callable[[Plan], tuple[Calculator, int]],
    versions: Mapping[str, str],
    configuration: str,
) -> None:
    """Train, predict the test structures, and write the record.

    :param name: of the peer.
    :param fit: trains as planned.
    :param load: the trained potential, and the number of its parameters.
    :param versions: of what it is made of.
    :param configuration: what was chosen, for people.
    """
    arguments = _parser(name).parse_args()
    work = arguments.work
    batch = arguments.batch_size
    train = ase.io.read(work / "train.xyz", ":")
    validation = ase.io.read(work / "validation.xyz", ":")
    probe = _plan(arguments, "probe", every=1, validations=PROBED_PASSES, seconds=arguments.seconds)
    ase.io.write(probe.train, train[: PROBED_STEPS * batch])
    ase.io.write(probe.validation, validation[:PROBED_FRAMES])
    first = fit(probe)
    left = arguments.seconds - first.seconds
    every, validations = planned(left, first, math.ceil(len(train) / batch), len(validation))
    plan = _plan(arguments, "training", every=every, validations=validations, seconds=left)
    ase.io.write(plan.train, train)
    ase.io.write(plan.validation, validation)
    done = fit(plan)
    # Of the package's own processes alone, before this one loads the model.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    calculator, parameters = load(plan)
    energies, forces = predictions(calculator, ase.io.read(work / "test.xyz", ":"))
    np.savez(work / "predictions.npz", energies=energies, forces=forces)
    record: dict[str, Any] = {
        "configuration": configuration,
        "versions": dict(versions),
        "parameters": parameters,
        "steps": done.steps,
        "epochs": plan.passes,
        "seconds": first.seconds + done.seconds,
        "peak_memory_bytes": peak,
        "threads": int(os.environ.get("OMP_NUM_THREADS", 1)),
    }
    arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def predictions(
    calculator: Calculator, structures: Sequence[Atoms]
) -> tuple[np.ndarray, np.ndarray]:
    """Energies (n,) in eV, and forces of all atoms one structure after another (m, 3) in eV/Å."""
    energies, forces = [], []
    for atoms in structures:
        atoms.calc = calculator
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
    return np.array(energies), np.concatenate(forces)


def species(path: Path) -> list[str]:
    """Symbols of all elements in a file, alphabetical."""
    return sorted({name for atoms in ase.io.read(path, ":") for name in atoms.symbols})


def _plan(arguments: argparse.Namespace, name: str, **more: Any) -> Plan:
    folder = arguments.work / name
    folder.mkdir()
    return Plan(
        folder=folder,
        train=folder / "train.xyz",
        validation=folder / "validation.xyz",
        seed=arguments.seed,
        batch_size=arguments.batch_size,
        **more,
    )


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=f"Train {name} for a given time.")
    parser.add_argument("work", type=Path, help="folder with train, validation and test .xyz")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    return parser
