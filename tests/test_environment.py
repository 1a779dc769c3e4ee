"""What stands in two places agrees: pins, and the paper's hyperparameters; `make env`."""

import shutil
import subprocess
import tomllib
import venv
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from camp.report.declarations import load_paper
from camp.settings import load_scale

REPOSITORY = Path(__file__).resolve().parents[1]
CONFIG = REPOSITORY / "config"
SPLITS = {
    name: task["split"]
    for name, task in yaml.safe_load((CONFIG / "tasks.yaml").read_text(encoding="utf-8")).items()
}
# Of every task of CAMP's paper, as the full reproduction has them.
MODELS = {
    name: task.models["camp"]
    for name, task in load_scale([CONFIG / "paper.yaml"], {}, folder=CONFIG).tasks.items()
    if "camp" in task.models
}

# Table S5: training set size, u, v_max, T, r_cut (Å).
TABLE_S5 = {
    "lips-10": (10, 16, 3, 2, 6),
    "lips-100": (100, 16, 3, 2, 6),
    "lips-1000": (1000, 48, 3, 3, 6),
    "lips-2500": (2500, 64, 3, 3, 6),
    "lips-19000": (19000, 48, 3, 3, 6),
    "water": (1433, 32, 2, 3, 5),
    "md17-aspirin": (950, 48, 3, 2, 6),
    "md17-ethanol": (950, 48, 3, 2, 6),
    "md17-malonaldehyde": (950, 32, 3, 3, 6),
    "md17-naphthalene": (950, 32, 3, 3, 6),
    "md17-salicylic_acid": (950, 48, 3, 2, 5),
    "md17-toluene": (950, 48, 3, 2, 6),
    "md17-uracil": (950, 48, 3, 3, 5),
    "graphene": (5560, 48, 3, 3, 6),
}
# Table S4: allowed epochs, early stopping patience, batch size; by where the paper prints errors.
_LIPS, _MD17 = (5000, 400, 2), (10000, 800, 4)
TABLE_S4 = {
    "Table 1": _LIPS,
    "Table 2": _LIPS,
    "SI section 6": _LIPS,
    "Table 3": (10000, 400, 4),
    "Table 4": _MD17,
    "Table S2": _MD17,
    "Table S3": _MD17,
    "Table 5": (1000, 200, 4),
}
# What the ablation of SI section 6 changes.
SETTINGS = {"maximum rank": "max_rank", "number of layers": "layers", "cutoff (Å)": "cutoff"}
ANSWERED = [n for n in load_paper(CONFIG / "papers/camp").own_numbers if n.answered_by_task]


@pytest.mark.parametrize("task", TABLE_S5)
def test_architecture_is_that_of_table_s5(task):
    size, u, rank, layers, cutoff = TABLE_S5[task]
    model, split = MODELS[task].model, SPLITS[task]
    # Of 6178 bilayers, split 8:1:1, 5560 are those for training and for validation together.
    train = split["train"] + (split["validation"] if task == "graphene" else 0)
    assert (train, model.channels - 1) == (size, u)
    assert (model.max_rank, model.layers, model.cutoff) == (rank, layers, cutoff)


@pytest.mark.parametrize(
    ("task", "where"), sorted({(n.answered_by_task, n.where) for n in ANSWERED})
)
def test_training_is_that_of_table_s4(task, where):
    training = MODELS[task].training
    assert (training.max_epochs, training.patience, training.batch_size) == TABLE_S4[where]


@pytest.mark.parametrize("task", MODELS)
def test_training_is_that_of_the_methods(task):
    training = MODELS[task].training
    assert (training.learning_rate, training.scheduler_factor) == (0.01, 0.8)
    assert (training.energy_weight, training.forces_weight) == (1.0, 1.0)
    assert training.ema_decay == 0.999
    assert MODELS[task].model.chebyshev_degree == 8


@pytest.mark.parametrize("number", [n for n in ANSWERED if n.setting], ids=lambda n: n.id)
def test_ablation_changes_one_setting(number):
    reference, task = MODELS["lips-100"], number.answered_by_task
    setting = {SETTINGS[number.setting]: float(number.setting_value)}
    assert MODELS[task].model.model_dump() == {**reference.model.model_dump(), **setting}
    assert MODELS[task].training == reference.training
    assert SPLITS[task] == SPLITS["lips-100"]


PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = [
    Requirement(text)
    for group in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for text in group
]
PINS = {
    canonicalize_name(pin.name): pin
    for pin in (
        Requirement(line)
        for line in (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
}


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_range_of_the_package_contains_the_pin(requirement):
    (pin,) = PINS[canonicalize_name(requirement.name)].specifier
    assert requirement.specifier
    assert pin.operator == "==" and requirement.specifier.contains(pin.version)


def test_all_pins_are_exact():
    assert all(str(pin.specifier).startswith("==") for pin in PINS.values())


def test_environment_file_has_the_pins():
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text(encoding="utf-8"))
    (listed,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    pins = [Requirement(text) for text in listed]
    assert {canonicalize_name(pin.name): pin.extras for pin in pins} == {
        canonicalize_name(r.name): r.extras for r in REQUIREMENTS
    }
    for pin in pins:
        assert pin.specifier == PINS[canonicalize_name(pin.name)].specifier
    assert f"python={PROJECT['requires-python'].removeprefix('>=')}" in environment["dependencies"]


def test_an_environment_is_made_anew_by_the_python_that_made_it(tmp_path):
    """Where it is activated its own Python is found, and removed before it is needed."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, tmp_path)
    venv.create(tmp_path / ".venv", with_pip=False)
    command = ["make", "-n", "env", f"PYTHON={tmp_path / '.venv/bin/python'}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if line.endswith("-m venv .venv")]
    python = Path(line.split()[0])
    assert python.exists() and tmp_path not in python.parents
