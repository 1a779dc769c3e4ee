"""Hints about labels that mean something else than the model's energies."""

import numpy as np
import pytest

from camp.evaluation.comparison import Comparison, shifted_reference
from camp.targets import ENERGY


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
