"""Scales: tasks, models and simulations are completed from the files beside them."""

import pytest

from camp.errors import InputError

from .conftest import PUBLISHED, SplineSettings, names, of_task


def test_task_is_completed_from_the_paper_and_the_scale(load):
    task = load().tasks["md17-ethanol"]
    camp = task.models["camp"]
    assert camp.model.channels == 4  # of the scale
    assert camp.model.cutoff == 6.0  # of the paper
    assert camp.training.max_steps == 7
    assert camp.training.scheduler_patience == 200  # of the recipe
    assert task.seeds == [1, 2]
    assert task.data == "generated (GFN-xTB)"
    assert task.targets == ["energy", "forces"]
    assert task.resources.threads == 1


def test_architectures_of_the_scale_are_those_of_tasks_that_name_none(load, spline):
    split = {"train": 10, "validation": 5, "test": 5}
    task = {"dataset": "ethanol", "split": split}
    scale = load(change={"models": ["spline", "camp"], "tasks": {"lips-10": task}})
    assert names(scale, "lips-10")[::2] == ["spline-seed-1", "camp-seed-1"]
    assert names(scale, "md17-ethanol") == ["camp-seed-1", "camp-seed-2"]


def test_an_architecture_without_a_file_has_its_defaults(load, spline):
    change = of_task(models={"spline": {"model": {"cutoff": 4}}})
    scale = load(change=change)
    models = scale.tasks["md17-ethanol"].models
    assert models["spline"].model == SplineSettings(cutoff=4.0)
    assert models["camp"].model.channels == 4
    named = ["camp-seed-1", "camp-seed-2", "spline-seed-1", "spline-seed-2"]
    assert names(scale, "md17-ethanol") == named


def test_a_simulation_is_made_by_the_architecture_that_it_names(load, spline):
    start = {"task": "md17-ethanol", "start": {"dataset": "ethanol"}}
    change = {**of_task(models={"spline": {}}), "simulations": {"ethanol": start}}
    assert load(change=change).simulating_run("ethanol").name == "camp-seed-1"
    start["model"] = "spline"
    assert load(change=change).simulating_run("ethanol").name == "spline-seed-1"
    start["model"], change["tasks"] = "spline", {}
    message = r"simulations\.ethanol\.model is 'spline', no architecture of the task"
    with pytest.raises(InputError, match=message):
        load(change=change)


def test_only_the_architectures_that_are_wanted_are_made(load, spline):
    """With the tasks and simulations that have one of them."""
    split = {"train": 10, "validation": 5, "test": 5}
    start = {"start": {"dataset": "ethanol"}}
    change = {
        "datasets": {"other": {"generate": "water", "frames": 30}},
        "tasks": {
            "md17-ethanol": {
                "models": {"camp": {"training": {"max_time": 0.1}}, "spline": {}},
                "peers": ["mace"],
            },
            "lips-10": {"dataset": "other", "split": split, "models": {"spline": {}}},
        },
        "simulations": {
            "ethanol": {"task": "md17-ethanol", **start},
            "lips": {"task": "lips-10", **start},
            "nve-smooth": {"task": "md17-ethanol", "model": "spline", **start},
        },
        "speed": {"simulations": ["ethanol", "lips"]},
        "notebooks": {"training": "lips-10", "trajectory": "ethanol"},
    }
    assert [*load(change=change).tasks] == ["lips-10", "md17-ethanol"]
    scale = load(change=change, overrides={"only": ["camp"]})
    assert [*scale.tasks] == ["md17-ethanol"]
    assert [*scale.datasets] == ["ethanol"]
    assert scale.tasks["md17-ethanol"].peers == ["mace"]
    assert names(scale, "md17-ethanol") == ["camp-seed-1", "camp-seed-2"]
    assert ([*scale.simulations], scale.speed.simulations) == (["ethanol"], ["ethanol"])
    assert (scale.notebooks.training, scale.notebooks.trajectory) == (None, "ethanol")
    other = load(change=change, overrides={"only": ["spline"]})
    assert [*other.tasks] == ["lips-10", "md17-ethanol"]
    assert [*other.simulations] == ["lips", "nve-smooth"]
    # They take as long as the first model, which is not made.
    assert other.tasks["md17-ethanol"].peers == []
    with pytest.raises(InputError, match=r"only\[0\] is 'cace', no architecture of a task"):
        load(change=change, overrides={"only": ["cace"]})


def test_seeds_of_a_task_win(load):
    scale = load(change={"tasks": {"md17-ethanol": {"seeds": [7]}}})
    assert names(scale, "md17-ethanol") == ["camp-seed-7"]


def test_labels_of_a_dataset_win(load):
    scale = load(change={"datasets": {"ethanol": {"data": "generated twice", "note": "so"}}})
    settings = scale.training_settings("md17-ethanol", "camp", data="d.xyz", split="s.json")
    assert settings.labels == {"scale": "small", "data": "generated twice", "note": "so"}


def test_speed_is_measured_only_if_asked_for(load):
    assert load().speed.simulations == []
    start = {"task": "md17-ethanol", "start": {"dataset": "ethanol"}}
    change = {"simulations": {"ethanol": start}, "speed": {"simulations": ["ethanol"]}}
    speed = load(change=change).speed
    assert (speed.simulations, speed.seconds, speed.threads) == (["ethanol"], 5.0, 2)
    assert speed.peers == []


def test_published_weights_need_their_name_and_no_training(load):
    message = r"tasks\.water\.models\.camp\.model goes with 'weights: own' only"
    with pytest.raises(InputError, match=message):
        load(PUBLISHED, {"tasks": {"water": {"models": {"camp": {"model": {"channels": 3}}}}}})
    with pytest.raises(InputError, match=r"lips-100-basis\.models\.camp\.checkpoint is missing"):
        load(PUBLISHED, {"tasks": {"lips-100-basis": {"dataset": "water"}}})
