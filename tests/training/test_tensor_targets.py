"""Models of tensors are trained, judged and asked like potentials, through the command line."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms

import camp
from camp.cli import main
from camp.data.readers import read_structures, write_structures
from camp.data.statistics import normalisation
from camp.targets import TARGETS

WATER = np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])  # Å
CHARGES = {"H": 0.4, "O": -0.8}


def molecules(count, seed):
    """Distorted water with the dipole of point charges and a polarizability along its bonds."""
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(count):
        places = WATER + rng.normal(scale=0.08, size=(3, 3))
        atoms = Atoms("OH2", places)
        charges = [CHARGES[symbol] for symbol in atoms.symbols]
        atoms.info["mu"] = atoms.positions.T @ charges
        bonds = atoms.positions[1:] - atoms.positions[0]
        atoms.info["alpha"] = np.eye(3) + np.einsum("bi,bj->ij", bonds, bonds)
        atoms.set_array("tensor", np.tile(np.eye(3).ravel(), (3, 1)) * rng.normal())
        frames.append(atoms)
    return frames


CONFIG = """
train: {folder}/train.xyz
validation: {folder}/test.xyz
targets: [dipole, polarizability]
keys: {{dipole: mu, polarizability: alpha}}
model: {{architecture: carnet, cutoff: 3.0, channels: 4, max_rank: 2, layers: 1}}
training:
  {{optimizer: adam, learning_rate: 0.02, schedule: cosine, max_steps: 600, batch_size: 8,
   ema_start: 20, ema_every: 1, ema_decay: 0.9, gradient_clip: 10, compile: false}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensors")
    write_structures(folder / "train.xyz", molecules(40, 0))
    write_structures(folder / "test.xyz", molecules(20, 1))
    (folder / "mine.yaml").write_text(CONFIG.format(folder=folder))
    arguments = ["--seed", "1", "--out", str(folder / "run"), "--device", "cpu"]
    assert main(["train", str(folder / "mine.yaml"), *arguments]) == 0
    return folder


def test_a_dipole_and_a_polarizability_are_learnt_together(folder):
    """To a seventh of what their mean would be off by."""
    model, out = folder / "run" / "model.safetensors", folder / "errors.json"
    assert main(["evaluate", str(model), str(folder / "test.xyz"), "--json", str(out)]) == 0
    record = json.loads(out.read_text())
    assert record["metrics"]["dipole_relative_mae"] < 0.15
    assert record["metrics"]["polarizability_relative_mae"] < 0.15
    assert record["targets"] == {"dipole": "e·Å", "polarizability": "Å³"}


def test_a_dipole_is_learnt_up_to_its_sign(tmp_path, capsys):
    """From labels of which a random half has the wrong sign; the saved model knows that it has
    none, and fine-tuning it on labels with a sign is refused.
    """
    rng = np.random.default_rng(5)
    for name, count, seed in (("train", 40, 0), ("test", 20, 1)):
        frames = molecules(count, seed)
        for atoms in frames:
            atoms.info["mu"] *= rng.choice([-1, 1])
        write_structures(tmp_path / f"{name}.xyz", frames)
    text = CONFIG.format(folder=tmp_path).replace("[dipole, polarizability]", "[dipole]")
    text = text.replace("max_steps: 600", "max_steps: 150")
    (tmp_path / "mine.yaml").write_text(text + "signs: {dipole: free}\n")
    out, model = tmp_path / "run", tmp_path / "run" / "model.safetensors"
    arguments = ["--seed", "1", "--device", "cpu", "--out"]
    assert main(["train", str(tmp_path / "mine.yaml"), *arguments, str(out)]) == 0
    errors = tmp_path / "errors.json"
    assert main(["evaluate", str(model), str(tmp_path / "test.xyz"), "--json", str(errors)]) == 0
    assert json.loads(errors.read_text())["metrics"]["dipole_relative_mae"] < 0.15
    lines = [line for line in text.splitlines() if not line.startswith("model:")]
    (tmp_path / "mine.yaml").write_text("\n".join(lines))
    job = ["fine-tune", str(model), str(tmp_path / "mine.yaml"), *arguments, str(tmp_path / "on")]
    assert main(job) == 2
    assert "signs: that of dipole is fixed, and free in the model" in capsys.readouterr().err


def test_a_free_sign_has_no_mean():
    """Scale and shift of the parts do not depend on the signs of labels."""
    alpha = replace(TARGETS["polarizability"], sign="free")
    labels = torch.from_numpy(np.array([atoms.info["alpha"] for atoms in molecules(6, 3)]))
    signs = torch.tensor([1.0, -1, -1, 1, -1, 1])[:, None, None]
    found = normalisation(labels, alpha)
    assert found == normalisation(signs * labels, alpha)
    assert found.shift == (0.0,)


def test_predictions_are_those_of_the_package_and_symmetric(folder):
    model = folder / "run" / "model.safetensors"
    out = folder / "predicted.xyz"
    assert main(["predict", str(model), str(folder / "test.xyz"), str(out)]) == 0
    expected = camp.load(model).evaluate(read_structures(folder / "test.xyz", targets=()))
    assert np.isnan(expected.energies).all()
    for number, atoms in enumerate(read_structures(out, targets=())):
        np.testing.assert_allclose(
            atoms.info["dipole"], expected.properties["dipole"][number], rtol=1e-5
        )
        alpha = atoms.info["polarizability"]
        np.testing.assert_array_equal(alpha, alpha.T)


def test_a_column_that_nobody_knows_survives(folder):
    (atoms,) = read_structures(folder / "test.xyz", targets=(), first=1)
    np.testing.assert_array_equal(atoms.arrays["tensor"], molecules(1, 1)[0].arrays["tensor"])


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("nowhere", "no polarizability (the frame has: mu, alpha, skewed, tensor)"),
        ("mu", "mu: 3 numbers; polarizability has 9"),
        ("skewed", "skewed: the tensor does not have the symmetry ij=ji"),
    ],
)
def test_labels_that_do_not_fit_are_named(tmp_path, key, message, capsys):
    frames = molecules(3, 2)
    for atoms in frames:
        atoms.info["skewed"] = atoms.info["alpha"] + np.array([[0, 0.5, 0], [0, 0, 0], [0, 0, 0]])
    write_structures(tmp_path / "train.xyz", frames)
    write_structures(tmp_path / "test.xyz", frames)
    text = CONFIG.format(folder=tmp_path).replace("polarizability: alpha", f"polarizability: {key}")
    (tmp_path / "mine.yaml").write_text(text)
    arguments = ["--seed", "1", "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert main(["train", str(tmp_path / "mine.yaml"), *arguments]) == 2
    said = capsys.readouterr().err
    assert "train.xyz, frame 0: " in said and message in said
