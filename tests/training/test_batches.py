"""The order of training batches: passes over the data, cut into epochs of any length."""

from collections import Counter
from itertools import chain

import numpy as np
import pytest

import camp
from camp.errors import InputError
from camp.settings import load_training
from camp.training import interpolated
from camp.training.batches import _Endless
from camp.training.folder import METRICS_FILE, MODEL_FILE
from camp.training.train import train
from tests.training.small_training import clusters, interrupted_in, metrics, settings


def epochs(count, *, rank=0, processes=1, seed=3):
    order = _Endless(7, 4, seed=seed, rank=rank, processes=processes)
    for number in range(count):
        order.set_epoch(number)
        yield list(order)


def test_every_pass_takes_each_structure_once():
    """Seven epochs of four structures are four passes over seven."""
    stream = list(chain(*epochs(7)))
    passes = [stream[first : first + 7] for first in range(0, 28, 7)]
    assert all(sorted(one) == list(range(7)) for one in passes)
    assert len({tuple(one) for one in passes}) == 4


def test_epochs_have_the_same_length_and_depend_on_their_number_only():
    found = list(epochs(5))
    assert {len(epoch) for epoch in found} == {4}
    order = _Endless(7, 4, seed=3, rank=0, processes=1)
    order.set_epoch(4)
    assert list(order) == found[4]
    assert list(epochs(5, seed=4)) != found


def test_processes_share_a_pass():
    """Two processes together take what one with epochs twice as long would."""
    both = [list(chain(*epochs(7, rank=rank, processes=2))) for rank in range(2)]
    assert Counter(both[0] + both[1]) == Counter(list(range(7)) * 8)


def test_steps_of_an_epoch(tmp_path):
    """Five structures in batches of two, validated every four steps: no batch is smaller."""
    options = settings(validate_every=4, max_epochs=3)
    train(options, clusters(5), clusters(2, seed=9), seeds=[1], out=tmp_path)
    assert [int(row["step"]) for row in metrics(tmp_path)] == [4, 8, 12]


def test_resumes_exactly_between_passes(tmp_path):
    data = clusters(5), clusters(2, seed=9)
    options = settings(validate_every=3, max_epochs=4, optimizer="soap", schedule="cosine")
    train(options, *data, seeds=[1], out=tmp_path / "whole")
    with interrupted_in(epoch=2):
        train(options, *data, seeds=[1], out=tmp_path / "parts")
    train(options, *data, seeds=[1], out=tmp_path / "parts", resume=True)
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "parts")
    whole, parts = (camp.load(tmp_path / name / MODEL_FILE) for name in ("whole", "parts"))
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        assert a.equal(b)
    assert (tmp_path / "parts" / METRICS_FILE).exists()


def test_validation_of_a_part_chooses_and_the_whole_is_told_of(tmp_path):
    """Of seven structures the first, third and fifth: their errors are in the table, those of all
    in the summary, of the weights that were best for the three.
    """
    validation, options = clusters(7, seed=9), settings(validate_part=3)
    [summary] = train(options, clusters(5), validation, seeds=[1], out=tmp_path)
    best = min(
        float(row["validation_forces_mae"])
        for row in metrics(tmp_path)
        if int(row["step"]) > options.training.ema_start
    )
    potential = camp.load(tmp_path / MODEL_FILE)
    for structures, expected in (
        (validation[0:5:2], best),
        (validation, summary["whole_validation_errors"]["forces"]),
    ):
        found = potential.evaluate(structures).forces
        pairs = zip(found, structures, strict=True)
        errors = [np.abs(forces - atoms.get_forces()).mean() for forces, atoms in pairs]
        assert expected == pytest.approx(np.mean(errors), rel=1e-4)
    assert summary["validated_part"] == 3
    assert summary["best_validation_error"] == pytest.approx(best, rel=1e-6)


def test_accelerated_validation_has_the_plain_errors(tmp_path, monkeypatch):
    monkeypatch.setattr(interpolated, "SLOTS_FOR_A_POINT", 0)
    data = clusters(5), clusters(4, seed=9)
    for name, fast in (("plain", False), ("fast", True)):
        options = settings(accelerated_validation=fast, max_epochs=3)
        train(options, *data, seeds=[1], out=tmp_path / name)
    for plain, fast in zip(*(metrics(tmp_path / name) for name in ("plain", "fast")), strict=True):
        assert plain["train_loss"] == fast["train_loss"]
        for column in ("validation_energy_mae", "validation_forces_mae"):
            assert float(fast[column]) == pytest.approx(float(plain[column]), rel=1e-4)


def test_accelerated_validation_of_a_training_that_diverges(tmp_path, monkeypatch):
    """Its radial functions fit no table."""
    monkeypatch.setattr(interpolated, "SLOTS_FOR_A_POINT", 0)
    options = settings(accelerated_validation=True, learning_rate=1e30)
    with pytest.raises(InputError, match="diverged, the loss is no longer a number from step 2"):
        train(options, clusters(4), clusters(2), seeds=[1], out=tmp_path)


def written(tmp_path, training):
    file = tmp_path / "own.yaml"
    file.write_text(f"train: a.xyz\nvalidation: b.xyz\n{training}")
    return load_training(file)


def test_own_training_is_fast_unless_it_names_the_paper(tmp_path):
    assert written(tmp_path, "").training.optimizer == "soap"
    changed = written(tmp_path, "training: {learning_rate: 0.001}").training
    assert (changed.optimizer, changed.learning_rate) == ("soap", 0.001)
    paper = written(tmp_path, "training: {recipe: paper}").training
    assert (paper.optimizer, paper.learning_rate) == ("amsgrad", 0.01)
    with pytest.raises(InputError, match="recipe"):
        written(tmp_path, "training: {recipe: slow}")


def test_settings_written_to_a_file_say_the_same_when_read(tmp_path):
    own = written(tmp_path, "training: {max_steps: null, max_time: 0.5}")
    (tmp_path / "again.yaml").write_text(own.to_yaml())
    assert load_training(tmp_path / "again.yaml").training == own.training
