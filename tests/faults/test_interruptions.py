"""Trainings and simulations killed at chosen and at random moments end as undisturbed ones."""

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from camp.training.checkpoints import FINISHED, LAST
from camp.training.folder import METRICS_FILE, MODEL_FILE, SUMMARY_FILE
from tests.faults.small_commands import after_each_step, at_step, last_line, run, start

SIGNALS = (signal.SIGTERM, signal.SIGKILL)


@pytest.mark.parametrize("number", SIGNALS, ids=["SIGTERM", "SIGKILL"])
def test_what_was_saved_is_not_done_again(undisturbed, tmp_path, number):
    """Work is lost back to the last epoch or sample, and no more."""
    command, out, log = undisturbed.command, tmp_path / "out", tmp_path / "log"
    done = 3 * command.save_interval + 2
    code = run(undisturbed.arguments(out), log, at_step(done, partial(signal.raise_signal, number)))
    assert code == (-number if number == signal.SIGKILL else 128 + number)
    if number == signal.SIGTERM:
        assert last_line(log) == "camp: interrupted by signal SIGTERM"
    assert done - command.saved_steps(out) == 2
    steps = tmp_path / "steps"
    assert run(undisturbed.arguments(out), log, count_steps(steps)) == 0
    assert steps.stat().st_size == command.steps - (done - 2)
    assert command.result(out) == undisturbed.result


def test_killed_before_replacements_of_files(undisturbed, tmp_path):
    """In the short moments in which one file takes the place of another."""
    assert deaths_before_replacements(undisturbed, tmp_path / "out", tmp_path / "log") >= 2


@pytest.mark.parametrize("undisturbed", ["training"], indirect=True)
def test_killed_before_every_replacement_at_the_end(undisturbed, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(undisturbed.folder / "out", out)
    (out / FINISHED).rename(out / LAST)
    for name in (METRICS_FILE, MODEL_FILE, SUMMARY_FILE):
        (out / name).unlink()
    assert deaths_before_replacements(undisturbed, out, tmp_path / "log") == 4


def deaths_before_replacements(undisturbed, out: Path, log: Path) -> int:
    """Kill the first process before its first replacement of a file, the next before its second,
    and so on until one comes to the end, with the right result; returns how many were killed.
    """
    deaths = 0
    while code := run(undisturbed.arguments(out), log, partial(die_before_replacement, deaths + 1)):
        assert code == -signal.SIGKILL, last_line(log)
        deaths += 1
    assert undisturbed.command.result(out) == undisturbed.result
    assert not list(out.glob(".partial-*"))
    return deaths


def test_random_interruptions(undisturbed, tmp_path):
    """A third of CAMP_INTERRUPTIONS (20 unless it is set) for each kind of command."""
    number = int(os.environ.get("CAMP_INTERRUPTIONS", "20")) // 3 + 1
    lost = list(lost_steps(undisturbed, tmp_path, number, random.Random(6)))
    assert len(lost) == number
    assert min(lost) >= 0 and max(lost) <= undisturbed.command.save_interval


def lost_steps(undisturbed, folder: Path, number: int, chance: random.Random) -> Iterator[int]:
    """Interrupt a command so many times, and a new run of it whenever one has ended; yields the
    steps lost in each interruption. The last run is left to end by itself.
    """
    command, steps, log = undisturbed.command, folder / "steps", folder / "log"
    steps.touch()
    began = time.monotonic()
    assert run(undisturbed.arguments(folder / "whole"), log, count_steps(steps)) == 0
    longest = time.monotonic() - began
    for run_number in count():
        out, ended = folder / f"out-{run_number}", False
        while number and not ended:
            made, saved = steps.stat().st_size, command.saved_steps(out)
            process = start(undisturbed.arguments(out), log, count_steps(steps))
            wait(process, chance.uniform(0, longest))
            if chance.random() < 0.5:
                wait(process, longest / 4, until_writing_in=out)
            chance.choice([process.terminate, process.kill])()
            process.join()
            ended = process.exitcode == 0
            if not ended:
                number -= 1
                yield steps.stat().st_size - made - (command.saved_steps(out) - saved)
        if not ended:
            undisturbed.check(out, log)
            return
        assert command.result(out) == undisturbed.result


def wait(process, seconds: float, until_writing_in: Path | None = None) -> None:
    """Until so many seconds have passed, a file is being written, or the process has ended."""
    end = time.monotonic() + seconds
    while process.is_alive() and time.monotonic() < end:
        if until_writing_in and any(until_writing_in.glob(".partial-*")):
            return
        time.sleep(0.0005)


def count_steps(file: Path):
    """A preparation: each step of the process lengthens a file by a byte."""
    return partial(after_each_step, partial(_lengthen, file))


def _lengthen(file: Path, _made: int) -> None:
    with file.open("ab") as stream:
        stream.write(b".")


def die_before_replacement(number: int) -> None:
    """A preparation: kill this process before it replaces or renames its n-th file."""
    left = number

    def then_die(plain):
        def replace(*arguments, **named):
            nonlocal left
            left -= 1
            if not left:
                signal.raise_signal(signal.SIGKILL)
            return plain(*arguments, **named)

        return replace

    os.replace, os.rename = then_die(os.replace), then_die(os.rename)
