"""Writing files so that a reader never meets a half-written one, and one writer per folder."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camp.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that takes its place when the block ends without error.

    The temporary name keeps the suffixes, by which writers choose a format.

    :raises InputError: the folder cannot be written, or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        # An error that names some other file is not ours to explain.
        if error.filename not in (None, str(temporary), str(path), str(path.parent)):
            raise
        reason = error.strerror or str(error)
        raise InputError(
            f"cannot write {path}: {reason}; free some space or choose another folder"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in one step.

    :raises InputError: see :func:`atomic_path`.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, content: Any) -> None:
    """Write a JSON file in one step; numbers that are not finite are refused.

    :raises InputError: see :func:`atomic_path`.
    """
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def save_tensors(path: str | Path, tensors: "dict[str, Tensor]", metadata: dict[str, str]) -> None:
    """Write tensors as safetensors in one step.

    :raises InputError: see :func:`atomic_path`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with atomic_path(path) as temporary:
        try:
            save_file(tensors, temporary, metadata=metadata)
        except SafetensorError as error:
            # The library wraps what the system said, such as a full disk.
            raise InputError(f"cannot write {path}: {error}") from None


def read_json(path: str | Path) -> Any:
    """The content of a JSON file.

    :raises InputError: missing file, or not JSON.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a JSON file ({error})") from None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second process from writing into the same folder; makes the folder.

    :raises InputError: the folder is in use, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}; choose another --out") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{folder} is in use by another process of camp") from None
        yield
