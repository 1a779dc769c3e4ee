"""Structures with what a model predicts of them."""

import numpy as np
from ase import Atoms

from camp.evaluation.predicting import with_predictions
from tests.models.camp.test_network import make_potential


def test_labels_of_targets_that_are_not_predicted_are_left_out():
    """Under any of their names; what only has such a name stays."""
    atoms = Atoms("OH", [[0, 0, 0], [0, 0, 1.0]])
    atoms.info = {"mu": np.ones(3), "polarizability": np.eye(3), "alpha": 90.0, "source": "made"}
    atoms.arrays["REF_forces"] = np.ones((2, 3))
    atoms.info |= {"REF_stress": np.zeros(6), "elastic": np.zeros((6, 6))}
    atoms.arrays["tags"] = np.arange(2)
    [predicted] = with_predictions(make_potential(species=(1, 8)), [atoms])
    assert predicted.info == {"alpha": 90.0, "source": "made"}
    assert {*predicted.arrays} == {"numbers", "positions", "tags"}
    assert predicted.get_forces().shape == (2, 3)
    assert "mu" in atoms.info and "REF_forces" in atoms.arrays
