"""Optimizers and the course of their learning rates."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from camp.settings import TrainingSettings

# On either side of a matrix whose steps Muon orthogonalises.
FEWEST_CHANNELS = 8


# Longer sides of a matrix keep their own axes in SOAP: time grows with the third power of a side.
LONGEST_SIDE = 1536


def make_optimizer(members: Sequence[nn.Module], settings: TrainingSettings) -> Optimizer:
    """An optimizer with one group of parameters for each model, in the order of the models; with
    ``muon`` two: first the matrices of each, then all else of each.

    ``amsgrad`` is Adam with AMSGrad, as the paper's; ``adamw`` has decoupled weight decay
    (arXiv:1711.05101); ``soap`` is Adam in the eigenbasis of Shampoo's preconditioner
    (arXiv:2409.11321), which treats matrices as such and stacks of matrices matrix by matrix;
    ``muon`` orthogonalises the steps of matrices, as long as AdamW's (arXiv:2502.16982), and is
    AdamW for all other parameters.
    """
    groups = [{"params": [p for p in member.parameters() if p.requires_grad]} for member in members]
    rate, decay = settings.learning_rate, settings.weight_decay
    betas = (settings.betas[0], settings.betas[1])
    if settings.optimizer == "soap":
        from pytorch_optimizer import SOAP

        return SOAP(
            groups,
            lr=rate,
            betas=(0.95, 0.95),
            weight_decay=decay,
            precondition_frequency=settings.precondition_every,
            max_precondition_dim=LONGEST_SIDE,
        )
    if settings.optimizer == "muon":
        return _muon(groups, settings)
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=rate, betas=betas, weight_decay=decay)
    return torch.optim.Adam(
        groups, lr=rate, betas=betas, amsgrad=settings.optimizer == "amsgrad", weight_decay=decay
    )


def _muon(groups: Sequence[Mapping[str, list[nn.Parameter]]], settings: TrainingSettings) -> Any:
    from pytorch_optimizer import Muon

    matrices = [
        {"params": [p for p in group["params"] if is_matrix(p)], "use_muon": True}
        for group in groups
    ]
    others = [
        {"params": [p for p in group["params"] if not is_matrix(p)], "use_muon": False}
        for group in groups
    ]
    return Muon(
        [*matrices, *others],
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        use_adjusted_lr=True,
        adamw_lr=settings.learning_rate,
        adamw_betas=(settings.betas[0], settings.betas[1]),
        adamw_wd=settings.weight_decay,
        adamw_eps=1e-8,
    )


def is_matrix(parameter: nn.Parameter) -> bool:
    """Whether a parameter maps many channels to many, as neither a bias does, nor weights of a few
    paths, nor an embedding of a few species, nor a readout of one number.
    """
    return parameter.ndim == 2 and min(parameter.shape) >= FEWEST_CHANNELS


def rate_factor(
    settings: TrainingSettings, step: int, progress: float, *, epochs: int = 0
) -> float:
    """What the learning rate is multiplied by, beside what a plateau does to it.

    Linear warm-up over ``warmup_steps``, then one; or down by ``scheduler_factor`` after every
    ``scheduler_patience`` epochs; or to ``final_rate`` of the rate at the end, linearly or along
    half a cosine.

    :param step: counted from 0.
    :param progress: of the training, from 0 to 1.
    :param epochs: that are done.
    """
    warm = min(1.0, (step + 1) / settings.warmup_steps) if settings.warmup_steps else 1.0
    if settings.schedule == "steps":
        return warm * settings.scheduler_factor ** (epochs // max(1, settings.scheduler_patience))
    if settings.schedule not in ("cosine", "linear"):
        return warm
    done = min(max(progress, 0.0), 1.0)
    left = 1.0 - done if settings.schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))
    return warm * (settings.final_rate + (1.0 - settings.final_rate) * left)


def restart(optimizer: Optimizer, schedulers: Sequence[Any]) -> None:
    """Forget what the optimizer has learnt of the gradients, and its :func:`plateaus` of errors."""
    optimizer.state.clear()
    for group in optimizer.param_groups:
        group.pop("step", None)
    for scheduler in schedulers:
        scheduler.restart()


def plateaus(
    optimizer: Optimizer, settings: TrainingSettings, monitors: Sequence[str]
) -> list[dict[str, Any]]:
    """Lightning's schedulers: each lowers the rate of one model where its error stays."""
    return [
        {
            "scheduler": _PlateauOfOne(
                optimizer,
                range(member, len(optimizer.param_groups), len(monitors)),
                factor=settings.scheduler_factor,
                patience=settings.scheduler_patience,
            ),
            "monitor": monitor,
            "interval": "epoch",
        }
        for member, monitor in enumerate(monitors)
    ]


class _PlateauOfOne(torch.optim.lr_scheduler.ReduceLROnPlateau):
    """Lowers the learning rate of some groups of parameters only."""

    def __init__(self, optimizer: Optimizer, groups: Iterable[int], **options: Any):
        self.groups = [*groups]
        super().__init__(optimizer, **options)

    def restart(self) -> None:
        """Compare with errors from now on only."""
        self._reset()

    def _reduce_lr(self, epoch: int) -> None:
        for group in self.groups:
            self.optimizer.param_groups[group]["lr"] *= self.factor
