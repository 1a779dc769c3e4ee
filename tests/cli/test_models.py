"""Verbs that make and judge models."""

import json

import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import chemical_symbols
from ase.io import write

from camp.cli import main
from camp.potential.saving import load, save
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


def test_what_a_model_is(files, capsys):
    assert main(["info", str(files / "model.safetensors")]) == 0
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    model = load(files / "model.safetensors")
    assert said["architecture"] == "camp" and said["cutoff"] == f"{model.cutoff:g} Å"
    assert said["species"].split(", ") == [chemical_symbols[z] for z in model.species]
    assert said["predicts"] == "energy (eV), forces (eV/Å), stress (eV/Å³)"
    sizes = [(p.numel(), p.requires_grad) for p in model.model.parameters()]
    count, trained = sum(n for n, _ in sizes), sum(n for n, is_trained in sizes if is_trained)
    assert 0 < trained < count
    assert said["parameters"] == f"{count:,}, of which {trained:,} are trained"
    assert said["precision"] == f"{model.dtype}, on cpu".removeprefix("torch.")


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
