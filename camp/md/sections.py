"""The sections of an analysis: JSON numbers, None for what could not be computed, with a reason."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ase import Atoms

from camp.errors import InputError
from camp.md.observables import (
    RadialDistribution,
    default_fit,
    diffusion_coefficient,
    displacement_from_start,
    energy_drift,
    mean_squared_displacement,
    selection,
)
from camp.md.replicas import Frames, Replica, stride_for
from camp.md.states import temperature_of
from camp.settings import AnalysisSettings

# Points of a curve over time.
MAX_POINTS = 400
# With fewer frames neither a diffusion coefficient nor a drift means anything.
MIN_FRAMES = 20
_NOT_STABLE = "no replica has a stable part"


def stability_section(
    replicas: Sequence[Replica], settings: AnalysisSettings, length: float
) -> dict[str, Any]:
    """How long the replicas are stable (ps), each of them at most ``length``."""
    values = [replica.stable_ps for replica in replicas]
    section: dict[str, Any] = {
        "criterion": settings.stability,
        "threshold": settings.threshold,
        "window_ps": settings.window,
        "limit_ps": length,
        "values_ps": _json(values),
        **_prefixed("{}_ps", _statistics(values)),
    }
    if settings.stability == "rdf" and length < settings.window:
        section["reason"] = (
            f"shorter than one window of {settings.window:g} ps: only explosions count"
        )
    return section


def replica_section(replica: Replica) -> dict[str, Any]:
    """How one replica went: its end, speed, temperature (K) and drift (eV/atom/ps)."""
    entry, trajectory = replica.entry, replica.trajectory
    section = {
        "replica": entry["replica"],
        "seed": entry["seed"],
        "end": entry["end"],
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


def rdf_section(radials: Sequence[RadialDistribution]) -> dict[str, Any]:
    """g(r) of every pair of species, averaged over the frames of each replica."""
    if not radials:
        return {"reason": _NOT_STABLE}
    return {
        "r_A": _json(radials[0].r),
        "valid_to_A": min(radial.valid_to for radial in radials),
        "pairs": {
            name: _curves([radial.g[name].mean(0) for radial in radials]) for name in radials[0].g
        },
    }


def adf_section(parts: Sequence[Frames], settings: AnalysisSettings) -> dict[str, Any]:
    """Distribution of every angle that is asked for, over all frames of each replica."""
    if not parts:
        return {"reason": _NOT_STABLE}
    section: dict[str, Any] = {"triples": {}}
    for triple, cutoff in settings.adf.items():
        found = [part.angles(triple, cutoff) for part in parts]
        section["angle_deg"] = _json(found[0][0])
        densities = [density for _, density in found if np.isfinite(density).all()]
        entry: dict[str, Any] = {"cutoff_A": cutoff, "mean": None, "std": None}
        if densities:
            entry |= _curves(densities)
        else:
            entry["reason"] = f"no such angle with sides below {cutoff:g} Å"
        section["triples"][triple] = entry
    return section


def msd_section(
    stable: Sequence[Replica], species: Sequence[str], fit: tuple[float, float]
) -> dict[str, Any]:
    """Mean-squared displacements (Å²) and diffusion coefficients (cm²/s) of the stable parts.

    :param fit: ps, window of the linear fit.
    """
    if not stable:
        return {"reason": _NOT_STABLE}
    parts = [replica.stable_trajectory for replica in stable]
    longest = max((part.times for part in parts), key=len)
    shown = slice(None, None, stride_for(len(longest), MAX_POINTS))
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


def msd_from_file(path: Path, settings: AnalysisSettings) -> dict[str, Any]:
    """The same from a CSV file with the columns lag_fs and msd_<species>_A2.

    :raises InputError: no such file, or no such table, or a fit window outside of it.
    """
    try:
        table = pd.read_csv(path)
        lags = table["lag_fs"].to_numpy(dtype=float)
        curves = {
            symbol: table[f"msd_{symbol}_A2"].to_numpy(dtype=float) for symbol in settings.msd
        }
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except KeyError as error:
        raise InputError(f"{path}: no column {error}; use lag_fs and msd_<species>_A2") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a table of mean-squared displacements ({error})") from None
    if len(lags) < 3 or not np.isfinite([lags, *curves.values()]).all():
        raise InputError(f"{path}: needs three rows or more, all of them numbers")
    fit = fit_window(settings, lags[-1] / 1000.0)
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


def fit_window(settings: AnalysisSettings, length: float) -> tuple[float, float]:
    """The window of the linear fit in ps, for a run of this length.

    :raises InputError: it is not within the run.
    """
    if settings.fit is None:
        return default_fit(length)
    start, end = settings.fit
    if not 0 <= start < end <= length:
        raise InputError(
            f"the fit from {start:g} to {end:g} ps is not within the simulation of {length:g} ps; "
            "correct 'fit'"
        )
    return start, end


def energy_section(replicas: Sequence[Replica]) -> dict[str, Any]:
    """The conserved energy of each replica over time (ps), relative to its start (eV/atom)."""
    times = max((replica.times for replica in replicas), key=len)
    if not len(times):
        return {"reason": "no replica has a frame"}
    shown = slice(None, None, stride_for(len(times), MAX_POINTS))
    curves = []
    for replica in replicas:
        curve = np.full(len(times), np.nan)
        if replica.trajectory is not None:
            energies = replica.trajectory.conserved_energies
            curve[: len(energies)] = (energies - energies[0]) / len(replica.trajectory.numbers)
        curves.append(_json(curve[shown]))
    return {"time_ps": _json(times[shown] / 1000.0), "conserved_eV_per_atom": curves}


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
