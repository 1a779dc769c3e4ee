"""The profile of one machine: jobs share its GPUs."""

import os
import re

from tests.cluster.small_workflow import LOGS, PROFILES, driver, paused, workflow

# As if a machine had these; what it really has stays out of it.
GPUS = [f"GPU-{os.getpid()}-{number}" for number in range(2)]


def test_three_jobs_on_two_gpus(pausing, tmp_path, monkeypatch):
    """Both are used, none by two jobs at a time, and no job has to wait for one."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(GPUS))
    command = workflow(tmp_path, PROFILES / "default", (1, 2, 3), "--cores", "3")
    log = tmp_path / "driver.log"
    with driver(command, log) as process:
        two = paused(tmp_path, 2)
        for training in two:
            training.wake()
        (third,) = paused(tmp_path, 1)
        third.wake()
        assert process.wait() == 0, log.read_text()
    logs = {seed: (tmp_path / LOGS / f"camp-seed-{seed}.log").read_text() for seed in (1, 2, 3)}
    gpus = {seed: re.findall(r"computes on GPU (\S+) of", log) for seed, log in logs.items()}
    assert sorted(gpus[training.seed] for training in two) == [GPUS[:1], GPUS[1:]]
    assert gpus[third.seed] in (GPUS[:1], GPUS[1:])
    assert not any("waits" in log for log in logs.values())
