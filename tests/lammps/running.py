"""Running LAMMPS in the tests, and reading what it says."""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from camp.lammps.data_file import Box, write_data
from camp.lammps.installation import Installation

# What LAMMPS' metal units take for 1 eV/Å³ in bar: its constant, not CODATA's.
NKTV2P = 1.6021765e6
VOIGT = [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]  # xx, yy, zz, xy, xz, yz


@dataclass(frozen=True)
class Result:
    """What LAMMPS says of one structure, in the frame of ASE."""

    energy: float  # eV
    atomic_energies: np.ndarray  # (n,)
    forces: np.ndarray  # (n, 3) eV/Å
    virial: np.ndarray  # (3, 3) eV, Σ r ⊗ F
    atomic_virials: np.ndarray  # (n, 3, 3) eV


@dataclass(frozen=True)
class Runner:
    """Runs inputs in a folder, on some ranks."""

    installation: Installation
    folder: Path

    def start(self, text: str, ranks: int = 1, *options: str) -> subprocess.Popen:
        (self.folder / "in.test").write_text(text)
        # mpirun of another MPI, such as the system's, would abort.
        command = [self.installation.mpirun, "-n", str(ranks), self.installation.program]
        return subprocess.Popen(
            [*command, "-in", "in.test", "-log", "log.test", *options],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            # What mpirun signals when it is killed must not reach the tests.
            start_new_session=True,
        )

    def output(self, text: str, ranks: int = 1, *options: str) -> str:
        """All that is printed, errors too."""
        return self.start(text, ranks, *options).communicate(timeout=300)[0]

    def run(self, text: str, ranks: int = 1, *options: str) -> str:
        """The same of a run that must succeed."""
        said = self.output(text, ranks, *options)
        assert "ERROR" not in said and "Total wall time" in said, said[-2000:]
        return said

    def refusal(self, text: str, ranks: int = 2) -> str:
        """The one line in which a run is refused."""
        said = self.output(text, ranks)
        lines = [line for line in said.splitlines() if line.startswith("ERROR")]
        assert len(lines) == 1, said[-2000:]
        return lines[0]

    def evaluate(
        self, model: Path, structures: Sequence[Atoms], elements: Sequence[str], ranks: int
    ) -> list[Result]:
        """Energies, forces and virials of structures, in one process of LAMMPS."""
        boxes = [
            write_data(self.folder / f"{k}.data", atoms, elements)
            for k, atoms in enumerate(structures)
        ]
        parts = [
            f"""{header(model, f"{k}.data", elements, boundary=box.boundary)}
compute energy all pe/atom
compute stress all stress/atom NULL pair
compute whole all pressure NULL virial
thermo_style custom pe vol c_whole[*]
thermo_modify format float %.17g norm no
dump all all custom 1 {k}.dump id fx fy fz c_energy c_stress[*]
dump_modify all sort id format float %.17g
run 0
"""
            for k, box in enumerate(boxes)
        ]
        lines = self.run("clear\n".join(parts), ranks).splitlines()
        numbers = [
            [float(word) for word in lines[place + 1].split()]
            for place, line in enumerate(lines)
            if line.split()[:2] == ["PotEng", "Volume"]
        ]
        return [
            _result(box, values, read_dump(self.folder / f"{k}.dump"))
            for k, (box, values) in enumerate(zip(boxes, numbers, strict=True))
        ]


def header(model: Path, data: str, elements: Sequence[str], *, boundary: str = "p p p") -> str:
    """The commands with which an input for one of our models begins."""
    return f"""units metal
atom_style atomic
boundary {boundary}
plugin load {model.parent}/campplugin.so
read_data {data}
pair_style camp
pair_coeff * * {model} {" ".join(elements)}
neighbor 1.0 bin
"""


def thermo(said: str) -> np.ndarray:
    """The numbers (rows, columns) of the last thermodynamic output."""
    lines = said.splitlines()
    first = max(k for k, line in enumerate(lines) if line.split()[:1] == ["Step"])
    rows = []
    for line in lines[first + 1 :]:
        if not re.match(r"\s*\d+ ", line):
            break
        rows.append([float(word) for word in line.split()])
    return np.array(rows)


def read_dump(path: Path) -> np.ndarray:
    """The last frame (atoms, columns) of a dump."""
    frame = path.read_text().split("ITEM: ATOMS")[-1].splitlines()[1:]
    return np.array([[float(word) for word in line.split()] for line in frame])


def _result(box: Box, numbers: list[float], rows: np.ndarray) -> Result:
    def turned(components: Sequence[float]) -> np.ndarray:
        matrix = np.empty((3, 3))
        matrix[VOIGT] = components
        matrix.T[VOIGT] = components
        return box.rotation @ matrix @ box.rotation.T / NKTV2P

    energy, volume, *pressure = numbers
    return Result(
        energy,
        rows[:, 4],
        rows[:, 1:4] @ box.rotation.T,
        volume * turned(pressure),
        # LAMMPS' stress of an atom has the other sign.
        np.array([-turned(row[5:]) for row in rows]),
    )
