"""Several seeds in one process: each as if it were alone, whatever the others do."""

import json

import numpy as np
import pytest
import torch

import camp
from camp.data.dataset import GraphDataset
from camp.errors import InputError
from camp.training.compiled import TracedLoss
from camp.training.folder import MODEL_FILE, SUMMARY_FILE
from camp.training.module import TrainingModule
from camp.training.train import train
from tests.training.small_training import (
    SETTINGS,
    TINY,
    clusters,
    interrupted_in,
    kinds_of_checkpoints,
    metrics,
    settings,
)


@pytest.fixture(scope="module", autouse=True)
def one_trace():
    """Trainings here have the same data and settings: what one of them traces serves all."""
    plain, known = TracedLoss._trace, {}

    def trace(owner, parameters, tensors):
        kind = len(owner.models), parameters[0][0].dtype
        if kind not in known:
            known[kind] = plain(owner, parameters, tensors)
        return known[kind]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TracedLoss, "_trace", trace)
        # As on a GPU.
        patch.setattr("camp.training.train._is_worth_tracing", lambda: True)
        yield


def potential(seed):
    torch.manual_seed(seed)
    return camp.Potential(TINY, species=[18]).double()


def losses_and_gradients(traced, batches):
    losses = traced(batches)
    gradients = torch.autograd.grad(losses.sum(), [p for own in traced.trained for p in own])
    count = len(traced.names)
    return losses.tolist(), [gradients[k : k + count] for k in range(0, len(gradients), count)]


def test_each_model_as_if_it_were_alone():
    """Losses and gradients are the plain ones, and feel nothing of the others to the last bit."""
    dataset = GraphDataset(clusters(6), 4.0)
    models = [potential(seed) for seed in (1, 2, 3)]
    batches = [dataset.batch(indices) for indices in ([0, 1], [4, 2], [3, 5])]
    module = TrainingModule(models[:1], SETTINGS.training)
    traced = TracedLoss(module.loss, models, backend=None)
    losses, gradients = losses_and_gradients(traced, batches)
    for model, batch, loss, ours in zip(models, batches, losses, gradients, strict=True):
        plain = module.loss(model, batch)
        assert loss == pytest.approx(plain.item(), rel=1e-12)
        trained = [p for p in model.parameters() if p.requires_grad]
        for a, b in zip(ours, torch.autograd.grad(plain, trained), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)

    models[1].load_state_dict(potential(7).state_dict())
    changed, changed_gradients = losses_and_gradients(
        traced, [batches[0], dataset.batch([5, 0]), batches[2]]
    )
    assert changed[1] != losses[1]
    for member in (0, 2):
        assert changed[member] == losses[member]
        for a, b in zip(gradients[member], changed_gradients[member], strict=True):
            assert torch.equal(a, b)


# Ends after another number of epochs for each seed, when validation gets worse once.
SHORT = settings(max_epochs=8, patience=1, learning_rate=0.05)
SHORT = SHORT.model_copy(update={"model": TINY})


def together(out, seeds, **options):
    return train(SHORT, clusters(6), clusters(3, seed=9), seeds=seeds, out=out, **options)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    out = tmp_path_factory.mktemp("pair")
    together(out, [1, 2])
    return out


def test_each_seed_has_its_folder_as_if_it_were_alone(pair, tmp_path):
    """Rounding differs, so the comparison is not to the last bit."""
    data = clusters(6), clusters(3, seed=9)
    for seed in (1, 2):
        alone, folder = tmp_path / str(seed), pair / f"camp-seed-{seed}"
        train(SHORT, *data, seeds=[seed], out=alone)
        summary, expected = (json.loads((f / SUMMARY_FILE).read_text()) for f in (folder, alone))
        for key in ("seed", "steps", "epochs", "stop_reason", "parameters", "identity"):
            assert summary[key] == expected[key], key
        assert summary["seeds_together"] == [1, 2]
        for row, other in zip(metrics(folder), metrics(alone), strict=True):
            for name, value in row.items():
                assert float(value) == pytest.approx(float(other[name]), rel=1e-3), name
        ours, theirs = (camp.load(f / MODEL_FILE).evaluate(data[1]) for f in (folder, alone))
        np.testing.assert_allclose(ours.energies, theirs.energies, rtol=1e-4)
    assert kinds_of_checkpoints(pair / "camp-seeds") == {"finished"}


def test_another_second_seed_leaves_the_first_alone(pair, tmp_path):
    together(tmp_path, [1, 3])
    assert metrics(tmp_path / "camp-seed-1") == metrics(pair / "camp-seed-1")
    assert (tmp_path / "camp-seed-3" / MODEL_FILE).exists()
    ours, theirs = (
        camp.load(f / "camp-seed-1" / MODEL_FILE).state_dict() for f in (tmp_path, pair)
    )
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def test_resumed_together_equals_uninterrupted(pair, tmp_path):
    with interrupted_in(1):
        together(tmp_path, [1, 2])
    with pytest.raises(InputError, match="--resume"):
        together(tmp_path, [1, 2])
    together(tmp_path, [1, 2], resume=True)
    for seed in ("camp-seed-1", "camp-seed-2"):
        assert metrics(tmp_path / seed) == metrics(pair / seed)
        ours, theirs = (camp.load(f / seed / MODEL_FILE).state_dict() for f in (tmp_path, pair))
        for name, value in ours.items():
            assert torch.equal(value, theirs[name]), name


def test_only_missing_seeds_are_trained(pair):
    """Finished ones are recognised, and none is made again."""
    before = {path: path.stat().st_mtime_ns for path in pair.rglob(MODEL_FILE)}
    summaries = together(pair, [2, 1], resume=True)
    assert [summary["seed"] for summary in summaries] == [2, 1]
    assert {path: path.stat().st_mtime_ns for path in pair.rglob(MODEL_FILE)} == before
    with pytest.raises(InputError, match="finished"):
        together(pair, [1, 2])


def test_different_numbers_of_atoms_are_refused(tmp_path):
    structures = clusters(3)
    smaller = structures[0][:4]
    smaller.calc = structures[0].calc.__class__(smaller, energy=0.0, forces=np.zeros((4, 3)))
    with pytest.raises(InputError, match="one seed after the other"):
        train(settings(), [*structures, smaller], clusters(2), seeds=[1, 2], out=tmp_path)
