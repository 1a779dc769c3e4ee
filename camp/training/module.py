"""The Lightning module: potentials in training, and the averages of their weights."""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from camp.data.labelled import LabelledBatch
from camp.potential.accelerated import accelerated
from camp.potential.potential import Potential
from camp.potential.prediction import Predictor
from camp.potential.properties import Property
from camp.settings import Stage, TrainingSettings
from camp.targets import ENERGY, FORCES, monitored
from camp.training.average import decay, update_average
from camp.training.compiled import TracedLoss, can_compile
from camp.training.interpolated import with_radial_grid
from camp.training.loss import absolute_error, training_loss
from camp.training.optimisers import make_optimizer, plateaus, rate_factor, restart


def _given_errors(
    potential: Predictor, batch: LabelledBatch, property_of: Callable[[str], Property]
) -> Iterator[tuple[str, Tensor]]:
    """Of each target, the absolute errors of what has a label."""
    predicted = potential(batch.graph)
    for name, labels in batch.labels.items():
        error = absolute_error(name, predicted, batch, property_of)
        yield name, error[~labels.isnan()]


def validation_error(target: str) -> str:
    """The name of a metric."""
    return f"validation_{target}_mae"


class TrainingModule(pl.LightningModule):
    """Adam on Eqs. 13–14; the validation error is that of the averaged weights.

    Several potentials, the seeds of one task, are trained side by side, each on batches of its own
    and with a learning rate of its own; none depends on the others to the last bit. One that is
    no longer ``active`` keeps its weights.

    :param potentials: with energy scale and shift set; trained in place.
    :param settings: the ``training`` section of a task's settings.
    :param targets: names of those with labels.
    :param compiled: compile the training step.
    :param together: trace one step for all potentials, also without compiling it.
    :param interpolated: take radial functions from a grid in training steps.
    :param tabulated: validate averages in their accelerated form, on the CPU.
    """

    broken_at: Tensor

    def __init__(
        self,
        potentials: Sequence[Potential],
        settings: TrainingSettings,
        *,
        targets: Sequence[str] = (ENERGY.name, FORCES.name),
        compiled: bool = False,
        together: bool = True,
        interpolated: bool = False,
        tabulated: bool = False,
    ):
        super().__init__()
        self.settings = settings
        self.targets = tuple(targets)
        self.interpolated = interpolated
        self.tabulated = tabulated
        # What the schedule, the end of a training and the choice of the best weights watch.
        self.monitored = monitored(targets)
        self.potentials = nn.ModuleList(potentials)
        self.averages = copy.deepcopy(self.potentials).requires_grad_(False)
        self.active = [True] * len(potentials)
        # Of each, the first step whose loss is not a number; 0: there was none. Looked at once in
        # an epoch, for which a GPU need not be waited for at every step.
        self.register_buffer("broken_at", torch.zeros(len(potentials), dtype=torch.long), False)
        # What is validated: the averages, or their accelerated form.
        self._judged: list[Predictor] = []
        # Step at which the optimizer began, and how many seconds the training has lasted.
        self._restarted_at = 0
        self.seconds: Callable[[], float] = lambda: 0.0
        self._stage: Stage | None = settings.stage(0)[1]
        self._traced: TracedLoss | None = None
        if compiled or (together and len(potentials) > 1):
            backend = "inductor" if compiled else None
            self._traced = TracedLoss(self.loss, potentials, backend=backend)

    def loss(self, potential: nn.Module, batch: LabelledBatch) -> Tensor:
        """See :func:`camp.training.loss.training_loss`."""
        assert isinstance(potential, Potential)
        if self.interpolated:
            potential = with_radial_grid(potential)
        return training_loss(
            potential(batch.graph),
            batch,
            {name: self.settings.weight(name, self._stage) for name in batch.labels},
            potential.property_of,
            total_energies=self.settings.energy_loss == "total",
            huber_delta=self.settings.huber_delta if self.settings.loss == "huber" else None,
        )

    def metric(self, name: str, member: int) -> str:
        """Under which name a metric of one of the potentials is logged."""
        return name if len(self.potentials) == 1 else f"{name}/{member}"

    def training_step(self, batches: list[LabelledBatch], _index: int) -> Tensor:
        if self._traced is None or self._is_compiling(self._traced, batches):
            pairs = zip(self.potentials, batches, strict=True)
            losses = torch.stack([self.loss(potential, batch) for potential, batch in pairs])
        else:
            losses = self._traced(batches)
        is_new = ~losses.detach().isfinite() & (self.broken_at == 0)
        self.broken_at = torch.where(is_new, self.global_step + 1, self.broken_at)
        for member, loss in enumerate(losses.detach()):
            self._log_mean("train_loss", member, loss / len(batches[member].sizes))
        return losses.sum()

    def _is_compiling(self, traced: TracedLoss, batches: list[LabelledBatch]) -> bool:
        """Whether steps are plain for now. When that ends depends on the step alone, so that a
        training can be repeated to the last bit.
        """
        if traced.backend is None or self.global_step >= self.settings.compile_after:
            return False
        traced.prepare(batches)
        return True

    @property
    def still_compiles(self) -> bool:
        """Whether a compilation in the background goes on."""
        return self._traced is not None and self._traced.is_compiling

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
        step, settings = self.global_step - self._restarted_at, self.settings
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

    def on_validation_epoch_start(self) -> None:
        self._judged = [self._for_evaluation(average) for average in self.averages]

    def _for_evaluation(self, average: nn.Module) -> Predictor:
        """An average, accelerated where that was asked for: tables take a moment, what a GPU runs
        takes a minute to record.
        """
        assert isinstance(average, Potential)
        if not self.tabulated or self.device.type != "cpu":
            return average
        return accelerated(average, compiled=can_compile())

    def errors(self, member: int, batches: Iterable[LabelledBatch]) -> dict[str, float]:
        """The mean absolute errors of an average by target, of all structures of some batches."""
        average = self.averages[member]
        assert isinstance(average, Potential)
        potential = self._for_evaluation(average)
        found: dict[str, list[Tensor]] = {}
        with torch.no_grad():
            for batch in batches:
                here = batch.to(self.device)
                for name, error in _given_errors(potential, here, average.property_of):
                    found.setdefault(name, []).append(error.reshape(-1))
        return {name: float(torch.cat(errors).double().mean()) for name, errors in found.items()}

    def validation_step(self, batch: LabelledBatch, _index: int) -> None:
        for member, (judged, average) in enumerate(zip(self._judged, self.averages, strict=True)):
            assert isinstance(average, Potential)
            for name, error in _given_errors(judged, batch, average.property_of):
                labels = batch.labels[name]
                if len(error):
                    self.log(
                        self.metric(validation_error(name), member),
                        error.mean(),
                        batch_size=error.numel() // max(1, labels[0].numel()),
                        prog_bar=name == self.monitored,
                        sync_dist=True,
                    )

    def configure_optimizers(self) -> Any:
        optimizer = make_optimizer(list(self.potentials), self.settings)
        if self.settings.schedule != "plateau":
            return optimizer
        return [optimizer], plateaus(optimizer, self.settings, self._monitors)

    @property
    def _monitors(self) -> list[str]:
        """The metric that each potential is judged by."""
        name = validation_error(self.monitored)
        return [self.metric(name, member) for member in range(len(self.potentials))]

    def lr_scheduler_step(self, *_: Any) -> None:
        """Nothing: Lightning shows plateaus an epoch's error after its checkpoint is written, from
        which a resumed training would not know it.
        """

    def on_train_epoch_end(self) -> None:
        if self.settings.schedule == "plateau":
            configs = self.trainer.lr_scheduler_configs
            for config, monitor in zip(configs, self._monitors, strict=True):
                assert isinstance(config.scheduler, ReduceLROnPlateau)
                config.scheduler.step(float(self.trainer.callback_metrics[monitor]))

    def on_train_epoch_start(self) -> None:
        first, stage = self.settings.stage(self.current_epoch)
        if stage != self._stage and self._traced is not None:
            # The weights of the loss are constants of what was traced.
            self._traced.functions.clear()
        self._stage = stage
        restarted = self.settings.last_restart(self.current_epoch)
        self._restarted_at = restarted * int(self.trainer.num_training_batches)
        if stage is None or self.current_epoch != first:
            return
        optimizer = self.trainer.optimizers[0]
        if stage.restart:
            restart(optimizer, [config.scheduler for config in self.trainer.lr_scheduler_configs])
        if stage.restart or stage.learning_rate:
            for group in optimizer.param_groups:
                group["lr"] = self._rate

    @property
    def has_averages(self) -> bool:
        """Whether averaging has begun, after the start or the last restart."""
        return self.global_step - self._restarted_at > self.settings.ema_start

    @property
    def _rate(self) -> float:
        """The learning rate before warm-up and schedule."""
        own = self._stage.learning_rate if self._stage else None
        return own or self.settings.learning_rate

    def on_train_batch_start(self, *_: Any) -> None:
        step = self.global_step - self._restarted_at
        if self.settings.schedule == "plateau" and step >= self.settings.warmup_steps:
            return
        epochs = self.current_epoch - self.settings.last_restart(self.current_epoch)
        factor = rate_factor(self.settings, step, self.progress(), epochs=epochs)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = factor * self._rate

    def progress(self) -> float:
        """How far the training is, from 0 to 1, by steps or by time, whichever is farther."""
        settings, trainer = self.settings, self.trainer
        of_epochs = settings.epochs * int(trainer.num_training_batches)
        total = min(settings.max_steps or of_epochs, of_epochs)
        by_time = self.seconds() / (3600 * settings.max_time) if settings.max_time else 0.0
        return max(self.global_step / max(1, total), by_time)

    def _log_mean(self, name: str, member: int, value: Tensor) -> None:
        """Log the mean over the steps of an epoch."""
        name = self.metric(name, member)
        self.log(name, value, on_epoch=True, on_step=False, batch_size=1, sync_dist=True)
