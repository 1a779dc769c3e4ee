"""What happens around the epochs: tables of metrics, a line of progress, the end, the best weights,
the memory that it takes.

Each callback looks after all potentials of a module; its state travels in the checkpoint, so that
a resumed training continues where it was.
"""

import copy
import csv
import io
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from camp.files import write_text
from camp.memory import PeakMemory, peak_memory
from camp.potential.potential import Potential
from camp.potential.saving import save
from camp.settings import TrainingSettings
from camp.targets import TARGETS
from camp.training.module import TrainingModule, validation_error

# A validation error so many times its best one means that a training diverges.
RISE = 10.0


def advice(settings: TrainingSettings) -> str:
    """What to do about a training that diverges."""
    return (
        f"lower learning_rate (now {settings.learning_rate:g}) or gradient_clip "
        f"(now {settings.gradient_clip:g})"
    )


def columns(targets: Sequence[str]) -> list[str]:
    """Of the table of metrics of a training."""
    errors = map(validation_error, targets)
    return ["epoch", "step", "train_loss", *errors, "learning_rate", "gradient_norm", "seconds"]


class Clock(pl.Callback):
    """How long a training has lasted, earlier runs of the same training included.

    :param shared: of several processes ask the first one before every step, so that all of them
        end, and change their learning rates, at the same step.
    """

    def __init__(self, *, shared: bool = False):
        self.shared = shared
        self._began = time.monotonic()
        self._before = 0.0
        self._told: float | None = None

    def seconds(self) -> float:
        own = self._before + time.monotonic() - self._began
        return own if self._told is None else self._told

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        # Processes have waited for each other until now.
        self._began = time.monotonic()
        self._ask(trainer)

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        self._ask(trainer)

    def _ask(self, trainer: pl.Trainer) -> None:
        if self.shared and trainer.world_size > 1:
            self._told = None
            self._told = trainer.strategy.broadcast(self.seconds())

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._before = state["seconds"]


class MetricsTables(pl.Callback):
    """metrics.csv of each potential: one row per epoch (eV/atom, eV/Å, units of the targets)."""

    def __init__(self, paths: Sequence[Path], targets: Sequence[str], clock: Clock):
        self.paths = paths
        self.columns = columns(targets)
        self.clock = clock
        self.rows: list[list[dict[str, Any]]] = [[] for _ in paths]

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, TrainingModule)
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        groups = trainer.optimizers[0].param_groups
        for member in range(len(self.paths)):
            if not module.active[member]:
                continue
            row: dict[str, Any] = {
                name: metrics.get(module.metric(name, member)) for name in self.columns
            }
            row["epoch"] = trainer.current_epoch
            row["step"] = trainer.global_step
            row["learning_rate"] = groups[member]["lr"]
            row["seconds"] = round(self.clock.seconds(), 2)
            self.rows[member].append(row)
            if trainer.is_global_zero:
                self.write(member)

    def write(self, member: int) -> None:
        """Write the table of one potential."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows[member])
        write_text(self.paths[member], text.getvalue())

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = state["rows"]


class MemoryWatch(pl.Callback):
    """The most memory that a training has taken, earlier runs of the same training included."""

    def __init__(self) -> None:
        self.peak = PeakMemory(0, "")

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        found = peak_memory(module.device)
        if found.bytes > self.peak.bytes:
            self.peak = found

    def state_dict(self) -> dict[str, Any]:
        return asdict(self.peak)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.peak = PeakMemory(**state)


class BestAverages(pl.Callback):
    """Keeps the weights with the smallest validation error among those that are an average, and
    lets each potential lie on disk with them.

    Before averaging begins they are single snapshots, whose energies can be far off at the same
    error of the forces.

    :param paths: file for each potential, written now and then while it becomes better.
    :param interval: s, between two times of writing.
    """

    def __init__(self, paths: Sequence[Path], *, interval: float = 60.0):
        self.paths = paths
        self.interval = interval
        self.errors = [math.inf] * len(paths)
        self.weights: list[dict[str, Tensor] | None] = [None] * len(paths)
        # The errors of what lies on disk, and when it was written.
        self._written = [math.inf] * len(paths)
        self._last = -math.inf

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, TrainingModule)
        if not module.has_averages:
            return
        for member, error in enumerate(_errors(trainer, module)):
            if module.active[member] and error < self.errors[member]:
                self.errors[member] = error
                state = module.averages[member].state_dict()
                self.weights[member] = {name: value.cpu().clone() for name, value in state.items()}
        if time.monotonic() - self._last > self.interval:
            self._last = time.monotonic()
            self._write(trainer, module)

    def on_exception(
        self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException
    ) -> None:
        self._write(trainer, module)

    def _write(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, TrainingModule)
        for member, weights in enumerate(self.weights):
            if weights is None or self.errors[member] >= self._written[member]:
                continue
            if trainer.is_global_zero:
                best = copy.deepcopy(module.averages[member])
                assert isinstance(best, Potential)
                best.load_state_dict(weights)
                best.origin.update(steps=trainer.global_step, epochs=trainer.current_epoch + 1)
                save(best, self.paths[member])
            self._written[member] = self.errors[member]

    def state_dict(self) -> dict[str, Any]:
        return {"errors": self.errors, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.errors, self.weights = state["errors"], state["weights"]


class EarlyEnd(pl.Callback):
    """Ends the training of each potential when its validation error has not become better for
    ``patience`` epochs, or is no longer a number; and all of it when none goes on, or after
    ``max_steps``, which Lightning would forget to validate when it resumes, or ``max_seconds``.
    One whose error rises to ``RISE`` times its best is told of on stderr, once.

    :param seconds: how long the training has lasted.
    """

    def __init__(
        self,
        members: int,
        *,
        patience: int,
        max_steps: int | None,
        max_seconds: float | None = None,
        seconds: Callable[[], float] = lambda: 0.0,
    ):
        self.patience = patience
        self.max_steps = math.inf if max_steps is None else max_steps
        self.max_seconds = math.inf if max_seconds is None else max_seconds
        self.seconds = seconds
        self.best = [math.inf] * members
        self.last = [math.inf] * members
        self.waited = [0] * members
        self.reasons = [""] * members
        # Epochs and steps done when a potential ended.
        self.ends: list[tuple[int, int] | None] = [None] * members
        self.warned: set[int] = set()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, TrainingModule)
        for member, error in enumerate(_errors(trainer, module)):
            if not module.active[member]:
                continue
            self.last[member] = error
            self.waited[member] = 0 if error < self.best[member] else self.waited[member] + 1
            self.best[member] = min(error, self.best[member])
            if error > RISE * self.best[member] and member not in self.warned:
                self.warned.add(member)
                _warn_of_rise(trainer, module, member, error)
            if not math.isfinite(error):
                self.reasons[member] = _broken(trainer, module, member)
            elif self.waited[member] >= self.patience:
                self.reasons[member] = f"no better validation error for {self.patience} epochs"
            if self.reasons[member]:
                self.ends[member] = trainer.current_epoch + 1, trainer.global_step
        self._tell(trainer, module)

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._tell(trainer, module)

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        self._tell(trainer, module)

    def _tell(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, TrainingModule)
        module.active = [not reason for reason in self.reasons]
        # One step at least: without any there is nothing to validate.
        late = trainer.global_step > 0 and self.seconds() >= self.max_seconds
        if late or trainer.global_step >= self.max_steps or not any(module.active):
            trainer.should_stop = True

    def completion(self, trainer: pl.Trainer) -> str:
        """What ended a potential that goes on until the end of the training."""
        if not trainer.should_stop:
            return "all epochs done"
        return "all steps done" if trainer.global_step >= self.max_steps else "its time is up"

    def state_dict(self) -> dict[str, Any]:
        names = ("best", "last", "waited", "reasons", "ends")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


class ProgressLine(pl.Callback):
    """A line on stderr now and then, where a progress bar would only fill a log file."""

    def __init__(self, seconds: float = 10.0):
        self.interval = seconds
        self.last = -float("inf")

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.is_global_zero and time.monotonic() - self.last > self.interval:
            self.last = time.monotonic()
            assert isinstance(module, TrainingModule)
            target = TARGETS[module.monitored]
            errors = ", ".join(target.error(error) for error in _errors(trainer, module))
            print(
                f"epoch {trainer.current_epoch}, step {trainer.global_step}: "
                f"validation {target.name} MAE {errors}",
                file=sys.stderr,
                flush=True,
            )


def _broken(trainer: pl.Trainer, module: TrainingModule, member: int) -> str:
    """Since when an error is not a number."""
    if first := int(module.broken_at[member]):
        return f"the loss is no longer a number from step {first} on"
    return f"the validation error is no longer a number at step {trainer.global_step}"


def _warn_of_rise(trainer: pl.Trainer, module: TrainingModule, member: int, error: float) -> None:
    target = TARGETS[module.monitored]
    if trainer.is_global_zero:
        name = module.metric(f"{target.name} MAE", member)
        print(
            f"step {trainer.global_step}: validation {name} {target.error(error)} is more than "
            f"{RISE:g} times the best one; if it stays so, {advice(module.settings)}",
            file=sys.stderr,
            flush=True,
        )


def _errors(trainer: pl.Trainer, module: pl.LightningModule) -> list[float]:
    """The last validation error of each potential, of the target that it is judged by."""
    assert isinstance(module, TrainingModule)
    names = (
        module.metric(validation_error(module.monitored), member)
        for member in range(len(module.active))
    )
    return [float(trainer.callback_metrics[name]) for name in names]
