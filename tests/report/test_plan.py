"""The plan of a scale against sums by hand."""

import json
from pathlib import Path

import pytest

from camp.cli import main
from camp.errors import InputError
from camp.report.plan import make_plan
from camp.settings import load_scale

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture
def scale():
    """quick: lips-10 has 10 structures, batches of 2, and 150 steps."""
    return load_scale(
        [CONFIG / "quick.yaml"],
        {"seeds": [1, 2, 3]},
        folder=CONFIG,
    )


def item(items, name):
    return next(one for one in items if one.name == name)


def test_nothing_is_known_before_anything_ran(scale, tmp_path):
    plan = make_plan(scale, tmp_path)
    training = item(plan.trainings, "lips-10 (CAMP)")
    assert (training.done, training.wanted, training.jobs) == (0, 3, 3)
    assert training.steps == 3 * 150
    assert training.rate is None and training.hours is None
    together = item(plan.trainings, "md17-ethanol (CAMP)")
    assert (together.jobs, together.steps, together.side_by_side) == (1, 3 * 100, 3)
    simulation = item(plan.simulations, "lips")
    assert simulation.steps == 2 * 500  # two replicas of 0.1 + 0.4 ps at 1 fs
    assert "whose speed is not known yet" in plan.to_text()


def test_hours_follow_from_what_ran(scale, tmp_path):
    header = "epoch,step,seconds\n"
    for seed, row in ((1, "29,150,75.0"), (2, "9,50,25.0")):
        folder = tmp_path / f"training/lips-10/camp-seed-{seed}"
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text(f"{header}0,5,9.0\n{row}\n")
    (tmp_path / "training/lips-10/camp-seed-1/training.json").write_text("{}")
    (tmp_path / "speed").mkdir()
    records = [
        {"contestant": "CAMP", "kind": "accelerated", "md_steps_per_second": 50.0},
        {"contestant": "MACE", "kind": "peer", "md_steps_per_second": 7.0},
    ]
    (tmp_path / "speed/lips.json").write_text(json.dumps(records))
    plan = make_plan(scale, tmp_path)
    training = item(plan.trainings, "lips-10 (CAMP)")
    assert (training.done, training.jobs, training.steps) == (1, 2, 100 + 150)
    assert training.hours == pytest.approx(250 / 2.0 / 3600)
    assert item(plan.simulations, "lips").hours == pytest.approx(1000 / 50 / 3600)
    assert plan.bytes_now == sum(f.stat().st_size for f in tmp_path.rglob("*.*") if f.is_file())


def test_epochs_are_those_of_the_stages_or_of_so_many_steps(scale, tmp_path):
    change = {"training": {"max_epochs": 7, "validate_every": 4, "max_steps": None}}
    tasks = {"lips-10": {"models": {"camp": change}}}
    options = {"seeds": [1], "tasks": tasks}
    own = load_scale([CONFIG / "quick.yaml"], options, folder=CONFIG)
    assert item(make_plan(own, tmp_path).trainings, "lips-10 (CAMP)").steps == 7 * 4
    change["training"] |= {"validate_every": None, "stages": [{"epochs": 2}, {"epochs": 3}]}
    own = load_scale([CONFIG / "quick.yaml"], options, folder=CONFIG)
    # Ten structures in batches of two.
    assert item(make_plan(own, tmp_path).trainings, "lips-10 (CAMP)").steps == 5 * 5


def test_hours_are_no_more_than_a_training_may_take(tmp_path):
    change = {"training": {"max_time": 0.5}}
    options = {"seeds": [1, 2], "tasks": {"lips-10": {"models": {"camp": change}}}}
    own = load_scale([CONFIG / "quick.yaml"], options, folder=CONFIG)
    assert item(make_plan(own, tmp_path).trainings, "lips-10 (CAMP)").hours == pytest.approx(1.0)
    folder = tmp_path / "training/lips-10/camp-seed-1"
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text("epoch,step,seconds\n0,1,900.0\n")
    assert item(make_plan(own, tmp_path).trainings, "lips-10 (CAMP)").hours == pytest.approx(0.75)


def test_seeds_side_by_side_share_the_time(scale, tmp_path):
    for seed in (1, 2, 3):
        folder = tmp_path / f"training/md17-ethanol/camp-seed-{seed}"
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text("epoch,step,seconds\n1,50,100.0\n")
    training = item(make_plan(scale, tmp_path).trainings, "md17-ethanol (CAMP)")
    assert training.hours == pytest.approx(50 * 2.0 / 3600)


def test_broken_metrics_are_named(scale, tmp_path):
    folder = tmp_path / "training/lips-10/camp-seed-1"
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text("nonsense\n1\n")
    with pytest.raises(InputError, match=r"camp-seed-1/metrics\.csv"):
        make_plan(scale, tmp_path)


def test_the_verb(tmp_path, capsys):
    config = str(CONFIG / "paper.yaml")
    assert main(["plan", "--configfile", config, "--results", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Scale paper\n")
    assert "GPU hours left: at most 0.0, and lips-10" in text
    assert main(["plan", "--configfile", str(tmp_path / "none.yaml")]) == 2
