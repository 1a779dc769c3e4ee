"""Trainings on a real SLURM of this machine: shared between its GPUs, and through what clusters do.

Opt-in, because it installs packages: CAMP_SLURM_TEST=1.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import yaml

from tests.cluster.small_workflow import (
    PROFILES,
    TRAININGS,
    Training,
    driver,
    model,
    paused,
    same_weights,
    trainings,
    wait_for,
    workflow,
)

CANNOT = 77
SEEDS = (1, 2, 3, 4, 5)
# Of a cluster without accounting, and in a hurry.
QUICK = {
    "slurm-status-command": "squeue",
    "slurm-init-seconds-before-status-checks": 3,
    "seconds-between-status-checks": 3,
    "latency-wait": 10,
}


class Job(NamedTuple):
    """A job of SLURM that trains."""

    number: int
    seed: int
    state: str
    restarts: int


def rows(folder: Path, seed: int) -> list[str]:
    """The rows of metrics.csv, one for each epoch; they hold times, so no two runs agree."""
    table = folder / TRAININGS / f"camp-seed-{seed}/metrics.csv"
    return table.read_text(encoding="utf-8").splitlines()[1:] if table.exists() else []


@pytest.fixture(scope="module")
def slurm() -> Iterator[list[subprocess.Popen]]:
    """A SLURM, which ends when our end of a pipe is closed; before, what was put into the list."""
    if os.environ.get("CAMP_SLURM_TEST") != "1":
        pytest.skip("installs and starts a SLURM; set CAMP_SLURM_TEST=1 to run it")
    script = [Path(__file__).with_name("slurm.sh"), "sh", "-c", "echo ready; exec cat"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(script, text=True, start_new_session=True, **pipes) as process:
        if process.stdout.readline():
            more: list[subprocess.Popen] = []
            yield more
            for one in more:
                one.terminate()
                one.wait()
        process.stdin.close()
        errors = process.stderr.read()
    if process.returncode == CANNOT:
        pytest.skip(errors.strip())
    assert process.returncode == 0, errors


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """A folder in which all seeds were trained without SLURM."""
    folder = tmp_path_factory.mktemp("undisturbed")
    options = ("--cores", "2", "--config", "resources={gpu: 0}")
    command = workflow(folder, PROFILES / "default", SEEDS, *options)
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def cluster(undisturbed, tmp_path) -> Path:
    """A folder with the same data, and nothing of the trainings."""
    folder = tmp_path / "cluster"
    shutil.copytree(undisturbed, folder, ignore=shutil.ignore_patterns(".snakemake"))
    shutil.rmtree(folder / TRAININGS)
    return folder


@pytest.fixture
def profile(tmp_path) -> Path:
    """The profile of the project, quicker."""
    content = yaml.safe_load((PROFILES / "slurm/config.yaml").read_text(encoding="utf-8"))
    folder = tmp_path / "profile"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(content | QUICK), encoding="utf-8")
    return folder


def jobs(folder: Path) -> list[Job]:
    """Every training job of a folder, finished ones too, in the order of submission."""
    command = ["scontrol", "show", "job", "--oneliner"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = []
    for line in done.stdout.splitlines():
        values = dict(re.findall(r"(\w+)=(\S+)", line))
        if values.get("WorkDir") == str(folder) and "rule_train_" in values["Comment"]:
            seed, restarts = int(values["Comment"][-1]), int(values["Restarts"])
            found.append(Job(int(values["JobId"]), seed, values["JobState"], restarts))
    return sorted(found)


def cancel(training: Training) -> None:
    subprocess.run(["scancel", training.job], check=True)


def kill(training: Training) -> None:
    os.kill(training.process, signal.SIGKILL)


def requeue(training: Training) -> None:
    subprocess.run(["scontrol", "requeue", training.job], check=True)


def leak(training: Training) -> None:
    os.kill(training.process, signal.SIGUSR2)


def wait(training: Training) -> None:
    """Until SLURM ends it: see TIME_LIMIT."""


# In minutes, SLURM's unit.
TIME_LIMIT = "train:runtime=1 if (wildcards.seed, attempt) == ('1', 1) else 5"
# For each seed what happens to it while it is paused, and how its jobs ended: state and number of
# restarts.
EVENTS: dict[int, tuple[Callable[[Training], None], list[tuple[str, int]]]] = {
    1: (wait, [("TIMEOUT", 0), ("COMPLETED", 0)]),
    2: (cancel, [("CANCELLED", 0), ("COMPLETED", 0)]),
    3: (kill, [("FAILED", 0), ("COMPLETED", 0)]),
    4: (requeue, [("COMPLETED", 1)]),
    5: (leak, [("FAILED", 0), ("COMPLETED", 0)]),
}


def test_interrupted_trainings_end_as_undisturbed_ones(
    slurm, undisturbed, cluster, profile, pausing, tmp_path
):
    """Two trainings at a time, each with a GPU of its own; each seed is interrupted once in its
    own way, continues from its checkpoint, and ends with the weights of a run without SLURM."""
    before: dict[int, list[str]] = {}
    shared, most = [], 0
    log = tmp_path / "driver.log"
    command = workflow(cluster, profile, SEEDS, "--set-resources", TIME_LIMIT)
    with driver(command, log) as process:
        while process.poll() is None:
            running = trainings(cluster)
            states = [job.state for job in jobs(cluster)]
            most = max(most, states.count("RUNNING"))
            if (states.count("RUNNING"), len(running)) == (2, 2) and "PENDING" in states:
                shared.append(sorted(training.gpu for training in running))
            for training in running:
                if ["0", "1"] in shared and training.seed not in before and training.paused:
                    before[training.seed] = rows(cluster, training.seed)
                    interrupt, _ = EVENTS[training.seed]
                    interrupt(training)
            time.sleep(0.2)
    assert process.returncode == 0, log.read_text(encoding="utf-8")[-4000:]

    assert ["0", "1"] in shared
    assert most == 2
    for seed, (_, ends) in EVENTS.items():
        assert [(job.state, job.restarts) for job in jobs(cluster) if job.seed == seed] == ends
        # A checkpoint holds the rows of its epochs; the one of the last row may not be there yet.
        assert rows(cluster, seed)[: len(before[seed]) - 1] == before[seed][:-1]
    assert same_weights(undisturbed, cluster, SEEDS)


def test_too_little_memory_is_reported(slurm, cluster, profile, tmp_path):
    log = tmp_path / "driver.log"
    options = ("--retries", "1", "--set-resources", "train:mem_mb=200")
    with driver(workflow(cluster, profile, (1,), *options), log) as process:
        assert process.wait(timeout=300) == 1
    refused = jobs(cluster)
    assert [job.state for job in refused] == ["FAILED"] * 2
    for job in refused:
        (named,) = re.findall(
            rf"log: \S+, (\S+/{job.number}\.log) ", log.read_text(encoding="utf-8")
        )
        assert "Exceeded job memory limit" in Path(named).read_text(encoding="utf-8")
    scoreboard = (cluster / "results/cluster/scoreboard-camp.csv").read_text(encoding="utf-8")
    assert "job train md17-ethanol camp 1 failed: its log is empty; it was killed" in scoreboard


def test_a_lost_node(slurm, undisturbed, cluster, profile, pausing, tmp_path):
    """All its processes end at once; when it is back, SLURM starts its jobs again."""
    log = tmp_path / "driver.log"
    with driver(workflow(cluster, profile, (1, 2)), log) as process:
        paused(cluster, 2)
        daemons = [p for p in psutil.process_iter() if p.name() in ("slurmd", "slurmstepd")]
        victims = {*daemons, *(child for p in daemons for child in p.children(recursive=True))}
        # None must live to see another's end and tell of it.
        for victim in victims:
            victim.suspend()
        for victim in victims:
            victim.kill()
        wait_for(lambda: [job.state for job in jobs(cluster)] == ["PENDING"] * 2)
        slurm.append(subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "slurmd", "-D"]))
        assert process.wait(timeout=300) == 0, log.read_text(encoding="utf-8")[-4000:]
    assert [(job.state, job.restarts) for job in jobs(cluster)] == [("COMPLETED", 1)] * 2
    assert same_weights(undisturbed, cluster, (1, 2))


def test_an_interrupted_driver(slurm, undisturbed, cluster, profile, pausing, tmp_path):
    """Ctrl-C cancels its job; the same command continues."""
    log, command = tmp_path / "driver.log", workflow(cluster, profile, (1,))
    with driver(command, log) as process:
        paused(cluster, 1)
        before = rows(cluster, 1)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=300) == 1
    wait_for(lambda: [job.state for job in jobs(cluster)] == ["CANCELLED"])
    wait_for(lambda: not trainings(cluster))
    with driver(command, log) as process:
        assert process.wait(timeout=300) == 0, log.read_text(encoding="utf-8")[-4000:]
    assert rows(cluster, 1)[: len(before) - 1] == before[:-1]
    assert same_weights(undisturbed, cluster, (1,))


def test_a_killed_driver(slurm, undisturbed, cluster, profile, pausing, tmp_path):
    """Its job goes on; the next driver needs --unlock, and its job is refused meanwhile."""
    log, command = tmp_path / "driver.log", workflow(cluster, profile, (1,))
    with driver(command, log) as process:
        (orphan,) = paused(cluster, 1)
        process.kill()
    locked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert locked.returncode == 1
    assert "--unlock" in locked.stderr
    subprocess.run([*command, "--unlock"], check=True, capture_output=True)
    with driver([*command, "--retries", "0"], log) as process:
        assert process.wait(timeout=300) == 1
    assert "is in use by another process of camp" in log.read_text(encoding="utf-8")
    orphan.wake()
    wait_for(lambda: (cluster / model(1)).exists())
    wait_for(lambda: not trainings(cluster))
    assert same_weights(undisturbed, cluster, (1,))
    with driver(command, log) as process:
        assert process.wait(timeout=300) == 0, log.read_text(encoding="utf-8")[-4000:]
    assert same_weights(undisturbed, cluster, (1,))
