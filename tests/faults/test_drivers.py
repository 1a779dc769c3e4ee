"""Snakemake killed in the middle of a training, and started again while the training goes on."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import yaml
from ase.io import write

from tests.faults.small_commands import run
from tests.training.small_training import SETTINGS, clusters

REPOSITORY = Path(__file__).resolve().parents[2]
TRAINING = Path("results/drivers/training/md17-ethanol/seed-1")
MODEL = TRAINING / "model.safetensors"
SETTINGS_FILE = Path("results/drivers/settings/md17-ethanol.yaml")
LOG = Path("results/drivers/logs/train/md17-ethanol/seed-1.log")
SCALE = {
    "scale": "drivers",
    "data": "generated",
    "weights": "own",
    "seeds": [1],
    "resources": {"threads": 1, "gpu": 0, "mem_mb": 1000, "runtime": 5},
    "datasets": {"argon": {"files": ["argon.xyz"]}},
    "tasks": {
        "md17-ethanol": {
            "dataset": "argon",
            "split": {"train": 6, "validation": 3, "test": "rest"},
            "model": SETTINGS["model"],
            "training": {**SETTINGS["training"], "max_epochs": 40},
        }
    },
}


def driver(folder: Path, *options: str) -> subprocess.Popen:
    """Snakemake, which makes one model with the results in a folder."""
    write(folder / "argon.xyz", clusters(10))
    (folder / "scale.yaml").write_text(yaml.safe_dump(SCALE | {"data_folder": str(folder)}))
    command = [sys.executable, "-m", "snakemake", MODEL, "--configfile", folder / "scale.yaml"]
    command += ["--snakefile", REPOSITORY / "Snakefile", "--directory", folder, "--cores", "1"]
    command += ["--workflow-profile", REPOSITORY / "profiles/default", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, text=True, cwd=folder, **pipes)


def output(process: subprocess.Popen, *, code: int) -> str:
    text, _ = process.communicate()
    assert process.returncode == code, text
    return text


def wait_for(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.02)


def trainer(folder: Path) -> psutil.Process:
    """The process that trains in a folder."""
    for process in psutil.process_iter():
        try:
            words = [Path(word).name for word in process.cmdline()[1:3]]
            if words == ["camp", "train"] and process.cwd() == str(folder):
                return process
        except psutil.Error:
            continue
    raise AssertionError("nothing trains")


def epochs(log: Path) -> list[str]:
    """The lines that tell of epochs."""
    return [line for line in log.read_text().splitlines() if line.startswith("epoch ")]


def test_killed_driver_and_its_successors(tmp_path):
    """No work is lost: the training goes on, refuses a second writer, and is taken for what it is
    when it has ended."""
    first = driver(tmp_path)
    wait_for((tmp_path / TRAINING / "previous.ckpt").exists)
    training = trainer(tmp_path)
    training.suspend()
    try:
        assert "Directory cannot be locked" in output(driver(tmp_path), code=1)
        first.kill()
        first.wait()
        output(driver(tmp_path, "--unlock"), code=0)
        assert "is in use by another process of camp" in output(driver(tmp_path), code=1)
    finally:
        training.resume()
    wait_for(lambda: not training.is_running())
    model = (tmp_path / MODEL).read_bytes()

    # Snakemake knows of no model, deletes it and starts a training, which finds all steps done.
    output(driver(tmp_path), code=0)
    assert (tmp_path / MODEL).read_bytes() == model
    assert not epochs(tmp_path / LOG)

    alone = [
        "train",
        str(tmp_path / SETTINGS_FILE),
        "--seed",
        "1",
        "--out",
        str(tmp_path / "alone"),
    ]
    assert run(alone, tmp_path / "log", partial(os.chdir, tmp_path)) == 0
    assert epochs(tmp_path / "log")
    assert (tmp_path / "alone" / "model.safetensors").read_bytes() == model
