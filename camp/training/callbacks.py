"""What happens around the epochs: the table of metrics, a line of progress, saving."""

import csv
import io
import sys
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint

from camp.files import write_text
from camp.training.module import MONITOR

COLUMNS = (
    "epoch",
    "step",
    "train_loss",
    "validation_energy_mae",
    "validation_forces_mae",
    "learning_rate",
    "gradient_norm",
    "seconds",
)


class MetricsTable(pl.Callback):
    """metrics.csv: one row per epoch (eV/atom, eV/Å), kept through interruptions.

    The rows travel in the checkpoint, so that a resumed training continues its own table.
    """

    def __init__(self, path: Path):
        self.path = path
        self.rows: list[dict[str, Any]] = []
        self.began = time.monotonic()
        self.seconds_before = 0.0

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row: dict[str, Any] = {name: metrics.get(name) for name in COLUMNS}
        row["epoch"] = trainer.current_epoch
        row["step"] = trainer.global_step
        row["learning_rate"] = trainer.optimizers[0].param_groups[0]["lr"]
        row["seconds"] = round(self.seconds(), 2)
        self.rows.append(row)
        if trainer.is_global_zero:
            text = io.StringIO()
            writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
            write_text(self.path, text.getvalue())

    def seconds(self) -> float:
        """Time spent training, earlier runs of the same training included."""
        return self.seconds_before + time.monotonic() - self.began

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "seconds": self.seconds()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = state["rows"]
        self.seconds_before = state["seconds"]
        self.began = time.monotonic()


class BestAverage(ModelCheckpoint):
    """Keeps the weights with the smallest validation error among those that are an average.

    Before averaging begins they are single snapshots, whose energies can be far off at the same
    error of the forces.
    """

    def __init__(self, path: Path, *, start: int):
        super().__init__(
            path.parent,
            path.stem,
            monitor=MONITOR,
            save_weights_only=True,
            enable_version_counter=False,
        )
        self.start = start

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.global_step > self.start:
            super().on_validation_end(trainer, module)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.global_step > self.start:
            super().on_train_epoch_end(trainer, module)


class ProgressLine(pl.Callback):
    """A line on stderr now and then, where a progress bar would only fill a log file."""

    def __init__(self, seconds: float = 10.0):
        self.interval = seconds
        self.last = -float("inf")

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.is_global_zero and time.monotonic() - self.last > self.interval:
            self.last = time.monotonic()
            error = float(trainer.callback_metrics[MONITOR])
            print(
                f"epoch {trainer.current_epoch}, step {trainer.global_step}: "
                f"validation forces MAE {1000 * error:.1f} meV/Å",
                file=sys.stderr,
                flush=True,
            )
