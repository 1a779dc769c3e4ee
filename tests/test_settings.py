"""Settings: merged as documented, and every mistake is one line that names the file and the key."""

import re
import subprocess
import sys
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest
import yaml
from pydantic import Field, model_validator

from camp.errors import InputError
from camp.settings import (
    Run,
    commands,
    load_scale,
    load_training,
    merge,
    read_yaml,
    scale,
    sections,
)
from camp.settings.architectures import Architecture, architectures
from camp.settings.base import ModelSettings, Settings
from camp.settings.documentation import with_tables

REPOSITORY = Path(__file__).resolve().parents[1]
CONFIG = REPOSITORY / "config"

SMALL = """
scale: small
data: generated (GFN-xTB)
weights: own
seeds: [1, 2]
datasets:
  ethanol: {generate: "molecule:ethanol", frames: 30, seed: 1}
tasks:
  md17-ethanol:
    dataset: ethanol
    split: {train: 10, validation: 5, test: rest}
    models:
      camp:
        model: {channels: 4, max_rank: 1}
        training: {max_steps: 7}
"""
PUBLISHED = """
scale: checked
data: real
weights: published
datasets:
  water: {fetch: [dataset/water/test_water.json]}
tasks:
  water: {dataset: water}
"""


class SplineSettings(ModelSettings):
    """Of an architecture of somebody else, with a check in its own words."""

    architecture: Literal["spline"] = "spline"
    knots: int = Field(6, ge=2)
    average_neighbours: float = 1.0

    @model_validator(mode="after")
    def _is_even(self):
        if self.knots % 2:
            raise ValueError("has an odd number of knots")
        return self


@pytest.fixture
def spline(monkeypatch):
    """An architecture that another package registers, without a file in the configuration."""
    entry = SimpleNamespace(
        load=lambda: Architecture("spline", "Spline", SplineSettings, network="nowhere:Nothing")
    )
    monkeypatch.setattr("camp.settings.architectures.entry_points", lambda group: [entry])
    architectures.cache_clear()
    yield
    architectures.cache_clear()


@pytest.fixture
def load(tmp_path):
    """Loads the settings in a text, changed by other settings laid over it."""

    def load(text=SMALL, change=None, overrides=None, name="small.yaml"):
        path = tmp_path / name
        content = merge(yaml.safe_load(text), change or {})
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return load_scale([path], overrides or {}, folder=CONFIG)

    return load


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


def names(scale, task):
    return [run.name for run in scale.runs(task)]


def test_runs_are_named_by_architecture_and_seed_or_published(load):
    assert names(load(), "md17-ethanol") == ["camp-seed-1", "camp-seed-2"]
    assert names(load(PUBLISHED), "water") == ["camp-published"]


def test_a_run_is_found_by_its_name():
    for run in (Run("camp", "own", 12), Run("my-model", "published")):
        assert Run.parse(run.name) == run
    for name in ("seed-1", "camp-seed-", "camp-seed-x", "published", "camp"):
        with pytest.raises(InputError, match=f"'{name}' is no run"):
            Run.parse(name)


def test_an_architecture_without_a_file_has_its_defaults(load, spline):
    change = _task(models={"spline": {"model": {"cutoff": 4}}})
    scale = load(change=change)
    models = scale.tasks["md17-ethanol"].models
    assert models["spline"].model == SplineSettings(cutoff=4.0)
    assert models["camp"].model.channels == 4
    named = ["camp-seed-1", "camp-seed-2", "spline-seed-1", "spline-seed-2"]
    assert names(scale, "md17-ethanol") == named


def test_architectures_of_the_scale_are_those_of_tasks_that_name_none(load, spline):
    split = {"train": 10, "validation": 5, "test": 5}
    task = {"dataset": "ethanol", "split": split}
    scale = load(change={"models": ["spline", "camp"], "tasks": {"lips-10": task}})
    assert names(scale, "lips-10")[::2] == ["spline-seed-1", "camp-seed-1"]
    assert names(scale, "md17-ethanol") == ["camp-seed-1", "camp-seed-2"]


def test_a_simulation_is_made_by_the_architecture_that_it_names(load, spline):
    start = {"task": "md17-ethanol", "start": {"dataset": "ethanol"}}
    change = {**_task(models={"spline": {}}), "simulations": {"ethanol": start}}
    assert load(change=change).simulating_run("ethanol").name == "camp-seed-1"
    start["model"] = "spline"
    assert load(change=change).simulating_run("ethanol").name == "spline-seed-1"
    start["model"], change["tasks"] = "spline", {}
    message = r"simulations\.ethanol\.model is 'spline', no architecture of the task"
    with pytest.raises(InputError, match=message):
        load(change=change)


@pytest.mark.parametrize(
    "architecture, model, message",
    [
        ("spline", {"knotss": 4}, "knotss is not a known key; did you mean 'knots'?"),
        ("spline", {"channels": 4}, "channels is not a known key; known are: architecture,"),
        ("camp", {"knots": 4}, "knots is not a known key; known are: "),
        ("spline", {"knots": 1}, "knots is 1; it must be a whole number of at least 2"),
        ("spline", {"knots": 3}, "has an odd number of knots"),
        ("spline", {"architecture": "camp"}, "architecture is 'camp'; it must be 'spline'"),
        ("camp", {"average_neighbours": 9.0}, "average_neighbours follows from the training set"),
    ],
)
def test_keys_of_a_model_are_those_of_its_architecture(
    load, spline, tmp_path, architecture, model, message
):
    with pytest.raises(InputError) as error:
        load(change=_task(models={architecture: {"model": model}}))
    keys = f"small.yaml: tasks.md17-ethanol.models.{architecture}.model"
    assert str(error.value).startswith(f"{tmp_path / keys}")
    assert message in str(error.value)


@pytest.mark.parametrize(
    "file, content, message",
    [
        ("cmap.yaml", {}, "'cmap' is no architecture; did you mean 'camp'?"),
        ("camp.yaml", {"tasks": {"lips-01": {}}}, "tasks.lips-01 is not a task of"),
        (
            "camp.yaml",
            {"recipes": {"md17": {}}, "tasks": {"lips-10": {"recipe": "md71"}}},
            "tasks.lips-10.recipe is 'md71', no recipe of this file; did you mean 'md17'?",
        ),
        (
            "camp.yaml",
            {"recipes": {"md17": {"patiance": 3}}},
            "recipes.md17.patiance is not a known key; did you mean 'patience'?",
        ),
    ],
)
def test_mistakes_in_the_file_of_an_architecture_name_it(tmp_path, file, content, message):
    for name in ("tasks.yaml", "simulations.yaml"):
        (tmp_path / name).write_text((CONFIG / name).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / file
    path.write_text(yaml.safe_dump(content or {"tasks": {}}), encoding="utf-8")
    (tmp_path / "small.yaml").write_text(SMALL, encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_scale([tmp_path / "small.yaml"], {}, folder=tmp_path)
    assert str(error.value).startswith(f"{path}: {message}")


def test_own_training_of_another_architecture(tmp_path, spline):
    path = tmp_path / "mine.yaml"
    text = "train: a.xyz\nvalidation: b.xyz\nmodel: {architecture: %s, cutoff: 4}\n"
    path.write_text(text % "spline", encoding="utf-8")
    assert load_training(path).model == SplineSettings(cutoff=4.0)
    path.write_text(text % "cmap", encoding="utf-8")
    message = r"model\.architecture is 'cmap'; it must be one of .*camp.*spline"
    with pytest.raises(InputError, match=message):
        load_training(path)


def test_seeds_of_a_task_win(load):
    scale = load(change={"tasks": {"md17-ethanol": {"seeds": [7]}}})
    assert names(scale, "md17-ethanol") == ["camp-seed-7"]


def test_labels_of_a_dataset_win(load):
    scale = load(change={"datasets": {"ethanol": {"data": "generated twice", "note": "so"}}})
    settings = scale.training_settings("md17-ethanol", "camp", data="d.xyz", split="s.json")
    assert settings.labels == {"scale": "small", "data": "generated twice", "note": "so"}


def test_command_line_wins_over_files(load, tmp_path):
    scale = load(overrides={"seeds": [9], "mirror": str(tmp_path)})
    assert names(scale, "md17-ethanol") == ["camp-seed-9"]
    assert scale.mirror == str(tmp_path)


def test_later_files_win(tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(SMALL, encoding="utf-8")
    second.write_text("seeds: [5]\n", encoding="utf-8")
    scale = load_scale([first, second], {}, folder=CONFIG)
    assert names(scale, "md17-ethanol") == ["camp-seed-5"]


def test_what_the_workflow_writes_is_what_training_reads(load, tmp_path):
    written = load().training_settings("md17-ethanol", "camp", data="d.xyz.gz", split="s.json")
    path = tmp_path / "task.yaml"
    path.write_text(written.to_yaml(), encoding="utf-8")
    assert load_training(path) == written


def test_speed_is_measured_only_if_asked_for(load):
    assert load().speed.simulations == []
    start = {"task": "md17-ethanol", "start": {"dataset": "ethanol"}}
    change = {"simulations": {"ethanol": start}, "speed": {"simulations": ["ethanol"]}}
    speed = load(change=change).speed
    assert (speed.simulations, speed.seconds, speed.threads) == (["ethanol"], 5.0, 2)
    assert speed.peers == []


def _task(**change):
    return {"tasks": {"md17-ethanol": change}}


def _camp(**change):
    return _task(models={"camp": change})


MISTAKES = {
    "unknown key": ({"mirrors": "x"}, "mirrors is not a known key; did you mean 'mirror'?"),
    "misspelt hyperparameter": (
        _camp(model={"max_rnk": 2}),
        "tasks.md17-ethanol.models.camp.model.max_rnk is not a known key; did you mean 'max_rank'?",
    ),
    "rank too high": (
        _camp(model={"max_rank": 7}),
        "tasks.md17-ethanol.models.camp.model.max_rank is 7; it must be a whole number from 0 to 4",
    ),
    "negative cutoff": (
        _camp(model={"cutoff": -5.0}),
        "models.camp.model.cutoff is -5.0; it must be a number above 0 and at most 20",
    ),
    "cutoff not a number": (_camp(model={"cutoff": float("nan")}), "model.cutoff is nan; it must"),
    "whole number as float": (_camp(model={"channels": 16.0}), "model.channels is 16.0; it must"),
    "truth as number": (_camp(training={"batch_size": True}), "batch_size is True; it must be"),
    "number as text": (
        _camp(training={"learning_rate": "1e-3"}),
        "learning_rate is '1e-3'; it must be a number above 0 and at most 1 "
        "(YAML reads this as text: write 0.001)",
    ),
    "other architecture": (
        _task(models={"cmap": {}}),
        "tasks.md17-ethanol.models.cmap is 'cmap'; it must be one of ",
    ),
    "weights": ({"weights": "mine"}, "weights is 'mine'; it must be one of own, published"),
    "seed twice": ({"seeds": [1, 2, 1]}, "seeds holds 1 more than once"),
    "no seeds": ({"seeds": []}, "seeds is []; it must be a list of at least 1"),
    "seed alone": ({"seeds": 3}, "seeds is 3; it must be a list"),
    "negative seed": ({"seeds": [1, -2]}, "seeds[1] is -2; it must be a whole number of at least"),
    "too few frames": (
        _task(split={"train": 20, "validation": 8, "test": 3}),
        "tasks.md17-ethanol.split asks for 20 train + 8 validation + 3 test, but the dataset "
        "'ethanol' has 30 frames",
    ),
    "nothing left to test": (
        _task(split={"train": 25, "validation": 5}),
        "tasks.md17-ethanol.split asks for 25 train + 5 validation + rest test",
    ),
    "unknown task": (
        {"tasks": {"md17-etanol": {"dataset": "ethanol"}}},
        "tasks.md17-etanol is not a task of",
    ),
    "unknown dataset": (
        _task(dataset="ethanool"),
        "tasks.md17-ethanol.dataset is 'ethanool', no dataset; did you mean 'ethanol'?",
    ),
    "no frames": (
        {"datasets": {"b": {"generate": "water"}}},
        "datasets.b.frames is missing; say how many frames",
    ),
    "nothing to make data from": (
        {"datasets": {"b": {"data": "real"}}},
        "datasets.b needs one of 'generate', 'fetch' and 'files'",
    ),
    "two origins": (
        {"datasets": {"ethanol": {"fetch": ["MD17 ethanol"]}}},
        "datasets.ethanol.fetch does not go together with 'generate'",
    ),
    "unknown public file": (
        {"datasets": {"b": {"fetch": ["MD17 etanol"]}}},
        "fetch[0] is 'MD17 etanol', no name in the registry; did you mean 'MD17 ethanol'?",
    ),
    "files without a folder": (
        {"datasets": {"b": {"files": ["b.xyz"]}}},
        "files[0] is 'b.xyz', but it is not known where that lies; set data_folder",
    ),
    "missing mirror": ({"mirror": "/no/such/folder"}, "mirror is '/no/such/folder', which is not"),
    "unknown source": (
        _task(split={"sources": {"test": "b.xyz"}}),
        "split.sources.test is 'b.xyz', no file of its dataset",
    ),
    "weights of nobody": (
        _camp(checkpoint="models/water/checkpoint.ckpt"),
        "tasks.md17-ethanol.models.camp.checkpoint goes with 'weights: published' only",
    ),
    "nothing to learn": (
        _camp(training={"energy_weight": 0, "forces_weight": 0}),
        "training.energy_weight and forces_weight are both 0",
    ),
    "notebook of no task": (
        {"notebooks": {"model": "water"}},
        "notebooks.model is 'water', no task",
    ),
    "speed of no simulation": (
        {"speed": {"simulations": ["water"]}},
        "speed.simulations[0] is 'water', no simulation of this scale",
    ),
    "unknown peer": (
        {"speed": {"peers": ["schnet"]}},
        "speed.peers[0] is 'schnet'; it must be one of mace, nequip",
    ),
    "name that is a number": (
        {"datasets": {7: {"generate": "water", "frames": 3}}},
        "datasets.7 is not a possible name",
    ),
    "name with a line break": (
        {"datasets": {"a\n": {"generate": "water", "frames": 3}}},
        "datasets.a is not a possible name",
    ),
    "seed of many digits": ({"seeds": [10**30]}, "it must be a whole number of at least 0"),
    "name with a slash": (
        {"datasets": {"a/b": {"generate": "water", "frames": 3}}},
        "datasets.a/b is not a possible name",
    ),
}


@pytest.mark.parametrize("change, message", MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_one_line_with_file_and_key(load, tmp_path, change, message):
    with pytest.raises(InputError) as error:
        load(change=change)
    text = str(error.value)
    assert text.startswith(f"{tmp_path / 'small.yaml'}: ")
    assert message in text
    assert "\n" not in text


@pytest.mark.parametrize("key", ["scale", "data", "weights", "datasets", "tasks", "seeds"])
def test_missing_key_is_named(tmp_path, key):
    content = yaml.safe_load(SMALL)
    del content[key]
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(InputError, match=rf"small\.yaml: .*{key}"):
        load_scale([path], {}, folder=CONFIG)


def test_mistake_on_the_command_line_names_it(load):
    with pytest.raises(InputError, match=r"^--config: seeds\[0\] is 'x'; it must be"):
        load(overrides={"seeds": ["x"]})


def test_mistake_in_the_second_file_names_it(tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(SMALL, encoding="utf-8")
    second.write_text("datasets: {ethanol: {frames: 0}}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"second\.yaml: datasets\.ethanol\.frames is 0"):
        load_scale([first, second], {}, folder=CONFIG)


def test_published_weights_need_their_name_and_no_training(load):
    message = r"tasks\.water\.models\.camp\.model goes with 'weights: own' only"
    with pytest.raises(InputError, match=message):
        load(PUBLISHED, {"tasks": {"water": {"models": {"camp": {"model": {"channels": 3}}}}}})
    with pytest.raises(InputError, match=r"lips-100-basis\.models\.camp\.checkpoint is missing"):
        load(PUBLISHED, {"tasks": {"lips-100-basis": {"dataset": "water"}}})


@pytest.mark.parametrize(
    "text, message",
    [
        ("seeds: [1\nscale: x", r"bad\.yaml, line 2: not valid YAML"),
        ("scale: a\nscale: b", r"bad\.yaml, line 2: not valid YAML: the key 'scale' is given twi"),
        ("- a\n- b", r"bad\.yaml: must hold keys with values"),
        ("", r"bad\.yaml: must hold keys with values"),
    ],
)
def test_broken_yaml_is_one_line(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as error:
        read_yaml(path)
    assert "\n" not in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read \(No such file"):
        read_yaml(tmp_path / "none.yaml")


def test_own_training_needs_only_the_structures(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("train: a.xyz\nvalidation: b.xyz\n", encoding="utf-8")
    settings = load_training(path)
    assert settings.task == "mine"
    assert settings.model.max_rank == 3
    assert settings.training.recipe == "fast"


@pytest.mark.parametrize(
    "text",
    ["model: {channels: 3}", "data: a.xyz", "train: a.xyz", "data: a\nsplit: b\ntrain: c\n"],
)
def test_own_training_without_structures_says_what_to_give(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.yaml: give the structures either as 'data' and"):
        load_training(path)


def test_tables_of_keys_are_current():
    """``python -m camp.settings.documentation`` writes them."""
    text = (CONFIG / "README.md").read_text(encoding="utf-8")
    assert with_tables(text) == text


def test_every_section_is_explained():
    text = (CONFIG / "README.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"<!-- keys of (\w+) -->", text))
    # What others are made from, and what only a saved model has.
    inner = {"Settings", "ModelSettings", "Source", "TrainingJob", "TaskModelByRecipe"}
    known = [vars(module).values() for module in (sections, scale, commands)]
    assert explained - {"models"} == {
        one.__name__
        for one in chain.from_iterable(known)
        if isinstance(one, type) and issubclass(one, Settings) and one.__name__ not in inner
    }


def test_settings_import_nothing_heavy():
    """The workflow reads them for each of its jobs."""
    script = (
        "import sys, camp.settings, camp.cli, camp.data.sources\n"
        "print([m for m in ('torch', 'pandas', 'pytorch_lightning') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.strip() == "[]"
