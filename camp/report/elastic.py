"""Young's modulus of single crystals by direction, predicted beside the reference."""

import numpy as np
import torch
from ase import Atoms
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camp.cartesian.voigt import directional_young_modulus, stiffness_to_voigt
from camp.evaluation.tensors import positive_definite
from camp.report.declarations import FigureDeclaration
from camp.report.inputs import Inputs
from camp.report.panels import REFERENCE_COLOUR
from camp.report.predictions import read_predictions
from camp.report.style import COLOURS, make_figure, missing_figure, provenance_text, say_missing
from camp.targets import ELASTIC

_ANGLES = np.linspace(0.0, 2 * np.pi, 361)
# By what their panels are called: the axes of a section, from which and towards which angles count.
_PLANES = {
    "x, y": ([1, 0, 0], [0, 1, 0]),
    "x + y, z": ([1, 1, 0], [0, 0, 1]),
    "x − y, x + y − 2z": ([1, -1, 0], [1, 1, -2]),
}


def young_modulus(declared: FigureDeclaration, inputs: Inputs) -> Figure:
    """Sections of Young's modulus of three test crystals, a row for each.

    :raises InputError: see :func:`camp.report.predictions.read_predictions`.
    """
    results, heading = inputs.results, f"{declared.name} (GPa): {inputs.task}"
    groups = results.of_task(inputs.task, inputs.paper.architecture)
    if not groups:
        nothing = f"no evaluation of task {inputs.task} at scale {inputs.scale}"
        return missing_figure(heading, inputs.scale, results.why_not(inputs.task) or nothing)
    arrays = read_predictions(groups[0].files[:1], [ELASTIC.name])
    predicted, reference = arrays[ELASTIC.name], arrays[f"reference_{ELASTIC.name}"]
    formulas = _formulas(arrays["atoms"], arrays["numbers"])
    crystals = _chosen(reference)
    if not crystals:
        return missing_figure(heading, inputs.scale, "no positive definite reference")
    figure, panels = make_figure(
        heading,
        provenance_text(groups[:1], inputs.scale),
        rows=len(crystals),
        columns=len(_PLANES),
        size=(10.5, 3.7 * len(crystals) + 0.6),
        polar=True,
    )
    for row, crystal in zip(panels, crystals, strict=True):
        usable = positive_definite(predicted[crystal : crystal + 1])[0]
        for panel, (name, axes) in zip(row, _PLANES.items(), strict=True):
            title = f"{formulas[crystal]}, plane of {name}"
            if not usable:
                say_missing(panel, f"{title}: the prediction is not positive definite")
                continue
            panel.set_title(title, fontsize=9)
            _draw(panel, section(reference[crystal], *axes), section(predicted[crystal], *axes))
    return figure


def section(stiffness: np.ndarray, first: list[int], second: list[int]) -> np.ndarray:
    """Young's modulus in GPa of C_ijkl (3, 3, 3, 3) in the plane of two orthogonal vectors, along
    angles of 0 to 2π in steps of a degree, counted from the first towards the second: (361,).

    :raises InputError: a stiffness that cannot be inverted.
    """
    axes = [np.array(axis) / np.linalg.norm(axis) for axis in (first, second)]
    directions = np.outer(np.cos(_ANGLES), axes[0]) + np.outer(np.sin(_ANGLES), axes[1])
    matrix = stiffness_to_voigt(torch.from_numpy(np.asarray(stiffness, dtype=np.float64)))
    return directional_young_modulus(matrix, torch.from_numpy(directions)).numpy()


def _chosen(reference: np.ndarray) -> list[int]:
    """The least, a middling and the most anisotropic of the usable crystals, each once."""
    usable = np.flatnonzero(positive_definite(np.nan_to_num(reference)))
    ratios = {}
    for crystal in usable.tolist():
        moduli = [section(reference[crystal], *axes) for axes in _PLANES.values()]
        ratios[crystal] = float(np.max(moduli) / np.min(moduli))
    ordered = sorted(ratios, key=lambda crystal: ratios[crystal])
    return list(dict.fromkeys(ordered[k] for k in (0, len(ordered) // 2, -1))) if ordered else []


def _formulas(atoms: np.ndarray, numbers: np.ndarray) -> list[str]:
    parts = np.split(numbers, np.cumsum(atoms)[:-1])
    return [Atoms(part).get_chemical_formula(empirical=True) for part in parts]


def _draw(panel: Axes, reference: np.ndarray, predicted: np.ndarray) -> None:
    panel.plot(_ANGLES, predicted, color=COLOURS[0], linewidth=1.6, label="predicted")
    panel.plot(_ANGLES, reference, "--", color=REFERENCE_COLOUR, linewidth=1.2, label="reference")
    panel.set_ylim(0, 1.1 * max(reference.max(), predicted.max()))
    panel.tick_params(labelsize=7)
    panel.legend(frameon=False, fontsize=7, loc="lower left", bbox_to_anchor=(-0.2, -0.12))
