"""Compiling C++ code for the machine at hand, on first use.

It takes a second or two for each kind of model; the result stays in the user's cache folder.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from camp.errors import InputError
from camp.files import atomic_path

HEADERS = Path(__file__).parent
FLAGS = (
    *("-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math"),
    *("-fPIC", "-pthread"),
)
NATIVE = "native"  # the processor at hand
REALS = {torch.float32: "float", torch.float64: "double"}
VECTOR_BYTES = 32  # as in channels.hpp


@cache
def compiler() -> str | None:
    """Name of the C++ compiler, if there is one."""
    return next((name for name in ("g++", "clang++", "c++") if shutil.which(name)), None)


@dataclass(frozen=True)
class Source:
    """A source file, which may include the headers beside it and those of this folder."""

    path: Path
    definitions: Mapping[str, int | str] = field(default_factory=dict)  # for the preprocessor

    @property
    def options(self) -> list[str]:
        return [f"-D{key.upper()}={value}" for key, value in sorted(self.definitions.items())]


@cache
def load(source: Path, dtype: torch.dtype, **definitions: int) -> ctypes.CDLL:
    """The library made from one source file for one precision and the processor at hand.

    :param definitions: what the preprocessor needs.
    :raises InputError: see :func:`build`.
    """
    one = Source(source, {"REAL": REALS[dtype], **definitions})
    return ctypes.CDLL(str(build(source.stem, [one], (*FLAGS, f"-march={NATIVE}"))))


def build(name: str, sources: Sequence[Source], flags: Sequence[str]) -> Path:
    """A shared library made from some sources, compiled unless it is in the cache already.

    :param name: how its file begins.
    :raises InputError: no compiler, or compilation fails.
    """
    command = compiler()
    if command is None:
        raise InputError("no C++ compiler found")
    folders = {HEADERS, *(source.path.parent for source in sources)}
    headers = sorted(file for folder in folders for file in folder.glob("*.h*"))
    texts = [file.read_text() for file in (*(source.path for source in sources), *headers)]
    options = [option for source in sources for option in source.options]
    # The compiler's own definitions tell its version and the processor it compiles for.
    target = _run(command, *flags, "-dM", "-E", "-x", "c++", os.devnull)
    key = hashlib.sha256("\n".join([*texts, *options, *flags, target]).encode()).hexdigest()
    path = _cache_folder() / f"{name}-{key[:24]}.so"
    if not path.is_file():
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = [f"{folder}/{number}.o" for number in range(len(sources))]

            def compiled(source: Source, to: str) -> None:
                _run(
                    command,
                    *flags,
                    *source.options,
                    f"-I{HEADERS}",
                    "-c",
                    str(source.path),
                    "-o",
                    to,
                )

            list(pool.map(compiled, sources, objects))
            with atomic_path(path) as temporary:
                _run(command, "-shared", "-pthread", *objects, "-o", str(temporary))
    return path


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
        lines = (getattr(error, "stderr", "") or str(error)).strip().splitlines() or ["no message"]
        complaint = next((line for line in lines if "error:" in line), lines[0])
        raise InputError(f"{command[0]} failed: {complaint}") from error


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "camp"
