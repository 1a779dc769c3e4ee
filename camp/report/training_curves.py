"""How the validation errors fell in the trainings of one task."""

import csv
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from camp.errors import InputError
from camp.report.declarations import FigureDeclaration
from camp.report.inputs import Inputs
from camp.report.style import COLOURS, make_figure, missing_figure, plain_logarithmic

# Columns of metrics.csv (eV/atom, eV/Å) and their labels; 1000 converts to meV.
_PANELS = {
    "validation_energy_mae": "Validation energy MAE (meV/atom)",
    "validation_forces_mae": "Validation forces MAE (meV/Å)",
}
_LINES = ("-", "--", "-.", ":")


def read_metrics(path: str | Path) -> dict[str, np.ndarray]:
    """The columns epoch, step and those of the validation errors, rows without errors left out.

    :raises InputError: missing file or column, a value that is not a number, no row at all.
    """
    path = Path(path)
    columns = ("epoch", "step", *_PANELS)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if row[columns[-1]]]
        table = np.array([[float(row[name]) for name in columns] for row in rows])
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: not the metrics of a training ({error}); train again") from None
    if not len(table):
        raise InputError(f"{path}: no epoch was finished; train longer")
    return dict(zip(columns, table.T, strict=True))


def training_curves(declared: FigureDeclaration, inputs: Inputs) -> Figure:
    """Validation errors against the optimisation step, one line for each training of a task.

    Without any training, the reason for it is shown. The name of the folder in which a file
    metrics.csv lies is the label of its line.

    :raises InputError: no such file or no label of the data, or see :func:`read_metrics`.
    """
    title = f"{declared.name} of {inputs.task}"
    if not inputs.metrics and (reason := inputs.results.why_not(inputs.task)):
        return missing_figure(title, inputs.scale, reason)
    if not inputs.metrics or not inputs.data:
        raise InputError(f"the figure of the training of {inputs.task} needs --metrics and --data")
    names = [Path(path).parent.name.replace("-", " ") for path in inputs.metrics]
    figure, panels = make_figure(
        title,
        f"This work, scale {inputs.scale} — data: {inputs.data}; weights: own; {', '.join(names)}",
    )
    tables = [read_metrics(path) for path in inputs.metrics]
    for panel, (column, label) in zip(panels.flat, _PANELS.items(), strict=True):
        for k, (name, table) in enumerate(zip(names, tables, strict=True)):
            panel.plot(
                table["step"],
                1e3 * table[column],
                color=COLOURS[k % len(COLOURS)],
                linestyle=_LINES[k % len(_LINES)],
                linewidth=1.1,
                # A single epoch would be an invisible line.
                marker="o" if len(table["step"]) == 1 else None,
                label=name,
            )
        panel.set(yscale="log", xlabel="Optimisation step", ylabel=label)
        plain_logarithmic(panel.yaxis)
        panel.tick_params(top=False, which="both")
        steps_per_epoch = tables[0]["step"][-1] / max(tables[0]["epoch"][-1], 1.0)
        # 'functions' wants a pair: to the upper axis and back.
        epochs = panel.secondary_xaxis(
            "top",
            functions=(lambda s, n=steps_per_epoch: s / n, lambda e, n=steps_per_epoch: e * n),
        )
        epochs.set_xlabel("Epoch", fontsize=9)
        epochs.tick_params(labelsize=8, direction="in")
        panel.legend(frameon=False, fontsize=8)
    return figure
