"""How the validation errors fell in the trainings of one task."""

import csv
import re
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from camp.errors import InputError
from camp.report.declarations import FigureDeclaration
from camp.report.inputs import Inputs
from camp.report.style import COLOURS, make_figure, missing_figure, plain_logarithmic
from camp.targets import TARGETS

# Columns of metrics.csv, one for each target, in its unit; of energies per atom.
_COLUMN = re.compile(r"validation_(\w+)_mae")
_LINES = ("-", "--", "-.", ":")


def read_metrics(path: str | Path) -> dict[str, np.ndarray]:
    """The columns epoch, step and those of the validation errors, rows without errors left out.

    :raises InputError: missing file or column, a value that is not a number, no row at all.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            errors = [name for name in reader.fieldnames or () if _COLUMN.fullmatch(name)]
            columns = ("epoch", "step", *errors)
            if not errors:
                raise KeyError("no column of validation errors")
            rows = [row for row in reader if row[columns[-1]]]
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
    tables = [read_metrics(path) for path in inputs.metrics]
    targets = {c: TARGETS[m[1]] for c in tables[0] if (m := _COLUMN.fullmatch(c))}
    figure, panels = make_figure(
        title,
        f"This work, scale {inputs.scale} — data: {inputs.data}; weights: own; {', '.join(names)}",
        columns=len(targets),
        size=(4.5 * len(targets), 4.4),
    )
    for panel, (column, target) in zip(panels.flat, targets.items(), strict=True):
        for k, (name, table) in enumerate(zip(names, tables, strict=True)):
            panel.plot(
                table["step"],
                target.error_factor * table[column],
                color=COLOURS[k % len(COLOURS)],
                linestyle=_LINES[k % len(_LINES)],
                linewidth=1.1,
                # A single epoch would be an invisible line.
                marker="o" if len(table["step"]) == 1 else None,
                label=name,
            )
        label = f"Validation {target.name} MAE ({target.error_unit or target.unit})"
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
