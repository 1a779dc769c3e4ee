"""The replicas of a simulation as they are analysed: their frames, and how long they are stable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from camp.errors import InputError
from camp.files import read_json
from camp.md.observables import RadialDistribution, angular_distribution, radial_distribution
from camp.md.stability import Bonds, reference_bonds, unstable_by_bonds, unstable_by_structure
from camp.md.trajectory import (
    SUMMARY_FILE,
    UNSEEN_SETTINGS,
    Trajectory,
    number_of_frames,
    read_trajectory,
)
from camp.settings import AnalysisSettings

# Evenly spaced frames of a replica of which distances and angles are counted.
MAX_FRAMES = 5000


@dataclass(frozen=True)
class Frames:
    """Frames of one system; ``cell`` is (3, 3), or (frames, 3, 3)."""

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray

    def angles(self, triple: str, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
        """See :func:`camp.md.observables.angular_distribution`; cutoff in Å."""
        return angular_distribution(
            self.numbers, self.positions, self.cell, self.pbc, triple=triple, cutoff=cutoff
        )

    def radial(self, settings: AnalysisSettings, r_max: float) -> RadialDistribution:
        """See :func:`camp.md.observables.radial_distribution`; r_max in Å."""
        return radial_distribution(
            self.numbers,
            self.positions,
            self.cell,
            self.pbc,
            pairs=settings.rdf,
            bin_width=settings.rdf_bin,
            r_max=r_max,
        )


@dataclass(frozen=True)
class Replica:
    """How one replica went: its entry in simulation.json, its frames, its stability."""

    entry: Mapping[str, Any]
    trajectory: Trajectory | None  # None when it ended before its first frame
    explosion: str  # why it ended before its time, or an empty text
    stable_frames: int = 0
    stable_ps: float = 0.0
    radial: RadialDistribution | None = None  # of every ``stride``-th frame

    @property
    def times(self) -> np.ndarray:
        return np.empty(0) if self.trajectory is None else self.trajectory.times

    @property
    def stride(self) -> int:
        return stride_for(len(self.times), MAX_FRAMES)

    @property
    def stable_trajectory(self) -> Trajectory:
        """The frames of the stable part, of which there must be one."""
        assert self.trajectory is not None
        return self.trajectory.first(self.stable_frames)

    @property
    def stable_part(self) -> Frames:
        """Of these frames every ``stride``-th."""
        return thinned(self.stable_trajectory, self.stride)

    @property
    def stable_radial(self) -> RadialDistribution | None:
        """g(r) of the same frames, if the replica has one."""
        if self.radial is None:
            return None
        frames = -(-self.stable_frames // self.stride)
        return replace(self.radial, g={name: g[:frames] for name, g in self.radial.g.items()})


def read_summaries(folders: Sequence[str | Path]) -> list[tuple[Path, dict[str, Any]]]:
    """What the run folders say: each folder with its summary, all of one simulation.

    :raises InputError: a folder without a finished run, or replicas of different simulations.
    """
    if not folders:
        raise InputError("there are no simulations to analyse; give folders of camp md")
    summaries: list[tuple[Path, dict[str, Any]]] = []
    seen: dict[int, Path] = {}
    for folder in map(Path, folders):
        path = folder / SUMMARY_FILE
        if not path.exists():
            raise InputError(f"{folder}: no finished simulation (no {SUMMARY_FILE}); run camp md")
        summary = read_json(path)
        try:
            numbers = [entry["replica"] for entry in summary["replicas"]]
            identity = _identity(summary)
        except (KeyError, TypeError) as error:
            raise InputError(f"{path}: not a summary of camp md (no {error})") from None
        if not numbers:
            raise InputError(f"{path}: no replica; run camp md")
        if summaries:
            for name, value in _identity(summaries[0][1]).items():
                if identity[name] != value:
                    raise InputError(
                        f"{path}: another {name} than in {summaries[0][0]}; give replicas of one "
                        "simulation"
                    )
        for number in numbers:
            if number in seen:
                raise InputError(
                    f"{path}: replica {number} is also in {seen[number]}; give each replica once"
                )
            seen[number] = folder
        summaries.append((folder, summary))
    return summaries


def _identity(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the replicas of one simulation have in common."""
    settings = summary["settings"].items()
    return {
        "model": summary["model_sha256"],
        "structure": summary["structure"],
        "set of settings": {k: v for k, v in settings if k not in UNSEEN_SETTINGS},
    }


def read_replica(folder: Path, entry: Mapping[str, Any], length: float) -> Replica:
    """One replica of a run folder, not judged yet.

    :param entry: of the replica in the summary.
    :param length: ps, of what counts of it: it may have been made longer before.
    :raises InputError: the trajectory is not the one that the summary tells of.
    """
    path = folder / entry["trajectory"]
    explosion = (entry["reason"] or entry["end"]) if entry["end"] != "completed" else ""
    if explosion and (entry["time_fs"] < 0 or number_of_frames(path) == 0):
        return Replica(entry, None, explosion)
    trajectory = read_trajectory(path)
    last = float(trajectory.times[-1])
    if abs(last - entry["time_fs"]) > 1e-6 * max(1.0, abs(last)):
        raise InputError(
            f"{path}: ends at {last / 1000:g} ps, {SUMMARY_FILE} says {entry['time_fs'] / 1000:g} "
            "ps; finish the simulation with camp md"
        )
    if not explosion and last < 1000.0 * length * (1 - 1e-9):
        # Left behind when others of its run were made longer.
        raise InputError(
            f"{path}: has {last / 1000:g} of {length:g} ps; continue the simulation with camp md"
        )
    if not np.allclose(np.diff(trajectory.times), trajectory.times[1:2] - trajectory.times[:1]):
        raise InputError(f"{path}: frames are not evenly spaced in time; simulate again")
    count = int(np.count_nonzero(trajectory.times <= 1000.0 * length * (1 + 1e-9)))
    if count < len(trajectory.times):
        return Replica(entry, trajectory.first(count), "")
    return Replica(entry, trajectory, explosion)


def bonds_of(
    settings: AnalysisSettings,
    structures: Sequence[Atoms] | None,
    trajectories: Sequence[Trajectory],
) -> Bonds | None:
    """The bonds of a molecule if stability is judged by them.

    :raises InputError: no reference structures, or other ones than the simulation has.
    """
    if settings.stability != "bonds":
        return None
    if not structures:
        raise InputError("stability by 'bonds' needs reference structures; give them with --bonds")
    bonds = reference_bonds(structures)
    for trajectory in trajectories:
        if trajectory.pbc.any():
            raise InputError("stability by 'bonds' is for molecules without a cell; use 'rdf'")
        if not np.array_equal(trajectory.numbers, bonds.numbers):
            raise InputError(
                "the reference structures with the bonds have other atoms, or in another order, "
                "than the simulation; give structures of the same molecule"
            )
    return bonds


def judged(
    replica: Replica, settings: AnalysisSettings, bonds: Bonds | None, r_max: float | None
) -> Replica:
    """The replica with its stability and its g(r).

    :param r_max: Å; None for what has no g(r).
    """
    trajectory = replica.trajectory
    if trajectory is None:
        return replica
    radial = None
    if r_max is not None:
        radial = thinned(trajectory, replica.stride).radial(settings, r_max)
    unstable = None
    if settings.stability == "rdf" and radial is not None:
        unstable = unstable_by_structure(
            trajectory.times[:: replica.stride],
            radial.g["all"],
            bin_width=radial.bin_width,
            window=1000.0 * settings.window,
            threshold=settings.threshold,
        )
    elif bonds is not None:
        unstable = unstable_by_bonds(
            trajectory.times, trajectory.positions, bonds, threshold=settings.threshold
        )
    times = trajectory.times
    return replace(
        replica,
        stable_frames=len(times) if unstable is None else int(np.searchsorted(times, unstable)),
        stable_ps=float(times[-1] if unstable is None else unstable) / 1000.0,
        radial=radial,
    )


def thinned(trajectory: Trajectory, stride: int) -> Frames:
    """Every ``stride``-th frame."""
    positions = trajectory.positions[::stride]
    return Frames(trajectory.numbers, positions, trajectory.cell, trajectory.pbc)


def stride_for(count: int, most: int) -> int:
    """Every so many-th of ``count`` are ``most`` at most."""
    return max(1, -(-count // most))
