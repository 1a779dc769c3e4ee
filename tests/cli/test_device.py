"""GPUs of one machine, shared by processes: each takes one that is free."""

import os
import subprocess
import sys
import threading

import pytest

from camp.cli.device import own_gpus, visible_gpus

VISIBLE = "CUDA_VISIBLE_DEVICES"
# What this machine really has stays out of it.
GPUS = [f"GPU-{os.getpid()}-{number}" for number in range(3)]


@pytest.fixture(autouse=True)
def gpus(monkeypatch):
    monkeypatch.setenv(VISIBLE, ",".join(GPUS))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


def visible_within(device, count=1):
    with own_gpus(device, count):
        return visible_gpus()


@pytest.mark.parametrize(
    ("value", "names"),
    [("", []), ("-1", []), ("3", ["3"]), ("2, 0", ["2", "0"]), ("1,-1,2", ["1"])],
)
def test_a_given_list_is_read_as_cuda_does(monkeypatch, value, names):
    monkeypatch.setenv(VISIBLE, value)
    assert visible_gpus() == names


def test_without_a_list_the_device_files_are_counted(monkeypatch, tmp_path):
    monkeypatch.delenv(VISIBLE)
    for name in ("nvidia0", "nvidia1", "nvidia10", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    monkeypatch.setattr("camp.cli.device.Path", lambda folder: tmp_path)
    assert visible_gpus() == ["0", "1", "2"]


def test_each_takes_another(monkeypatch):
    """And what was taken is free again afterwards."""
    with own_gpus("cuda"):
        assert visible_gpus() == GPUS[:1]
        with monkeypatch.context() as other:
            other.setenv(VISIBLE, ",".join(GPUS))
            assert visible_within("cuda") == GPUS[1:2]
            assert visible_within("cuda", 2) == GPUS[1:]
    assert os.environ[VISIBLE] == ",".join(GPUS)
    assert visible_within("cuda") == GPUS[:1]


def test_a_chosen_one_is_used_at_once_and_others_avoid_it(monkeypatch):
    with own_gpus("cuda:0"), own_gpus("cuda:0"):
        assert visible_gpus() == GPUS
        assert visible_within("cuda") == GPUS[1:2]
    monkeypatch.setenv(VISIBLE, GPUS[0])
    with own_gpus("cuda"), own_gpus("cuda"):
        monkeypatch.setenv(VISIBLE, ",".join(GPUS[:2]))
        assert visible_within("cuda") == GPUS[1:2]


def test_on_the_cpu_none_is_seen():
    assert visible_within("cpu") == []
    assert visible_gpus() == GPUS


def test_numbers_of_a_job_of_slurm_are_its_own(monkeypatch):
    with own_gpus("cuda:0"):
        monkeypatch.setenv("SLURM_JOB_ID", "7")
        assert visible_within("cuda") == GPUS[:1]


def test_a_claim_dies_with_its_owner(capsys):
    """Who finds all taken says so, waits, and goes on when an owner was killed."""
    hold = "from camp.cli.device import own_gpus\nwith own_gpus('cuda', 2): print(); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with own_gpus("cuda:2"), subprocess.Popen([sys.executable, "-c", hold], **pipes) as owner:
        owner.stdout.readline()
        # Later than the first look at the GPUs.
        threading.Timer(0.5, owner.kill).start()
        assert visible_within("cuda") == GPUS[:1]
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"waits for 1 of the GPUs {', '.join(GPUS)}: other processes of camp")
    assert second == f"computes on GPU {GPUS[0]} of {', '.join(GPUS)}"
