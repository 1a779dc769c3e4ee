"""Made-up evaluations in the schema of the project, small enough to check by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

NUMBERS = Path(__file__).resolve().parents[2] / "config" / "paper-numbers.csv"

TASKS = """
lips-10: {paper: {energy: t1-lips-10-energy, forces: t1-lips-10-forces}}
lips-100: {paper: {energy: t1-lips-100-energy, forces: t1-lips-100-forces}}
lips-1000: {paper: {energy: t1-lips-1000-energy, forces: t1-lips-1000-forces}}
lips-19000: {paper: {forces: t2-lips-19000-forces}}
water: {paper: {energy: t3-water-energy, forces: t3-water-forces}}
md17-ethanol: {paper: {energy: t4-ethanol-energy, forces: t4-ethanol-forces}}
lips-100-rank-0: {paper: {energy: si6-max-rank-0}}
"""


def write_evaluation(
    folder: Path,
    task: str,
    seed: int | None,
    *,
    energy: float | None = 1.0e-3,
    forces: float | None = 50.0e-3,
    data: str = "real (subset)",
    weights: str = "own",
    scale: str = "quick",
    **more,
) -> Path:
    """One evaluation; all energy metrics (eV) and all forces metrics (eV/Å) get one value."""
    path = folder / task / ("published.json" if seed is None else f"seed-{seed}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    energies = ("energy_mae_per_atom", "energy_rmse_per_atom", "energy_mae", "energy_rmse")
    metrics = {**dict.fromkeys(energies, energy), "forces_mae": forces, "forces_rmse": forces}
    content = {
        "task": task,
        "seed": seed,
        "scale": scale,
        "data": data,
        "weights": weights,
        "frames": 5,
        "note": "",
        "metrics": metrics,
        "unavailable": {},
        **more,
    }
    path.write_text(json.dumps(content))
    return path


def write_predictions(evaluation: Path, frames: int = 40, seed: int = 0) -> Path:
    """Arrays beside an evaluation: frames of one Li and two P atoms, errors of known width."""
    random = np.random.default_rng(seed)
    reference_energies = random.normal(-12.0, 0.1, frames)
    reference_forces = random.normal(0.0, 1.0, (3 * frames, 3))
    path = evaluation.with_suffix(".npz")
    np.savez(
        path,
        energies=reference_energies + random.normal(0, 0.01, frames),
        reference_energies=reference_energies,
        atoms=np.full(frames, 3),
        forces=reference_forces + random.normal(0.0, 0.05, (3 * frames, 3)),
        reference_forces=reference_forces,
        numbers=np.tile([3, 15, 15], frames),
    )
    return path


@pytest.fixture
def tasks_file(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.yaml"
    path.write_text(TASKS)
    return path
