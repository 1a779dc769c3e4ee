"""The profile of one machine: jobs share its GPUs."""

import os
import re
import subprocess

from tests.cluster.small_workflow import LOGS, PROFILES, workflow

# As if a machine had these; what it really has stays out of it.
GPUS = [f"GPU-{os.getpid()}-{number}" for number in range(2)]


def test_three_jobs_on_two_gpus(tmp_path):
    """Both are used, none by two jobs at a time, and no job has to wait for one."""
    subprocess.run(
        workflow(tmp_path, PROFILES / "default", (1, 2, 3), "--cores", "3"),
        check=True,
        capture_output=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ",".join(GPUS)},
    )
    logs = [(tmp_path / LOGS / f"seed-{seed}.log").read_text() for seed in (1, 2, 3)]
    pins = [re.findall(r"computes on GPU (\S+) of", log) for log in logs]
    assert sorted(pins) in ([GPUS[:1], GPUS[:1], GPUS[1:]], [GPUS[:1], GPUS[1:], GPUS[1:]])
    assert not any("waits" in log for log in logs)
