"""The models: each maps species and edge vectors to the energy of every atom."""

from typing import Any

from torch import nn

from camp.models.camp import Camp

MODELS: dict[str, type[nn.Module]] = {"camp": Camp}


def create_model(name: str, **hyperparameters: Any) -> nn.Module:
    """The model of this name with fresh parameters.

    :raises KeyError: no such model.
    """
    return MODELS[name](**hyperparameters)


__all__ = ["MODELS", "create_model"]
