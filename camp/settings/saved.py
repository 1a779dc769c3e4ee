"""What the header of a saved model says of it."""

from typing import Annotated, Any

from pydantic import Field

from camp.settings.base import Different, Settings
from camp.settings.model import ArchitectureName

# A single number in formats 1 and 2.
Numbers = float | Annotated[list[float], Field(min_length=1)]


class SavedModel(Settings):
    """Units are eV and Å."""

    architecture: ArchitectureName
    hyperparameters: dict[str, Any]  # of its settings all but these two
    cutoff: float = Field(gt=0, le=20)
    species: Annotated[list[Annotated[int, Field(ge=1, le=118)]], Field(min_length=1), Different]
    targets: Annotated[list[dict[str, Any]], Field(min_length=1)] | None = None  # None: energy
    energy_scale: Numbers = 1.0
    energy_shift: Numbers = 0.0
    normalisation: dict[str, Any] = Field({})
    origin: dict[str, Any] = Field({})
