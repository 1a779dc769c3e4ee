"""The hyperparameters of CACE."""

from math import sqrt
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from camp.settings.base import ModelSettings

CutoffFunction = Literal["polynomial", "cosine", "mollifier"]
Widths = Annotated[list[Annotated[int, Field(ge=1, le=4096)]], Field(max_length=10)]


class CaceSettings(ModelSettings):
    """Defaults are those of the paper's water model, but for its conventions that a new model has
    no use for.
    """

    architecture: Literal["cace"] = "cace"
    embedding: int = Field(
        3,
        ge=1,
        le=64,
        description="K, width of a species' embedding; an edge has K² channels",
    )
    shared_embedding: bool = Field(
        False, description="whether sender and receiver of an edge have the same embedding"
    )
    raw_radial_functions: int = Field(
        6, ge=1, le=64, description="spherical Bessel functions of the distance"
    )
    radial_trainable: bool = Field(
        True, description="whether the frequencies of the Bessel functions are trained"
    )
    radial_functions: int = Field(
        12, ge=1, le=256, description="their mixtures, in which an atom's environment is expanded"
    )
    cutoff_function: CutoffFunction = Field(
        "polynomial",
        description="what takes an edge to zero at the cutoff: a polynomial with two derivatives, "
        "½(cos πx + 1) with one, or exp(1 − 1/(1 − x²)) with all",
    )
    cutoff_order: int = Field(6, ge=1, le=20, description="p of the polynomial")
    max_l: int = Field(3, ge=0, le=6, description="largest degree of the angular monomials")
    max_nu: int = Field(3, ge=1, le=4, description="largest number of factors in a feature B")
    triples_of_pairs: bool = Field(
        False,
        description="whether features of three factors are those of the oldest published weights",
    )
    message_passes: int = Field(1, ge=0, le=10, description="T, rounds of message passing")
    memory: bool = Field(False, description="M: whether an atom keeps its own A")
    message_ar: bool = Field(False, description="Ar: whether A of the neighbours is sent")
    message_bchi: bool = Field(True, description="Bχ: whether B of the neighbours is sent")
    shared_channels: bool = Field(
        False, description="whether all channels of a Bχ message have the same factor"
    )
    shared_degrees: bool = Field(
        False, description="whether all degrees of a Bχ message have the same factor"
    )
    message_hidden: Widths = Field(
        [], description="widths of the hidden layers of the network from B to those factors"
    )
    message_norm: float | None = Field(
        None,
        gt=0,
        description="factor of the messages of neighbours; null: 1/√(average_neighbours)",
    )
    average_neighbours: float = Field(1.0, gt=0, description="mean number of neighbours")
    readout_hidden: Widths = Field(
        [32, 16], description="widths of the hidden layers of the readout"
    )
    readout_linear: bool = Field(
        True, description="whether a linear layer beside them is added to the readout"
    )
    direction_epsilon: float = Field(
        0.0,
        ge=0,
        description="Å, added to the distance by which an edge vector is divided; "
        "1e-9 in the published weights",
    )

    @model_validator(mode="after")
    def _has_messages(self) -> Self:
        if self.message_passes and not (self.memory or self.message_ar or self.message_bchi):
            raise PydanticCustomError(
                "wrong_value", "message_passes needs memory, message_ar or message_bchi"
            )
        return self

    @property
    def smooth_at_cutoff(self) -> bool:
        return self.cutoff_function != "cosine"

    @property
    def channels(self) -> int:
        """C = K², edge channels: the pairs of components of sender's and receiver's embedding."""
        return self.embedding**2

    @property
    def norm(self) -> float:
        """g of the messages of neighbours."""
        return self.message_norm or 1.0 / sqrt(self.average_neighbours)

    def fitted(self, *, average_neighbours: float) -> Self:
        return self.model_copy(update={"average_neighbours": average_neighbours})
