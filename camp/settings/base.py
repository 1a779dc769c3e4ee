"""The base of all settings: frozen, typed, and strict about what a file says."""

import csv
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.functional_validators import ModelWrapValidatorHandler

from camp.settings.words import TOO_LARGE, in_words, refused, suggestion

# Larger ones do not fit into what computes with them.
LARGEST_WHOLE, LARGEST_NUMBER = 2**63 - 1, 1e30


def text(expected: str, pattern: str = r"(?s).") -> Any:
    """A text with a pattern, and what messages call it."""
    return Field(pattern=pattern, json_schema_extra={"expected": expected})


def _different(values: list) -> list:
    for value in values:
        if values.count(value) > 1:
            raise refused(f"holds {value!r} more than once")
    return values


def _registered(name: str) -> str:
    known = registry_names()
    if name not in known:
        raise refused(f"is '{name}', no name in the registry{suggestion(name, known)}")
    return name


@cache
def registry_names() -> list[str]:
    """Names of all files that ``camp fetch`` knows."""
    table = resources.files("camp.data").joinpath("registry.csv").read_text(encoding="utf-8")
    return [row["name"] for row in csv.DictReader(table.splitlines())]


Different = AfterValidator(_different)  # of the items of a list
# A name becomes part of file names.
NAME = "a name of letters, digits, '.', '_' and '-'"
Name = Annotated[str, text(NAME, r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
File = Annotated[str, text("the name of a file")]
Folder = Annotated[str, text("a folder")]
Element = Annotated[str, text("the symbol of an element", r"^[A-Z][a-z]?$")]
PublicFile = Annotated[str, AfterValidator(_registered)]


class Settings(BaseModel):
    """One section of a settings file; the descriptions of its fields are what users read of them.

    Unknown keys and values of another type are refused, in words that say what must be there:
    true is no number, 2.0 is no whole number, and .nan and .inf are no numbers at all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_in_words(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            if isinstance(data, dict):
                known = {key: value for key, value in data.items() if key in cls.model_fields}
                for keys, value in _too_large(known):
                    raise refused("", *keys, kind=TOO_LARGE, value=value)
            return handler(data)
        except ValidationError as error:
            raise in_words(cls, error) from None


def _too_large(content: dict[str, Any]) -> Iterator[tuple[tuple, Any]]:
    """The numbers, alone or in a list or mapping, that are too large, with their keys."""
    for key, value in content.items():
        inside = value if isinstance(value, dict) else {}
        inside = dict(enumerate(value)) if isinstance(value, list) else inside
        for keys, number in [((key,), value), *(((key, one), v) for one, v in inside.items())]:
            largest = LARGEST_WHOLE if isinstance(number, int) else LARGEST_NUMBER
            if isinstance(number, int | float) and abs(number) > largest:
                yield keys, number


class ModelSettings(Settings):
    """Hyperparameters of a model; every architecture has its own, see its folder in camp/models."""

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


# The arguments of `ModelSettings.fitted`: fields with these names are no keys of users' files.
FITTED = ("average_neighbours",)
