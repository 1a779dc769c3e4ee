"""The Lightning module: one potential in training, and the average of its weights."""

import copy
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from camp.data.graphs import LabelledBatch
from camp.potential.potential import Potential
from camp.training.average import decay, update_average
from camp.training.compiled import CompiledLoss
from camp.training.loss import training_loss

# What the schedule, early stopping and the choice of the best weights watch.
MONITOR = "validation_forces_mae"


class TrainingModule(pl.LightningModule):
    """Adam on Eqs. 13–14; the validation error is that of the averaged weights.

    :param potential: with energy scale and shift set; trained in place.
    :param settings: the ``training`` section of a task's settings.
    :param compiled: compile the training step.
    """

    def __init__(self, potential: Potential, settings: dict[str, Any], *, compiled: bool = False):
        super().__init__()
        self.settings = settings
        self.potential = potential
        self.average = copy.deepcopy(potential).requires_grad_(False)
        self._loss = CompiledLoss(self._plain_loss, potential) if compiled else None

    def _plain_loss(self, potential: nn.Module, batch: LabelledBatch) -> Tensor:
        return training_loss(
            potential(batch.graph),
            batch.energies,
            batch.forces,
            batch.sizes,
            batch.graph.system,
            energy_weight=self.settings["energy_weight"],
            forces_weight=self.settings["forces_weight"],
        )

    def training_step(self, batch: LabelledBatch, _index: int) -> Tensor:
        loss = self._plain_loss(self.potential, batch) if self._loss is None else self._loss(batch)
        self.log(
            "train_loss",
            loss / len(batch.sizes),
            on_epoch=True,
            on_step=False,
            batch_size=len(batch.sizes),
            sync_dist=True,
        )
        return loss

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        limit = self.settings["gradient_clip"]
        norm = torch.nn.utils.clip_grad_norm_(self.potential.parameters(), limit)
        self.log("gradient_norm", norm, on_epoch=True, on_step=False, batch_size=1, sync_dist=True)

    def on_train_batch_end(self, *_: Any) -> None:
        # Counted from one: Lightning's global_step is the number of optimizer steps taken.
        step, settings = self.global_step, self.settings
        if step <= settings["ema_start"] or step % settings["ema_every"] == 0:
            weight = decay(
                step,
                largest=settings["ema_decay"],
                start=settings["ema_start"],
                power=settings["ema_power"],
            )
            update_average(self.average, self.potential, weight)

    def validation_step(self, batch: LabelledBatch, _index: int) -> None:
        predicted = self.average(batch.graph)
        energy = ((predicted.energies - batch.energies) / batch.sizes).abs()
        force = (predicted.forces - batch.forces).abs()
        self.log("validation_energy_mae", energy.mean(), batch_size=len(energy), sync_dist=True)
        self.log(MONITOR, force.mean(), batch_size=len(force), prog_bar=True, sync_dist=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        trained = [p for p in self.potential.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(trained, lr=self.settings["learning_rate"], amsgrad=True)
        scheduler = ReduceLROnPlateau(
            optimizer,
            factor=self.settings["scheduler_factor"],
            patience=self.settings["scheduler_patience"],
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "monitor": MONITOR, "interval": "epoch"},
        }
