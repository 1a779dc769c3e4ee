"""Checkpoints of a training that survive being interrupted while they are written."""

import io
import os
import sys
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from camp.errors import InputError
from camp.files import atomic_path, read_checkpoint

LAST, PREVIOUS, FINISHED = "last.ckpt", "previous.ckpt", "finished.ckpt"


class KeepPrevious(TorchCheckpointIO):
    """Writes a checkpoint in one step, and keeps the one before it."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """:raises InputError: see :func:`camp.files.atomic_path`."""
        path, content = Path(path), io.BytesIO()
        torch.save(checkpoint, content)
        with atomic_path(path) as temporary:
            temporary.write_bytes(content.getbuffer())
            if path.exists():
                os.replace(path, path.with_name(PREVIOUS))


def newest_checkpoint(folder: Path) -> tuple[Path | None, dict[str, Any]]:
    """The last checkpoint of an interrupted training that can be read, and its content; a damaged
    one is named on stderr and left out.
    """
    return _first_readable(folder / LAST, folder / PREVIOUS)


def finished_checkpoint(folder: Path) -> tuple[Path | None, dict[str, Any]]:
    """The same of a training that has finished."""
    return _first_readable(folder / FINISHED)


def keep_finished(folder: Path) -> None:
    """Set the last checkpoint of a finished training apart, and remove the others.

    A workflow that was killed does not learn that its job has finished. Started again, it deletes
    the model to make it anew, which then takes a moment.
    """
    last = folder / LAST
    if last.exists():
        last.replace(folder / FINISHED)
    (folder / PREVIOUS).unlink(missing_ok=True)


def _first_readable(*paths: Path) -> tuple[Path | None, dict[str, Any]]:
    for path in paths:
        if path.exists():
            try:
                return path, read_checkpoint(path)
            except InputError as error:
                print(f"{error}; continuing without it", file=sys.stderr)
    return None, {}
