"""Whatever the architecture: trainings continue exactly."""

import pytest
import torch

import camp
from camp.models.cace.settings import CaceSettings
from camp.models.carnet.settings import CarNetSettings
from camp.training.folder import MODEL_FILE
from camp.training.train import train
from tests.training.small_training import clusters, interrupted_in, metrics, settings

# CAMP is tried in test_training.py.
MODELS = {
    "cace": CaceSettings(
        cutoff=4.0,
        embedding=2,
        raw_radial_functions=2,
        radial_functions=2,
        max_l=1,
        max_nu=2,
        memory=True,
        message_ar=True,
        message_hidden=[],
        readout_hidden=[3],
    ),
    "carnet": CarNetSettings(
        cutoff=4.0, channels=2, max_rank=1, layers=2, radial_hidden=[3], readout_hidden=[3]
    ),
}


def trained(model, out, **options):
    job = settings(max_epochs=3, ema_start=2).model_copy(update={"model": model})
    return train(job, clusters(4), clusters(2, seed=9), seeds=[1], out=out, **options)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_resumed_training_equals_the_uninterrupted_one(model, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    trained(model, whole)
    with interrupted_in(1):
        trained(model, parts)
    trained(model, parts, resume=True)
    assert metrics(parts) == metrics(whole)
    ours, theirs = (camp.load(folder / MODEL_FILE).state_dict() for folder in (parts, whole))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)
