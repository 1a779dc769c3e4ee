"""Potentials built from what a file says, checked before memory is taken for them."""

from pathlib import Path

import torch

from camp.errors import InputError
from camp.models.description import Description
from camp.potential.potential import Potential, create_network


def build(path: Path, description: Description) -> Potential:
    """A potential with the parameters of a file, in their precision.

    :param description: its parameters tell how large a model may be.
    :raises InputError: naming the file and the first thing that does not fit or is no number.
    """
    given = description
    # On this device tensors have shapes only.
    try:
        with torch.device("meta"):
            network = create_network(given.settings, given.species, given.targets)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    expected = network.state_dict()
    if unknown := sorted(set(given.parameters) - set(expected)):
        raise InputError(f"{path}: {unknown[0]!r} is no parameter of the model that it describes")
    for name, tensor in expected.items():
        if name not in given.parameters:
            raise InputError(f"{path}: not a whole model: no values for {name}")
        found = given.parameters[name]
        if found.shape != tensor.shape:
            raise InputError(
                f"{path}: {name} has shape {tuple(found.shape)}, but the file's own settings "
                f"need {tuple(tensor.shape)}"
            )
        if found.dtype not in (torch.float32, torch.float64) or not found.isfinite().all():
            raise InputError(
                f"{path}: {name} holds something else than usable numbers; get or make "
                "the file anew"
            )
    potential = Potential(
        given.settings,
        species=given.species,
        targets=given.targets,
        energy_scale=given.energy_scale,
        energy_shift=given.energy_shift,
        normalisation=given.normalisation,
        origin=given.origin,
    )
    potential.model.to(next(iter(given.parameters.values())).dtype)
    potential.model.load_state_dict(dict(given.parameters))
    return potential
