"""What a training begins with: a new potential, or one that has been trained before."""

import copy
import fnmatch
from collections.abc import Sequence

import numpy as np
import torch
from ase.data import chemical_symbols

from camp.data.dataset import GraphDataset
from camp.data.statistics import baseline_of, statistics_of
from camp.errors import InputError
from camp.potential.potential import Potential
from camp.potential.saving import model_hash
from camp.settings import TrainingJob


def new_potential(settings: TrainingJob, training: GraphDataset, seed: int) -> Potential:
    """A potential with fresh parameters, fitted in scale and shift to the training set."""
    statistics = statistics_of(training)
    baseline = baseline_of(training, settings.training)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Potential(
            settings.model.fitted(average_neighbours=statistics.average_neighbours),
            species=statistics.species,
            targets=[target for target in training.targets.values() if not target.derivative_of],
            # Rounded, so that it is the same number in either precision.
            energy_scale=float(np.float32(statistics.rms_force)),
            energy_shift=baseline,
            normalisation=statistics.normalisation,
            origin={
                "weights": "own",
                "seed": seed,
                "training_structures": len(training),
                "training_data_sha256": training.content_hash,
                **settings.labels,
            },
        )


def started_potential(
    start: Potential, settings: TrainingJob, training: GraphDataset, seed: int
) -> Potential:
    """A copy of a trained potential, with its scale and baseline, ready to be trained on.

    :raises InputError: species or targets that it does not know, targets in another unit or with
        another sign, or parameters to freeze that it does not have.
    """
    potential = copy.deepcopy(start).float()
    known = {chemical_symbols[number] for number in potential.species}
    found = {chemical_symbols[number] for number in statistics_of(training).species}
    if unknown := sorted(found - known):
        raise InputError(
            f"the model does not know {', '.join(unknown)}; it was made for "
            f"{', '.join(sorted(known))}"
        )
    learnt = {target.derivative_of or name for name, target in training.targets.items()}
    if unknown := sorted(learnt - {*potential.targets}):
        raise InputError(f"the model does not predict {', '.join(unknown)}")
    for name, target in training.targets.items():
        known_as = potential.targets.get(name, target)
        for section, ours, theirs in (
            ("signs", target.sign, known_as.sign),
            ("units", target.unit, known_as.unit),
        ):
            if ours != theirs:
                raise InputError(
                    f"{section}: that of {name} is {ours}, and {theirs} in the model; fine-tuning "
                    "keeps it"
                )
    freeze(potential, settings.training.frozen)
    potential.origin.update(
        weights="own",
        seed=seed,
        fine_tuned_from=model_hash(start),
        training_structures=len(training),
        training_data_sha256=training.content_hash,
        **settings.labels,
    )
    return potential


def freeze(potential: Potential, patterns: Sequence[str]) -> None:
    """Keep the parameters of the network whose names match one of the patterns as they are.

    :raises InputError: a pattern that matches none, or nothing is left to be trained.
    """
    parameters = dict(potential.model.named_parameters())
    for pattern in patterns:
        matching = fnmatch.filter(parameters, pattern)
        if not matching:
            raise InputError(
                f"frozen: no parameter is called {pattern!r}; some of them: "
                f"{', '.join(list(parameters)[:3])}"
            )
        for name in matching:
            parameters[name].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in potential.parameters()):
        raise InputError("frozen: all parameters; nothing could be learnt")
