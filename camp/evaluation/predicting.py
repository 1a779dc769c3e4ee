"""Structures with what a model predicts of them."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from camp.potential.potential import Potential


def with_predictions(
    potential: Potential, structures: Sequence[Atoms], *, progress: bool = False
) -> list[Atoms]:
    """Copies of the structures with energy, forces and stress as results, and all other targets of
    the model by name in ``info`` or, those of atoms, in ``arrays``; tensors of atoms and those of
    a rank above two in one row, row-major. Labels are left out.

    :raises InputError: see :meth:`Potential.evaluate`.
    """
    result = potential.evaluate(list(structures), progress=progress)
    predicted = []
    for number, given in enumerate(structures):
        atoms = given.copy()
        if potential.predicts_energy:
            results = {"energy": result.energies[number], "forces": result.forces[number]}
            if not np.isnan(result.stresses[number]).any():
                results["stress"] = full_3x3_to_voigt_6_stress(result.stresses[number])
            atoms.calc = SinglePointCalculator(atoms, **results)
        for name, values in result.properties.items():
            target, found = potential.targets[name], values[number]
            if target.of_atoms:
                atoms.arrays.pop(name, None)
                atoms.set_array(name, found.reshape(len(atoms), -1))
            else:
                atoms.info[name] = found if target.rank <= 2 else found.reshape(-1)
        predicted.append(atoms)
    return predicted
