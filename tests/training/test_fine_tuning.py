"""Training on from a trained model: what it starts from, what stays, what is refused."""

import pytest
import torch
from ase import Atoms

import camp
from camp.cli import main
from camp.errors import InputError
from camp.training.folder import MODEL_FILE
from camp.training.train import train
from tests.training.small_training import clusters, labelled, metrics, settings


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    train(settings(), clusters(6), clusters(3, seed=9), seeds=[1], out=out)
    return out


def tuned(start, out, *, data=None, **options):
    options = settings(**{"max_epochs": 2, "ema_start": 0, **options})
    training = data or clusters(4, seed=5)
    train(options, training, clusters(3, seed=9), seeds=[1], out=out, start=start)
    return camp.load(out / MODEL_FILE)


def test_begins_where_the_model_ended(trained, tmp_path):
    """With a rate of nearly nothing it is the same model; errors begin far below a new one's."""
    start = camp.load(trained / MODEL_FILE)
    same = tuned(start, tmp_path / "same", learning_rate=1e-12)
    structure = clusters(1, seed=11)
    ours, theirs = same.evaluate(structure), start.evaluate(structure)
    assert ours.energies == pytest.approx(theirs.energies, abs=1e-6)
    assert same.energy_shift.equal(start.energy_shift)
    assert same.origin["training_structures"] == 4
    for a, b in zip(same.model.parameters(), start.model.parameters(), strict=True):
        assert a.requires_grad == b.requires_grad
    last = float(metrics(trained)[-1]["validation_forces_mae"])
    assert float(metrics(tmp_path / "same")[0]["validation_forces_mae"]) <= 1.01 * last


def test_frozen_parameters_stay(trained, tmp_path):
    start = camp.load(trained / MODEL_FILE)
    found = tuned(start, tmp_path / "out", frozen=["layers.*", "embedding.*"])
    for (name, ours), theirs in zip(
        found.model.named_parameters(), start.model.parameters(), strict=True
    ):
        assert ours.equal(theirs) == (not name.startswith("readout")), name


def test_what_the_model_does_not_know_is_refused(trained, tmp_path):
    start = camp.load(trained / MODEL_FILE)
    neon = [labelled(Atoms("Ne2", [[0, 0, 0], [0, 0, 2.5]]))]
    with pytest.raises(InputError, match="does not know Ne"):
        tuned(start, tmp_path / "a", data=[*clusters(1), *neon])
    with pytest.raises(InputError, match=r"no parameter is called 'layer\.\*'"):
        tuned(start, tmp_path / "b", frozen=["layer.*"])
    with pytest.raises(InputError, match="nothing could be learnt"):
        tuned(start, tmp_path / "c", frozen=["*"])


def test_command(trained, tmp_path, monkeypatch, capsys):
    from ase.io import write

    monkeypatch.chdir(tmp_path)
    write("train.xyz", clusters(4, seed=5))
    write("validation.xyz", clusters(3, seed=9))
    config = tmp_path / "tune.yaml"
    text = "train: train.xyz\nvalidation: validation.xyz\ntraining: {max_steps: 4}\n"
    config.write_text(text)
    model = str(trained / MODEL_FILE)
    assert main(["fine-tune", model, "tune.yaml", "--seed", "1", "--out", "tuned"]) == 0
    before, after = camp.load(model), camp.load("tuned/model.safetensors")
    assert after.settings == before.settings
    assert not torch.equal(next(after.parameters()), next(before.parameters()))
    config.write_text(text + "model: {cutoff: 4.0}\n")
    assert main(["fine-tune", model, "tune.yaml", "--seed", "1", "--out", "other"]) == 2
    assert "remove 'model'" in capsys.readouterr().err
