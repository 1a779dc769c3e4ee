"""Optimizers, courses of the learning rate and stages: options of every training."""

import copy
import json

import numpy as np
import pytest
import torch
from ase import Atoms

import camp
from camp.settings import Stage, TrainingSettings
from camp.training.folder import MODEL_FILE, SUMMARY_FILE
from camp.training.optimisers import (
    FEWEST_CHANNELS,
    make_optimizer,
    plateaus,
    rate_factor,
    restart,
)
from camp.training.train import train
from tests.training.small_training import clusters, interrupted_in, metrics, settings


def test_course_of_the_learning_rate():
    """Linear up over the warm-up, then half a cosine or a line down to the last rate."""
    cosine = TrainingSettings(schedule="cosine", warmup_steps=10, final_rate=0.1)
    assert [rate_factor(cosine, step, 0.0) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert rate_factor(cosine, 50, 0.5) == pytest.approx(0.55)
    assert rate_factor(cosine, 99, 1.0) == pytest.approx(0.1)
    linear = TrainingSettings(schedule="linear", final_rate=0.0)
    assert rate_factor(linear, 50, 0.25) == pytest.approx(0.75)
    halved = TrainingSettings(schedule="steps", scheduler_factor=0.5, scheduler_patience=20)
    assert [rate_factor(halved, 999, 0.5, epochs=k) for k in (19, 20, 40)] == [1.0, 0.5, 0.25]
    assert rate_factor(TrainingSettings(schedule="constant"), 50, 0.9) == 1.0


OPTIONS = {
    "soap with a cosine": {
        "optimizer": "soap",
        "schedule": "cosine",
        "warmup_steps": 3,
        "learning_rate": 0.003,
        "precondition_every": 2,
    },
    "adamw, linear": {"optimizer": "adamw", "schedule": "linear", "weight_decay": 1e-4},
    "muon with a plateau": {"optimizer": "muon", "weight_decay": 1e-4, "scheduler_patience": 0},
    "stages": {
        "stages": [
            Stage(epochs=2, energy_weight=0.1),
            Stage(epochs=2, restart=True, learning_rate=0.02),
            Stage(epochs=2, energy_weight=10.0),
        ],
        "energy_loss": "total",
        "baseline": "least-squares",
    },
}


def wide(**options):
    """With matrices large enough for Muon."""
    chosen = settings(**options)
    model = chosen.model.model_copy(update={"channels": FEWEST_CHANNELS})
    return chosen.model_copy(update={"model": model})


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_resumed_training_equals_the_uninterrupted_one(options, tmp_path):
    data, chosen = (clusters(6), clusters(3, seed=9)), wide(**options)
    train(chosen, *data, seeds=[1], out=tmp_path / "whole")
    for epoch in (1, 3):
        with interrupted_in(epoch):
            train(chosen, *data, seeds=[1], out=tmp_path / "parts", resume=epoch > 1)
    train(chosen, *data, seeds=[1], out=tmp_path / "parts", resume=True)
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")
    ours, theirs = (
        camp.load(tmp_path / name / MODEL_FILE).state_dict() for name in ("parts", "whole")
    )
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_another_second_seed_leaves_the_first_alone(options, tmp_path, monkeypatch):
    """Plain steps: that a traced one keeps models apart is a law of its own (test_together)."""
    monkeypatch.setattr("camp.training.train._is_worth_tracing", lambda: False)
    data, chosen = (clusters(6), clusters(3, seed=9)), wide(**options)
    train(chosen, *data, seeds=[1, 2], out=tmp_path)
    train(chosen, *data, seeds=[1, 3], out=tmp_path / "others")
    ours, theirs = (
        camp.load(folder / "camp-seed-1" / MODEL_FILE).state_dict()
        for folder in (tmp_path, tmp_path / "others")
    )
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def test_muon_orthogonalises_matrices_and_is_adamw_for_all_else():
    """A first step has the singular vectors of the gradient, and singular values about one times
    0.2 √(larger side); against torch for other parameters, of any number of models.
    """
    torch.manual_seed(0)
    rate, options = 0.01, {"weight_decay": 0.1, "learning_rate": 0.01}
    networks = [torch.nn.Sequential(torch.nn.Linear(20, 10), torch.nn.Linear(10, 1)) for _ in "ab"]
    others = copy.deepcopy(networks)
    muon = make_optimizer(networks, TrainingSettings(optimizer="muon", **options))
    adamw = make_optimizer(others, TrainingSettings(optimizer="adamw", **options))
    for step in range(3):
        for network, other in zip(networks, others, strict=True):
            for ours, theirs in zip(network.parameters(), other.parameters(), strict=True):
                ours.grad = torch.randn_like(ours)
                theirs.grad = ours.grad.clone()
        before = [network[0].weight.detach().clone() for network in networks]
        gradients = [network[0].weight.grad.clone() for network in networks]
        muon.step()
        adamw.step()
        for network, old, gradient in zip(networks, before, gradients, strict=True):
            if step == 0:
                change = (old * (1 - rate * 0.1) - network[0].weight) / (0.2 * rate * 20**0.5)
                left, _, right = torch.linalg.svd(gradient, full_matrices=False)
                values = left.T @ change @ right.T
                assert values.diagonal().min() > 0.5 and values.diagonal().max() < 1.5
                assert (values - values.diagonal().diag()).abs().max() < 0.05
        for network, other in zip(networks, others, strict=True):
            for name in ("0.bias", "1.weight", "1.bias"):
                torch.testing.assert_close(network.get_parameter(name), other.get_parameter(name))


def test_a_plateau_lowers_all_rates_of_one_model():
    options = TrainingSettings(optimizer="muon", scheduler_factor=0.5, scheduler_patience=0)
    optimizer = make_optimizer([torch.nn.Linear(9, 9) for _ in "ab"], options)
    plateau = plateaus(optimizer, options, ["a", "b"])[1]["scheduler"]
    for error in (1.0, 2.0):
        plateau.step(error)
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.005, 0.01, 0.005]


def test_a_restart_forgets_errors_and_moments():
    """The next error is the first one to a plateau, and the first step of Adam has length one."""
    network = torch.nn.Linear(1, 1)
    options = TrainingSettings(scheduler_factor=0.5, scheduler_patience=0)
    optimizer = make_optimizer([network], options)
    plateau = plateaus(optimizer, options, ["a"])[0]["scheduler"]
    for gradient in (1.0, 100.0):
        for parameter in network.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        optimizer.step()
    plateau.step(1.0)
    restart(optimizer, [plateau])
    before = network.bias.item()
    plateau.step(2.0)
    optimizer.step()
    rate = options.learning_rate
    assert optimizer.param_groups[0]["lr"] == rate
    assert before - network.bias.item() == pytest.approx(rate, rel=1e-4)


def test_a_restart_waits_for_averages_anew(tmp_path):
    """Weights that are no average are not the best ones, however small their error."""
    options = {"stages": [Stage(epochs=2), Stage(epochs=1, restart=True)], "ema_start": 4}
    [summary] = train(
        settings(**options), clusters(6), clusters(3, seed=9), seeds=[1], out=tmp_path
    )
    errors = [float(row["validation_forces_mae"]) for row in metrics(tmp_path)]
    # Three steps an epoch: only the second ends with an average.
    assert errors[2] < errors[1]
    assert summary["best_validation_error"] == pytest.approx(errors[1], rel=1e-6)


def test_a_schedule_ends_with_the_epochs(tmp_path):
    """Where they are over before max_steps."""
    chosen = settings(schedule="cosine", max_steps=1000, final_rate=0.01)
    train(chosen, clusters(6), clusters(3, seed=9), seeds=[1], out=tmp_path)
    last = float(metrics(tmp_path)[-1]["learning_rate"])
    assert last < 0.03 * chosen.training.learning_rate


def test_stages_change_rate_and_length(tmp_path):
    stages = [Stage(epochs=1), Stage(epochs=2, restart=True, learning_rate=0.02)]
    train(settings(stages=stages), clusters(6), clusters(3, seed=9), seeds=[1], out=tmp_path)
    rates = [float(row["learning_rate"]) for row in metrics(tmp_path)]
    assert rates[0] == settings().training.learning_rate
    assert rates[1:] == [0.02, 0.02]


def test_a_training_ends_when_its_time_is_up(tmp_path):
    """In its first epoch, cleanly, with a model."""
    chosen = settings(max_time=1e-9, schedule="cosine")
    [summary] = train(chosen, clusters(6), clusters(3, seed=9), seeds=[1], out=tmp_path)
    assert summary["epochs"] == 1
    assert json.loads((tmp_path / SUMMARY_FILE).read_text())["steps"] == summary["steps"]
    camp.load(tmp_path / MODEL_FILE)


def test_total_energies_weigh_large_structures_more(tmp_path):
    """(ΔE)² is N² times (ΔE/N)²."""
    from camp.data.labelled import LabelledBatch
    from camp.graph import batch_graphs, build_graph
    from camp.potential.derivatives import Results
    from camp.training.loss import training_loss

    graph = batch_graphs([build_graph(Atoms("H3", 5 * np.eye(3)), 1.0)])
    zeros = torch.zeros(3, 3, dtype=torch.float64)
    found = Results(torch.tensor([3.0]), zeros[:, 0], zeros, zeros[None])
    labels = {"energy": torch.tensor([1.0])}
    batch = LabelledBatch(graph, labels, torch.tensor([3]), torch.ones(1).double())
    per_atom, total = (
        training_loss(found, batch, {"energy": 1.0}, {}.__getitem__, total_energies=total)
        for total in (False, True)
    )
    assert (per_atom.item(), total.item()) == pytest.approx((4 / 9, 4.0))
