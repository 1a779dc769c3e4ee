"""The moving average of the weights."""

import pytest
import torch

from camp.training.average import decay, update_average


def test_decay_of_the_average():
    options = {"largest": 0.999, "start": 1000, "power": 0.6667}
    assert decay(1000, **options) == 0.0
    assert decay(1001, **options) == pytest.approx(1 - 2**-0.6667)
    assert decay(1_000_000, **options) == 0.999


def test_average_of_weights():
    average, model = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    for module, value in ((average, 1.0), (model, 2.0)):
        for parameter in module.parameters():
            torch.nn.init.constant_(parameter, value)
    update_average(average, model, 0.75)
    assert average.weight.item() == pytest.approx(1.25)
