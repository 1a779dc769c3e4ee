"""A small part of the workflow that tests share: trainings of a few seeds on generated data."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import yaml
from safetensors.torch import load_file

REPOSITORY = Path(__file__).resolve().parents[2]
PROFILES = REPOSITORY / "profiles"
TRAININGS = Path("results/cluster/training/md17-ethanol")
LOGS = Path("results/cluster/logs/train/md17-ethanol")
# For PYTHONPATH: trainings stop in their middle, so that nothing comes too late.
PAUSING = Path(__file__).with_name("pausing")
SCALE = {
    "scale": "cluster",
    "data": "generated (GFN-xTB)",
    "weights": "own",
    "seeds": [1],
    "resources": {"threads": 1, "gpu": 1, "mem_mb": 1000, "runtime": 5},
    "datasets": {"ethanol": {"generate": "molecule:ethanol", "frames": 18}},
    "tasks": {
        "md17-ethanol": {
            "dataset": "ethanol",
            "split": {"train": 12, "validation": 4, "test": "rest"},
            "models": {
                "camp": {
                    "model": {
                        "channels": 4,
                        "max_rank": 1,
                        "layers": 1,
                        "cutoff": 4.0,
                        "radial_hidden": [4],
                        "readout_hidden": [4],
                    },
                    "training": {
                        "max_epochs": 60,
                        "ema_start": 2,
                        "ema_every": 1,
                        "compile": False,
                    },
                }
            },
        }
    },
}


class Training(NamedTuple):
    """A process that trains.

    :param job: its number in SLURM, if it is one of SLURM's.
    :param sign: the file in which its process stands while it is paused.
    """

    process: int
    seed: int
    job: str
    gpu: str
    sign: Path

    @property
    def paused(self) -> bool:
        return self.sign.exists() and self.sign.read_text() == str(self.process)

    def wake(self) -> None:
        self.sign.write_text("")


def trainings(folder: Path) -> list[Training]:
    """What trains at this moment with the results in a folder."""
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
        job, gpu = (environment.get(name, "") for name in ("SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES"))
        sign = folder / TRAININGS / f"camp-seed-{seed}/paused"
        found.append(Training(process.pid, seed, job, gpu, sign))
    return found


def paused(folder: Path, number: int) -> list[Training]:
    """So many trainings, once all of them have stopped."""

    def all_paused() -> list[Training]:
        found = [training for training in trainings(folder) if training.paused]
        return found if len(found) == number else []

    return wait_for(all_paused)


def wait_for(condition: Callable[[], Any], *, seconds: float = 300) -> Any:
    """What a condition gives as soon as it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise TimeoutError


def model(seed: int) -> Path:
    return TRAININGS / f"camp-seed-{seed}/model.safetensors"


def workflow(
    folder: Path, profile: Path, seeds: Iterable[int], *options: str | Path
) -> list[str | Path]:
    """The command that trains these seeds with the results in a folder, made if need be."""
    folder.mkdir(exist_ok=True)
    scale = folder / "cluster.yaml"
    scale.write_text(yaml.safe_dump(SCALE), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", *map(model, seeds), "--configfile", scale]
    command += ["--snakefile", REPOSITORY / "Snakefile", "--directory", folder]
    return [*command, "--workflow-profile", profile, *options]


@contextmanager
def driver(command: Sequence[str | Path], log: Path) -> Iterator[subprocess.Popen]:
    """A running snakemake, which ends with the block at the latest."""
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            yield process
        finally:
            process.terminate()


def same_weights(folder: Path, other: Path, seeds: Iterable[int]) -> bool:
    """Whether models in two folders have the same weights, byte for byte."""
    for seed in seeds:
        first, second = load_file(folder / model(seed)), load_file(other / model(seed))
        if first.keys() != second.keys():
            return False
        if any(first[k].numpy().tobytes() != second[k].numpy().tobytes() for k in first):
            return False
    return True
