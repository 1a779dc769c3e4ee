"""A small training and a small simulation as commands of processes that can be killed."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase.io import write

from camp.md.trajectory import number_of_frames, read_trajectory
from camp.training.checkpoints import newest_checkpoint
from camp.training.folder import MODEL_FILE
from tests.md.test_simulate import CRYSTAL, copper
from tests.training.small_training import clusters, metrics, settings

EPOCHS, STEPS_PER_EPOCH = 12, 3
SAMPLES, STEPS_PER_SAMPLE = 60, 5
# Imported once; every process is then a fork that has them.
MODULES = (
    "camp.cli",
    "camp.data.readers",
    "camp.data.splits",
    "camp.md.ase_engine",
    "camp.md.simulate",
    "camp.md.torchsim_engine",
    "camp.potential.calculator",
    "camp.settings",
    "camp.training.train",
)
# What a process does to itself before it runs its command.
Preparation = Callable[[], None]


@dataclass(frozen=True)
class Command:
    """What can be interrupted, how far it has come, and what came out.

    Steps are those of :func:`after_each_step`: ASE moves one of two replicas at a time.

    :param save_interval: steps between two saved states.
    """

    arguments: Callable[[Path, Path], list[str]]
    saved_steps: Callable[[Path], int]
    result: Callable[[Path], Any]
    steps: int
    save_interval: int


def training(folder: Path, out: Path, **options: Any) -> list[str]:
    data = {}
    for part, structures in (("train", clusters(6)), ("validation", clusters(3, seed=9))):
        data[part] = str(folder / f"{part}.xyz")
        write(data[part], structures)
    text = settings(max_epochs=EPOCHS, **options).to_yaml() + yaml.safe_dump(data)
    (folder / "training.yaml").write_text(text)
    arguments = [folder / "training.yaml", "--seed", 1, "--out", out, "--cache", folder / "cache"]
    return ["train", *map(str, arguments), "--resume"]


def saved_training_steps(out: Path) -> int:
    if (out / MODEL_FILE).exists():
        return EPOCHS * STEPS_PER_EPOCH
    return newest_checkpoint(out)[1].get("global_step", 0)


def training_result(out: Path) -> Any:
    """The weights byte for byte, and the metrics of each epoch."""
    return (out / MODEL_FILE).read_bytes(), metrics(out)


def simulation(folder: Path, out: Path, *, engine: str = "ase") -> list[str]:
    from camp.potential.saving import save

    save(copper(), folder / "model.safetensors")
    write(folder / "start.xyz", CRYSTAL)
    content = {"temperature": 300, "timestep": 2, "sample_every": 10, "replicas": 2}
    content |= {"equilibration": 0.2, "length": 0.01 * SAMPLES - 0.2, "engine": engine}
    (folder / "md.yaml").write_text(yaml.safe_dump(content))
    files = [str(folder / name) for name in ("model.safetensors", "start.xyz", "md.yaml")]
    return ["md", *files[:2], "--config", files[2], "--out", str(out)]


def saved_simulation_steps(at_a_time: int, out: Path) -> int:
    frames = min(number_of_frames(out / f"replica-{k}.traj") for k in (1, 2))
    return max(frames - 1, 0) * STEPS_PER_SAMPLE * 2 // at_a_time


def simulation_result(out: Path) -> Any:
    """Every number of every sample."""
    replicas = [vars(read_trajectory(out / f"replica-{k}.traj")) for k in (1, 2)]
    return [{name: np.asarray(value).tobytes() for name, value in r.items()} for r in replicas]


def _simulation_command(engine: str, *, at_a_time: int) -> Command:
    return Command(
        partial(simulation, engine=engine),
        partial(saved_simulation_steps, at_a_time),
        simulation_result,
        SAMPLES * STEPS_PER_SAMPLE * 2 // at_a_time,
        STEPS_PER_SAMPLE * 2 // at_a_time,
    )


COMMANDS = {
    "training": Command(
        training, saved_training_steps, training_result, EPOCHS * STEPS_PER_EPOCH, STEPS_PER_EPOCH
    ),
    "md": _simulation_command("ase", at_a_time=1),
    "md, TorchSim": _simulation_command("torchsim", at_a_time=2),
}


@cache
def _context() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(MODULES))
    return context


def start(arguments: Sequence[str], log: Path, prepare: Preparation | None = None) -> BaseProcess:
    """``camp …`` in a process of its own, which writes its output to a log."""
    process = _context().Process(target=_work, args=(list(arguments), log, prepare))
    process.start()
    return process


def run(arguments: Sequence[str], log: Path, prepare: Preparation | None = None) -> int:
    """The same to its end; returns the exit code, −N after signal N."""
    process = start(arguments, log, prepare)
    process.join()
    return process.exitcode


def last_line(log: Path) -> str:
    return log.read_text(encoding="utf-8").rstrip().rpartition("\n")[2]


def _work(arguments: list[str], log: Path, prepare: Preparation | None) -> None:
    import torch

    from camp.cli import main

    torch.set_num_threads(1)
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    if prepare:
        prepare()
    sys.exit(main(arguments))


def after_each_step(act: Callable[[int], None]) -> None:
    """Call act(number of steps that this process has made) after each of them."""
    from ase.md.nose_hoover_chain import NoseHooverChainNVT

    from camp.training.module import TrainingModule

    steps = [(TrainingModule, "on_train_batch_end"), (NoseHooverChainNVT, "step")]
    if find_spec("torch_sim"):
        from camp.md.torchsim_engine import TorchSimEngine

        steps.append((TorchSimEngine, "_step"))
    made = 0

    def then_act(plain: Callable) -> Callable:
        def step(*arguments: Any, **named: Any) -> None:
            nonlocal made
            plain(*arguments, **named)
            made += 1
            act(made)

        return step

    patch = pytest.MonkeyPatch()
    for owner, name in steps:
        patch.setattr(owner, name, then_act(getattr(owner, name)))


def at_step(number: int, act: Preparation) -> Preparation:
    """A preparation: act after so many steps of the process."""
    return partial(after_each_step, partial(_act_at, number, act))


def _act_at(number: int, act: Preparation, made: int) -> None:
    if made == number:
        act()
