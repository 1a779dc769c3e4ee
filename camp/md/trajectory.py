"""Trajectories on disk: ASE's binary format, one file for each replica.

ASE, OVITO and others read them. Every frame holds unwrapped positions and momenta in double
precision, the energies and the thermostat, so that each frame is also a state to continue from.
The format counts a frame only when all of it has been written: a process killed in the middle of
a frame loses this frame and nothing else.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.trajectory import TrajectoryReader, TrajectoryWriter

from camp.errors import InputError, reason
from camp.files import writing
from camp.md.states import Sample, State
from camp.potential.prediction import DEVIATIONS

# Files in the folder of a run.
RUN_FILE = "run.json"
SUMMARY_FILE = "simulation.json"
# Settings that change no trajectory.
UNSEEN_SETTINGS = ("replicas", "compile", "save_forces")


def trajectory_name(replica: int) -> str:
    return f"replica-{replica}.traj"


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

    def first(self, count: int) -> "Trajectory":
        """So many frames of it."""
        return replace(
            self,
            times=self.times[:count],
            positions=self.positions[:count],
            potential_energies=self.potential_energies[:count],
            kinetic_energies=self.kinetic_energies[:count],
            conserved_energies=self.conserved_energies[:count],
        )


class Writer:
    """Appends samples of one replica to a trajectory.

    :param run: identity of the run, kept in every frame.
    :param forces: write them too.
    """

    def __init__(self, path: Path, run: str, *, forces: bool = False):
        self.path = path
        self.run = run
        frames = number_of_frames(path)
        self.last_step = read_state(path, frames - 1, run).step if frames else -1
        # A file without a whole frame holds nothing that could be appended to.
        self._properties = ["energy", *["forces"] * forces]
        self._file = TrajectoryWriter(path, "a" if frames else "w", properties=self._properties)

    def write(self, sample: Sample, time: float) -> None:
        """Append a sample taken at ``time`` (fs), unless it is in the file already.

        :raises InputError: the file cannot be written.
        """
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
                **({} if sample.deviation is None else {DEVIATIONS[1]: sample.deviation}),
            },
        )
        results = {"energy": sample.potential_energy, "forces": sample.forces}
        results = {name: results[name] for name in self._properties}
        atoms.calc = SinglePointCalculator(atoms, **results)
        try:
            with writing(self.path):
                self._file.write(atoms)
        except BaseException:
            # Or closing the file would count what there is of the frame as a whole one.
            self._file.backend.data = {}
            raise
        self.last_step = state.step

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # What could not be written cannot be on closing either.
        with suppress(OSError) if kind else writing(self.path):
            self._file.close()


def number_of_frames(path: Path) -> int:
    """Whole frames in a trajectory; none in a file that does not exist or was never begun.

    :raises InputError: another kind of file, or a damaged one.
    """
    if not path.exists() or path.stat().st_size == 0:
        return 0
    with _reading(path), TrajectoryReader(path) as frames:
        return len(frames)


def read_state(path: Path, frame: int, run: str) -> State:
    """The state in one frame of a trajectory.

    :param run: identity of the run that it must belong to.
    :raises InputError: a trajectory of another run, or a damaged one.
    """
    with _reading(path, f", frame {frame}"):
        with TrajectoryReader(path) as frames:
            atoms = frames[frame]
        if atoms.info.get("run") != run:
            raise InputError(
                f"{path} belongs to another run; choose another --out, or move it away"
            )
        step, thermostat = int(atoms.info["step"]), atoms.info["thermostat"]
        atoms.calc, atoms.info = None, {}
        _check_finite(atoms.positions, atoms.get_momenta(), atoms.cell.array)
        return State(step, atoms, {name: list(values) for name, values in thermostat.items()})


def read_trajectory(path: str | Path, *, stride: int = 1) -> Trajectory:
    """The production frames of one replica.

    :param stride: read every so many frames only.
    :raises InputError: missing file, not such a trajectory, or no frame after the equilibration.
    """
    path = Path(path)
    if number_of_frames(path) == 0:
        raise InputError(f"{path}: no trajectory with at least one frame")
    with _reading(path):
        with TrajectoryReader(path) as every:
            frames = [atoms for atoms in every if atoms.info["time_fs"] >= 0][::stride]
        if not frames:
            raise InputError(f"{path}: holds the equilibration only; continue the simulation")
        return _joined(frames)


def _joined(frames: Sequence[Atoms]) -> Trajectory:
    first = frames[0]
    trajectory = Trajectory(
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
    _check_finite(*vars(trajectory).values())
    return trajectory


def _check_finite(*arrays: np.ndarray) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("numbers that are not finite")


@contextmanager
def _reading(path: Path, where: str = "") -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    # A damaged file makes ASE fail in any way.
    except Exception as error:
        what = f"no {error}" if isinstance(error, KeyError) else reason(error)
        raise InputError(
            f"{path}{where}: not a trajectory of camp md, or damaged ({what})"
        ) from None
