"""Simple rivals: invariant features, and errors against what can be said beforehand."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from camp.data.splits import Split
from camp.errors import InputError
from camp.evaluation.rivals import (
    KERNEL_RIDGE,
    MEAN,
    composition,
    coulomb_matrix,
    neighbour_histograms,
    rival_metrics,
)
from camp.targets import TARGETS


def turned(atoms: Atoms) -> Atoms:
    """The same molecule elsewhere, in another order and orientation."""
    other = atoms[np.random.default_rng(0).permutation(len(atoms))]
    other.rotate(37, (1, 2, 3))
    other.translate((1.0, -2.0, 0.5))
    return other


def test_features_are_invariants():
    atoms = molecule("CH3OH")
    np.testing.assert_allclose(coulomb_matrix(atoms), coulomb_matrix(turned(atoms)), atol=1e-9)
    found = neighbour_histograms(atoms, [1, 6, 8]).sum(0)
    np.testing.assert_allclose(found, neighbour_histograms(turned(atoms), [1, 6, 8]).sum(0))
    salt = bulk("NaCl", "rocksalt", a=5.64)
    expected = composition(salt, [11, 17])
    np.testing.assert_allclose(composition(salt.repeat(2), [11, 17]), expected)
    assert expected[:3] == pytest.approx([0.5, 0.5, 5.64**3 / 8])


def test_molecules_may_have_other_sizes_in_each_part():
    pytest.importorskip("sklearn", reason="needs scikit-learn (the extra 'rivals')")
    structures = [molecule(name) for name in ("H2O", "NH3", "CH4", "CH3OH")]
    for number, atoms in enumerate(structures):
        atoms.info["dipole"] = np.array([0.0, 0.0, number])
    split = Split([0, 1], [2], [3])
    found = rival_metrics(structures, split, [TARGETS["dipole"]])
    assert np.isfinite(found[KERNEL_RIDGE]["dipole_norm_mae"])
    with pytest.raises(InputError, match="a part of the split has no dipole"):
        rival_metrics(structures, Split([0, 1], [], [3]), [TARGETS["dipole"]])


def test_kernel_ridge_learns_what_distances_tell():
    """A dipole along the bond, as long as the bond: its norm is known from the Coulomb matrix."""
    pytest.importorskip("sklearn", reason="needs scikit-learn (the extra 'rivals')")
    rng = np.random.default_rng(1)
    structures = []
    for length in rng.uniform(0.9, 1.4, 60):
        axis = rng.normal(size=3)
        axis *= length / np.linalg.norm(axis)
        structures.append(Atoms("HF", [np.zeros(3), axis], info={"dipole": axis}))
    split = Split([*range(40)], [*range(40, 50)], [*range(50, 60)])
    found = rival_metrics(structures, split, [TARGETS["dipole"]])
    assert found[KERNEL_RIDGE]["dipole_norm_mae"] < 1e-3
    lengths = [np.linalg.norm(atoms.info["dipole"]) for atoms in structures]
    expected = np.abs(np.mean(lengths[:40]) - lengths[50:]).mean()
    assert found[MEAN]["dipole_norm_mae"] == pytest.approx(expected)
