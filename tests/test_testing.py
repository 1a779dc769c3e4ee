"""The check of models finds what is wrong with one, and says which law."""

import pytest
import torch

from camp.testing import BrokenLawError, check_model
from tests.models.camp.test_network import make_potential


def test_a_sound_model_passes():
    check_model(make_potential(channels=3, max_rank=1))


class Directed(torch.nn.Module):
    """A network with a preference for one direction of space."""

    def __init__(self, network, strength):
        super().__init__()
        self.network, self.strength = network, strength

    def forward(self, edges):
        values = self.network(edges)
        cut = (edges.mask * (1 - edges.vectors.norm(dim=-1) / 4.0).clamp(min=0) ** 3)[..., None]
        field = (cut * edges.vectors.abs()).sum((1,))[:, 0]
        return {"energy": values["energy"] + self.strength * field}


@pytest.mark.parametrize("strength", [1e-6, 1.0])
def test_a_model_with_a_direction_is_found(strength):
    potential = make_potential(channels=3, max_rank=1)
    potential.model = Directed(potential.model, strength)
    with pytest.raises(BrokenLawError, match="Under rotations and inversion") as caught:
        check_model(potential)
    assert "Under rotations" in caught.value.law


def test_a_step_at_the_cutoff_is_found_where_the_settings_deny_it():
    potential = make_potential(channels=3, max_rank=1, envelope_on="basis")
    with torch.no_grad():
        for layer in potential.model.layers:
            for bias in layer.atomic.radial.mlp.biases:
                bias.normal_()
    check_model(potential)
    potential.settings = potential.settings.model_copy(update={"envelope_on": "radial"})
    with pytest.raises(BrokenLawError, match="crosses the cutoff"):
        check_model(potential)
