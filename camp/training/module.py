"""The Lightning module: potentials in training, and the averages of their weights."""

import copy
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from camp.data.graphs import LabelledBatch
from camp.potential.potential import Potential
from camp.settings import TrainingSettings
from camp.training.average import decay, update_average
from camp.training.compiled import TracedLoss
from camp.training.loss import training_loss

# What the schedule, the end of a training and the choice of the best weights watch.
MONITOR = "validation_forces_mae"


class TrainingModule(pl.LightningModule):
    """Adam on Eqs. 13–14; the validation error is that of the averaged weights.

    Several potentials, the seeds of one task, are trained side by side, each on batches of its own
    and with a learning rate of its own; none depends on the others to the last bit. One that is
    no longer ``active`` keeps its weights.

    :param potentials: with energy scale and shift set; trained in place.
    :param settings: the ``training`` section of a task's settings.
    :param compiled: compile the training step.
    """

    def __init__(
        self, potentials: Sequence[Potential], settings: TrainingSettings, *, compiled: bool = False
    ):
        super().__init__()
        self.settings = settings
        self.potentials = nn.ModuleList(potentials)
        self.averages = copy.deepcopy(self.potentials).requires_grad_(False)
        self.active = [True] * len(potentials)
        self._traced: TracedLoss | None = None
        if compiled or len(potentials) > 1:
            backend = "inductor" if compiled else None
            self._traced = TracedLoss(self.loss, potentials, backend=backend)

    def loss(self, potential: nn.Module, batch: LabelledBatch) -> Tensor:
        """Eqs. 13 and 14 for one potential."""
        return training_loss(
            potential(batch.graph),
            batch.energies,
            batch.forces,
            batch.sizes,
            batch.graph.system,
            energy_weight=self.settings.energy_weight,
            forces_weight=self.settings.forces_weight,
        )

    def metric(self, name: str, member: int) -> str:
        """Under which name a metric of one of the potentials is logged."""
        return name if len(self.potentials) == 1 else f"{name}/{member}"

    def training_step(self, batches: list[LabelledBatch], _index: int) -> Tensor:
        if self._traced is None:
            losses = self.loss(self.potentials[0], batches[0])[None]
        else:
            losses = self._traced(batches)
        for member, loss in enumerate(losses.detach()):
            self._log_mean("train_loss", member, loss / len(batches[member].sizes))
        return losses.sum()

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        for member, potential in enumerate(self.potentials):
            if not self.active[member]:
                # Adam passes over parameters without a gradient.
                potential.zero_grad(set_to_none=True)
                continue
            limit = self.settings.gradient_clip
            norm = torch.nn.utils.clip_grad_norm_(potential.parameters(), limit)
            self._log_mean("gradient_norm", member, norm)

    def on_train_batch_end(self, *_: Any) -> None:
        # Counted from one: Lightning's global_step is the number of optimizer steps taken.
        step, settings = self.global_step, self.settings
        if step <= settings.ema_start or step % settings.ema_every == 0:
            weight = decay(
                step,
                largest=settings.ema_decay,
                start=settings.ema_start,
                power=settings.ema_power,
            )
            for active, average, potential in zip(
                self.active, self.averages, self.potentials, strict=True
            ):
                if active:
                    update_average(average, potential, weight)

    def validation_step(self, batch: LabelledBatch, _index: int) -> None:
        for member, average in enumerate(self.averages):
            predicted = average(batch.graph)
            energy = ((predicted.energies - batch.energies) / batch.sizes).abs()
            force = (predicted.forces - batch.forces).abs()
            for name, error in (("validation_energy_mae", energy), (MONITOR, force)):
                self.log(
                    self.metric(name, member),
                    error.mean(),
                    batch_size=len(error),
                    prog_bar=name == MONITOR,
                    sync_dist=True,
                )

    def configure_optimizers(self) -> OptimizerLRScheduler:
        settings = self.settings
        groups = [
            {"params": [p for p in potential.parameters() if p.requires_grad]}
            for potential in self.potentials
        ]
        optimizer = torch.optim.Adam(groups, lr=settings.learning_rate, amsgrad=True)
        schedules: list[Any] = [
            {
                "scheduler": _PlateauOfOne(
                    optimizer,
                    member,
                    factor=settings.scheduler_factor,
                    patience=settings.scheduler_patience,
                ),
                "monitor": self.metric(MONITOR, member),
                "interval": "epoch",
            }
            for member in range(len(groups))
        ]
        return [optimizer], schedules

    def _log_mean(self, name: str, member: int, value: Tensor) -> None:
        """Log the mean over the steps of an epoch."""
        name = self.metric(name, member)
        self.log(name, value, on_epoch=True, on_step=False, batch_size=1, sync_dist=True)


class _PlateauOfOne(ReduceLROnPlateau):
    """Lowers the learning rate of one group of parameters only."""

    def __init__(self, optimizer: torch.optim.Optimizer, group: int, **options: Any):
        self.group = group
        super().__init__(optimizer, **options)

    def _reduce_lr(self, epoch: int) -> None:
        self.optimizer.param_groups[self.group]["lr"] *= self.factor
