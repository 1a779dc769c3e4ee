"""Errors of tensors: by component, and of the numbers that do not depend on the axes."""

import numpy as np
import torch

from camp.cartesian.natural.decomposition import (
    decomposition_matrix,
    reconstruction_matrix,
    signature,
)
from camp.cartesian.voigt import polycrystal_moduli, stiffness_to_voigt
from camp.targets import ELASTIC, Target

ISOTROPIC, NORM = "isotropic", "norm"


def tensor_metrics(
    target: Target, predicted: np.ndarray, reference: np.ndarray
) -> dict[str, float]:
    """MAE and RMSE in the unit of the target, of

    - all components;
    - the isotropic part: the mean over natural tensors of rank 0 (a third of the trace of a tensor
      of rank two);
    - the anisotropy: the norm of all natural tensors of higher ranks together;
    - the norm;
    - of elastic tensors, the bulk, shear and Young's moduli of Voigt, Reuss and Hill, where both
      tensors are positive definite; ``unstable`` counts the predictions that are not;

    of each the mean absolute deviation of the reference from its mean as the zero of the scale
    (``mad``), and the MAE relative to it (``relative_mae``). Where the sign of the target is free,
    the mean of what has one says nothing, and the deviation is that from zero.

    Shapes: predicted and reference (m, *target.shape), without NaN.
    """
    signless = target.sign == "free"
    result = errors(target.name, predicted, reference, from_zero=signless)
    of_both = (invariants(target, values) for values in (predicted, reference))
    for name, both in _paired(*of_both).items():
        from_zero = signless and name == ISOTROPIC
        result |= errors(f"{target.name}_{name}", *both, from_zero=from_zero)
    if target.name == ELASTIC.name:
        stable = [positive_definite(values) for values in (predicted, reference)]
        result[f"{target.name}_unstable"] = float((~stable[0]).sum())
        if (both := stable[0] & stable[1]).any():
            moduli = (_moduli(values[both]) for values in (predicted, reference))
            for name, pair in _paired(*moduli).items():
                result |= errors(f"{target.name}_{name}", *pair)
    return result


def positive_definite(stiffness: np.ndarray) -> np.ndarray:
    """Whether every strain costs energy: C_ijkl (m, 3, 3, 3, 3) → (m,)."""
    matrices = stiffness_to_voigt(torch.from_numpy(np.asarray(stiffness, dtype=np.float64)))
    return (torch.linalg.eigvalsh(matrices) > 0).all(1).numpy()


def errors(
    name: str, predicted: np.ndarray, reference: np.ndarray, *, from_zero: bool = False
) -> dict[str, float]:
    """MAE, RMSE, mean absolute deviation and, where that is not 0, relative MAE of what has this
    name: (m, …) each.

    :param from_zero: whether the deviation is that from zero instead of from the mean.
    """
    error, centre = predicted - reference, 0.0 if from_zero else reference.mean(0)
    mae, mad = float(np.abs(error).mean()), float(np.abs(reference - centre).mean())
    found = {
        f"{name}_mae": mae,
        f"{name}_rmse": float(np.sqrt(np.square(error).mean())),
        f"{name}_mad": mad,
    }
    # References may all be equal, as a single one is.
    return found | ({f"{name}_relative_mae": mae / mad} if mad else {})


def _paired(
    predicted: dict[str, np.ndarray], reference: dict[str, np.ndarray]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {name: (values, reference[name]) for name, values in predicted.items()}


def _moduli(stiffness: np.ndarray) -> dict[str, np.ndarray]:
    """Moduli of polycrystals in GPa, each (m,), of C_ijkl (m, 3, 3, 3, 3)."""
    found = polycrystal_moduli(stiffness_to_voigt(torch.from_numpy(stiffness.astype(np.float64))))
    averages = {"voigt": found.voigt, "reuss": found.reuss, "hill": found.hill}
    return {
        f"{modulus}_{average}": getattr(moduli, modulus).numpy()
        for average, moduli in averages.items()
        for modulus in ("bulk", "shear", "young")
    }


def invariants(target: Target, values: np.ndarray) -> dict[str, np.ndarray]:
    """Numbers that do not depend on the axes: (m,) or (m, k) each."""
    entries = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float64)).flatten(1)
    counts = signature(target.symmetry)
    scalars = counts.get(0, 0)
    if target.rank == 0:
        return {}
    parts = entries @ decomposition_matrix(target.symmetry).T
    isotropic = parts[:, :scalars]
    of_scalars = reconstruction_matrix(target.symmetry)[:, :scalars]
    anisotropic = entries - isotropic @ of_scalars.T
    found = {NORM: entries.norm(dim=1).numpy()}
    if scalars:
        found[ISOTROPIC] = isotropic.numpy()
        found["anisotropy"] = anisotropic.norm(dim=1).numpy()
    return found
