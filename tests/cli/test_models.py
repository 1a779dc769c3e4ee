"""Verbs that make and judge models."""

import json

import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from camp.cli import main
from camp.potential.saving import save
from tests.models.camp.test_network import make_potential
from tests.physics import random_structure


@pytest.fixture
def files(tmp_path):
    """A model, and structures labelled by another."""
    save(make_potential(), tmp_path / "model.safetensors")
    other = make_potential(seed=1)
    structures = []
    for seed in range(3):
        atoms = random_structure(other, seed=seed)
        labels = other.evaluate(atoms)
        atoms.calc = SinglePointCalculator(
            atoms, energy=labels.energies[0], forces=labels.forces[0]
        )
        structures.append(atoms)
    write(tmp_path / "data.xyz", structures)
    return tmp_path


def errors(folder, *options):
    out = folder / "errors.json"
    model, data = str(folder / "model.safetensors"), str(folder / "data.xyz")
    code = main(["evaluate", model, data, "--json", str(out), "--dtype", "float64", *options])
    assert code == 0
    return json.loads(out.read_text())["metrics"]


def test_accelerated_evaluation_gives_the_same_errors(files, monkeypatch, capsys):
    """Up to the error of the tables; plainly, and with a line that says so, without tables."""
    plain = errors(files)
    assert capsys.readouterr().err == ""
    fast = errors(files, "--accelerate")
    monkeypatch.setattr("camp.runtime.splines.MOST_BYTES", 1000)
    fallback = errors(files, "--accelerate")
    message = capsys.readouterr().err
    assert "evaluation without acceleration" in message
    assert message.count("\n") == 1
    assert fallback == plain
    assert fast != plain
    for name, value in plain.items():
        assert fast[name] == pytest.approx(value, rel=1e-6)
