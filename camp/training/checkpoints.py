"""Checkpoints of a training that survive being interrupted while they are written."""

import io
import os
import sys
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from camp.errors import InputError
from camp.files import atomic_path
from camp.potential.published import read_checkpoint

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"


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
    """The last checkpoint in a folder that can be read, and its content; a damaged one is named on
    stderr and left out.
    """
    for path in (folder / LAST, folder / PREVIOUS):
        if path.exists():
            try:
                return path, read_checkpoint(path)
            except InputError as error:
                print(f"{error}; continuing without it", file=sys.stderr)
    return None, {}


def remove_checkpoints(folder: Path) -> None:
    """Of a training that is finished."""
    for name in (LAST, PREVIOUS):
        (folder / name).unlink(missing_ok=True)
