"""Training: loss and average by hand, determinism, exact resume, errors."""

import json
import math
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

import camp
from camp.data.labelled import LabelledBatch
from camp.errors import InputError
from camp.evaluation.comparison import Comparison, evaluation_record
from camp.files import locked
from camp.graph import batch_graphs, build_graph
from camp.memory import PeakMemory
from camp.potential.derivatives import Results
from camp.targets import ENERGY, FORCES
from camp.training.callbacks import EarlyEnd
from camp.training.folder import BEST_FILE, METRICS_FILE, MODEL_FILE, SUMMARY_FILE
from camp.training.loss import training_loss
from camp.training.module import TrainingModule
from camp.training.train import train
from tests.training.small_training import (
    SETTINGS,
    SMALL,
    clusters,
    interrupted_in,
    kinds_of_checkpoints,
    metrics,
    settings,
)


def test_loss_of_two_structures_by_hand():
    """Eqs. 13–14 with w_E = 2 and w_F = 3."""
    predicted = Results(
        energies=torch.tensor([1.0, -2.0], dtype=torch.float64),
        atomic_energies=torch.zeros(3),
        forces=torch.tensor([[1.0, 0, 0], [0, 2.0, 0], [0, 0, 3.0]]),
        virials=torch.zeros(2, 3, 3),
    )
    apart = Atoms("H2", [[0, 0, 0], [5, 0, 0]])
    graph = batch_graphs([build_graph(atoms, 1.0) for atoms in (Atoms("H"), apart)])
    labels = {
        "energy": torch.tensor([0.5, -1.0], dtype=torch.float64),
        "forces": torch.zeros(3, 3),
    }
    batch = LabelledBatch(graph, labels, torch.tensor([1, 2]), torch.ones(2).double())
    loss = training_loss(predicted, batch, {"energy": 2.0, "forces": 3.0}, {}.__getitem__)
    energy = (0.5 / 1) ** 2 + (1.0 / 2) ** 2
    forces = 1.0 / 3 + (4.0 + 9.0) / 6
    assert loss.item() == pytest.approx(2 * energy + 3 * forces)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A short training, uninterrupted."""
    out = tmp_path_factory.mktemp("finished")
    train(settings(), clusters(6), clusters(3, seed=9), seeds=[1], out=out)
    return out


def test_training_leaves_model_metrics_and_summary(finished):
    summary = json.loads((finished / SUMMARY_FILE).read_text())
    assert summary["steps"] == 18
    assert summary["epochs"] == 6
    assert summary["budget"] == {
        "structures_per_step": 2,
        "epochs": 6,
        "steps": None,
        "hours": None,
    }
    assert summary["peak_memory_bytes"] > 0 and summary["threads"] >= 1
    assert [row["epoch"] for row in metrics(finished)] == list("012345")
    assert kinds_of_checkpoints(finished) == {"finished"}
    assert list((finished / "tensorboard").rglob("events.*"))


def test_energy_shift_and_scale_come_from_the_training_set(finished):
    potential = camp.load(finished / MODEL_FILE)
    structures = clusters(6)
    shift = np.mean([a.get_potential_energy() / len(a) for a in structures])
    scale = np.sqrt(np.mean(np.square([a.get_forces() for a in structures])))
    assert float(potential.energy_shift[0]) == pytest.approx(shift)
    assert float(potential.energy_scale) == pytest.approx(scale)


def test_saved_model_is_the_one_with_the_best_validation_error(finished):
    potential = camp.load(finished / MODEL_FILE)
    structures = clusters(3, seed=9)
    result = potential.evaluate(structures)
    errors = [f - a.get_forces() for f, a in zip(result.forces, structures, strict=True)]
    best = min(
        float(row["validation_forces_mae"])
        for row in metrics(finished)
        if int(row["step"]) > SETTINGS.training.ema_start
    )
    assert np.abs(errors).mean() == pytest.approx(best, rel=1e-4)


def test_finished_training_is_not_overwritten(finished):
    data = clusters(6), clusters(3, seed=9)
    before = (finished / MODEL_FILE).read_bytes()
    with pytest.raises(InputError, match="finished"):
        train(settings(), *data, seeds=[1], out=finished)
    with pytest.raises(InputError, match=r"data or code \(training.learning_rate 0.01 there, 0.02"):
        train(settings(learning_rate=0.02), *data, seeds=[1], out=finished, resume=True)
    [again] = train(settings(), *data, seeds=[1], out=finished, resume=True)
    assert again == json.loads((finished / SUMMARY_FILE).read_text())
    assert (finished / MODEL_FILE).read_bytes() == before


@pytest.mark.parametrize("options", [{}, {"max_steps": 11}, {"patience": 1, "learning_rate": 0.05}])
def test_lost_results_are_made_again_without_training(tmp_path, options, monkeypatch):
    """As after a workflow that was killed, which deletes what its jobs have finished since."""
    arguments = settings(**options), clusters(6), clusters(3, seed=9)
    [summary] = train(*arguments, seeds=[1], out=tmp_path)
    model, table = (tmp_path / MODEL_FILE).read_bytes(), metrics(tmp_path)
    for name in (MODEL_FILE, SUMMARY_FILE, METRICS_FILE):
        (tmp_path / name).unlink()
    monkeypatch.setattr(TrainingModule, "training_step", lambda *_: pytest.fail("trains"))
    [again] = train(*arguments, seeds=[1], out=tmp_path, resume=True)
    summary.pop("seconds"), again.pop("seconds")
    assert again == summary
    assert (tmp_path / MODEL_FILE).read_bytes() == model
    assert metrics(tmp_path) == table


def test_sigterm_does_not_end_as_if_all_were_well(tmp_path, monkeypatch):
    plain_step = TrainingModule.training_step

    def step(module, batch, index):
        signal.raise_signal(signal.SIGTERM)
        return plain_step(module, batch, index)

    monkeypatch.setattr(TrainingModule, "training_step", step)
    with pytest.raises(SystemExit) as caught:
        train(settings(), clusters(4), clusters(2), seeds=[1], out=tmp_path)
    assert caught.value.code == 128 + signal.SIGTERM


def test_a_training_of_other_code_is_repeated(tmp_path, monkeypatch):
    arguments = settings(), clusters(6), clusters(3, seed=9)
    train(*arguments, seeds=[1], out=tmp_path)
    monkeypatch.setattr("camp.training.train.code_of", lambda *_, **__: ["camp.data.splits"])
    with pytest.raises(InputError, match="other settings, data or code"):
        train(*arguments, seeds=[1], out=tmp_path, resume=True)
    (tmp_path / MODEL_FILE).unlink()
    with interrupted_in(0):
        train(*arguments, seeds=[1], out=tmp_path, resume=True)
    train(*arguments, seeds=[1], out=tmp_path, resume=True)
    assert kinds_of_checkpoints(tmp_path) == {"finished"}


def test_snapshots_before_averaging_are_not_kept(tmp_path):
    """Also where they are better: here training moves away from what validation asks for."""
    validation = clusters(3, seed=9)
    for atoms in validation:
        atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=np.zeros((5, 3)))
    train(settings(ema_start=15), clusters(6), validation, seeds=[1], out=tmp_path)
    *early, last = [float(row["validation_forces_mae"]) for row in metrics(tmp_path)]
    assert min(early) < last
    summary = json.loads((tmp_path / SUMMARY_FILE).read_text())
    assert summary["best_validation_error"] == pytest.approx(last, rel=1e-6)


def test_training_shorter_than_the_start_of_averaging(tmp_path):
    """There is no average to choose from: the last weights are kept."""
    [summary] = train(
        settings(ema_start=100, max_epochs=2), clusters(4), clusters(2), seeds=[1], out=tmp_path
    )
    last = float(metrics(tmp_path)[-1]["validation_forces_mae"])
    assert summary["best_validation_error"] == pytest.approx(last, rel=1e-6)
    assert (tmp_path / MODEL_FILE).exists()


def test_divergence_is_one_clear_message(tmp_path):
    """With the step, and what to lower: a step of this size makes the next loss infinite."""
    said = (
        r"seed 1 diverged, the loss is no longer a number from step 2 on; "
        r"lower learning_rate \(now 1e\+30\) or gradient_clip \(now 1\)"
    )
    with pytest.raises(InputError, match=said):
        train(settings(learning_rate=1e30), clusters(4), clusters(2), seeds=[1], out=tmp_path)


def test_what_was_best_before_a_divergence_is_kept(tmp_path, monkeypatch, capsys):
    """Here from the thirteenth step on, the first of the fifth epoch."""
    plain_loss = TrainingModule.loss

    def loss(module, potential, batch):
        broken = module.training and module.global_step >= 12
        return plain_loss(module, potential, batch) * (math.nan if broken else 1.0)

    monkeypatch.setattr(TrainingModule, "loss", loss)
    [summary] = train(settings(), clusters(6), clusters(3, seed=9), seeds=[1], out=tmp_path)
    reason = "the loss is no longer a number from step 13 on"
    assert summary["stop_reason"] == reason
    assert summary["epochs"] == 5
    assert f"seed 1: {reason}" in capsys.readouterr().err
    assert math.isfinite(summary["best_validation_error"])


def test_an_error_that_rises_is_told_of_once(capsys):
    module = TrainingModule([camp.Potential(SMALL, species=[18])], SETTINGS.training)
    trainer = SimpleNamespace(is_global_zero=True, should_stop=False, current_epoch=0)
    end = EarlyEnd(1, patience=9, max_steps=None)
    for step, error in ((10, 0.02), (20, 0.19), (30, 0.21), (40, 0.5)):
        trainer.global_step = step
        trainer.callback_metrics = {"validation_forces_mae": error}
        end.on_train_epoch_end(trainer, module)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("step 30: validation forces MAE 210 meV/Å is more than 10 times")
    assert line.endswith("lower learning_rate (now 0.01) or gradient_clip (now 1)")


def test_same_seed_same_training(finished, tmp_path):
    train(settings(), clusters(6), clusters(3, seed=9), seeds=[1], out=tmp_path)
    assert metrics(tmp_path) == metrics(finished)
    assert (tmp_path / MODEL_FILE).read_bytes() == (finished / MODEL_FILE).read_bytes()


def test_other_seed_other_training(finished, tmp_path):
    train(settings(), clusters(6), clusters(3, seed=9), seeds=[2], out=tmp_path)
    assert metrics(tmp_path) != metrics(finished)


@pytest.fixture
def interrupted(tmp_path):
    """The same training, stopped in the middle of its fourth epoch."""
    with interrupted_in(3):
        train(settings(), clusters(6), clusters(3, seed=9), seeds=[1], out=tmp_path)
    assert not (tmp_path / MODEL_FILE).exists()
    return tmp_path


def test_resumed_training_equals_the_uninterrupted_one(interrupted, finished):
    train(settings(), clusters(6), clusters(3, seed=9), seeds=[1], out=interrupted, resume=True)
    assert metrics(interrupted) == metrics(finished)
    ours, theirs = (camp.load(f / MODEL_FILE).state_dict() for f in (interrupted, finished))
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def test_resumed_training_of_so_many_steps(tmp_path):
    """The same in the middle of an epoch at which all steps are done, and of the one before."""
    options = settings(max_steps=11)
    data = clusters(6), clusters(3, seed=9)
    [expected] = train(options, *data, seeds=[1], out=tmp_path / "whole")
    for epoch in (2, 3):
        with interrupted_in(epoch):
            train(options, *data, seeds=[1], out=tmp_path / "parts", resume=epoch > 2)
    [summary] = train(options, *data, seeds=[1], out=tmp_path / "parts", resume=True)
    assert summary["steps"] == 11
    assert summary["stop_reason"] == expected["stop_reason"] == "all steps done"
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")


def test_a_training_ends_when_its_time_is_up(tmp_path):
    data = clusters(6), clusters(3, seed=9)
    [summary] = train(settings(max_time=1e-9), *data, seeds=[1], out=tmp_path)
    assert (summary["steps"], summary["stop_reason"]) == (1, "its time is up")


def test_memory_that_an_earlier_run_took_counts(tmp_path, monkeypatch):
    data = clusters(6), clusters(3, seed=9)
    large = PeakMemory(2**50, "an earlier run")
    monkeypatch.setattr("camp.training.callbacks.peak_memory", lambda _: large)
    with interrupted_in(3):
        train(settings(), *data, seeds=[1], out=tmp_path)
    monkeypatch.undo()
    [summary] = train(settings(), *data, seeds=[1], out=tmp_path, resume=True)
    assert summary["peak_memory_bytes"] == large.bytes
    assert summary["peak_memory_of"] == large.of


@pytest.mark.parametrize("damage", ["cut off", "garbled", "only the one before"])
def test_damaged_checkpoint_is_noticed_and_the_one_before_serves(
    interrupted, finished, damage, capsys
):
    last = interrupted / "last.ckpt"
    content = bytearray(last.read_bytes())
    if damage == "cut off":
        last.write_bytes(content[: len(content) // 2])
    elif damage == "garbled":
        middle = len(content) // 2
        content[middle : middle + 200] = bytes(200)
        last.write_bytes(content)
    else:
        last.unlink()
    train(settings(), clusters(6), clusters(3, seed=9), seeds=[1], out=interrupted, resume=True)
    assert ("continuing without it" in capsys.readouterr().err) == (damage != "only the one before")
    assert metrics(interrupted) == metrics(finished)
    ours, theirs = (camp.load(f / MODEL_FILE).state_dict() for f in (interrupted, finished))
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name
    assert kinds_of_checkpoints(interrupted) == {"finished"}


def test_interrupted_training_is_not_overwritten(interrupted):
    with pytest.raises(InputError, match="--resume"):
        train(settings(), clusters(6), clusters(3, seed=9), seeds=[1], out=interrupted)


def test_another_training_in_the_folder_is_named_and_kept(interrupted):
    """By the keys that differ, and by the structures."""
    before = (interrupted / "last.ckpt").read_bytes()
    for data, options, said in (
        (6, {"learning_rate": 0.005}, r"training.learning_rate 0.01 there, 0.005 here\)"),
        (5, {}, r"\(other training structures\)"),
        (5, {"patience": 9}, "patience 50 there, 9 here, other training structures"),
    ):
        with pytest.raises(InputError, match=f"{said}.*--set-aside"):
            train(
                settings(**options),
                clusters(data),
                clusters(3, seed=9),
                seeds=[1],
                out=interrupted,
                resume=True,
            )
    assert (interrupted / "last.ckpt").read_bytes() == before


def test_another_training_in_the_folder_is_set_aside(interrupted):
    train(
        settings(learning_rate=0.005),
        clusters(6),
        clusters(3, seed=9),
        seeds=[1],
        out=interrupted,
        set_aside=True,
    )
    assert (interrupted / "superseded-1" / "last.ckpt").exists()
    assert len(metrics(interrupted)) == 6


def test_the_best_model_so_far_lies_in_the_folder(interrupted):
    """As a model; and not when the training is finished."""
    potential = camp.load(interrupted / BEST_FILE)
    structures = clusters(3, seed=9)
    result = potential.evaluate(structures)
    errors = [f - a.get_forces() for f, a in zip(result.forces, structures, strict=True)]
    best = min(
        float(row["validation_forces_mae"])
        for row in metrics(interrupted)
        if int(row["step"]) > SETTINGS.training.ema_start
    )
    assert np.abs(errors).mean() == pytest.approx(best, rel=1e-4)
    train(settings(), clusters(6), clusters(3, seed=9), seeds=[1], out=interrupted, resume=True)
    assert not (interrupted / BEST_FILE).exists()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_whole_validation_set_is_looked_at_on_a_gpu(tmp_path):
    """After Lightning has taken the model away from there."""
    [summary] = train(
        settings(validate_part=2), clusters(6), clusters(5, seed=9), seeds=[1], out=tmp_path
    )
    assert summary["whole_validation_errors"]["forces"] > 0
    assert camp.load(tmp_path / MODEL_FILE).device.type == "cpu"


def test_folder_in_use_is_refused(tmp_path):
    with locked(tmp_path), pytest.raises(InputError, match="in use"), locked(tmp_path):
        pass


def test_unknown_species_in_validation_is_refused(tmp_path):
    validation = clusters(1)
    validation[0].numbers[0] = 36
    with pytest.raises(InputError, match=r"\[36\]"):
        train(settings(), clusters(2), validation, seeds=[1], out=tmp_path)


def test_metrics_by_hand():
    comparison = Comparison(
        atoms=np.array([2, 1]),
        numbers=np.array([1, 1, 1]),
        targets={target.name: target for target in (ENERGY, FORCES)},
        predicted={
            "energy": np.array([1.0, 2.0]),
            "forces": np.array([[1.0, 0, 0], [0, -2.0, 0], [0, 0, 0]]),
        },
        reference={"energy": np.array([0.0, 4.0]), "forces": np.zeros((3, 3))},
    )
    found = comparison.metrics()
    assert found["energy"]["energy_mae"] == pytest.approx(1.5)
    assert found["energy"]["energy_rmse"] == pytest.approx(math.sqrt(2.5))
    assert found["energy"]["energy_mae_per_atom"] == pytest.approx(1.25)
    assert found["forces"]["forces_mae"] == pytest.approx(3 / 9)
    assert found["forces"]["forces_rmse"] == pytest.approx(math.sqrt(5 / 9))
    record = evaluation_record(comparison, unavailable={"energy": "why"}, task="t")
    assert record["metrics"]["energy_mae"] is None
    assert record["metrics"]["forces_mae"] == pytest.approx(3 / 9)
    assert record["frames"] == 2
