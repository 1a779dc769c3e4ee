"""Trainings on a real SLURM of this machine: shared between its GPUs, and through what clusters do.

Opt-in, because it installs packages: CAMP_SLURM_TEST=1.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import yaml
from safetensors.torch import load_file

REPOSITORY = Path(__file__).resolve().parents[2]
PROFILES = REPOSITORY / "profiles"
CANNOT = 77
SEEDS = (1, 2, 3)
TRAININGS = Path("results/cluster/training/md17-ethanol")
MODELS = [TRAININGS / f"seed-{seed}/model.safetensors" for seed in SEEDS]
SCALE = {
    "scale": "cluster",
    "data": "generated (GFN-xTB)",
    "weights": "own",
    "seeds": list(SEEDS),
    "resources": {"threads": 1, "gpu": 1, "mem_mb": 1000, "runtime": 5},
    "datasets": {"ethanol": {"generate": "molecule:ethanol", "frames": 18}},
    "tasks": {
        "md17-ethanol": {
            "dataset": "ethanol",
            "split": {"train": 12, "validation": 4, "test": "rest"},
            "model": {
                "channels": 4,
                "max_rank": 1,
                "layers": 1,
                "cutoff": 4.0,
                "radial_hidden": [4],
                "readout_hidden": [4],
            },
            "training": {"max_epochs": 60, "ema_start": 2, "ema_every": 1, "compile": False},
        }
    },
}
# Of a cluster without accounting, and in a hurry.
QUICK = {
    "slurm-status-command": "squeue",
    "slurm-init-seconds-before-status-checks": 3,
    "seconds-between-status-checks": 3,
    "latency-wait": 10,
}


class Training(NamedTuple):
    """A process that trains in a job of SLURM."""

    process: int
    seed: int
    job: str
    gpu: str

    def metrics(self, folder: Path) -> list[str]:
        """The rows of metrics.csv, one for each epoch; they hold times, so no two runs agree."""
        file = folder / TRAININGS / f"seed-{self.seed}" / "metrics.csv"
        return file.read_text(encoding="utf-8").splitlines()[1:] if file.exists() else []


@pytest.fixture(scope="module")
def slurm() -> Iterator[None]:
    """A SLURM, which ends when our end of a pipe is closed."""
    if os.environ.get("CAMP_SLURM_TEST") != "1":
        pytest.skip("installs and starts a SLURM; set CAMP_SLURM_TEST=1 to run it")
    script = [Path(__file__).with_name("slurm.sh"), "sh", "-c", "echo ready; exec cat"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(script, text=True, start_new_session=True, **pipes) as process:
        if process.stdout.readline():
            yield
        process.stdin.close()
        errors = process.stderr.read()
    if process.returncode == CANNOT:
        pytest.skip(errors.strip())
    assert process.returncode == 0, errors


def workflow(folder: Path, profile: Path, *options: str) -> list[str | Path]:
    """The command that trains all seeds with the results in a folder."""
    scale = folder / "cluster.yaml"
    scale.write_text(yaml.safe_dump(SCALE), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", *MODELS, "--configfile", scale]
    command += ["--snakefile", REPOSITORY / "Snakefile", "--directory", folder]
    return [*command, "--workflow-profile", profile, *options]


def quick_profile(folder: Path) -> Path:
    profile = yaml.safe_load((PROFILES / "slurm/config.yaml").read_text(encoding="utf-8"))
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(profile | QUICK), encoding="utf-8")
    return folder


def trainings(folder: Path) -> list[Training]:
    """What trains at this moment."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if [Path(word).name for word in words[1:3]] != ["camp", "train"]:
                continue
            if process.cwd() != str(folder):
                continue
            environment = process.environ()
        except psutil.Error:
            continue
        seed = int(words[words.index("--seed") + 1])
        gpu = environment["CUDA_VISIBLE_DEVICES"]
        found.append(Training(process.pid, seed, environment["SLURM_JOB_ID"], gpu))
    return found


def jobs() -> list[tuple[int, str]]:
    """Seed and state of every training job, finished ones too, in the order of submission."""
    command = ["squeue", "--noheader", "--states=all", "--sort=i", "--format=%k|%T"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line.split("|") for line in done.stdout.splitlines()]
    return [(int(k[-1]), state) for k, state in lines if k.startswith("rule_train_")]


def cancel(training: Training) -> None:
    subprocess.run(["scancel", training.job], check=True)


def kill(training: Training) -> None:
    os.kill(training.process, signal.SIGKILL)


def run_out_of_time(training: Training) -> None:
    # Limits are looked at every 30 s; SLURM wakes what it ends.
    os.kill(training.process, signal.SIGSTOP)
    soon = datetime.now() + timedelta(seconds=1)
    change = ["scontrol", "update", f"JobId={training.job}", f"EndTime={soon:%Y-%m-%dT%H:%M:%S}"]
    subprocess.run(change, check=True)


EVENTS: dict[int, tuple[Callable[[Training], None], str]] = {
    1: (run_out_of_time, "TIMEOUT"),
    2: (cancel, "CANCELLED"),
    3: (kill, "FAILED"),
}


def test_interrupted_trainings_end_as_undisturbed_ones(slurm, tmp_path):
    """Two trainings at a time, each with a GPU of its own; each seed is interrupted once in its
    own way, continues from its checkpoint, and ends with the weights of a run without SLURM."""
    alone, cluster = tmp_path / "alone", tmp_path / "cluster"
    alone.mkdir()
    command = workflow(
        alone, PROFILES / "default", "--cores", "2", "--config", "resources={gpu: 0}"
    )
    subprocess.run(command, check=True, capture_output=True)
    # The same data, and nothing of the trainings.
    shutil.copytree(alone, cluster)
    shutil.rmtree(cluster / TRAININGS)

    before: dict[int, list[str]] = {}
    shared, states = [], []
    with (tmp_path / "driver.log").open("w") as log:
        command = workflow(cluster, quick_profile(tmp_path / "profile"))
        driver = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            while driver.poll() is None:
                running = trainings(cluster)
                states.append(sorted(state for _, state in jobs()))
                if states[-1] == ["PENDING", "RUNNING", "RUNNING"]:
                    shared.append(sorted(training.gpu for training in running))
                for training in running:
                    rows = training.metrics(cluster)
                    if ["0", "1"] in shared and training.seed not in before and len(rows) > 3:
                        before[training.seed] = rows
                        interrupt, _ = EVENTS[training.seed]
                        interrupt(training)
                time.sleep(0.2)
        finally:
            driver.terminate()
            driver.wait()
    assert driver.returncode == 0, (tmp_path / "driver.log").read_text(encoding="utf-8")[-4000:]

    assert ["0", "1"] in shared
    assert max(state.count("RUNNING") for state in states) == 2
    ended = jobs()
    for seed, (_, state) in EVENTS.items():
        assert [state for one, state in ended if one == seed] == [state, "COMPLETED"]
        # A checkpoint holds the rows of its epochs; the one of the last row may not be there yet.
        after = (cluster / TRAININGS / f"seed-{seed}/metrics.csv").read_text(encoding="utf-8")
        assert after.splitlines()[1:][: len(before[seed]) - 1] == before[seed][:-1]
    for model in MODELS:
        expected, found = load_file(alone / model), load_file(cluster / model)
        assert expected.keys() == found.keys()
        assert all(expected[k].numpy().tobytes() == found[k].numpy().tobytes() for k in expected)
