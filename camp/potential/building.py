"""Potentials built from what a file says, checked before memory is taken for them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from camp.errors import InputError
from camp.models import create_model
from camp.potential.potential import Potential
from camp.settings.layers import Layer, Layers
from camp.settings.schema import SAVED_MODEL


def check_description(path: Path, description: Mapping[str, Any]) -> None:
    """Refuse a description that no model has: the arguments of :class:`Potential` by name.

    :raises InputError: naming the file and the key.
    """
    said = Layers([Layer(str(path), dict(description))])
    said.validate(SAVED_MODEL)
    if list(said.content["species"]) != sorted(said.content["species"]):
        raise said.error(["species"], "is not ascending")
    shifts = said.content.get("energy_shift", [0.0])
    if len(shifts) not in (1, len(said.content["species"])):
        raise said.error(["energy_shift"], f"has {len(shifts)} numbers, not one for each species")


def build(
    path: Path, description: Mapping[str, Any], parameters: Mapping[str, Tensor]
) -> Potential:
    """A potential with the parameters of a file, in their precision.

    :param description: see :func:`check_description`.
    :param parameters: the state of its model; they tell how large a model may be.
    :raises InputError: naming the file and the first thing that does not fit or is no number.
    """
    check_description(path, description)
    # On this device tensors have shapes only.
    with torch.device("meta"):
        expected = create_model(
            description["architecture"],
            species=len(description["species"]),
            cutoff=description["cutoff"],
            **description["hyperparameters"],
        ).state_dict()
    if unknown := sorted(set(parameters) - set(expected)):
        raise InputError(f"{path}: {unknown[0]!r} is no parameter of the model that it describes")
    for name, tensor in expected.items():
        if name not in parameters:
            raise InputError(f"{path}: not a whole model: no values for {name}")
        given = parameters[name]
        if given.shape != tensor.shape:
            raise InputError(
                f"{path}: {name} has shape {tuple(given.shape)}, but the file's own settings "
                f"need {tuple(tensor.shape)}"
            )
        if given.dtype not in (torch.float32, torch.float64) or not given.isfinite().all():
            raise InputError(
                f"{path}: {name} holds something else than usable numbers; get or make "
                "the file anew"
            )
    potential = Potential(**description)
    potential.model.to(next(iter(parameters.values())).dtype)
    potential.model.load_state_dict(parameters)
    return potential
