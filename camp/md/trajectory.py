"""Trajectories on disk: ASE's binary format, one file for each replica.

ASE, OVITO and others read them. Every frame holds unwrapped positions and momenta in double
precision, the energies and the thermostat, so that each frame is also a state to continue from.
The format counts a frame only when all of it has been written: a process killed in the middle of
a frame loses this frame and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.trajectory import TrajectoryReader, TrajectoryWriter
from ase.io.ulm import InvalidULMFileError

from camp.errors import InputError
from camp.md.states import Sample, State


@dataclass(frozen=True)
class Trajectory:
    """The frames of one replica."""

    numbers: np.ndarray  # (atoms,)
    masses: np.ndarray  # (atoms,) u
    cell: np.ndarray  # (3, 3) Å, the same in all frames; zeros without a cell
    pbc: np.ndarray  # (3,) bool
    times: np.ndarray  # (frames,) fs; 0 is the end of the equilibration
    positions: np.ndarray  # (frames, atoms, 3) Å, unwrapped
    potential_energies: np.ndarray  # (frames,) eV
    kinetic_energies: np.ndarray  # (frames,) eV
    conserved_energies: np.ndarray  # (frames,) eV, see :class:`camp.md.states.Sample`


class Writer:
    """Appends samples of one replica to a trajectory.

    :param run: fingerprint of the run, kept in every frame.
    """

    def __init__(self, path: Path, run: str):
        self.run = run
        frames = number_of_frames(path)
        self.last_step = read_state(path, frames - 1, run).step if frames else -1
        # A file without a whole frame holds nothing that could be appended to.
        self._file = TrajectoryWriter(path, "a" if frames else "w", properties=["energy"])

    def write(self, sample: Sample, time: float) -> None:
        """Append a sample taken at ``time`` (fs), unless it is in the file already."""
        state = sample.state
        if state.step <= self.last_step:
            return
        atoms = Atoms(
            state.atoms.numbers,
            state.atoms.positions,
            cell=state.atoms.cell,
            pbc=state.atoms.pbc,
            momenta=state.atoms.get_momenta(),
            info={
                "run": self.run,
                "step": state.step,
                "time_fs": time,
                "conserved_energy": sample.conserved_energy,
                "thermostat": state.thermostat,
            },
        )
        atoms.calc = SinglePointCalculator(atoms, energy=sample.potential_energy)
        self._file.write(atoms)
        self.last_step = state.step

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def number_of_frames(path: Path) -> int:
    """Whole frames in a trajectory; none in a file that does not exist or was never begun.

    :raises InputError: another kind of file.
    """
    try:
        if path.stat().st_size == 0:
            return 0
        with TrajectoryReader(path) as frames:
            return len(frames)
    except FileNotFoundError:
        return 0
    except (InvalidULMFileError, OSError, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a trajectory of camp md ({error})") from None


def read_state(path: Path, frame: int, run: str) -> State:
    """The state in one frame of a trajectory.

    :param run: fingerprint of the run that it must belong to.
    :raises InputError: a trajectory of another run.
    """
    try:
        with TrajectoryReader(path) as frames:
            atoms = frames[frame]
    except (InvalidULMFileError, OSError, ValueError, KeyError, IndexError) as error:
        raise InputError(f"{path}: frame {frame} cannot be read ({error})") from None
    if atoms.info.get("run") != run:
        raise InputError(f"{path} belongs to another run; choose another --out, or move it away")
    step, thermostat = int(atoms.info["step"]), atoms.info["thermostat"]
    atoms.calc, atoms.info = None, {}
    return State(step, atoms, {name: list(values) for name, values in thermostat.items()})


def read_trajectory(path: str | Path, *, stride: int = 1) -> Trajectory:
    """The production frames of one replica.

    :param stride: read every so many frames only.
    :raises InputError: missing file, not such a trajectory, or no frame after the equilibration.
    """
    path = Path(path)
    if number_of_frames(path) == 0:
        raise InputError(f"{path}: no trajectory with at least one frame")
    frames = _production_frames(path)[::stride]
    if not frames:
        raise InputError(f"{path}: holds the equilibration only; continue the simulation")
    first = frames[0]
    return Trajectory(
        numbers=first.numbers,
        masses=first.get_masses(),
        cell=first.cell.array,
        pbc=first.pbc,
        times=np.array([atoms.info["time_fs"] for atoms in frames]),
        positions=np.array([atoms.positions for atoms in frames]),
        potential_energies=np.array([atoms.get_potential_energy() for atoms in frames]),
        kinetic_energies=np.array([atoms.get_kinetic_energy() for atoms in frames]),
        conserved_energies=np.array([atoms.info["conserved_energy"] for atoms in frames]),
    )


def _production_frames(path: Path) -> Sequence[Atoms]:
    with TrajectoryReader(path) as frames:
        try:
            return [atoms for atoms in frames if atoms.info["time_fs"] >= 0]
        except KeyError as error:
            raise InputError(f"{path}: not a trajectory of camp md (no {error})") from None
