"""Hints about labels that mean something else than the model's energies; labels without a sign."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from camp.evaluation.comparison import Comparison, compare, shifted_reference
from camp.targets import ENERGY, TARGETS
from tests.models.carnet.potentials import make_potential


def comparison(shifts, noise):
    """Structures of hydrogen and oxygen whose labels differ by these energies of atoms (eV) and by
    noise of this size (eV/atom).
    """
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 9, size=(20, 2))
    atoms = counts.sum(1)
    predicted = counts @ np.array(shifts) + noise * atoms * rng.normal(size=20)
    return Comparison(
        atoms=atoms,
        numbers=np.concatenate([np.repeat([1, 8], of) for of in counts]),
        targets={"energy": ENERGY},
        predicted={"energy": predicted},
        reference={"energy": np.zeros(20)},
    )


def test_energies_of_atoms_that_differ_are_named():
    hint = shifted_reference(comparison([13.6, 432.0], noise=1e-6))
    assert hint is not None and "H +13.6 eV, O +432 eV" in hint


@pytest.mark.parametrize(("shifts", "noise"), [((0.0, 0.0), 0.01), ((0.0, 0.0), 2.0), ((1, 1), 1)])
def test_other_errors_are_not_explained_away(shifts, noise):
    assert shifted_reference(comparison(shifts, noise)) is None


def labelled_molecules(name, shape, flipped=()):
    """Distorted water with random labels, those of some structures with the other sign."""
    rng = np.random.default_rng(3)
    structures = []
    for number in range(5):
        places = np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
        atoms = Atoms("OH2", places + rng.normal(scale=0.1, size=(3, 3)))
        label = rng.normal(size=shape) * (-1 if number in flipped else 1)
        (atoms.arrays if len(shape) > 1 else atoms.info)[name] = label
        structures.append(atoms)
    return structures


@pytest.mark.parametrize(("name", "shape"), [("piezoelectric", (18,)), ("shielding", (3, 9))])
def test_errors_with_a_free_sign_do_not_depend_on_those_of_labels(name, shape):
    """With a fixed sign they do."""
    target = replace(TARGETS[name], sign="free")
    potential = make_potential(target, max_rank=3)
    structures, flipped = (labelled_molecules(name, shape, which) for which in ((), (0, 2, 3)))
    metrics = compare(potential, structures).metrics()
    assert compare(potential, flipped).metrics() == metrics
    fixed = replace(target, sign="fixed")
    others = [compare(potential, given, [fixed]).metrics() for given in (structures, flipped)]
    assert others[0] != others[1]
    rmse = [found[name][f"{name}_rmse"] for found in (metrics, *others)]
    assert rmse[0] <= min(rmse[1:])
