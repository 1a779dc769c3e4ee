"""The hyperparameters of CAMP."""

from typing import Annotated, Literal, Self

from pydantic import Field

from camp.settings.base import ModelSettings

Widths = Annotated[list[Annotated[int, Field(ge=1, le=4096)]], Field(max_length=10)]


class CampSettings(ModelSettings):
    """Defaults are what the paper uses most (Methods; README of the published weights)."""

    architecture: Literal["camp"] = "camp"
    channels: int = Field(
        33, ge=1, le=1024, description="n_u; the paper's u counts from zero, so its u = 32 is 33"
    )
    max_rank: int = Field(3, ge=0, le=4, description="v_max, the largest rank of any tensor")
    layers: int = Field(3, ge=1, le=10, description="T, rounds of message passing")
    chebyshev_degree: int = Field(8, ge=1, le=30, description="N_β of Eq. 2")
    radial_hidden: Widths | None = Field(
        None, description="widths of the hidden layers of the radial MLPs; null: channels − 1"
    )
    readout_hidden: Widths | None = Field(
        None,
        description="widths of the hidden layers of the last layer's readout; null: channels − 1",
    )
    envelope_on: Literal["radial", "basis"] = Field(
        "radial",
        description="what the cutoff function multiplies: the radial functions, so that every "
        "edge vanishes at the cutoff with two derivatives, or, as in the published weights, the "
        "basis of Eq. 2 before the MLP, whose biases leave a step in the energy at the cutoff",
    )
    average_neighbours: float = Field(
        1.0, gt=0, description="mean number of neighbours; its root divides the moments"
    )

    @property
    def smooth_at_cutoff(self) -> bool:
        return self.envelope_on == "radial"

    def fitted(self, *, average_neighbours: float) -> Self:
        return self.model_copy(update={"average_neighbours": average_neighbours})
