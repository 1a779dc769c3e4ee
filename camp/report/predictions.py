"""Parity and distribution of errors of the evaluations of one task."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camp.errors import InputError
from camp.report.paper import significant
from camp.report.results import TaskResult, mean_std
from camp.report.style import COLOURS, DENSITY, make_figure, provenance_text, say_missing

_MANY = 3000
_BINS = 60
_NAMES = ("energies", "reference_energies", "atoms", "forces", "reference_forces", "numbers")
_LINES = ("-", "--", "-.", ":")


def read_predictions(files: Sequence[Path]) -> dict[str, np.ndarray]:
    """The arrays beside evaluations, of all seeds together.

    :param files: evaluations …/x.json; the arrays are in …/x.npz.
    :return: energies, reference_energies (eV), atoms: (frames,); forces, reference_forces
        (atoms, 3) in eV/Å; numbers (atoms,).
    :raises InputError: missing or foreign file.
    """
    parts: dict[str, list[np.ndarray]] = {name: [] for name in _NAMES}
    for file in files:
        path = file.with_suffix(".npz")
        try:
            with np.load(path, allow_pickle=False) as arrays:
                for name in _NAMES:
                    parts[name].append(arrays[name])
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; evaluate again") from None
        except (KeyError, ValueError, OSError) as error:
            raise InputError(f"{path}: not the arrays of an evaluation ({error})") from None
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def parity(group: TaskResult, scale: str) -> Figure:
    """Predicted against reference energies per atom and force components.

    Energies are relative to the mean of the reference, so that their axis is readable.

    :raises InputError: see :func:`read_predictions`.
    """
    arrays = _arrays(group)
    figure, (panels,) = make_figure(
        f"Parity: {group.task}", provenance_text([group], scale), size=(9.0, 4.7)
    )
    reason = group.unavailable.get("energy")
    if reason:
        say_missing(panels[0], reason)
    else:
        predicted, reference = _energies_per_atom(arrays)
        shift = reference.mean()
        _parity_panel(panels[0], 1e3 * (reference - shift), 1e3 * (predicted - shift))
        panels[0].set(
            xlabel="Reference energy − mean (meV/atom)", ylabel="Predicted energy − mean (meV/atom)"
        )
        _errors_text(panels[0], group, "energy_mae_per_atom", "energy_rmse_per_atom", "meV/atom")
    reason = group.unavailable.get("forces")
    if reason:
        say_missing(panels[1], reason)
    else:
        _parity_panel(panels[1], arrays["reference_forces"].ravel(), arrays["forces"].ravel())
        panels[1].set(xlabel="Reference force (eV/Å)", ylabel="Predicted force (eV/Å)")
        _errors_text(panels[1], group, "forces_mae", "forces_rmse", "meV/Å")
    return figure


def errors(group: TaskResult, scale: str) -> Figure:
    """Distribution of energy errors, and of errors of force components by species.

    :raises InputError: see :func:`read_predictions`.
    """
    arrays = _arrays(group)
    figure, (panels,) = make_figure(
        f"Errors: {group.task}", provenance_text([group], scale), size=(9.0, 4.4)
    )
    reason = group.unavailable.get("energy")
    if reason:
        say_missing(panels[0], reason)
    else:
        predicted, reference = _energies_per_atom(arrays)
        panels[0].hist(1e3 * (predicted - reference), bins=_BINS // 2, color=COLOURS[0], alpha=0.85)
        panels[0].axvline(0, color="#444444", linewidth=0.8)
        panels[0].set(xlabel="Energy error (meV/atom)", ylabel="Structures")
    reason = group.unavailable.get("forces")
    if reason:
        say_missing(panels[1], reason)
    else:
        _errors_by_species(panels[1], arrays)
    return figure


def _arrays(group: TaskResult) -> dict[str, np.ndarray]:
    """The predictions, unless nothing of them may be shown."""
    return {} if {"energy", "forces"} <= group.unavailable.keys() else read_predictions(group.files)


def _energies_per_atom(arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return arrays["energies"] / arrays["atoms"], arrays["reference_energies"] / arrays["atoms"]


def _parity_panel(panel: Axes, reference: np.ndarray, predicted: np.ndarray) -> None:
    low = min(reference.min(), predicted.min())
    high = max(reference.max(), predicted.max())
    margin = 0.05 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    if reference.size > _MANY:
        cells = panel.hexbin(
            reference,
            predicted,
            gridsize=_BINS,
            bins="log",
            mincnt=1,
            cmap=DENSITY,
            extent=(*limits, *limits),
            linewidths=0.1,
        )
        figure: Any = panel.figure
        figure.colorbar(cells, ax=panel, label="Points in cell", shrink=0.85)
    else:
        panel.plot(reference, predicted, ".", color=COLOURS[0], alpha=0.5, markersize=4)
    panel.plot(limits, limits, color="#444444", linewidth=0.8)
    panel.set(xlim=limits, ylim=limits, aspect="equal")


def _errors_text(panel: Axes, group: TaskResult, mae: str, rmse: str, unit: str) -> None:
    """MAE and RMSE of the evaluation, mean (std) over seeds, in meV."""
    lines = []
    for name, key in (("MAE", mae), ("RMSE", rmse)):
        values = [1e3 * value for value in group.values(key)]
        if values:
            lines.append(f"{name} {significant(*mean_std(values))} {unit}")
    panel.text(0.04, 0.96, "\n".join(lines), transform=panel.transAxes, va="top", fontsize=9)


def _errors_by_species(panel: Axes, arrays: dict[str, np.ndarray]) -> None:
    difference = 1e3 * (arrays["forces"] - arrays["reference_forces"])
    # The rarest large errors would squeeze the rest into one bin.
    reach = float(np.quantile(np.abs(difference), 0.999)) or 1.0
    bins = np.linspace(-reach, reach, int(np.clip(np.sqrt(difference.size) / 2, 12, _BINS)) + 1)
    for k, number in enumerate(np.unique(arrays["numbers"])):
        own = difference[arrays["numbers"] == number].ravel()
        heights, _ = np.histogram(own, bins)
        panel.stairs(
            heights / (own.size * (bins[1] - bins[0])),
            bins,
            color=COLOURS[k % len(COLOURS)],
            linestyle=_LINES[k % len(_LINES)],
            linewidth=1.4,
            label=f"{chemical_symbols[int(number)]}, MAE {np.abs(own).mean():.3g} meV/Å",
        )
    panel.set(
        yscale="log",
        xlabel="Error of a force component (meV/Å)",
        ylabel="Probability density (Å/meV)",
    )
    panel.margins(x=0.02)
    panel.legend(frameon=False, fontsize=8)
