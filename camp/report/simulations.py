"""Our simulations: analyses of trajectories (JSON files of 'camp analyse'), collected by scale."""

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from camp.errors import InputError
from camp.files import read_json
from camp.report.provenance import Origin, provenance

# What the folder of a simulation holds for us: its analysis, or the reason why there is none.
FILES = ("analysis.json", "unavailable.json")
# Of a diffusivity, as a part of it: beyond, not even its first digit is known.
_LARGEST_UNCERTAINTY = 0.5
_CM2_PER_S = 1e-4  # of Å²/ps


@dataclass(frozen=True)
class Profile:
    """A distribution over distances (Å) or angles (degrees); each array has the shape (bins,).

    ``std`` is the standard deviation over runs (ddof = 1), zero for a single run.
    """

    x: np.ndarray
    mean: np.ndarray
    std: np.ndarray

    @property
    def peak(self) -> tuple[float, float, float]:
        """Where the largest value is, this value and its standard deviation; as sampled."""
        highest = int(np.argmax(self.mean))
        return float(self.x[highest]), float(self.mean[highest]), float(self.std[highest])


@dataclass(frozen=True)
class Displacement:
    """Mean squared displacement of one species: Å² against ps, one array for each run.

    ``fit`` is the window (ps) of the linear fit, ``diffusion`` its results (cm²/s) for the runs
    that have one; ``reason`` says why there is none. ``uncertainty`` (cm²/s) is by how much the
    diffusivities of both halves of the window differ, mean over runs: the error that ``gmx msd``
    of GROMACS gives.
    """

    species: str
    times: np.ndarray
    runs: tuple[np.ndarray, ...]
    fit: tuple[float, float] | None
    diffusion: tuple[float, ...]
    uncertainty: float
    reason: str


@dataclass(frozen=True)
class Analysis:
    """One simulation with one model, or a reference that was only analysed.

    ``stable`` (ps), ``speeds`` (steps/s) and ``drifts`` (eV/atom/ps) have one entry for each run
    that has the number, ``energies`` (eV/atom) one array for each run over ``energy_times`` (ps).
    ``missing`` gives reasons, by section and entry of it, such as ("rdf", "O-O"); "" is all of the
    section. Of a reference only the data, ``rdf``, ``adf`` and ``msd`` mean something.
    """

    file: Path
    simulation: str
    task: str  # whose model simulates
    title: str
    architecture: str
    weights: str
    data: str
    generated: bool
    train_size: int | None
    note: str
    runs: int
    length: float
    temperature: float
    timestep: float
    ensemble: str  # "nvt" or "nve"
    device: str
    stable: tuple[float, ...]
    speeds: tuple[float, ...]
    drifts: tuple[float, ...]
    energy_times: np.ndarray
    energies: tuple[np.ndarray, ...]
    rdf: Mapping[str, Profile]
    rdf_valid_to: float | None
    adf: Mapping[str, Profile]
    msd: Mapping[str, Displacement]
    missing: Mapping[tuple[str, str], str]

    @property
    def count_label(self) -> str:
        """'3 runs of 20 ps, 520 K, 0.25 fs'."""
        length = runs_text(self.runs, self.length)
        return f"{length}, {self.temperature:g} K, {self.timestep:g} fs"

    @property
    def how(self) -> str:
        """The same with where it was computed."""
        return f"{self.count_label}, {self.device}"

    @property
    def provenance(self) -> str:
        """Model, data and weights in one line."""
        size = "" if self.train_size is None else f" ({self.train_size} training structures)"
        return f"{provenance(self.architecture, self.data, self.weights)}{size}"

    def why_not(self, section: str, entry: str = "") -> str:
        """The reason why a section such as 'stability', or one entry of it, is not there."""
        quantity = f"{section} {entry}".rstrip()
        nothing = f"the analysis of {self.simulation} has no {quantity}"
        return self.missing.get((section, entry)) or self.missing.get((section, "")) or nothing

    @property
    def only_displacement(self) -> Displacement | None:
        """The MSD of the one species whose diffusion is asked for, None if there is not one."""
        return next(iter(self.msd.values())) if len(self.msd) == 1 else None


@dataclass(frozen=True)
class Absent:
    """A simulation that was not made."""

    task: str
    reason: str


@dataclass(frozen=True)
class Simulations:
    """What one scale has: analyses, and simulations without one, by name and architecture."""

    analyses: Mapping[Origin, Analysis] = field(default_factory=dict)
    absent: Mapping[tuple[str, str], Absent] = field(default_factory=dict)

    def of(self, simulation: str, architecture: str) -> list[Analysis]:
        """The analyses of a simulation with one architecture: one for each kind of weights."""
        wanted = (simulation, architecture)
        return [found for origin, found in sorted(self.analyses.items()) if origin[:2] == wanted]

    def only(self, simulation: str, architecture: str) -> Analysis | None:
        """The analysis of a simulation with one architecture, None without one.

        :raises InputError: there are several, with different weights.
        """
        found = self.of(simulation, architecture)
        if len(found) > 1:
            weights = ", ".join(analysis.weights for analysis in found)
            raise InputError(
                f"{found[1].file}: {simulation} is given with weights {weights}; give one of them"
            )
        return found[0] if found else None

    def of_task(self, task: str, architecture: str, weights: str) -> list[Analysis]:
        """The analyses of all simulations with such models of a task."""
        return [
            found
            for origin, found in sorted(self.analyses.items())
            if found.task == task and origin[1:] == (architecture, weights)
        ]

    def why_none(self, task: str, architecture: str) -> str:
        """The reasons why simulations with models of a task were not made; empty without any."""
        return "; ".join(
            f"{name}: {absent.reason}"
            for (name, model), absent in sorted(self.absent.items())
            if absent.task == task and model == architecture
        )

    def reason(self, simulation: str, architecture: str) -> str:
        """Why a simulation was not made; empty where nothing is known of it."""
        found = self.absent.get((simulation, architecture))
        return found.reason if found else ""

    def why_not(self, simulation: str, architecture: str, scale: str) -> str:
        """The reason why a simulation is not there."""
        nothing = f"simulation {simulation} is not run at scale {scale}"
        return self.reason(simulation, architecture) or nothing


def runs_text(runs: int, length: float) -> str:
    """'1 run of 20 ps', '3 runs of 20 ps'."""
    return f"{runs} run{'' if runs == 1 else 's'} of {length:g} ps"


def collect_simulations(paths: Iterable[str | Path], scale: str) -> Simulations:
    """Read the analyses of one scale, and the files that say why there is none.

    :param paths: files, or folders that are searched for FILES.
    :raises InputError: an unreadable file, a missing key, another scale, a simulation given twice.
    """
    analyses: dict[Origin, Analysis] = {}
    absent: dict[tuple[str, str], Absent] = {}
    for path in map(Path, paths):
        for file in _files(path):
            content = _content(file)
            found = content.get("scale")
            if found != scale:
                raise InputError(f"{file}: of scale {found}, not {scale}; give files of one scale")
            if "unavailable" in content:
                if not {"simulation", "architecture"} <= content.keys():
                    raise InputError(f"{file}: says of no simulation and model that it is missing")
                key = (content["simulation"], content["architecture"])
                absent[key] = Absent(content.get("task", ""), content["unavailable"])
                continue
            analysis = _parsed(file, content)
            origin = Origin(analysis.simulation, analysis.architecture, analysis.weights)
            if origin in analyses:
                raise InputError(
                    f"{file}: {origin.name} with {origin.weights} weights is given twice; give it "
                    "once"
                )
            analyses[origin] = analysis
    return Simulations(analyses, absent)


def read_reference(path: str | Path) -> Analysis | str:
    """The analysis of frames of a dataset, such as an AIMD trajectory, or why there is none.

    :raises InputError: missing or foreign file, an analysis of a simulation.
    """
    path = Path(path)
    content = _content(path)
    if "unavailable" in content:
        return str(content["unavailable"])
    if not content.get("reference"):
        raise InputError(f"{path}: not the analysis of a reference; give one of a dataset")
    return _parsed(path, content)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*.json") if file.name in FILES)


def _content(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: not an analysis; analyse again")
    return content


_NO_SETTINGS: Mapping[str, Any] = {
    "length": 0.0,
    "temperature": 0.0,
    "timestep": 0.0,
    "ensemble": "",
}


def _parsed(path: Path, content: Mapping[str, Any]) -> Analysis:
    missing: dict[tuple[str, str], str] = {}
    try:
        if content.get("reference"):
            name, settings = "reference", _NO_SETTINGS
            title, architecture = f"AIMD, {content['frames']} frames", ""
        else:
            name, settings = content["simulation"], content["settings"]
            title, architecture = name, content["architecture"] or ""
        replicas = content.get("replicas", [])
        energy = content.get("energy") or {}
        return Analysis(
            file=path,
            simulation=name,
            task=content.get("task") or "",
            title=content.get("title") or title,
            architecture=architecture,
            weights=content.get("weights") or "",
            data=content["data"] or "unnamed",
            generated=content["generated"],
            train_size=content.get("train_size"),
            note="; ".join(filter(None, [content.get("note"), *_endings(replicas)])),
            runs=len(replicas),
            length=float(settings["length"]),
            temperature=float(settings["temperature"]),
            timestep=float(settings["timestep"]),
            ensemble=settings["ensemble"],
            device=_device(content),
            stable=_present((content.get("stability") or {}).get("values_ps", [])),
            speeds=_present(replica.get("steps_per_second") for replica in replicas),
            drifts=_present(replica.get("drift_eV_per_atom_per_ps") for replica in replicas),
            energy_times=_array(energy.get("time_ps", [])),
            energies=tuple(_array(run) for run in energy.get("conserved_eV_per_atom", [])),
            rdf=_profiles(content, "rdf", "r_A", "pairs", missing),
            rdf_valid_to=(content.get("rdf") or {}).get("valid_to_A"),
            adf=_profiles(content, "adf", "angle_deg", "triples", missing),
            msd=_displacements(content, missing),
            missing=_with_reason(content, "energy", _with_reason(content, "stability", missing)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: not an analysis ({error}); analyse again") from None


def _array(values: Iterable[float | None]) -> np.ndarray:
    """Numbers, null becomes nan."""
    return np.array(list(values), dtype=float)


def _present(values: Iterable[float | None]) -> tuple[float, ...]:
    return tuple(float(value) for value in values if value is not None)


def _device(content: Mapping[str, Any]) -> str:
    device, threads = str(content.get("device", "")), content.get("threads")
    if "cuda" in device or not threads:
        return device
    return f"{device}, {threads} thread{'' if threads == 1 else 's'}"


_ENDINGS = {"exploded": "exploded", "uncertain": "was stopped as uncertain"}


def _endings(replicas: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is to be said about runs that did not reach their end."""
    return [
        f"run {replica['replica']} {_ENDINGS[replica['end']]} at {replica['time_ps']:.3g} ps"
        for replica in replicas
        if replica.get("end") in _ENDINGS
    ]


def _with_reason(
    content: Mapping[str, Any], section: str, missing: dict[tuple[str, str], str]
) -> dict[tuple[str, str], str]:
    if reason := (content.get(section) or {}).get("reason"):
        missing[section, ""] = reason
    return missing


def _profiles(
    content: Mapping[str, Any],
    section: str,
    axis: str,
    entries: str,
    missing: dict[tuple[str, str], str],
) -> dict[str, Profile]:
    """The distributions of a section; what has no mean goes to the reasons."""
    _with_reason(content, section, missing)
    given = content.get(section) or {}
    profiles = {}
    for name, entry in (given.get(entries) or {}).items():
        if entry.get("mean") is None:
            reason = entry.get("reason") or given.get("reason")
            missing[section, name] = reason or f"{section} of {name} could not be computed"
            continue
        x, mean = _array(given[axis]), _array(entry["mean"])
        std = np.zeros_like(mean) if entry.get("std") is None else _array(entry["std"])
        if not x.shape == mean.shape == std.shape:
            raise ValueError(f"{section} {name}: {len(mean)} values for {len(x)} bins")
        profiles[name] = Profile(x, mean, np.nan_to_num(std))
    return profiles


def _displacements(
    content: Mapping[str, Any], missing: dict[tuple[str, str], str]
) -> dict[str, Displacement]:
    _with_reason(content, "msd", missing)
    given = content.get("msd") or {}
    displacements = {}
    for species, entry in (given.get("species") or {}).items():
        diffusion, fit = entry.get("diffusion_cm2_per_s") or {}, entry.get("fit_ps")
        reason = diffusion.get("reason") or entry.get("reason") or "no linear fit was made"
        times, runs = _array(given["time_ps"]), tuple(_array(run) for run in entry["replicas_A2"])
        window = None if fit is None else (float(fit[0]), float(fit[1]))
        values, uncertainty = _present(diffusion.get("values", [])), 0.0
        if window and values:
            uncertainty = _difference_of_halves(times, runs, window)
            if uncertainty > _LARGEST_UNCERTAINTY * statistics.fmean(values):
                values, reason = (), "the runs are too short to tell"
        displacements[species] = Displacement(
            species, times, runs, window, values, uncertainty, reason
        )
    return displacements


def _difference_of_halves(
    times: np.ndarray, runs: Iterable[np.ndarray], window: tuple[float, float]
) -> float:
    """See :class:`Displacement`; infinite where a half has too few points for a line."""
    start, end = window
    middle, tolerance = (start + end) / 2, 1e-6 * (end - start)
    differences = []
    for run in runs:
        at = times[: len(run)]
        halves = [
            np.isfinite(run) & (at >= a - tolerance) & (at <= b + tolerance)
            for a, b in ((start, middle), (middle, end))
        ]
        if min(np.count_nonzero(half) for half in halves) >= 3:
            first, second = (np.polyfit(at[half], run[half], 1)[0] for half in halves)
            differences.append((second - first) / 6 * _CM2_PER_S)
    return abs(statistics.fmean(differences)) if differences else math.inf
