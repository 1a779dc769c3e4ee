"""Errors of a potential on labelled structures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from camp.errors import InputError
from camp.files import atomic_path
from camp.potential.potential import Potential

# Which metrics an unavailable quantity takes away.
METRICS = {
    "energy": ("energy_mae_per_atom", "energy_rmse_per_atom", "energy_mae", "energy_rmse"),
    "forces": ("forces_mae", "forces_rmse"),
}


@dataclass(frozen=True)
class Comparison:
    """Predictions and references for n structures with m atoms together."""

    atoms: np.ndarray  # (n,) atoms of each structure
    numbers: np.ndarray  # (m,) atomic numbers
    energies: np.ndarray  # (n,) eV
    reference_energies: np.ndarray  # (n,) eV
    forces: np.ndarray  # (m, 3) eV/Å
    reference_forces: np.ndarray  # (m, 3) eV/Å

    def metrics(self) -> dict[str, float]:
        """MAE and RMSE of energies, per atom and total (eV), and of force components (eV/Å)."""
        energy = self.energies - self.reference_energies
        errors = {
            "energy_{}_per_atom": energy / self.atoms,
            "energy_{}": energy,
            "forces_{}": self.forces - self.reference_forces,
        }
        result = {}
        for name, error in errors.items():
            result[name.format("mae")] = float(np.abs(error).mean())
            result[name.format("rmse")] = float(np.sqrt(np.square(error).mean()))
        return result

    def save(self, path: str | Path) -> None:
        """Write all arrays as npz.

        :raises InputError: the file cannot be written.
        """
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, **vars(self))


def compare(potential: Potential, structures: list[Atoms], *, progress: bool = False) -> Comparison:
    """Evaluate labelled structures in one pass.

    :raises InputError: no structures, or one that the potential cannot evaluate.
    """
    if not structures:
        raise InputError("there are no structures to evaluate")
    result = potential.evaluate(structures, progress=progress)
    return Comparison(
        atoms=np.array([len(atoms) for atoms in structures]),
        numbers=np.concatenate([atoms.numbers for atoms in structures]),
        energies=result.energies,
        reference_energies=np.array([atoms.get_potential_energy() for atoms in structures]),
        forces=np.concatenate(result.forces),
        reference_forces=np.concatenate(
            [atoms.get_forces(apply_constraint=False) for atoms in structures]
        ),
    )


def evaluation_record(
    comparison: Comparison, *, unavailable: dict[str, str], **labels: Any
) -> dict[str, Any]:
    """What is kept of an evaluation: metrics, and why some of them may not be reported.

    :param unavailable: "energy" or "forces" → the reason why its errors mean nothing.
    :param labels: task, architecture, parameters, seed, scale, data, generated, weights,
        train_size (structures), note.
    """
    measured = comparison.metrics()
    hidden = {name for quantity in unavailable for name in METRICS[quantity]}
    return {
        **labels,
        "targets": list(METRICS),
        "frames": len(comparison.energies),
        "metrics": {name: None if name in hidden else value for name, value in measured.items()},
        "unavailable": unavailable,
    }


def describe(record: dict[str, Any]) -> str:
    """An evaluation as a few lines of text."""
    lines = [f"{record['frames']} structures"]
    for target, name, title, unit in (
        ("energy", "energy_{}_per_atom", "energy per atom", "meV/atom"),
        ("energy", "energy_{}", "energy", "meV"),
        ("forces", "forces_{}", "forces", "meV/Å"),
    ):
        mae, rmse = (record["metrics"][name.format(kind)] for kind in ("mae", "rmse"))
        if mae is None:
            lines.append(f"{title:16} missing: {record['unavailable'][target]}")
        else:
            lines.append(f"{title:16} MAE {1000 * mae:.4g}, RMSE {1000 * rmse:.4g} {unit}")
    return "\n".join(lines)
