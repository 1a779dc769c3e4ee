"""The structures of one's own training: read, parted, and looked at for what people get wrong."""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from camp.data.labels import WEIGHT, absence, label, missing, weight_of
from camp.data.mapped import StoredStructures
from camp.data.readers import iterate_structures
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
    training: StoredStructures
    validation: StoredStructures


def read_sets(settings: OwnTraining) -> TrainingSets:
    """Read the structures of a training; what is doubtful is said on stderr.

    Of energy, forces and stress every frame needs one; what no training frame has is not learnt.
    Frames of lone atoms (``config_type=IsolatedAtom``) are taken out, and their energies are those
    that the model starts from, unless ``atomic_energies`` are given.

    :raises InputError: see :func:`camp.data.readers.read_structures`, :func:`read_split`; the same
        structures in both parts, or none in one of them.
    """
    if settings.data and settings.split:
        origin = settings.split
        read = _read([settings.data], settings)
        split = read_split(settings.split, read.structures)
        training, validation = read.some(split.train), read.some(split.validation)
    else:
        assert settings.train and settings.validation
        if Path(settings.train).resolve() == Path(settings.validation).resolve():
            raise InputError(
                f"{settings.train} is given for training and for validation; validate with other "
                "structures, such as a part that 'camp split' draws"
            )
        origin = settings.validation
        read = _read([settings.train, settings.validation], settings)
        middle, end = read.ends
        training, validation = read.some(range(middle)), read.some(range(middle, end))
    targets = settings.learnt
    energies = isolated_energies([*read.isolated.values()], targets)
    if energies and not settings.training.atomic_energies:
        options = settings.training.model_copy(update={"atomic_energies": energies})
        settings = settings.model_copy(update={"training": options})
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


@dataclass(frozen=True)
class _Read:
    """The structures of one file or of several, one after another."""

    structures: StoredStructures
    isolated: Mapping[int, Atoms]  # which of them are lone atoms
    ends: Sequence[int]  # of the files

    def some(self, indices: Sequence[int]) -> StoredStructures:
        """Without lone atoms."""
        return self.structures.chosen([i for i in indices if i not in self.isolated])


def _read(paths: Sequence[str | Path], settings: OwnTraining) -> _Read:
    """The structures of files with their weights in the loss, each checked as it comes."""
    isolated: dict[int, Atoms] = {}
    ends: list[int] = []

    def frames() -> Iterator[Atoms]:
        by_kind, index = settings.training.config_weights, 0
        for path in paths:
            for atoms in iterate_structures(
                path,
                targets=[target for target in settings.learnt if target not in OF_ENERGY],
                any_of=[target for target in settings.learnt if target in OF_ENERGY],
            ):
                if by_kind:
                    weight = by_kind.get(str(atoms.info.get(CONFIGURATION)), 1.0)
                    atoms.info[WEIGHT] = weight * weight_of(atoms)
                if is_isolated(atoms):
                    isolated[index] = atoms
                yield atoms
                index += 1
            ends.append(index)

    return _Read(StoredStructures(frames()), isolated, ends)


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
    training: StoredStructures, validation: StoredStructures, targets: Sequence[Target]
) -> list[str]:
    """What is allowed, but seldom meant."""
    doubts = []
    everything, count = training + validation, len(training)
    pairs = find_duplicates(everything, everything)
    if shared := [(i, j - count) for i, j in pairs if i < count <= j]:
        doubts.append(
            f"{len(shared)} frames are in the training and in the validation set, the first are "
            f"{shared[0][0]} and {shared[0][1]}; errors look better than they are"
        )
    if again := [(i, j) for i, j in pairs if j < count]:
        doubts.append(
            f"the training set has {len(again)} pairs of equal frames, first {again[0][0]} and "
            f"{again[0][1]}"
        )
    forces = next((target for target in targets if target == FORCES), None)
    squares, components = 0.0, 0
    charged: dict[str, list[int]] = {key: [] for key in IGNORED}
    for index, atoms in enumerate(training):
        if forces is not None and (found := label(atoms, forces)) is not None:
            squares += float(np.nansum(found**2))
            components += int(np.count_nonzero(~np.isnan(found)))
        for key, frames in charged.items():
            if _is_not_zero(atoms.info.get(key)):
                frames.append(index)
    if components and (doubt := likely_unit(math.sqrt(squares / components))):
        doubts.append(doubt)
    for key, frames in charged.items():
        if frames:
            doubts.append(
                f"{len(frames)} training frames have a {key}, first frame {frames[0]}; no model "
                "here knows charges"
            )
    return doubts


def _is_not_zero(value: object) -> bool:
    return isinstance(value, int | float | np.number) and value != 0
