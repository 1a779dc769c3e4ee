"""Every mistake is one line that names the file and the key."""

import pytest
import yaml

from camp.errors import InputError
from camp.settings import load_scale

from .conftest import CONFIG, SMALL, of_task


def camp(**change):
    return of_task(models={"camp": change})


MISTAKES = {
    "unknown key": ({"mirrors": "x"}, "mirrors is not a known key; did you mean 'mirror'?"),
    "misspelt hyperparameter": (
        camp(model={"max_rnk": 2}),
        "tasks.md17-ethanol.models.camp.model.max_rnk is not a known key; did you mean 'max_rank'?",
    ),
    "rank too high": (
        camp(model={"max_rank": 7}),
        "tasks.md17-ethanol.models.camp.model.max_rank is 7; it must be a whole number from 0 to 4",
    ),
    "negative cutoff": (
        camp(model={"cutoff": -5.0}),
        "models.camp.model.cutoff is -5.0; it must be a number above 0 and at most 20",
    ),
    "cutoff not a number": (
        camp(model={"cutoff": float("nan")}),
        "model.cutoff is nan; it must",
    ),
    "whole number as float": (camp(model={"channels": 16.0}), "model.channels is 16.0; it must"),
    "truth as number": (camp(training={"batch_size": True}), "batch_size is True; it must be"),
    "number as text": (
        camp(training={"learning_rate": "1e-3"}),
        "learning_rate is '1e-3'; it must be a number above 0 and at most 1 "
        "(YAML reads this as text: write 0.001)",
    ),
    "other architecture": (
        of_task(models={"cmap": {}}),
        "tasks.md17-ethanol.models.cmap is 'cmap'; it must be one of ",
    ),
    "weights": ({"weights": "mine"}, "weights is 'mine'; it must be one of own, published"),
    "sign of an energy": (
        of_task(signs={"energy": "free"}),
        "md17-ethanol.signs.energy is not a known key; known are: atomic_dipole, dielectric,",
    ),
    "a unit of what is converted nowhere": (
        of_task(units={"forces": "kcal/mol/Å"}),
        "md17-ethanol.units.forces is not a known key; known are: atomic_dipole, dielectric,",
    ),
    "no such sign": (of_task(signs={"dipole": "any"}), "signs.dipole is 'any'; it must be one of"),
    "generated and kept by a number": (
        {"datasets": {"ethanol": {"generate": "water", "frames": 3, "keep_below": {"a": 1.0}}}},
        "datasets.ethanol.keep_below does not go together with 'generate'",
    ),
    "seed twice": ({"seeds": [1, 2, 1]}, "seeds holds 1 more than once"),
    "no seeds": ({"seeds": []}, "seeds is []; it must be a list of at least 1"),
    "seed alone": ({"seeds": 3}, "seeds is 3; it must be a list"),
    "negative seed": ({"seeds": [1, -2]}, "seeds[1] is -2; it must be a whole number of at least"),
    "too few frames": (
        of_task(split={"train": 20, "validation": 8, "test": 3}),
        "tasks.md17-ethanol.split asks for 20 train + 8 validation + 3 test, but the dataset "
        "'ethanol' has 30 frames",
    ),
    "nothing left to test": (
        of_task(split={"train": 25, "validation": 5}),
        "tasks.md17-ethanol.split asks for 25 train + 5 validation + rest test",
    ),
    "unknown task": (
        {"tasks": {"md17-etanol": {"dataset": "ethanol"}}},
        "tasks.md17-etanol is not a task of",
    ),
    "unknown dataset": (
        of_task(dataset="ethanool"),
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
        of_task(split={"sources": {"test": "b.xyz"}}),
        "split.sources.test is 'b.xyz', no file of its dataset",
    ),
    "weights of nobody": (
        camp(checkpoint="models/water/checkpoint.ckpt"),
        "tasks.md17-ethanol.models.camp.checkpoint goes with 'weights: published' only",
    ),
    "nothing to learn": (
        camp(training={"energy_weight": 0, "forces_weight": 0}),
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
    "peers without a time": (
        of_task(peers=["mace"]),
        "tasks.md17-ethanol.peers needs models.camp.training.max_time, the hours that they are",
    ),
    "peers of other targets": (
        of_task(
            peers=["mace"],
            targets=["energy", "forces", "stress"],
            models={"camp": {"training": {"max_time": 0.1}}},
        ),
        "tasks.md17-ethanol.peers goes with the targets energy and forces only",
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
        load(change=of_task(models={architecture: {"model": model}}))
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
