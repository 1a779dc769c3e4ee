"""A full disk and too little memory end a command with one line; the next start goes on."""

import resource
from functools import partial

import psutil
import torch

from tests.conftest import fill_disk
from tests.faults.small_commands import after_each_step, at_step, last_line, run

MEMORY_OF_A_STEP = 1 << 23  # bytes
STEPS_WITHIN_MEMORY = 20


def test_disk_full(undisturbed, small_disk, tmp_path):
    """In the middle of a checkpoint of a training, and of a sample of a simulation."""
    command, out, log = undisturbed.command, small_disk / "out", tmp_path / "log"
    done = 3 * command.save_interval + 2
    fill = at_step(done, partial(fill_disk, small_disk))
    assert run(undisturbed.arguments(out), log, fill) == 2
    assert last_line(log).startswith(f"camp: error: cannot write {out}/")
    assert "No space left on device" in last_line(log)
    # What is left of the last page of a file may hold one sample more.
    assert done - 2 <= command.saved_steps(out) <= done - 2 + command.save_interval
    assert run(undisturbed.arguments(out), log) == 2
    assert last_line(log).startswith(f"camp: error: cannot write {out}")
    assert "Traceback" not in log.read_text()
    (small_disk / "ballast").unlink()
    undisturbed.check(out, log)


def test_out_of_memory(undisturbed, tmp_path):
    """Each step takes memory and keeps it, until the limit of the process is reached."""
    command, out, log = undisturbed.command, tmp_path / "out", tmp_path / "log"
    assert run(undisturbed.arguments(out), log, partial(after_each_step, keep_memory)) == 1
    assert last_line(log).startswith("camp: error: out of memory")
    assert "Traceback" not in log.read_text()
    assert command.save_interval <= command.saved_steps(out) < command.steps
    undisturbed.check(out, log)


KEPT = []


def keep_memory(made: int) -> None:
    if made == 1:
        limit = psutil.Process().memory_info().vms + STEPS_WITHIN_MEMORY * MEMORY_OF_A_STEP
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    KEPT.append(torch.ones(MEMORY_OF_A_STEP // 4))
