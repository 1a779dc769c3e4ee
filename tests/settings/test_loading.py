"""Which file wins, and files that cannot be read."""

import subprocess
import sys

import pytest

from camp.errors import InputError
from camp.settings import load_scale, read_yaml

from .conftest import CONFIG, REPOSITORY, SMALL, names


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


def test_recipe_of_a_scale_is_that_of_all_its_trainings():
    """Also of a model whose file does not know the task."""
    given = {"recipe": "fast", "models": ["camp", "cace"]}
    scale = load_scale([CONFIG / "paper.yaml"], given, folder=CONFIG)
    assert "cace" in scale.tasks["md17-aspirin"].models
    trainings = [model.training for task in scale.tasks.values() for model in task.models.values()]
    assert {(training.recipe, training.optimizer) for training in trainings} == {("fast", "soap")}
