"""From trajectories, or from frames of a dataset, to the numbers that the report shows.

An analysis is a dict of JSON numbers: what could not be computed is None, with a "reason" beside
it. Observables are averaged over the stable part of each replica; a spread is that over replicas
(ddof = 1, None for a single one).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ase import Atoms

from camp.errors import InputError
from camp.files import read_json
from camp.md.observables import (
    RadialDistribution,
    angular_distribution,
    default_fit,
    diffusion_coefficient,
    displacement_from_start,
    energy_drift,
    half_height,
    mean_squared_displacement,
    radial_distribution,
    selection,
)
from camp.md.simulate import SUMMARY_FILE
from camp.md.stability import Bonds, reference_bonds, unstable_by_bonds, unstable_by_structure
from camp.md.states import temperature_of
from camp.md.trajectory import Trajectory, number_of_frames, read_trajectory

# Evenly spaced frames of a replica of which distances and angles are counted.
MAX_FRAMES = 5000
# Points of a curve over time.
MAX_POINTS = 400
# With fewer frames neither a diffusion coefficient nor a drift means anything.
MIN_FRAMES = 20
_NOT_STABLE = "no replica has a stable part"


@dataclass(frozen=True)
class _Frames:
    """Frames of one system; ``cell`` is (3, 3), or (frames, 3, 3)."""

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray

    def angles(self, triple: str, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
        return angular_distribution(
            self.numbers, self.positions, self.cell, self.pbc, triple=triple, cutoff=cutoff
        )

    def radial(self, settings: Mapping[str, Any], r_max: float) -> RadialDistribution:
        return radial_distribution(
            self.numbers,
            self.positions,
            self.cell,
            self.pbc,
            pairs=settings["rdf"],
            bin_width=settings["rdf_bin"],
            r_max=r_max,
        )


@dataclass(frozen=True)
class _Replica:
    """How one replica went: its entry in simulation.json, its frames, its stability."""

    entry: Mapping[str, Any]
    trajectory: Trajectory | None  # None when it exploded before its first frame
    explosion: str  # the reason, or an empty text
    stable_frames: int = 0
    stable_ps: float = 0.0
    radial: RadialDistribution | None = None  # of every ``stride``-th frame

    @property
    def times(self) -> np.ndarray:
        return np.empty(0) if self.trajectory is None else self.trajectory.times

    @property
    def stride(self) -> int:
        return _stride(len(self.times), MAX_FRAMES)


def analyse(
    folders: Sequence[str | Path],
    settings: Mapping[str, Any],
    labels: Mapping[str, Any],
    reference_structures: Sequence[Atoms] | None = None,
) -> dict[str, Any]:
    """Stability, structure, diffusion and energy of a simulation.

    :param folders: run folders of ``camp md``, each with all replicas or some of them.
    :param settings: as from :func:`camp.settings.load_analysis`.
    :param labels: what the analysis is of: simulation, title, scale, task, weights, data, note.
    :param reference_structures: of a molecule, for the criterion "bonds".
    :return: the content of an analysis file.
    :raises InputError: a folder without a finished run, replicas of different runs, a species
        that the structure does not have, a fit window outside the run, or a criterion or a
        distribution that does not suit the structure.
    """
    summaries = _read_summaries(folders)
    first = summaries[0][1]
    length = float(first["settings"]["length"])
    fit = _fit_window(settings, length)
    read = [
        _read_replica(folder, entry)
        for folder, summary in summaries
        for entry in summary["replicas"]
    ]
    read.sort(key=lambda replica: replica.entry["replica"])
    trajectories = [replica.trajectory for replica in read if replica.trajectory is not None]
    if trajectories:
        _check_species(settings, trajectories[0].numbers)
    bonds = _bonds(settings, reference_structures, trajectories)
    r_max = _r_max(settings, [one.cell for one in trajectories], first["structure"]["pbc"])
    replicas = [_judged(replica, settings, bonds, r_max) for replica in read]
    content = {
        **labels,
        "settings": {**first["settings"], "replicas": len(replicas)},
        "model_sha256": first["model_sha256"],
        "structure": first["structure"],
        "engine": first["settings"]["engine"],
        "device": ", ".join(sorted({str(summary["device"]) for _, summary in summaries})),
        "threads": max(int(summary["threads"]) for _, summary in summaries),
        "replicas": [_replica_section(replica) for replica in replicas],
        "stability": _stability_section(replicas, settings, length),
    }
    stable = [replica for replica in replicas if replica.stable_frames]
    if all(first["structure"]["pbc"]):
        content["rdf"] = _rdf_section(
            [
                _up_to(replica.radial, -(-replica.stable_frames // replica.stride))
                for replica in stable
                if replica.radial is not None
            ]
        )
    if settings["adf"]:
        content["adf"] = _adf_section([_stable_part(replica) for replica in stable], settings)
    if settings["msd"]:
        content["msd"] = _msd_section(stable, settings["msd"], fit)
    content["energy"] = _energy_section(replicas)
    return content


def analyse_reference(
    structures: Sequence[Atoms],
    settings: Mapping[str, Any],
    labels: Mapping[str, Any],
    msd: str | Path | None = None,
) -> dict[str, Any]:
    """Structure of reference frames, and their diffusion where displacements are given.

    :param structures: frames of one system, in any order; cells may differ.
    :param settings: as for :func:`analyse`; what concerns stability is ignored.
    :param labels: title, scale, data, note.
    :param msd: CSV file of mean-squared displacements with the columns lag_fs and
        msd_<species>_A2.
    :return: the content of an analysis file, with "reference": true.
    :raises InputError: no structures, structures of different systems, a species that they do
        not have, or a file without the columns.
    """
    if not structures:
        raise InputError("there are no reference structures")
    first = structures[0]
    for place, atoms in enumerate(structures):
        if not np.array_equal(atoms.numbers, first.numbers):
            raise InputError(
                f"reference structure {place} has other atoms than the first; use one system"
            )
    _check_species(settings, first.numbers)
    counted = structures[:: _stride(len(structures), MAX_FRAMES)]
    frames = _Frames(
        numbers=first.numbers,
        positions=np.array([atoms.positions for atoms in counted]),
        cell=np.array([atoms.cell.array for atoms in counted]),
        pbc=first.pbc,
    )
    content: dict[str, Any] = {
        **labels,
        "reference": True,
        "frames": len(structures),
        "structure": {
            "formula": first.get_chemical_formula(),
            "atoms": len(first),
            "cell": first.cell.array.tolist() if first.cell.rank == 3 else None,
            "pbc": first.pbc.tolist(),
        },
    }
    r_max = _r_max(settings, [frames.cell], first.pbc)
    if r_max is not None:
        content["rdf"] = _rdf_section([frames.radial(settings, r_max)])
    if settings["adf"]:
        content["adf"] = _adf_section([frames], settings)
    if settings["msd"] and msd is not None:
        content["msd"] = _msd_from_file(Path(msd), settings)
    return content


def describe(content: Mapping[str, Any]) -> str:
    """An analysis as a few lines of text."""
    lines = []
    for replica in content.get("replicas", []):
        end = f"exploded: {replica['reason']}" if replica["end"] == "exploded" else "completed"
        temperature = replica["temperature_K"]
        warmth = "" if temperature is None else f", {temperature:.1f} K"
        lines.append(
            f"replica {replica['replica']}: {replica['time_ps']:g} ps, "
            f"stable for {replica['stable_ps']:g} ps{warmth}, {end}"
        )
    if rdf := content.get("rdf", {}).get("pairs", {}):
        lines += [f"g(r) {name}: {_peak(content['rdf']['r_A'], rdf[name])} Å" for name in rdf]
    for name, density in content.get("adf", {}).get("triples", {}).items():
        if density["mean"]:
            lines.append(f"angle {name}: {_peak(content['adf']['angle_deg'], density)}°")
    for name, species in content.get("msd", {}).get("species", {}).items():
        found = species["diffusion_cm2_per_s"]
        if found["mean"] is None:
            lines.append(f"D({name}): missing: {found['reason']}")
        else:
            spread = "" if found["std"] is None else f" ± {found['std']:.3g}"
            start, end = species["fit_ps"]
            lines.append(f"D({name}) {found['mean']:.4g}{spread} cm²/s, {start:g} to {end:g} ps")
    return "\n".join(lines)


def _peak(x: Sequence[float], curve: Mapping[str, Any]) -> str:
    highest = int(np.argmax(curve["mean"]))
    return f"peak of {curve['mean'][highest]:.4g} at {x[highest]:.4g}"


# --- Reading


def _read_summaries(folders: Sequence[str | Path]) -> list[tuple[Path, dict[str, Any]]]:
    """What the run folders say, all of one simulation."""
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
    # Compilation and the number of replicas do not change a trajectory.
    settings = summary["settings"].items()
    return {
        "model": summary["model_sha256"],
        "structure": summary["structure"],
        "set of settings": {k: v for k, v in settings if k not in ("replicas", "compile")},
    }


def _read_replica(folder: Path, entry: Mapping[str, Any]) -> _Replica:
    path = folder / entry["trajectory"]
    explosion = (entry["reason"] or "exploded") if entry["end"] == "exploded" else ""
    if explosion and (entry["time_fs"] < 0 or number_of_frames(path) == 0):
        return _Replica(entry, None, explosion)
    trajectory = read_trajectory(path)
    last = float(trajectory.times[-1])
    if abs(last - entry["time_fs"]) > 1e-6 * max(1.0, abs(last)):
        raise InputError(
            f"{path}: ends at {last / 1000:g} ps, {SUMMARY_FILE} says {entry['time_fs'] / 1000:g} "
            "ps; finish the simulation with camp md"
        )
    if not np.allclose(np.diff(trajectory.times), trajectory.times[1:2] - trajectory.times[:1]):
        raise InputError(f"{path}: frames are not evenly spaced in time; simulate again")
    return _Replica(entry, trajectory, explosion)


def _first_frames(trajectory: Trajectory, count: int) -> Trajectory:
    return Trajectory(
        numbers=trajectory.numbers,
        masses=trajectory.masses,
        cell=trajectory.cell,
        pbc=trajectory.pbc,
        times=trajectory.times[:count],
        positions=trajectory.positions[:count],
        potential_energies=trajectory.potential_energies[:count],
        kinetic_energies=trajectory.kinetic_energies[:count],
        conserved_energies=trajectory.conserved_energies[:count],
    )


def _check_species(settings: Mapping[str, Any], numbers: np.ndarray) -> None:
    for name in [*settings["rdf"], *settings["adf"], *settings["msd"]]:
        for symbol in name.split("-"):
            selection(symbol, numbers)


def _fit_window(settings: Mapping[str, Any], length: float) -> tuple[float, float]:
    """The window of the linear fit in ps, for a run of this length."""
    if settings["fit"] is None:
        return default_fit(length)
    start, end = settings["fit"]
    if not 0 <= start < end <= length:
        raise InputError(
            f"the fit from {start:g} to {end:g} ps is not within the simulation of {length:g} ps; "
            "correct 'fit'"
        )
    return start, end


def _r_max(
    settings: Mapping[str, Any], cells: Sequence[np.ndarray], pbc: Sequence[bool] | np.ndarray
) -> float | None:
    """Up to where g(r) is computed, in Å; None for what has none, such as a molecule."""
    if not np.all(pbc):
        if settings["rdf"] or settings.get("stability") == "rdf":
            raise InputError(
                "a radial distribution function needs a cell that is periodic in three "
                "directions; remove 'rdf', and judge the stability of molecules by 'bonds'"
            )
        return None
    if settings["rdf_max"] is not None:
        return float(settings["rdf_max"])
    return min(map(half_height, cells), default=None)


def _bonds(
    settings: Mapping[str, Any],
    structures: Sequence[Atoms] | None,
    trajectories: Sequence[Trajectory],
) -> Bonds | None:
    if settings["stability"] != "bonds":
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


# --- Stability


def _judged(
    replica: _Replica, settings: Mapping[str, Any], bonds: Bonds | None, r_max: float | None
) -> _Replica:
    """The replica with its stability and its g(r)."""
    trajectory = replica.trajectory
    if trajectory is None:
        return replica
    radial = None
    if r_max is not None:
        counted = _Frames(
            trajectory.numbers,
            trajectory.positions[:: replica.stride],
            trajectory.cell,
            trajectory.pbc,
        )
        radial = counted.radial(settings, r_max)
    unstable = None
    if settings["stability"] == "rdf" and radial is not None:
        unstable = unstable_by_structure(
            trajectory.times[:: replica.stride],
            radial.g["all"],
            bin_width=radial.bin_width,
            window=1000.0 * settings["window"],
            threshold=settings["threshold"],
        )
    elif bonds is not None:
        unstable = unstable_by_bonds(
            trajectory.times, trajectory.positions, bonds, threshold=settings["threshold"]
        )
    times = trajectory.times
    return _Replica(
        replica.entry,
        trajectory,
        replica.explosion,
        stable_frames=len(times) if unstable is None else int(np.searchsorted(times, unstable)),
        stable_ps=float(times[-1] if unstable is None else unstable) / 1000.0,
        radial=radial,
    )


def _stability_section(
    replicas: Sequence[_Replica], settings: Mapping[str, Any], length: float
) -> dict[str, Any]:
    values = [replica.stable_ps for replica in replicas]
    section = {
        "criterion": settings["stability"],
        "threshold": settings["threshold"],
        "window_ps": settings["window"],
        "limit_ps": length,
        "values_ps": _json(values),
        **_prefixed("{}_ps", _statistics(values)),
    }
    if settings["stability"] == "rdf" and length < settings["window"]:
        section["reason"] = (
            f"shorter than one window of {settings['window']:g} ps: only explosions count"
        )
    return section


def _replica_section(replica: _Replica) -> dict[str, Any]:
    entry, trajectory = replica.entry, replica.trajectory
    section = {
        "replica": entry["replica"],
        "seed": entry["seed"],
        "end": "exploded" if replica.explosion else "completed",
        "reason": replica.explosion,
        "time_ps": float(replica.times[-1]) / 1000.0 if trajectory is not None else 0.0,
        "stable_ps": replica.stable_ps,
        "steps_per_second": entry["steps_per_second"],
        "temperature_K": None,
        "temperature_std_K": None,
        "drift_eV_per_atom_per_ps": None,
    }
    if trajectory is None:
        return {**section, "drift_reason": "no frame"}
    atoms = len(trajectory.numbers)
    structure = Atoms(trajectory.numbers, trajectory.positions[0], pbc=trajectory.pbc)
    temperatures = temperature_of(structure, trajectory.kinetic_energies)
    section["temperature_K"] = float(temperatures.mean())
    section["temperature_std_K"] = float(temperatures.std())
    if len(trajectory.times) < MIN_FRAMES:
        return {**section, "drift_reason": _too_few(len(trajectory.times))}
    drift = energy_drift(trajectory.times, trajectory.conserved_energies, atoms)
    return {**section, "drift_eV_per_atom_per_ps": drift}


# --- Observables


def _stable_trajectory(replica: _Replica) -> Trajectory:
    assert replica.trajectory is not None
    return _first_frames(replica.trajectory, replica.stable_frames)


def _stable_part(replica: _Replica) -> _Frames:
    trajectory = _stable_trajectory(replica)
    return _Frames(
        trajectory.numbers,
        trajectory.positions[:: replica.stride],
        trajectory.cell,
        trajectory.pbc,
    )


def _up_to(radial: RadialDistribution, frames: int) -> RadialDistribution:
    g = {name: values[:frames] for name, values in radial.g.items()}
    return RadialDistribution(radial.r, radial.bin_width, radial.valid_to, g)


def _rdf_section(radials: Sequence[RadialDistribution]) -> dict[str, Any]:
    if not radials:
        return {"reason": _NOT_STABLE}
    return {
        "r_A": _json(radials[0].r),
        "valid_to_A": min(radial.valid_to for radial in radials),
        "pairs": {
            name: _curves([radial.g[name].mean(0) for radial in radials]) for name in radials[0].g
        },
    }


def _adf_section(parts: Sequence[_Frames], settings: Mapping[str, Any]) -> dict[str, Any]:
    if not parts:
        return {"reason": _NOT_STABLE}
    section: dict[str, Any] = {"triples": {}}
    for triple, cutoff in settings["adf"].items():
        found = [part.angles(triple, cutoff) for part in parts]
        section["angle_deg"] = _json(found[0][0])
        densities = [density for _, density in found if np.isfinite(density).all()]
        entry = {"cutoff_A": cutoff, "mean": None, "std": None}
        if densities:
            entry |= _curves(densities)
        else:
            entry["reason"] = f"no such angle with sides below {cutoff:g} Å"
        section["triples"][triple] = entry
    return section


def _msd_section(
    stable: Sequence[_Replica], species: Sequence[str], fit: tuple[float, float]
) -> dict[str, Any]:
    if not stable:
        return {"reason": _NOT_STABLE}
    parts = [_stable_trajectory(replica) for replica in stable]
    longest = max((part.times for part in parts), key=len)
    shown = slice(None, None, _stride(len(longest), MAX_POINTS))
    reasons = [_why_no_fit(part.times - part.times[0], fit) for part in parts]
    reason = next(filter(None, reasons), "")
    section: dict[str, Any] = {
        "time_ps": _json((longest - longest[0])[shown] / 1000.0),
        "species": {},
    }
    window = (1000.0 * fit[0], 1000.0 * fit[1])
    for symbol in species:
        curves: list[list[float | None]] = []
        averaged: list[float | None] = []
        from_start: list[float | None] = []
        for part, missing in zip(parts, reasons, strict=True):
            data = part.positions, part.masses, selection(symbol, part.numbers)
            curve = mean_squared_displacement(*data)
            whole = np.pad(curve, (0, len(longest) - len(curve)), constant_values=np.nan)
            curves.append(_json(whole[shown]))
            lags = part.times - part.times[0]
            single = displacement_from_start(*data)
            averaged.append(None if missing else diffusion_coefficient(lags, curve, window))
            from_start.append(None if missing else diffusion_coefficient(lags, single))
        section["species"][symbol] = {
            "replicas_A2": curves,
            "fit_ps": list(fit),
            "diffusion_cm2_per_s": _sample(averaged, reason),
            "diffusion_from_start_cm2_per_s": _sample(from_start, reason),
        }
    return section


def _why_no_fit(lags: np.ndarray, fit: tuple[float, float]) -> str:
    if len(lags) < MIN_FRAMES:
        return _too_few(len(lags))
    if lags[-1] < 1000.0 * fit[1] * (1 - 1e-6):
        return f"not stable to the end of the fit at {fit[1]:g} ps"
    return ""


def _msd_from_file(path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    try:
        table = pd.read_csv(path)
        lags = table["lag_fs"].to_numpy(dtype=float)
        curves = {
            symbol: table[f"msd_{symbol}_A2"].to_numpy(dtype=float) for symbol in settings["msd"]
        }
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except KeyError as error:
        raise InputError(f"{path}: no column {error}; use lag_fs and msd_<species>_A2") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a table of mean-squared displacements ({error})") from None
    if len(lags) < 3 or not np.isfinite([lags, *curves.values()]).all():
        raise InputError(f"{path}: needs three rows or more, all of them numbers")
    fit = _fit_window(settings, lags[-1] / 1000.0)
    window = (1000.0 * fit[0], 1000.0 * fit[1])
    return {
        "time_ps": _json(lags / 1000.0),
        "species": {
            symbol: {
                "replicas_A2": [_json(curve)],
                "fit_ps": list(fit),
                "diffusion_cm2_per_s": _sample([diffusion_coefficient(lags, curve, window)], ""),
            }
            for symbol, curve in curves.items()
        },
    }


def _energy_section(replicas: Sequence[_Replica]) -> dict[str, Any]:
    times = max((replica.times for replica in replicas), key=len)
    if not len(times):
        return {"reason": "no replica has a frame"}
    shown = slice(None, None, _stride(len(times), MAX_POINTS))
    curves = []
    for replica in replicas:
        curve = np.full(len(times), np.nan)
        if replica.trajectory is not None:
            energies = replica.trajectory.conserved_energies
            curve[: len(energies)] = (energies - energies[0]) / len(replica.trajectory.numbers)
        curves.append(_json(curve[shown]))
    return {"time_ps": _json(times[shown] / 1000.0), "conserved_eV_per_atom": curves}


# --- JSON


def _stride(count: int, most: int) -> int:
    return max(1, -(-count // most))


def _too_few(frames: int) -> str:
    return f"{frames} frames are too few, {MIN_FRAMES} are needed"


def _json(values: Sequence[float] | np.ndarray) -> list[float | None]:
    """Seven digits of every number, None for what is not finite."""
    return [float(f"{value:.7g}") if np.isfinite(value) else None for value in values]


def _statistics(values: Sequence[float | None]) -> dict[str, float | None]:
    known = [value for value in values if value is not None]
    return {
        "mean": float(np.mean(known)) if known else None,
        "std": float(np.std(known, ddof=1)) if len(known) > 1 else None,
    }


def _sample(values: Sequence[float | None], reason: str) -> dict[str, Any]:
    """A number of each replica, with mean and spread."""
    return {"values": list(values), **_statistics(values)} | ({"reason": reason} if reason else {})


def _curves(values: Sequence[np.ndarray]) -> dict[str, list[float | None] | None]:
    """A curve of each replica, as mean and spread."""
    spread = _json(np.std(values, axis=0, ddof=1)) if len(values) > 1 else None
    return {"mean": _json(np.mean(values, axis=0)), "std": spread}


def _prefixed(pattern: str, numbers: Mapping[str, float | None]) -> dict[str, float | None]:
    return {pattern.format(name): value for name, value in numbers.items()}
