"""A model of other targets moves nothing, and says so in one line."""

import pytest
from ase import Atoms
from ase.io import write

from camp.cli import main
from camp.potential.saving import save
from tests.models.carnet.potentials import make_potential

MODEL, START = "model.safetensors", "start.xyz"


@pytest.mark.parametrize(
    ("verb", "user"),
    [
        (["md", MODEL, START, "--config", "md.yaml", "--out", "out"], "a simulation"),
        (["benchmark", MODEL, START], "a benchmark"),
        (["scan", "dimer", MODEL, "--out", "out"], "a scan"),
    ],
    ids=["md", "benchmark", "scan"],
)
def test_it_is_refused_before_anything_is_written(verb, user, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    potential = make_potential("dipole")
    save(potential, MODEL)
    write(START, Atoms([potential.species[0]] * 2, [[0, 0, 0], [0, 0, 1.0]]))
    (tmp_path / "md.yaml").write_text("{temperature: 300, timestep: 1, length: 0.1}")
    assert main(verb) == 2
    said = capsys.readouterr().err
    assert f"the model predicts no energy, and {user} needs forces" in said
    assert not (tmp_path / "out").exists()
