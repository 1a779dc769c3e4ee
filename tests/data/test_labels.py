"""The labels of a structure."""

import numpy as np
from ase import Atoms

from camp.data.labels import label
from camp.targets import STRESS


def test_nothing_is_stressed_without_a_volume():
    """Some programs write zeros for a molecule, which would be learnt as its virial."""
    molecule = Atoms("HF", [[0, 0, 0], [0, 0, 1]], info={"REF_stress": np.zeros(6)})
    assert label(molecule, STRESS) is None
    molecule.cell = 10 * np.eye(3)
    np.testing.assert_array_equal(label(molecule, STRESS), np.zeros((3, 3)))
