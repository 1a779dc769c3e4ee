"""Writing files so that a reader never meets a half-written one, and one writer per folder."""

import errno
import fcntl
import hashlib
import json
import os
import pickle
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from camp.errors import InputError, reason

if TYPE_CHECKING:
    from torch import Tensor

_PARTIAL = ".partial-"
# How file systems say that they have no locks, as some of clusters and of containers.
_WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that takes its place when the block ends without error.

    The temporary name keeps the suffixes, by which writers choose a format.

    :raises InputError: the folder cannot be written, or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f"{_PARTIAL}{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        # An error that names some other file is not ours to explain.
        if error.filename not in (None, str(temporary), str(path), str(path.parent)):
            raise
        raise _cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn a full disk or an unwritable folder into one message.

    :param path: what the message calls the file.
    :raises InputError: whatever the system refuses within.
    """
    try:
        yield
    except OSError as error:
        raise _cannot_write(path, error) from None


def _cannot_write(path: str | Path, error: OSError) -> InputError:
    why = error.strerror or reason(error)
    return InputError(f"cannot write {path}: {why}; free some space or choose another folder")


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


def save_tensors(path: str | Path, tensors: "dict[str, Tensor]", name: str, text: str) -> None:
    """Write tensors as safetensors in one step, with one named text beside them: the library writes
    several in an order drawn by lot, but equal content shall be equal files.

    :raises InputError: see :func:`atomic_path`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with atomic_path(path) as temporary:
        # The library makes files that nobody else may read; others are as the system has them.
        temporary.touch()
        mode = temporary.stat().st_mode
        try:
            save_file(tensors, temporary, metadata={name: text})
        except SafetensorError as error:
            # The library wraps what the system said, such as a full disk.
            raise InputError(f"cannot write {path}: {error}") from None
        temporary.chmod(mode)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The dictionary of a checkpoint, read without executing anything from the file.

    :raises InputError: the file is damaged, or cannot be read safely as a checkpoint.
    """
    import torch

    path = Path(path)
    try:
        # torch does not look at the checksums in the file.
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                # torch never packs; what unpacks to more was made to fill the memory.
                if sum(item.file_size for item in archive.infolist()) > path.stat().st_size:
                    raise InputError(f"{path}: not a checkpoint (packed)")
                if damaged := archive.testzip():
                    raise InputError(f"{path}: damaged ({damaged}); get or make it anew")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    # A damaged file makes the libraries fail in any way.
    except Exception as error:
        said = _refusal(error) if isinstance(error, pickle.UnpicklingError) else reason(error)
        raise InputError(f"{path}: not a checkpoint that can be read safely ({said})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a checkpoint (holds a {type(content).__name__})")
    return content


def _refusal(error: pickle.UnpicklingError) -> str:
    """What torch does not read, without its advice how to read it all the same."""
    what = str(error).partition("\n\nCheck the documentation")[0].rpartition("\n")[2]
    return what.rpartition("WeightsUnpickler error: ")[2].partition(". ")[0].rstrip(".")


def checksum(tensors: "Mapping[str, Tensor]", text: str = "") -> str:
    """SHA-256 over tensors with their names, types and shapes, and a text."""
    import torch

    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_json(path: str | Path) -> Any:
    """The content of a JSON file.

    :raises InputError: missing file, or not JSON.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    # Numbers of thousands of digits and endless brackets are no mistakes of JSON.
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a JSON file ({reason(error)})") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second process from writing into the same folder; makes the folder, and removes
    what a killed process left half-written in it. Where there are no locks, a line on stderr says
    so and nothing keeps others out.

    :raises InputError: the folder is in use, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}; choose another --out") from None
    with lock:
        try:
            has_locks = lock_file(lock, wait=False)
        except BlockingIOError:
            raise InputError(f"{folder} is in use by another process of camp") from None
        except OSError as error:
            raise InputError(f"cannot lock {folder}: {error.strerror}") from None
        if not has_locks:
            print(
                f"camp: warning: the file system of {folder} has no locks; let no second process "
                "write there",
                file=sys.stderr,
            )
        for leftover in folder.glob(f"{_PARTIAL}*"):
            leftover.unlink(missing_ok=True)
        yield


def lock_file(file: IO[str], *, wait: bool) -> bool:
    """Lock an open file until it is closed; False where the file system has no locks.

    :raises BlockingIOError: another process has locked it, unless that is waited for.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _WITHOUT_LOCKS:
            return False
        raise
    return True
