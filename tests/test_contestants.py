"""Who stands beside us in the measurement of speeds: the same physics, or an honest reason."""

import importlib
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule

from camp.models.camp.settings import CampSettings
from camp.potential.potential import Potential

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "contestants"


@pytest.fixture
def contestant(monkeypatch):
    """Imports one of the scripts."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


def test_literal_equations_have_our_forces(contestant):
    settings = CampSettings(cutoff=4, channels=3, max_rank=2, layers=2, average_neighbours=5)
    potential = Potential(settings, species=(1, 6, 8)).eval()
    ethanol = molecule("CH3CH2OH")
    expected = potential.evaluate(ethanol).forces[0]
    ethanol.calc = contestant("literal").LiteralCalculator(potential, "cpu")
    np.testing.assert_allclose(ethanol.get_forces(), expected, atol=1e-4 * np.abs(expected).max())


def test_equations_of_other_models_are_not_written_out(contestant):
    record = contestant("compare").measured_literal("cace", [], 1)
    assert record["unavailable"] == "written out for CAMP only"


def test_peer_that_is_not_there_has_a_reason(contestant):
    peer = {"peer": "mace", "reason": "no network"}
    record = contestant("compare").measured_peer(peer, [], 1)
    assert record == {"contestant": "MACE", "unavailable": "no network"}


def test_peer_that_fails_says_its_last_words(contestant, capfd):
    """Asked to run with a Python that has no such package."""
    peer = {"peer": "nequip", "python": sys.executable}
    if find_spec("nequip"):
        pytest.skip("nequip is installed here")
    record = contestant("compare").measured_peer(peer, ["none.xyz"], 1)
    assert record["contestant"] == "NequIP"
    assert "No module named 'nequip'" in record["unavailable"]
