"""The files that commands read."""

import pytest

from camp.errors import InputError
from camp.settings import load_simulation, load_training

from .conftest import SplineSettings


def test_own_training_of_another_architecture(tmp_path, spline):
    path = tmp_path / "mine.yaml"
    text = "train: a.xyz\nvalidation: b.xyz\nmodel: {architecture: %s, cutoff: 4}\n"
    path.write_text(text % "spline", encoding="utf-8")
    assert load_training(path).model == SplineSettings(cutoff=4.0)
    path.write_text(text % "cmap", encoding="utf-8")
    message = r"model\.architecture is 'cmap'; it must be one of .*camp.*spline"
    with pytest.raises(InputError, match=message):
        load_training(path)


def test_what_the_workflow_writes_is_what_training_reads(load, tmp_path):
    written = load().training_settings("md17-ethanol", "camp", data="d.xyz.gz", split="s.json")
    path = tmp_path / "task.yaml"
    path.write_text(written.to_yaml(), encoding="utf-8")
    assert load_training(path) == written


def test_own_training_needs_only_the_structures(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("train: a.xyz\nvalidation: b.xyz\n", encoding="utf-8")
    settings = load_training(path)
    assert settings.task == "mine"
    assert settings.model.max_rank == 3
    assert settings.training.recipe == "fast"


@pytest.mark.parametrize(
    "key, section",
    [
        ("max_time", "training"),
        ("cutoff", "model"),
        ("channels", "model"),
        ("max_nu", "model"),
        ("recipe", "training"),
    ],
)
def test_a_key_outside_its_section_is_told_where_it_belongs(tmp_path, key, section):
    path = tmp_path / "mine.yaml"
    path.write_text(f"train: a.xyz\nvalidation: b.xyz\n{key}: 1\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_training(path)
    assert str(error.value) == f"{path}: {key} is not a known key; it belongs under '{section}'"


@pytest.mark.parametrize(
    "text",
    ["model: {channels: 3}", "data: a.xyz", "train: a.xyz", "data: a\nsplit: b\ntrain: c\n"],
)
def test_own_training_without_structures_says_what_to_give(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.yaml: give the structures either as 'data' and"):
        load_training(path)


@pytest.mark.parametrize(
    "training, compiles",
    [
        ("{}", True),
        ("{max_time: 0.2}", True),
        ("{max_time: 0.1}", False),
        ("{max_time: 0.1, compile_after: 0}", True),
        ("{max_steps: 500}", False),
        ("{compile: false}", False),
    ],
)
def test_short_trainings_are_not_compiled(tmp_path, training, compiles):
    path = tmp_path / "mine.yaml"
    path.write_text(f"train: a.xyz\nvalidation: b.xyz\ntraining: {training}\n", encoding="utf-8")
    assert load_training(path).training.compiles == compiles


def test_a_key_that_only_looks_a_little_like_another_is_answered_with_all(tmp_path):
    path = tmp_path / "md.yaml"
    path.write_text("temperature: 300\nsteps: 200\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"steps is not a known key; known are: .*length"):
        load_simulation(path)
