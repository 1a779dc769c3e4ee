"""Errors of tensors: by component, and of the numbers that do not depend on the axes."""

import numpy as np
import torch

from camp.cartesian.natural.decomposition import (
    decomposition_matrix,
    reconstruction_matrix,
    signature,
)
from camp.targets import Target


def tensor_metrics(
    target: Target, predicted: np.ndarray, reference: np.ndarray
) -> dict[str, float]:
    """MAE and RMSE in the unit of the target, of

    - all components;
    - the isotropic part: the mean over natural tensors of rank 0 (a third of the trace of a tensor
      of rank two);
    - the anisotropy: the norm of all natural tensors of higher ranks together;
    - the norm;

    the mean absolute deviation of the reference's components from their mean as the zero of the
    scale (``mad``), and the MAE relative to it (``relative_mae``).

    Shapes: predicted and reference (m, *target.shape), without NaN.
    """
    errors = {"": predicted - reference}
    parts = [_invariants(target, values) for values in (predicted, reference)]
    for name in parts[0]:
        errors[f"_{name}"] = parts[0][name] - parts[1][name]
    result = {}
    for name, error in errors.items():
        result[f"{target.name}{name}_mae"] = float(np.abs(error).mean())
        result[f"{target.name}{name}_rmse"] = float(np.sqrt(np.square(error).mean()))
    mad = float(np.abs(reference - reference.mean(0)).mean())
    result[f"{target.name}_mad"] = mad
    result[f"{target.name}_relative_mae"] = (
        result[f"{target.name}_mae"] / mad if mad else float("nan")
    )
    return result


def _invariants(target: Target, values: np.ndarray) -> dict[str, np.ndarray]:
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
    found = {"norm": entries.norm(dim=1).numpy()}
    if scalars:
        found["isotropic"] = isotropic.numpy()
        found["anisotropy"] = anisotropic.norm(dim=1).numpy()
    return found
