"""Predictions beside labels, and the errors between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols

from camp.data.labels import label
from camp.errors import InputError
from camp.evaluation.tensors import tensor_metrics
from camp.files import atomic_path
from camp.potential.prediction import DEVIATIONS, Evaluation, Predictor
from camp.potential.properties import with_sign_of
from camp.targets import ENERGY, FORCES, STRESS, TARGETS, Target

# eV/atom; and times what is left without it: then an error is one of the reference.
SHIFT, SHIFT_TO_REST = 0.5, 10.0


@dataclass(frozen=True)
class Comparison:
    """Predictions and references for n structures with m atoms together, in the units of the
    targets; NaN in a reference is not given.
    """

    atoms: np.ndarray  # (n,) atoms of each structure
    numbers: np.ndarray  # (m,) atomic numbers
    targets: Mapping[str, Target]
    predicted: Mapping[str, np.ndarray]  # by target: (n, *shape) or (m, *shape)
    reference: Mapping[str, np.ndarray]  # alike
    # Of an ensemble, by target: of energies (n,) in eV, of the forces on atoms (m,) in eV/Å.
    deviations: Mapping[str, np.ndarray] = field(default_factory=dict)

    def metrics(self) -> dict[str, dict[str, float]]:
        """By target: MAE and RMSE of energies, per atom and total (eV), of the components of forces
        and stresses (eV/Å, eV/Å³), and of tensors (:func:`tensor_metrics`); of those that have
        labels. No name is given twice.
        """
        result: dict[str, dict[str, float]] = {}
        for name, target in self.targets.items():
            predicted, reference = self.predicted[name], self.reference[name]
            given = ~np.isnan(reference).reshape(len(reference), -1).any(1)
            if not given.any():
                continue
            predicted, reference = predicted[given], reference[given]
            if name == ENERGY.name:
                error = predicted - reference
                per_atom = _errors("energy_{}_per_atom", error / self.atoms[given])
                result[name] = per_atom | _errors("energy_{}", error)
            elif target.derivative_of:
                result[name] = _errors(f"{name}_{{}}", predicted - reference)
            else:
                result[name] = tensor_metrics(target, predicted, reference)
        return result

    def deviation_sizes(self) -> dict[str, float]:
        """Root mean squares of an ensemble's deviations: of energies (eV), and of the forces on
        atoms (eV/Å).
        """
        return {
            name: float(np.sqrt(np.square(values).mean()))
            for name, values in self.deviations.items()
        }

    def save(self, path: str | Path) -> None:
        """Write all arrays as npz.

        :raises InputError: the file cannot be written.
        """
        arrays: dict[str, Any] = {
            _PLURALS.get(name, name): values for name, values in self.predicted.items()
        }
        arrays |= {
            f"reference_{_PLURALS.get(name, name)}": values
            for name, values in self.reference.items()
        }
        for target, name in _DEVIATIONS.items():
            if target in self.deviations:
                arrays[name] = self.deviations[target]
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, atoms=self.atoms, numbers=self.numbers, **arrays)


_DEVIATIONS = dict(zip((ENERGY.name, FORCES.name), DEVIATIONS, strict=True))
_PLURALS = {ENERGY.name: "energies"}


def _errors(name: str, error: np.ndarray) -> dict[str, float]:
    return {
        name.format("mae"): float(np.abs(error).mean()),
        name.format("rmse"): float(np.sqrt(np.square(error).mean())),
    }


def compare(
    potential: Predictor,
    structures: list[Atoms],
    targets: Sequence[Target] | None = None,
    *,
    keys: Mapping[str, str] | None = None,
    progress: bool = False,
) -> Comparison:
    """Evaluate labelled structures in one pass.

    Where the sign of a target is free, a reference gets that which is nearer to the prediction.

    :param targets: which labels to compare with; all that the model predicts by default.
    :param keys: names of the labels by target, where others than usual.
    :raises InputError: no structures, one that the potential cannot evaluate, or no label.
    """
    if not structures:
        raise InputError("there are no structures to evaluate")
    wanted = predictable(potential) if targets is None else list(targets)
    named = keys or {}
    wanted = [replace(t, keys=(named[t.name],)) if t.name in named else t for t in wanted]
    atoms = np.array([len(atoms) for atoms in structures])
    references: dict[str, np.ndarray] = {}
    for target in wanted:
        rows = [_reference(atoms, target, number) for number, atoms in enumerate(structures)]
        joined = np.concatenate(rows)
        if not np.isnan(joined).all():
            references[target.name] = joined
    if not references:
        names = " and no ".join(target.name for target in wanted)
        raise InputError(f"the structures have no {names} to compare with")
    result = potential.evaluate(structures, progress=progress)
    compared = {target.name: target for target in wanted if target.name in references}
    predicted = {name: predictions(result, name) for name in references}
    return Comparison(
        atoms=atoms,
        numbers=np.concatenate([atoms.numbers for atoms in structures]),
        targets=compared,
        predicted=predicted,
        reference={
            name: _oriented(references[name], predicted[name], target, atoms)
            for name, target in compared.items()
        },
        deviations={
            ENERGY.name: result.uncertainty.energies,
            FORCES.name: np.concatenate(result.uncertainty.forces),
        }
        if result.uncertainty
        else {},
    )


def shifted_reference(comparison: Comparison) -> str | None:
    """A hint that predicted and labelled energies differ by little more than a constant for each
    atom of a species, as where they count from different atomic energies; None if they do not.
    """
    if ENERGY.name not in comparison.targets:
        return None
    error = comparison.predicted[ENERGY.name] - comparison.reference[ENERGY.name]
    given = ~np.isnan(error)
    structure = np.repeat(np.arange(len(comparison.atoms)), comparison.atoms)
    species, index = np.unique(comparison.numbers, return_inverse=True)
    compositions = np.zeros((len(comparison.atoms), len(species)))
    np.add.at(compositions, (structure, index), 1.0)
    shifts = np.linalg.lstsq(compositions[given], error[given], rcond=None)[0]
    left = (error[given] - compositions[given] @ shifts) / comparison.atoms[given]
    whole, rest = (np.sqrt(np.mean(e**2)) for e in (error[given] / comparison.atoms[given], left))
    if whole < SHIFT or rest > whole / SHIFT_TO_REST or given.sum() <= len(species):
        return None
    names = ", ".join(
        f"{chemical_symbols[number]} {shift:+.4g} eV"
        for number, shift in zip(species, shifts, strict=True)
    )
    return (
        f"energies differ from the labels by a constant for each atom ({names}); without it the "
        f"RMSE is {1000 * rest:.4g} meV/atom: they count from other atomic energies"
    )


def predictable(potential: Predictor) -> list[Target]:
    """The targets that a potential can be compared in."""
    derived = [FORCES, STRESS] if potential.predicts_energy else []
    # The names in the files that a model was trained on, then the usual ones.
    own = [
        replace(target, keys=(*target.keys, *TARGETS[name].keys)) if name in TARGETS else target
        for name, target in potential.targets.items()
    ]
    return [*own, *derived]


def predictions(result: Evaluation, name: str) -> np.ndarray:
    """What an evaluation has of one target: (n, *shape) or (all atoms, *shape)."""
    if name == ENERGY.name:
        return result.energies
    if name == STRESS.name:
        return result.stresses
    found = result.forces if name == FORCES.name else result.properties[name]
    return np.concatenate(found) if isinstance(found, list) else found


def _oriented(
    reference: np.ndarray, predicted: np.ndarray, target: Target, atoms: np.ndarray
) -> np.ndarray:
    if target.sign == "fixed":
        return reference
    system = torch.from_numpy(np.repeat(np.arange(len(atoms)), atoms)) if target.of_atoms else None
    values, other = (torch.from_numpy(np.asarray(one, float)) for one in (reference, predicted))
    return with_sign_of(values, other, system).numpy()


def _reference(atoms: Atoms, target: Target, number: int) -> np.ndarray:
    try:
        found = label(atoms, target)
    except InputError as error:
        raise InputError(f"structure {number}: {error}") from None
    if found is None:
        return np.full((len(atoms) if target.of_atoms else 1, *target.shape), np.nan)
    return found if target.of_atoms else found[None]


def evaluation_record(
    comparison: Comparison, *, unavailable: dict[str, str], **labels: Any
) -> dict[str, Any]:
    """What is kept of an evaluation: metrics, and why some of them may not be reported.

    Of an ensemble also :meth:`Comparison.deviation_sizes`.

    :param unavailable: a target → the reason why its errors mean nothing.
    :param labels: task, architecture, seed, scale, data, weights, train_size (structures), note.
    """
    sizes = comparison.deviation_sizes()
    return {
        **labels,
        **({"deviations": sizes} if sizes else {}),
        "frames": len(comparison.atoms),
        "targets": {name: target.unit for name, target in comparison.targets.items()},
        "metrics": {
            name: None if target in unavailable else value
            for target, found in comparison.metrics().items()
            for name, value in found.items()
        },
        "unavailable": unavailable,
    }


def describe(comparison: Comparison, unavailable: Mapping[str, str]) -> str:
    """An evaluation as a few lines of text; arguments as for :func:`evaluation_record`."""
    lines = [f"{len(comparison.atoms)} structures"]
    for target, metrics in comparison.metrics().items():
        for name in metrics:
            if "mae" not in name or name.endswith("relative_mae"):
                continue
            title = name.replace("_mae", "").replace("_", " ")
            if target in unavailable:
                lines.append(f"{title:26} missing: {unavailable[target]}")
                continue
            factor, unit = _SHOWN.get(name, (1.0, comparison.targets[target].unit))
            mae, rmse = (factor * metrics[key] for key in (name, name.replace("mae", "rmse")))
            lines.append(f"{title:26} MAE {mae:.4g}, RMSE {rmse:.4g} {unit}")
            if (key := f"{name.removesuffix('mae')}relative_mae") in metrics:
                relative = 100 * metrics[key]
                lines[-1] += f" ({relative:.3g} % of the mean absolute deviation)"
    if sizes := comparison.deviation_sizes():
        told = (f"{1000 * value:.4g} {_UNITS[name]}" for name, value in sizes.items())
        lines.append(f"{'deviation of the members':26} {', '.join(told)}")
    return "\n".join(lines)


# Of a thousandth of the unit.
_UNITS = {ENERGY.name: "meV", FORCES.name: "meV/Å"}
# Factors and units in which people read some errors.
_SHOWN = {
    "energy_mae_per_atom": (1000.0, "meV/atom"),
    "energy_mae": (1000.0, "meV"),
    "forces_mae": (1000.0, "meV/Å"),
    "stress_mae": (1000.0, "meV/Å³"),
}
