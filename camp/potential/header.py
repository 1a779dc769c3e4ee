"""The header of a saved model: everything but its parameters, as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from camp.models.description import Description, Normalisation
from camp.settings.architectures import find_architecture
from camp.settings.layers import Layer, Layers
from camp.settings.saved import SavedModel
from camp.targets import ENERGY, Target

# These two stand beside the hyperparameters.
_OUTSIDE = ("architecture", "cutoff")


def to_header(description: Description) -> dict[str, Any]:
    """The header of a potential, as it will be read."""
    settings, scale = description.settings, description.energy_scale
    header = {
        "architecture": settings.architecture,
        "hyperparameters": settings.model_dump(exclude=set(_OUTSIDE)),
        "species": description.species,
        "cutoff": settings.cutoff,
        "targets": [asdict(target) for target in description.targets],
        "energy_scale": scale[0] if len(scale) == 1 else scale,
        "energy_shift": list(description.energy_shift),
        "normalisation": {
            name: {
                "scale": {str(rank): value for rank, value in of_target.scale.items()},
                "shift": list(of_target.shift),
            }
            for name, of_target in description.normalisation.items()
        },
        "origin": dict(description.origin),
    }
    return json.loads(json.dumps(header))


def from_header(
    path: Path, header: Mapping[str, Any], parameters: Mapping[str, Tensor]
) -> Description:
    """The description in a header of this or an earlier format.

    :raises InputError: naming the file and the key that no model has.
    """
    said = Layers(
        [Layer(str(path), {k: header[k] for k in SavedModel.model_fields if k in header})]
    )
    saved = said.validate(SavedModel)
    species = tuple(saved.species)
    if list(species) != sorted(species):
        raise said.error(["species"], "is not ascending")
    numbers: dict[str, tuple[float, ...]] = {}
    for key in ("energy_scale", "energy_shift"):
        value = getattr(saved, key)
        numbers[key] = tuple(value) if isinstance(value, list) else (value,)
        if len(numbers[key]) not in (1, len(species)):
            raise said.error([key], f"has {len(numbers[key])} numbers, not one for each species")
    hyperparameters = {**saved.hyperparameters, "cutoff": saved.cutoff}
    settings = find_architecture(saved.architecture).settings
    return Description(
        settings=_parsed(said, "hyperparameters", settings, hyperparameters),
        species=species,
        parameters=parameters,
        targets=_parsed(said, "targets", tuple[Target, ...], saved.targets or (ENERGY,)),
        energy_scale=numbers["energy_scale"],
        energy_shift=numbers["energy_shift"],
        normalisation=_parsed(said, "normalisation", dict[str, Normalisation], saved.normalisation),
        origin=saved.origin,
    )


def _parsed(said: Layers, key: str, kind: Any, content: Any) -> Any:
    """One part of a header as what it is.

    :raises InputError: naming the key that is wrong.
    """
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise said.error([key, *first["loc"]], first["msg"]) from None
