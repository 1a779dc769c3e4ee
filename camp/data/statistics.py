"""What a training set says about the model to be trained on it: scales, density, species."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from ase.data import atomic_numbers, chemical_symbols
from torch import Tensor

from camp.cartesian.natural.decomposition import decomposition_matrix, split_packed
from camp.data.dataset import GraphDataset
from camp.data.packing import CHUNK
from camp.errors import InputError
from camp.models.description import Normalisation
from camp.settings import TrainingSettings
from camp.targets import ENERGY, FORCES, Target


@dataclass(frozen=True)
class TrainingStatistics:
    """What a training set says about the model to be trained on it."""

    mean_energy_per_atom: float  # eV; mean over the structures; 0 without energies
    rms_force: float  # eV/Å; root mean square of all force components; 1 without forces
    average_neighbours: float  # neighbours of an atom, mean over the atoms
    species: tuple[int, ...]  # atomic numbers, ascending
    normalisation: Mapping[str, Normalisation]  # of the other targets


def statistics_of(dataset: GraphDataset) -> TrainingStatistics:
    """Energy shift and scale, density, species and normalisation of the set."""
    energies, forces = (
        dataset.labels(target.name) if target.name in dataset.targets else None
        for target in (ENERGY, FORCES)
    )
    shift, scale = 0.0, 1.0
    if energies is not None and not energies.isnan().all():
        per_atom = energies / dataset.sizes
        shift = float(per_atom[~per_atom.isnan()].mean())
    if forces is not None:
        scale = _root_mean_square(forces) or scale
    return TrainingStatistics(
        mean_energy_per_atom=shift,
        rms_force=scale,
        average_neighbours=dataset.neighbours / int(dataset.sizes.sum()),
        species=tuple(dataset.numbers.unique(sorted=True).tolist()),
        normalisation={
            name: normalisation(dataset.labels(name), target)
            for name, target in dataset.targets.items()
            if target != ENERGY and not target.derivative_of
        },
    )


def baseline_of(dataset: GraphDataset, settings: TrainingSettings) -> float | tuple[float, ...]:
    """Energies of lone atoms that a model starts from (eV): one for all species, or for each.

    :raises InputError: a species without a given energy.
    """
    statistics = statistics_of(dataset)
    given = {atomic_numbers[symbol]: e for symbol, e in settings.atomic_energies.items()}
    if given:
        if unknown := set(statistics.species) - set(given):
            names = ", ".join(chemical_symbols[number] for number in sorted(unknown))
            raise InputError(f"atomic_energies lacks {names}, which training structures have")
        return tuple(given[number] for number in statistics.species)
    if settings.baseline == "mean" or ENERGY.name not in dataset.targets:
        return statistics.mean_energy_per_atom
    energies = dataset.labels(ENERGY.name)
    known = ~energies.isnan()
    numbers, sizes = dataset.numbers.numpy(), dataset.sizes.numpy()
    first = np.cumsum(sizes) - sizes
    counts = [np.add.reduceat(numbers == z, first, dtype=float) for z in statistics.species]
    compositions = torch.from_numpy(np.stack(counts, axis=1))
    return least_squares_energies(compositions[known], energies[known])


def least_squares_energies(compositions: Tensor, energies: Tensor) -> tuple[float, ...]:
    """Energies E0 of the species (eV) with Σ_Z n_Z E0_Z nearest to the energies; of all of them
    the smallest, where structures of few compositions leave a choice.

    Shapes: compositions (s, species), energies (s,); float64.
    """
    solution = torch.linalg.lstsq(compositions, energies[:, None], driver="gelsd").solution
    return tuple(solution[:, 0].tolist())


def normalisation(labels: Tensor, target: Target) -> Normalisation:
    """Scales and shift of the natural parts of a target, from its labels (…, *shape).

    Of rank 0 the mean and the standard deviation; of a higher rank l the root of the mean of
    |X_l|², since no other shift is equivariant. Where the sign is free, there is no mean.
    """
    tensors = labels.reshape(len(labels), -1)
    tensors = tensors[~tensors.isnan().any(1)]
    if not len(tensors):
        return Normalisation({})
    parts = split_packed(tensors @ decomposition_matrix(target.symmetry).T, target.symmetry)
    scale, shift = {}, (0.0,)
    for rank, part in parts.items():
        if rank == 0 and target.sign == "fixed":
            shift = (float(part.mean()),)
            size = part.std(correction=0)
        else:
            size = part.square().sum(-1).mean().sqrt()
        scale[rank] = float(size) or 1.0
    return Normalisation(scale, shift)


def _root_mean_square(values: Tensor) -> float | None:
    """Of the numbers that are given, chunk by chunk; None where there is none."""
    total, count = 0.0, 0
    for chunk in values.flatten().split(CHUNK):
        given = chunk[~chunk.isnan()]
        total += float(given.square().sum())
        count += len(given)
    return math.sqrt(total / count) if count else None
