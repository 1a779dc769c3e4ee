"""Compiling C++ code for the machine at hand, on first use.

It takes a second or two for each kind of model; the result stays in the user's cache folder.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from camp.errors import InputError
from camp.files import atomic_path

HEADERS = Path(__file__).parent
FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math"),
    *("-fPIC", "-shared", "-pthread"),
)
REALS = {torch.float32: "float", torch.float64: "double"}
VECTOR_BYTES = 32  # as in channels.hpp


@cache
def compiler() -> str | None:
    """Name of the C++ compiler, if there is one."""
    return next((name for name in ("g++", "clang++", "c++") if shutil.which(name)), None)


@cache
def load(source: Path, dtype: torch.dtype, **definitions: int) -> ctypes.CDLL:
    """The library made from one source file, which may include the headers beside it and those of
    this folder, for one precision.

    :param definitions: what the preprocessor needs.
    :raises InputError: no compiler, or compilation fails.
    """
    name = compiler()
    if name is None:
        raise InputError("no C++ compiler found")
    options = [*FLAGS, f"-DREAL={REALS[dtype]}"]
    options += [f"-D{key.upper()}={value}" for key, value in sorted(definitions.items())]
    # The compiler's own definitions tell its version and the processor it compiles for.
    target = _run(name, *FLAGS, "-dM", "-E", "-x", "c++", os.devnull)
    headers = sorted({*HEADERS.glob("*.hpp"), *source.parent.glob("*.hpp")})
    texts = [file.read_text() for file in (source, *headers)]
    key = hashlib.sha256("\n".join([*texts, *options, target]).encode()).hexdigest()
    path = _cache_folder() / f"{source.stem}-{key[:24]}.so"
    if not path.is_file():
        with atomic_path(path) as temporary:
            _run(name, *options, f"-I{HEADERS}", str(source), "-o", str(temporary))
    return ctypes.CDLL(str(path))


def addresses(names: Sequence[str], *source: Any, **definitions: int) -> list[int]:
    """Where the functions of a library begin, for :meth:`camp.runtime.team.Steps.add`.

    :param source: and the definitions, as for :func:`load`.
    :raises InputError: see :func:`load`.
    """
    library = load(*source, **definitions)
    places = [ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in names]
    return [place for place in places if place is not None]


class Blocks:
    """How channels are arranged in blocks, see channels.hpp."""

    def __init__(self, channels: int, dtype: torch.dtype):
        self.channels = channels
        self.dtype = dtype
        self.lanes = VECTOR_BYTES // dtype.itemsize
        self.blocks = -(-channels // self.lanes)

    def pack(self, values: Tensor) -> Tensor:
        """(n, …, channels) → (n, blocks, …, lanes), converted to the precision."""
        extra = self.blocks * self.lanes - self.channels
        padded = torch.nn.functional.pad(values.to(self.dtype), (0, extra))
        return padded.unflatten(-1, (self.blocks, -1)).movedim(-2, 1).contiguous()


def _run(*command: str) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        lines = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise InputError(f"{command[0]} failed: {lines[0] if lines else 'no message'}") from error


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "camp"
