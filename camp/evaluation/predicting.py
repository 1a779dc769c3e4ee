"""Structures with what a model predicts of them."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from camp.data.labels import without_labels
from camp.errors import InputError
from camp.potential.prediction import DEVIATIONS, Predictor


def with_predictions(
    potential: Predictor, structures: Sequence[Atoms], *, progress: bool = False
) -> list[Atoms]:
    """Copies of the structures with energy, forces and stress as results, and all other targets of
    the model by name in ``info`` or, those of atoms, in ``arrays``; tensors of atoms and those of
    a rank above two in one row, row-major. Labels of any target are left out. Of an ensemble,
    ``info`` and ``arrays`` also hold its deviations, under the names :data:`DEVIATIONS`.

    :raises InputError: see :meth:`Predictor.evaluate`.
    """
    result = potential.evaluate(list(structures), progress=progress)
    predicted = []
    for number, given in enumerate(structures):
        atoms = without_labels(given)
        if potential.predicts_energy:
            results = {"energy": result.energies[number], "forces": result.forces[number]}
            if not np.isnan(result.stresses[number]).any():
                results["stress"] = full_3x3_to_voigt_6_stress(result.stresses[number])
            atoms.calc = SinglePointCalculator(atoms, **results)
        if result.uncertainty is not None:
            of_energy, of_forces = DEVIATIONS
            atoms.info[of_energy] = result.uncertainty.energies[number]
            atoms.arrays.pop(of_forces, None)
            atoms.set_array(of_forces, result.uncertainty.forces[number])
        for name, values in result.properties.items():
            target, found = potential.targets[name], values[number]
            if target.of_atoms:
                atoms.arrays.pop(name, None)
                atoms.set_array(name, found.reshape(len(atoms), -1))
            else:
                atoms.info[name] = found if target.rank <= 2 else found.reshape(-1)
        predicted.append(atoms)
    return predicted


def most_uncertain(
    ensemble: Predictor, structures: Sequence[Atoms], count: int, *, progress: bool = False
) -> list[Atoms]:
    """Copies of so many structures with the force that the ensemble's members disagree most about,
    the worst first, with its deviation (eV/Å) in ``info``: those to label next.

    :raises InputError: there are not so many, no ensemble that predicts forces, or see
        :meth:`Predictor.evaluate`.
    """
    if count > len(structures):
        raise InputError(f"has {len(structures)} frames to choose from; {count} are asked for")
    uncertainty = ensemble.evaluate(list(structures), progress=progress).uncertainty
    if uncertainty is None:
        raise InputError("one model does not tell how certain it is; give two or more of energies")
    deviations = uncertainty.largest_of_forces
    chosen = []
    for index in np.argsort(-deviations, kind="stable")[:count]:
        atoms = without_labels(structures[index])
        atoms.info[DEVIATIONS[1]] = float(deviations[index])
        chosen.append(atoms)
    return chosen
