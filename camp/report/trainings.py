"""What trainings took: their summaries training.json."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camp.errors import InputError
from camp.files import read_json
from camp.settings.budget import Budget


@dataclass(frozen=True)
class Training:
    """One finished training; None and "" stand for what earlier versions did not record."""

    seed: int
    steps: int
    seconds: float  # of one model, validation included
    memory: int | None  # bytes at most, of all models that were trained together
    device: str  # such as 'cpu, 1 thread'
    budget: Budget | None
    data: tuple[str, ...] | None  # hashes of training and validation structures

    @property
    def seconds_per_step(self) -> float | None:
        return self.seconds / self.steps if self.steps else None


# By task and architecture, seeds ascending.
Trainings = Mapping[tuple[str, str], tuple[Training, ...]]


def read_trainings(paths: Iterable[Path]) -> Trainings:
    """:raises InputError: a file that is no summary of a training."""
    found: dict[tuple[str, str], list[Training]] = {}
    for path in paths:
        content = read_json(path)
        try:
            key = (content["task"], content["architecture"])
            found.setdefault(key, []).append(training_of(content))
        except (KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
            raise InputError(f"{path}: not the summary of a training ({error})") from None
    return {key: tuple(sorted(of, key=lambda one: one.seed)) for key, of in found.items()}


def training_of(content: Mapping[str, Any]) -> Training:
    """:raises KeyError: the summary lacks what all have."""
    budget, asked = content.get("budget"), content.get("asked")
    return Training(
        seed=content["seed"],
        steps=content["steps"],
        seconds=content["seconds"] / len(content["seeds_together"]),
        memory=content.get("peak_memory_bytes"),
        device=_device(content),
        budget=None if budget is None else Budget(**budget),
        data=None if asked is None else tuple(asked["data"]),
    )


def _device(content: Mapping[str, Any]) -> str:
    device, threads = content["device"], content.get("threads")
    if device != "cpu" or threads is None:
        return device
    return f"{device}, {threads} thread{'s' * (threads > 1)}"
