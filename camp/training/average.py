"""The exponential moving average of the weights, which is the model that counts."""

import torch
from torch import nn


def decay(step: int, *, largest: float, start: int, power: float) -> float:
    """Decay of the average after optimizer step ``step``, as behind the published weights.

    Zero up to ``start``: the average is a copy of the weights. Then, with s steps since,
    min(largest, 1 − (1 + s)^−power).
    """
    since = step - start
    if since <= 0:
        return 0.0
    return min(largest, 1.0 - (1.0 + since) ** -power)


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, weight: float) -> None:
    """average ← weight · average + (1 − weight) · model, for every parameter."""
    for kept, new in zip(average.parameters(), model.parameters(), strict=True):
        kept.lerp_(new, 1.0 - weight)
