"""What a simple method of a library makes of a task's tensors: the numbers that do not depend on
the axes, from invariants of the structure. It is no model of ours; it says how much of an error a
tensor network is needed for.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from camp.data.labels import label
from camp.data.splits import Split
from camp.errors import InputError
from camp.evaluation.tensors import ISOTROPIC, NORM, errors, invariants
from camp.targets import Target

MEAN, KERNEL_RIDGE = "mean of the training set", "kernel ridge on invariants (scikit-learn)"
# Tried on the validation set: regularisation, and kernel width in units of 1 / features.
ALPHAS, GAMMAS = (1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0), (1e-3, 1e-2, 1e-1, 1.0)
CENTRES = np.linspace(1.0, 6.0, 26)  # Å, of the Gaussians that smear neighbours' distances
WIDTH = 0.2  # Å


def rival_metrics(
    structures: Sequence[Atoms], split: Split, targets: Sequence[Target]
) -> dict[str, dict[str, float]]:
    """Errors on the test set of the mean of the training set and of kernel ridge regression, by
    name, as of :func:`camp.evaluation.tensors.tensor_metrics`: of the isotropic part, or of
    the norm where a tensor has none or its sign is free.

    :raises InputError: scikit-learn is not installed, a label that cannot be read, or a part
        without any.
    """
    found: dict[str, dict[str, float]] = {MEAN: {}, KERNEL_RIDGE: {}}
    species = sorted({int(z) for i in split.train for z in structures[i].numbers})
    for target in targets:
        parts = (split.train, split.validation, split.test)
        sets = _padded(
            [_examples([structures[i] for i in part], target, species) for part in parts]
        )
        known, reference = sets[0][1], sets[-1][1]
        wanted = (ISOTROPIC, NORM) if target.sign == "fixed" else (NORM,)
        names = [name for name in wanted if name in known][:1]
        for name in names:
            train, test = known[name], reference[name]
            key = f"{target.name}_{name}"
            mean = np.broadcast_to(train.mean(0), test.shape)
            found[MEAN] |= errors(key, mean, test)
            found[KERNEL_RIDGE] |= errors(key, _kernel_ridge(sets, name), test)
    return found


def coulomb_matrix(atoms: Atoms) -> np.ndarray:
    """The upper triangle of the Coulomb matrix (doi:10.1103/PhysRevLett.108.058301), rows sorted by
    their norm: (n (n + 1) / 2,), in e²/Å.
    """
    distances = atoms.get_all_distances()
    np.fill_diagonal(distances, 1.0)
    charges = atoms.numbers.astype(float)
    matrix = np.outer(charges, charges) / distances
    np.fill_diagonal(matrix, 0.5 * charges**2.4)
    order = np.argsort(-np.linalg.norm(matrix, axis=1), kind="stable")
    return matrix[order][:, order][np.triu_indices(len(atoms))]


def composition(atoms: Atoms, species: Sequence[int]) -> np.ndarray:
    """Shares of species, volume per atom (Å³) and the logarithm of it: (species + 2,)."""
    shares = [(atoms.numbers == z).mean() for z in species]
    volume = atoms.cell.volume / len(atoms)
    return np.array([*shares, volume, np.log(volume)])


def neighbour_histograms(atoms: Atoms, species: Sequence[int]) -> np.ndarray:
    """Neighbours of every atom by species and distance, smeared: (atoms, species · centres)."""
    centre, other, distances = neighbor_list("ijd", atoms, float(CENTRES[-1]))
    smeared = np.exp(-0.5 * ((distances[:, None] - CENTRES) / WIDTH) ** 2)
    histograms = np.zeros((len(atoms), len(species), len(CENTRES)))
    for k, z in enumerate(species):
        own = atoms.numbers[other] == z
        np.add.at(histograms[:, k], centre[own], smeared[own])
    return histograms.reshape(len(atoms), -1)


_Examples = tuple[np.ndarray, Mapping[str, np.ndarray]]


def _examples(structures: Sequence[Atoms], target: Target, species: Sequence[int]) -> _Examples:
    """Features (m, k) and invariants by name, (m, …) each, of all that has a label."""
    features, labels = [], []
    for atoms in structures:
        values = label(atoms, target)
        if values is None:
            continue
        rows = values if target.of_atoms else values[None]
        given = ~np.isnan(rows).reshape(len(rows), -1).any(1)
        labels.append(rows[given])
        features.append(_features(atoms, target, species)[given])
    if not features:
        raise InputError(f"a part of the split has no {target.name}")
    size = max(row.shape[1] for row in features)
    padded = [np.pad(rows, ((0, 0), (0, size - rows.shape[1]))) for rows in features]
    return np.concatenate(padded), invariants(target, np.concatenate(labels))


def _padded(sets: Sequence[_Examples]) -> list[_Examples]:
    """With features of the same length in all."""
    size = max(features.shape[1] for features, _ in sets)
    return [
        (np.pad(features, ((0, 0), (0, size - features.shape[1]))), known)
        for features, known in sets
    ]


def _features(atoms: Atoms, target: Target, species: Sequence[int]) -> np.ndarray:
    if target.of_atoms:
        return neighbour_histograms(atoms, species)
    return (composition(atoms, species) if atoms.pbc.any() else coulomb_matrix(atoms))[None]


def _kernel_ridge(sets: Sequence[_Examples], name: str) -> np.ndarray:
    """Predictions for the last of training, validation and test set."""
    try:
        from sklearn.kernel_ridge import KernelRidge
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise InputError("rivals need scikit-learn; install camp-repro[rivals]") from error
    scaler = StandardScaler().fit(sets[0][0])
    train, validation, test = (scaler.transform(features) for features, _ in sets)
    known, judged = sets[0][1][name], sets[1][1][name]
    mean = known.mean(0)
    best: tuple[float, Any] | None = None
    for alpha, gamma in product(ALPHAS, GAMMAS):
        model = KernelRidge(alpha=alpha, kernel="rbf", gamma=gamma / train.shape[1])
        deviation = float(
            np.abs(model.fit(train, known - mean).predict(validation) + mean - judged).mean()
        )
        if best is None or deviation < best[0]:
            best = (deviation, model)
    assert best is not None
    return best[1].predict(test) + mean
