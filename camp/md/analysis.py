"""From trajectories, or from frames of a dataset, to the numbers that the report shows.

An analysis is a dict of JSON numbers: what could not be computed is None, with a "reason" beside
it. Observables are averaged over the stable part of each replica; a spread is that over replicas
(ddof = 1, None for a single one).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from camp.errors import InputError
from camp.md.observables import half_height, selection
from camp.md.replicas import (
    MAX_FRAMES,
    Frames,
    Replica,
    bonds_of,
    judged,
    read_replica,
    read_summaries,
    stride_for,
)
from camp.md.sections import (
    adf_section,
    energy_section,
    fit_window,
    msd_from_file,
    msd_section,
    rdf_section,
    replica_section,
    stability_section,
)
from camp.md.trajectory import Trajectory
from camp.settings import AnalysisSettings


def analyse(
    folders: Sequence[str | Path],
    settings: AnalysisSettings,
    labels: Mapping[str, Any],
    reference_structures: Sequence[Atoms] | None = None,
) -> dict[str, Any]:
    """Stability, structure, diffusion and energy of a simulation.

    :param folders: run folders of ``camp md``, each with all replicas or some of them.
    :param labels: what the analysis is of: simulation, title, scale, task, architecture, weights,
        data, generated, note.
    :param reference_structures: of a molecule, for the criterion "bonds".
    :return: the content of an analysis file.
    :raises InputError: a folder without a finished run, replicas of different runs, a species
        that the structure does not have, a fit window outside the run, or a criterion or a
        distribution that does not suit the structure.
    """
    summaries = read_summaries(folders)
    first = summaries[0][1]
    length = float(first["settings"]["length"])
    fit = fit_window(settings, length)
    read = [
        read_replica(folder, entry, length)
        for folder, summary in summaries
        for entry in summary["replicas"]
    ]
    read.sort(key=lambda replica: replica.entry["replica"])
    trajectories = [replica.trajectory for replica in read if replica.trajectory is not None]
    if trajectories:
        _check_species(settings, trajectories[0].numbers)
    bonds = bonds_of(settings, reference_structures, trajectories)
    r_max = _r_max(settings, [one.cell for one in trajectories], first["structure"]["pbc"])
    replicas = [judged(replica, settings, bonds, r_max) for replica in read]
    content = {
        **labels,
        "settings": {**first["settings"], "replicas": len(replicas)},
        "model_sha256": first["model_sha256"],
        "structure": first["structure"],
        "engine": first["settings"]["engine"],
        "device": ", ".join(sorted({str(summary["device"]) for _, summary in summaries})),
        "threads": max(int(summary["threads"]) for _, summary in summaries),
        "replicas": [replica_section(replica) for replica in replicas],
        "stability": stability_section(replicas, settings, length),
    }
    stable = [replica for replica in replicas if replica.stable_frames]
    if all(first["structure"]["pbc"]):
        radials = [replica.stable_radial for replica in stable]
        content["rdf"] = rdf_section([radial for radial in radials if radial is not None])
    if settings.adf:
        content["adf"] = adf_section([replica.stable_part for replica in stable], settings)
    if settings.msd:
        content["msd"] = msd_section(stable, settings.msd, fit)
    content["energy"] = energy_section(replicas)
    return content


def analyse_trajectory(
    trajectory: Trajectory, settings: AnalysisSettings, labels: Mapping[str, Any]
) -> dict[str, Any]:
    """Structure and diffusion of a trajectory that another program made.

    :param settings: as for :func:`analyse`; what concerns stability is ignored.
    :param labels: what the analysis is of.
    :return: the content of an analysis file, without stability and energy.
    :raises InputError: a species that it does not have, a fit window outside the run, or a
        distribution that does not suit the structure.
    """
    _check_species(settings, trajectory.numbers)
    whole = Replica({}, trajectory, "", len(trajectory.times))
    first = Atoms(trajectory.numbers, trajectory.positions[0], pbc=trajectory.pbc)
    length = float(trajectory.times[-1]) / 1000.0
    content: dict[str, Any] = {
        **labels,
        "frames": len(trajectory.times),
        "structure": {
            "formula": first.get_chemical_formula(),
            "atoms": len(first),
            "cell": trajectory.cell.tolist(),
            "pbc": trajectory.pbc.tolist(),
        },
    }
    r_max = _r_max(settings, [trajectory.cell], trajectory.pbc)
    if r_max is not None:
        content["rdf"] = rdf_section([whole.stable_part.radial(settings, r_max)])
    if settings.adf:
        content["adf"] = adf_section([whole.stable_part], settings)
    if settings.msd:
        content["msd"] = msd_section([whole], settings.msd, fit_window(settings, length))
    return content


def analyse_reference(
    structures: Sequence[Atoms],
    settings: AnalysisSettings,
    labels: Mapping[str, Any],
    msd: str | Path | None = None,
) -> dict[str, Any]:
    """Structure of reference frames, and their diffusion where displacements are given.

    :param structures: frames of one system, in any order; cells may differ.
    :param settings: as for :func:`analyse`; what concerns stability is ignored.
    :param labels: title, scale, data, generated, note.
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
    counted = structures[:: stride_for(len(structures), MAX_FRAMES)]
    frames = Frames(
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
        content["rdf"] = rdf_section([frames.radial(settings, r_max)])
    if settings.adf:
        content["adf"] = adf_section([frames], settings)
    if settings.msd and msd is not None:
        content["msd"] = msd_from_file(Path(msd), settings)
    return content


def _check_species(settings: AnalysisSettings, numbers: np.ndarray) -> None:
    for name in [*settings.rdf, *settings.adf, *settings.msd]:
        for symbol in name.split("-"):
            selection(symbol, numbers)


def _r_max(
    settings: AnalysisSettings, cells: Sequence[np.ndarray], pbc: Sequence[bool] | np.ndarray
) -> float | None:
    """Up to where g(r) is computed, in Å; None for what has none, such as a molecule."""
    if not np.all(pbc):
        if settings.rdf or settings.stability == "rdf":
            raise InputError(
                "a radial distribution function needs a cell that is periodic in three "
                "directions; remove 'rdf', and judge the stability of molecules by 'bonds'"
            )
        return None
    if settings.rdf_max is not None:
        return float(settings.rdf_max)
    return min(map(half_height, cells), default=None)


def describe(content: Mapping[str, Any]) -> str:
    """An analysis as a few lines of text."""
    lines = []
    for replica in content.get("replicas", []):
        end = f"{replica['end']}: {replica['reason']}" if replica["reason"] else "completed"
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
