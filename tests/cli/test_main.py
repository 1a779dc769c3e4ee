"""How verbs end that fail: the last line on stderr says why."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml
from ase.io import write

from camp.cli import main
from camp.potential.saving import save
from tests.models.camp.test_network import make_potential
from tests.physics import random_structure
from tests.training.small_training import clusters, settings

ENDLESS_MD = {"temperature": 1, "timestep": 0.1, "length": 100, "sample_every": 0.1}
OUT_OF_MEMORY = """
import resource, sys, psutil, torch
from camp.cli import main
used = psutil.Process().memory_info().vms
resource.setrlimit(resource.RLIMIT_AS, (used + 700 * 2**20, -1))
sys.exit(main(sys.argv[1:]))
"""


def training_command(folder):
    write(folder / "train.xyz", clusters(8))
    write(folder / "validation.xyz", clusters(4, seed=1))
    data = {part: str(folder / f"{part}.xyz") for part in ("train", "validation")}
    text = settings(max_epochs=100_000, patience=100_000).to_yaml() + yaml.safe_dump(data)
    (folder / "training.yaml").write_text(text, encoding="utf-8")
    return ["train", str(folder / "training.yaml"), "--seed", "1", "--out", str(folder / "run")]


def model_and_structure(folder, *, repeat=1):
    potential = make_potential()
    save(potential, folder / "model.safetensors")
    atoms = random_structure(potential, seed=0)
    atoms.info.clear()
    write(folder / "start.xyz", atoms.repeat(repeat))
    return [str(folder / "model.safetensors"), str(folder / "start.xyz")]


def simulation_command(folder):
    (folder / "md.yaml").write_text(yaml.safe_dump(ENDLESS_MD), encoding="utf-8")
    files = model_and_structure(folder)
    return ["md", *files, "--config", str(folder / "md.yaml"), "--out", str(folder / "run")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("command", "sign"),
    [(training_command, "run/metrics.csv"), (simulation_command, "run/replica-1.traj")],
)
def test_a_signal_is_the_last_line(tmp_path, command, sign, number):
    process = subprocess.Popen(
        [sys.executable, "-m", "camp", *command(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / sign).exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(number)
    _, log = process.communicate()
    assert log.splitlines()[-1] == f"camp: interrupted by signal {number.name}"
    assert "Traceback" not in log
    assert process.returncode == 128 + number
    assert not list((tmp_path / "run").glob(".partial-*"))


def test_lack_of_memory_is_named(tmp_path):
    command = ["benchmark", *model_and_structure(tmp_path, repeat=12), "--no-accelerate"]
    done = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("camp: error: out of memory: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "last"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nSee …"), "2 GiB."),
        (MemoryError(), "camp: error: out of memory: the system gives no more"),
        (KeyError("forces"), "camp: error: unexpected KeyError: 'forces'"),
    ],
)
def test_other_failures(monkeypatch, tmp_path, capsys, error, last):
    def fail(*arguments):
        raise error

    monkeypatch.setattr("camp.potential.saving.load", fail)
    assert main(["import", "in", str(tmp_path / "out")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("camp: error: ") and lines[-1].endswith(last)
    assert ("Traceback" in lines[0]) == isinstance(error, KeyError)


def test_nobody_reads_the_output():
    """As in 'camp … | head', where head has seen enough."""
    with subprocess.Popen(
        [sys.executable, "-m", "camp", "fetch", "--list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE
