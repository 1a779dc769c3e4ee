"""The hyperparameters of CarNet."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from camp.settings.base import ModelSettings

Widths = Annotated[list[Annotated[int, Field(ge=1, le=4096)]], Field(max_length=10)]
PathMode = Literal["full", "lite", "camp", "level", "level2"]
MapKind = Literal["independent", "full", "factorized"]


class CarNetSettings(ModelSettings):
    """Defaults are those of a new model: smooth at the cutoff and symmetric under inversion. The
    original's conventions are options.
    """

    architecture: Literal["carnet"] = "carnet"
    channels: int = Field(32, ge=1, le=1024, description="F, channels of every feature")
    max_rank: int = Field(2, ge=0, le=6, description="L, the largest rank of any natural tensor")
    layers: int = Field(2, ge=1, le=10, description="T, rounds of message passing")
    max_degree: int = Field(
        3, ge=1, le=6, description="the most atomic moments multiplied into a hyper moment"
    )
    average_neighbours: float = Field(
        1.0, gt=0, description="mean number of neighbours; its root divides the moments"
    )
    radial_basis: Literal["bessel", "chebyshev"] = Field(
        "bessel", description="functions of the distance: spherical Bessel or Chebyshev"
    )
    radial_degree: int = Field(
        8, ge=1, le=64, description="number of Bessel functions, or highest Chebyshev polynomial"
    )
    radial_hidden: Widths | None = Field(
        None, description="widths of the hidden layers of the radial MLPs; null: two of channels"
    )
    readout_hidden: Widths | None = Field(
        None,
        description="widths of the hidden layers of readouts; null: two of channels",
    )
    cutoff_on: Literal["radial", "basis"] = Field(
        "radial",
        description="what the cutoff function multiplies: the radial functions, so that every "
        "edge vanishes at the cutoff with two derivatives, or, as in the original, the basis "
        "before the MLP, whose biases leave a step in the energy at the cutoff",
    )
    paths: PathMode = Field(
        "full",
        description="products (l1, l2) → l3: full: all; lite: l3 = |l1 − l2|; camp: l3 = l2 − l1; "
        "level: l1 + l2 ≤ level, or l3 = 0; level2: l1 + l2 + l3 ≤ level, or l3 = 0",
    )
    level: int | None = Field(
        None, ge=0, le=18, description="of the paths 'level' (null: max_rank) and 'level2'"
    )
    polar_only: bool = Field(
        True,
        description="whether products have even l1 + l2 + l3 only; with false, as in the original, "
        "polar and axial tensors are mixed, and energies change under inversion",
    )
    moment_map: MapKind = Field(
        "independent",
        description="mixing of the atomic moments' channels: independent of the species, full: a "
        "matrix for each, factorized: one matrix times a number for each",
    )
    residual: Literal["none", "plain", "independent", "full", "factorized"] = Field(
        "factorized",
        description="how a layer's input is added to its output: not, as it is, or with its "
        "channels mixed, see moment_map",
    )
    input_map: bool = Field(False, description="whether a layer mixes the channels of its input")
    message_map: bool = Field(False, description="whether a layer mixes the channels of messages")
    repulsion: Literal["none", "smooth", "published"] = Field(
        "smooth",
        description="ZBL repulsion of close atoms, for energies: none; smooth where two atoms "
        "touch; published: cut off there with a step, as in the original",
    )
    head_layers: Literal["all", "last"] = Field(
        "all", description="layers whose features the heads of tensor targets read"
    )
    head_norm: bool = Field(
        True, description="whether these heads normalise the last layer's features"
    )
    head_bias: bool = Field(
        True, description="whether these heads have a number for each species, added to rank 0"
    )
    axial_parts: Literal["products", "features"] = Field(
        "products",
        description="where parts of a target that are axial come from: products of polar features, "
        "or, as in the original, features of that rank, which are wrong under inversion",
    )

    @model_validator(mode="after")
    def _has_level(self) -> Self:
        if self.paths == "level2" and self.level is None:
            raise PydanticCustomError("wrong_value", "paths is 'level2', which needs a level")
        return self

    @property
    def smooth_at_cutoff(self) -> bool:
        return self.cutoff_on == "radial"

    def fitted(self, *, average_neighbours: float) -> Self:
        return self.model_copy(update={"average_neighbours": average_neighbours})
