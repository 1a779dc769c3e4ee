"""The base of all settings: frozen, typed, and strict about what a file says."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """One section of a settings file. Unknown keys and values of another type are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ModelSettings(Settings):
    """Hyperparameters of a model; every architecture has its own, see its folder in camp/models.

    The descriptions of the fields are what users read about them.
    """

    architecture: str = Field(description="name of the architecture")
    cutoff: float = Field(default=5.0, gt=0, le=20, description="cutoff radius in Å")

    @property
    def smooth_at_cutoff(self) -> bool:
        """Whether the energy is smooth where a pair of atoms crosses the cutoff."""
        return True

    def fitted(self, *, average_neighbours: float) -> Self:
        """The same settings with what follows from the training set.

        :param average_neighbours: neighbours of an atom within the cutoff, mean over the atoms.
        """
        return self
