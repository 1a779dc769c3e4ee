"""The examples run, one after another as their first lines say, and get something right."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def result(script: str, folder: Path) -> float:
    """The number in the last line that an example prints."""
    command = [sys.executable, EXAMPLES / script]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return float(re.search(r"-?\d+\.\d+", done.stdout.splitlines()[-1])[0])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("argon")
    return folder, result("train.py", folder)


def test_training_on_own_data_learns_forces(trained):
    _, error = trained  # meV/Å; the forces are 24 in the mean
    assert error < 12


def test_dynamics_conserves_energy(trained):
    folder, _ = trained
    assert abs(result("md_with_ase.py", folder)) < 0.05  # meV/atom


def test_tensors_learn_dipoles(tmp_path):
    assert result("tensors.py", tmp_path) < 0.05  # e·Å; components are 0.26 in the mean
