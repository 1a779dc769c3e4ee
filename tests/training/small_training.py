"""A small training that tests share: argon clusters and a tiny model."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

from camp.models.camp.settings import CampSettings
from camp.settings import TrainingJob, TrainingSettings
from camp.training.folder import METRICS_FILE
from camp.training.module import TrainingModule

SMALL = CampSettings(
    cutoff=4, channels=3, max_rank=1, layers=2, radial_hidden=[3], readout_hidden=[3]
)
# Tracing takes time for every operation.
TINY = SMALL.model_copy(update={"layers": 1})
SETTINGS = TrainingJob(
    model=CampSettings(
        channels=4, max_rank=2, layers=2, cutoff=4.0, radial_hidden=[4], readout_hidden=[4]
    ),
    training=TrainingSettings(
        batch_size=2, max_epochs=6, patience=50, ema_start=5, ema_every=2, compile=False
    ),
)


def clusters(count, seed=0):
    """Small argon clusters labelled by ASE's Lennard-Jones potential."""
    rng = np.random.default_rng(seed)
    structures = []
    for _ in range(count):
        atoms = Atoms("Ar5", 3.6 * np.eye(5, 3) + rng.normal(scale=0.15, size=(5, 3)))
        atoms.positions[4] += 2.2
        atoms.calc = LennardJones(sigma=3.0, epsilon=0.05)
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        structures.append(atoms)
    return structures


def labelled(atoms):
    """The structure with energy and forces drawn at random."""
    forces = np.random.default_rng(0).normal(size=(len(atoms), 3))
    atoms.calc = SinglePointCalculator(atoms, energy=1.0, forces=forces)
    return atoms


def settings(**training):
    """These settings with other values, impossible ones too."""
    changed = SETTINGS.training.model_copy(update=training)
    return SETTINGS.model_copy(update={"training": changed})


def metrics(folder):
    with (folder / METRICS_FILE).open() as file:
        return [
            {key: value for key, value in row.items() if key != "seconds"}
            for row in csv.DictReader(file)
        ]


def kinds_of_checkpoints(folder):
    return {path.stem.partition("-")[0] for path in folder.glob("*.ckpt")}


class InterruptedTrainingError(Exception):
    pass


@contextmanager
def interrupted_in(epoch: int) -> Iterator[None]:
    """Stops the training that is run within at the second step of an epoch."""
    plain_step = TrainingModule.training_step

    def step(module, batch, index):
        if module.current_epoch == epoch and index == 1:
            raise InterruptedTrainingError
        return plain_step(module, batch, index)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(InterruptedTrainingError):
        patch.setattr(TrainingModule, "training_step", step)
        yield
