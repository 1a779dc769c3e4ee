"""The structures of one's own training: read, parted, and looked at for what people get wrong."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms

from camp.data.graphs import WEIGHT, weight_of
from camp.data.labels import absence, label, missing
from camp.data.readers import read_structures
from camp.data.splits import find_duplicates, read_split
from camp.data.units import likely_unit
from camp.errors import InputError
from camp.settings.commands import OwnTraining
from camp.targets import ENERGY, FORCES, STRESS, Target

# What people call frames of lone atoms, and under which key of ``info``.
ISOLATED_ATOM, CONFIGURATION = "IsolatedAtom", "config_type"
# Keys of ``info`` that no model here looks at, although the labels depend on them.
IGNORED = ("charge", "total_charge")

# Of these, structures may have some and not others.
OF_ENERGY = (ENERGY, FORCES, STRESS)


@dataclass(frozen=True)
class TrainingSets:
    """Structures to learn from and to judge by, and settings with what these structures say."""

    settings: OwnTraining
    training: list[Atoms]
    validation: list[Atoms]


def read_sets(settings: OwnTraining) -> TrainingSets:
    """Read the structures of a training; what is doubtful is said on stderr.

    Of energy, forces and stress every frame needs one; what no training frame has is not learnt.
    Frames of lone atoms (``config_type=IsolatedAtom``) are taken out, and their energies are those
    that the model starts from, unless ``atomic_energies`` are given.

    :raises InputError: see :func:`camp.data.readers.read_structures`, :func:`read_split`; the same
        structures in both parts, or none in one of them.
    """
    targets = settings.learnt
    read = partial(
        read_structures,
        targets=[target for target in targets if target not in OF_ENERGY],
        any_of=[target for target in targets if target in OF_ENERGY],
    )
    if settings.data and settings.split:
        origin = settings.split
        everything = read(settings.data)
        split = read_split(settings.split, everything)
        training, validation = (
            [everything[index] for index in part] for part in (split.train, split.validation)
        )
    else:
        assert settings.train and settings.validation
        if Path(settings.train).resolve() == Path(settings.validation).resolve():
            raise InputError(
                f"{settings.train} is given for training and for validation; validate with other "
                "structures, such as a part that 'camp split' draws"
            )
        origin = settings.validation
        training, validation = (read(file) for file in (settings.train, settings.validation))
        everything = training + validation
    energies = isolated_energies(everything, targets)
    if energies and not settings.training.atomic_energies:
        options = settings.training.model_copy(update={"atomic_energies": energies})
        settings = settings.model_copy(update={"training": options})
    training, validation = (
        [atoms for atoms in part if not is_isolated(atoms)] for part in (training, validation)
    )
    by_kind = settings.training.config_weights
    for atoms in training if by_kind else []:
        weight = by_kind.get(str(atoms.info.get(CONFIGURATION)), 1.0)
        atoms.info[WEIGHT] = weight * weight_of(atoms)
    if not validation:
        raise InputError(
            f"{origin}: no structures to validate with, by which the best weights are chosen; "
            "draw some with 'camp split --validation'"
        )
    if not training:
        raise InputError(f"{settings.train or settings.split}: no structures to train on")
    for warning in _doubts(training, validation, targets):
        print(f"camp: warning: {warning}", file=sys.stderr)
    return TrainingSets(_learnable(settings, training, validation), training, validation)


def is_isolated(atoms: Atoms) -> bool:
    """Whether a frame is a lone atom whose energy is meant as a reference."""
    return len(atoms) == 1 and atoms.info.get(CONFIGURATION) == ISOLATED_ATOM


def isolated_energies(structures: Sequence[Atoms], targets: Sequence[Target]) -> dict[str, float]:
    """Energies (eV) of lone atoms by symbol.

    :raises InputError: two frames of one element with different energies.
    """
    energies: dict[str, float] = {}
    energy = next((target for target in targets if target == ENERGY), None)
    for atoms in filter(is_isolated, structures):
        found = None if energy is None else label(atoms, energy)
        if found is None:
            continue
        symbol = atoms.get_chemical_symbols()[0]
        if energies.setdefault(symbol, float(found)) != float(found):
            raise InputError(
                f"two frames of {CONFIGURATION}={ISOLATED_ATOM} have different energies of "
                f"{symbol}: {energies[symbol]:g} and {float(found):g} eV; keep one"
            )
    return energies


def _learnable(
    settings: OwnTraining, training: Sequence[Atoms], validation: Sequence[Atoms]
) -> OwnTraining:
    """Without what no training structure has a label of; what others are a derivative of stays.

    :raises InputError: no structure has what was asked for by a name in the files.
    """
    absent = [t for t in settings.learnt if all(missing(atoms, [t]) for atoms in training)]
    for target in absent:
        if target.name in settings.keys:
            raise InputError(f"{settings.data or settings.train}: {absence(training[0], [target])}")
    learnt = [target for target in settings.learnt if target not in absent]
    needed = {target.derivative_of for target in learnt}
    for target in absent:
        how = "only by its derivatives" if target.name in needed else "not"
        print(f"no training structure has {target.name}: {how} learnt", file=sys.stderr)
    for target in learnt:
        if all(missing(atoms, [target]) for atoms in validation):
            raise InputError(f"no validation structure has {target.name}, which training ones have")
    kept = [t.name for t in settings.learnt if t in learnt or t.name in needed]
    return settings.model_copy(update={"targets": kept})


def _doubts(
    training: Sequence[Atoms], validation: Sequence[Atoms], targets: Sequence[Target]
) -> list[str]:
    """What is allowed, but seldom meant."""
    doubts = []
    if shared := find_duplicates(training, validation):
        doubts.append(
            f"{len(shared)} frames are in the training and in the validation set, the first are "
            f"{shared[0][0]} and {shared[0][1]}; errors look better than they are"
        )
    if again := [(i, j) for i, j in find_duplicates(training, training) if i < j]:
        doubts.append(
            f"the training set has {len(again)} pairs of equal frames, first {again[0][0]} and "
            f"{again[0][1]}"
        )
    forces = next((target for target in targets if target == FORCES), None)
    if forces is not None:
        found = [f for atoms in training if (f := label(atoms, forces)) is not None]
        components = np.concatenate([f.reshape(-1) for f in found]) if found else np.zeros(0)
        components = components[~np.isnan(components)]
        if len(components) and (doubt := likely_unit(float(np.sqrt(np.mean(components**2))))):
            doubts.append(doubt)
    for key in IGNORED:
        charged = [i for i, atoms in enumerate(training) if _is_not_zero(atoms.info.get(key))]
        if charged:
            doubts.append(
                f"{len(charged)} training frames have a {key}, first frame {charged[0]}; no model "
                "here knows charges"
            )
    return doubts


def _is_not_zero(value: object) -> bool:
    return isinstance(value, int | float | np.number) and value != 0
