"""Others trained on the same data: what they are given, how long, and what becomes of it."""

import importlib
import json
import stat
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
import yaml
from ase.build import molecule
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

from camp.cli import main
from camp.data.packing import content_hash
from camp.errors import InputError
from camp.settings import load_training

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "contestants"
# Stands in for the Python of a peer: the labels themselves, and a constant more.
PYTHON = f"""#!{sys.executable}
import json, sys
from pathlib import Path
import ase.io, numpy as np
script, work, *options = sys.argv[1:]
given = dict(zip(options[::2], options[1::2], strict=True))
test = ase.io.read(Path(work) / "test.xyz", ":")
energies = np.array([atoms.info["REF_energy"] + 0.5 for atoms in test])
forces = np.concatenate([atoms.arrays["REF_forces"] - 0.25 for atoms in test])
np.savez(Path(work) / "predictions.npz", energies=energies, forces=forces)
record = {{"script": Path(script).name, "given": given, "configuration": "small", "epochs": 7,
          "versions": {{"mace-torch": "0"}}, "parameters": 12, "steps": 34, "seconds": 5.6,
          "peak_memory_bytes": 2**20, "threads": 1}}
Path(given["--json"]).write_text(json.dumps(record))
(Path(work) / "record.json").write_text(json.dumps(record))
"""


@pytest.fixture
def contestant(monkeypatch):
    """Imports one of the scripts."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


@pytest.fixture
def task(tmp_path):
    """Settings of a training with ten frames of ethanol, and the record of a peer."""
    random = np.random.default_rng(0)
    frames = []
    for _ in range(10):
        atoms = molecule("CH3CH2OH")
        atoms.positions += random.normal(0, 0.05, (9, 3))
        labels = {"energy": random.normal(-10, 1), "forces": random.normal(0, 1, (9, 3))}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        frames.append(atoms)
    ase.io.write(tmp_path / "data.xyz", frames, format="extxyz")
    sizes = ["--train", "5", "--validation", "2", "--test", "rest", "--seed", "0"]
    main(["split", str(tmp_path / "data.xyz"), str(tmp_path / "split.json"), *sizes])
    content = {
        "task": "ethanol",
        "data": str(tmp_path / "data.xyz"),
        "split": str(tmp_path / "split.json"),
        "training": {"batch_size": 2, "max_time": 0.1},
        "labels": {"scale": "fast", "data": "made up", "note": "of our models"},
    }
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump(content))
    return settings


def peer(folder: Path, script: str | None = PYTHON) -> Path:
    record = {"peer": "mace", "packages": ["mace-torch==0"], "reason": "no network"}
    if script is not None:
        python = folder / "python"
        python.write_text(script)
        python.chmod(python.stat().st_mode | stat.S_IXUSR)
        record = {"peer": "mace", "packages": ["mace-torch==0"], "python": str(python)}
    path = folder / "mace.json"
    path.write_text(json.dumps(record))
    return path


def trained(contestant, monkeypatch, settings: Path, record: Path, *more: str) -> dict:
    """What train.py writes."""
    out = settings.with_name("out.json")
    words = [settings, record, settings.with_name("work"), "--seed", 3, "--json", out, *more]
    script = contestant("train")
    monkeypatch.setattr(sys, "argv", ["train.py", *map(str, words)])
    script.main()
    return json.loads(out.read_text())


def test_errors_are_of_the_test_set(contestant, monkeypatch, task, tmp_path):
    """Predicted are the labels and a constant more: the errors are that constant."""
    found = trained(contestant, monkeypatch, task, peer(tmp_path), "--generated")
    assert found["metrics"]["energy_mae"] == pytest.approx(0.5)
    assert found["metrics"]["energy_rmse_per_atom"] == pytest.approx(0.5 / 9)
    assert found["metrics"]["forces_mae"] == found["metrics"]["forces_rmse"] == pytest.approx(0.25)
    assert (found["task"], found["architecture"], found["weights"]) == ("ethanol", "MACE", "own")
    assert (found["frames"], found["train_size"], found["parameters"]) == (3, 5, 12)
    assert (found["scale"], found["data"], found["generated"]) == ("fast", "made up", True)
    assert "mace-torch 0" in found["note"] and "of our models" not in found["note"]


def test_a_peer_gets_our_structures_batches_and_time(contestant, monkeypatch, task, tmp_path):
    found = trained(contestant, monkeypatch, task, peer(tmp_path))
    work = tmp_path / "work"
    frames = ase.io.read(tmp_path / "data.xyz", ":")
    split = json.loads((tmp_path / "split.json").read_text())
    for part in ("train", "validation", "test"):
        written = ase.io.read(work / f"{part}.xyz", ":")
        for atoms, index in zip(written, split[part], strict=True):
            np.testing.assert_allclose(atoms.positions, frames[index].positions)
            np.testing.assert_allclose(atoms.arrays["REF_forces"], frames[index].get_forces())
            assert atoms.info["REF_energy"] == frames[index].get_potential_energy()
    record = json.loads((work / "record.json").read_text())
    assert record["script"] == "train_mace.py"
    given = {name: record["given"][name] for name in ("--seconds", "--batch-size", "--seed")}
    assert given == {"--seconds": "360.0", "--batch-size": "2", "--seed": "3"}
    # As a training of ours records it, so that the table can tell that both had the same.
    learnt = load_training(task).learnt
    parts = [[frames[index] for index in split[part]] for part in ("train", "validation")]
    assert found["training"]["asked"]["data"] == [content_hash(part, learnt) for part in parts]
    assert found["training"]["budget"]["hours"] == 0.1
    assert (found["training"]["steps"], found["training"]["seconds"]) == (34, 5.6)


def test_a_target_whose_errors_mean_nothing_keeps_its_reason(
    contestant, monkeypatch, task, tmp_path
):
    told = ["--unavailable", "energy=other zero = other energies"]
    found = trained(contestant, monkeypatch, task, peer(tmp_path), *told)
    assert found["metrics"]["energy_mae"] is None
    assert found["unavailable"] == {"energy": "other zero = other energies"}


@pytest.mark.parametrize(
    "script, reason",
    [
        (None, "no network"),
        (f"#!{sys.executable}\nraise SystemExit('out of luck')", "it failed: out of luck"),
    ],
)
def test_without_a_peer_there_is_a_reason(contestant, monkeypatch, task, tmp_path, script, reason):
    found = trained(contestant, monkeypatch, task, peer(tmp_path, script))
    assert found == {"task": "ethanol", "architecture": "MACE", "reason": reason}


def test_no_time_is_refused(contestant, monkeypatch, task, tmp_path):
    content = yaml.safe_load(task.read_text())
    task.write_text(yaml.safe_dump({**content, "training": {"max_time": None}}))
    with pytest.raises(InputError, match=r"training\.max_time is missing"):
        trained(contestant, monkeypatch, task, peer(tmp_path))


# --- how long -----------------------------------------------------------------------------------


@pytest.mark.parametrize("structures, frames", [(10, 20), (100, 50), (950, 50), (5, 1)])
@pytest.mark.parametrize("step", [0.01, 0.1, 0.7])
def test_the_plan_fills_the_time(contestant, structures, frames, step):
    fitting = contestant("fitting")
    steps = -(-structures // 2)
    first = fitting.Fit(steps=30, seconds=5.0, step=step, frame=0.2 * step)
    every, validations = fitting.planned(360, first, steps, frames)
    validated = frames * first.frame
    passes = every * validations
    used = passes * steps * step + validations * validated
    one = steps * step + validated
    assert validations >= 1 and every >= 1
    # Within the time, unless one pass is longer; what is left is little, or less than a part.
    assert used <= max(360, one)
    assert used >= min(0.85 * 360, 360 - 2 * one) or passes == 1


def test_a_fit_is_predicted_with_and_recorded(contestant, monkeypatch, tmp_path):
    fitting = contestant("fitting")
    atoms = [molecule(name) for name in ("H2O", "CH4", "H2O")]
    for part in ("train", "validation", "test"):
        ase.io.write(tmp_path / f"{part}.xyz", atoms, format="extxyz")
    plans = []

    def fit(plan):
        plans.append(plan)
        assert len(ase.io.read(plan.train, ":")) == 3
        return fitting.Fit(steps=4 * plan.passes, seconds=2.0, step=0.1, frame=0.01)

    words = [tmp_path, "--json", tmp_path / "out.json", "--seconds", 10, "--batch-size", 1]
    monkeypatch.setattr(sys, "argv", ["x", *map(str, [*words, "--seed", 5])])
    fitting.run("X", fit, lambda plan: (LennardJones(), 77), {"x": "1"}, "small")
    first, second = plans
    assert (first.passes, second.seconds, second.seed) == (fitting.PROBED_PASSES, 8.0, 5)
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["parameters"], found["seconds"]) == (77, 4.0)
    assert (found["steps"], found["epochs"]) == (4 * second.passes, second.passes)
    predicted = np.load(tmp_path / "predictions.npz")
    for one in atoms:
        one.calc = LennardJones()
    expected = [one.get_potential_energy() for one in atoms]
    np.testing.assert_allclose(predicted["energies"], expected)
    forces = np.concatenate([one.get_forces() for one in atoms])
    np.testing.assert_allclose(predicted["forces"], forces)
