"""Snakemake killed in the middle of a training, and started again while the training goes on."""

import os
import subprocess
from functools import partial
from pathlib import Path

from tests.cluster.small_workflow import (
    LOGS,
    PROFILES,
    model,
    paused,
    trainings,
    wait_for,
    workflow,
)
from tests.faults.small_commands import run

MODEL, SETTINGS_FILE = model(1), Path("results/cluster/training/md17-ethanol/camp-seed-1.yaml")
LOG = LOGS / "camp-seed-1.log"


def snakemake(folder: Path, *options: str) -> subprocess.Popen:
    """Snakemake, which makes one model with the results in a folder."""
    on_cpu = ("--cores", "1", "--config", "resources={gpu: 0}")
    command = workflow(folder, PROFILES / "default", (1,), *on_cpu, *options)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, text=True, cwd=folder, **pipes)


def output(process: subprocess.Popen, *, code: int) -> str:
    text, _ = process.communicate()
    assert process.returncode == code, text
    return text


def epochs(log: Path) -> list[str]:
    """The lines that tell of epochs."""
    return [line for line in log.read_text().splitlines() if line.startswith("epoch ")]


def test_killed_driver_and_its_successors(pausing, tmp_path):
    """No work is lost: the training goes on, refuses a second writer, and is taken for what it is
    when it has ended."""
    first = snakemake(tmp_path)
    (training,) = paused(tmp_path, 1)
    assert "Directory cannot be locked" in output(snakemake(tmp_path), code=1)
    first.kill()
    first.wait()
    output(snakemake(tmp_path, "--unlock"), code=0)
    assert "is in use by another process of camp" in output(snakemake(tmp_path), code=1)
    training.wake()
    wait_for(lambda: not trainings(tmp_path))
    finished = (tmp_path / MODEL).read_bytes()

    # Snakemake knows of no model, deletes it and starts a training, which finds all steps done.
    output(snakemake(tmp_path), code=0)
    assert (tmp_path / MODEL).read_bytes() == finished
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
    assert (tmp_path / "alone" / "model.safetensors").read_bytes() == finished
