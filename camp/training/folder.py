"""The folder of a training: whose it is, and whether another one may use it."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.callbacks import Callback

from camp.errors import InputError
from camp.files import read_json
from camp.training.asked import Asked
from camp.training.checkpoints import LAST, PREVIOUS

MODEL_FILE = "model.safetensors"
SUMMARY_FILE = "training.json"
METRICS_FILE = "metrics.csv"
BEST_FILE = "best-so-far.safetensors"


def finished_summary(out: Path, asked: Asked, resume: bool) -> dict[str, Any]:
    """The summary of a finished training, if it is the one that is asked for.

    :raises InputError: it is another one, or may not be taken up again.
    """
    other = ""
    if resume:
        summary = read_json(out / SUMMARY_FILE)
        if summary.get("identity") == asked.identity:
            return summary
        other = f" with other settings, data or code{asked.differences(summary.get('asked'))}"
    raise InputError(f"{out} holds a finished training{other}; choose another --out, or delete it")


class MarkedCheckpoints(Callback):
    """Marks checkpoints with the trainings they belong to."""

    def __init__(self, asked: Sequence[Asked]):
        self.asked = asked

    def on_save_checkpoint(self, trainer, module, checkpoint) -> None:
        checkpoint["training"] = [one.identity for one in self.asked]
        checkpoint["asked"] = [one.record() for one in self.asked]


def check_interrupted(
    out: Path,
    content: Mapping[str, Any],
    asked: Sequence[Asked],
    ours: bool,
    resume: bool,
    set_aside: bool,
) -> None:
    """Refuse a folder with an interrupted training, unless it may be continued or moved away.

    :param content: of its checkpoint.
    :param ours: whether it is of the trainings that are asked for.
    :raises InputError: it may not.
    """
    if ours and not resume:
        raise InputError(
            f"{out} holds an interrupted training; continue it with --resume, or choose another "
            "--out"
        )
    if not ours and not set_aside:
        records = [*content.get("asked", []), None]
        raise InputError(
            f"{out} holds an interrupted training with other settings, data or code"
            f"{asked[0].differences(records[0])}; choose another --out, or move it away with "
            "--set-aside"
        )


def move_aside(out: Path) -> None:
    """Move an interrupted training out of the way."""
    number = 1 + sum(1 for _ in out.glob("superseded-*"))
    aside = out / f"superseded-{number}"
    aside.mkdir()
    for name in (LAST, PREVIOUS, METRICS_FILE, BEST_FILE):
        if (out / name).exists():
            (out / name).rename(aside / name)
    print(
        f"{out} held a training with other settings, data or code; moved to {aside}",
        file=sys.stderr,
    )
