"""The section ``model``: whose keys it has, its architecture says."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, SerializeAsAny

from camp.settings.architectures import architectures, default_architecture
from camp.settings.base import FITTED, ModelSettings
from camp.settings.words import UNKNOWN_KEY, refused, wrong


def choose(given: Any) -> Any:
    """The settings of the architecture that a section names.

    :raises pydantic.ValidationError: no such architecture, or not settings of it.
    """
    if not isinstance(given, dict):
        return given
    name = given.get("architecture", default_architecture())
    if name not in [*architectures()]:
        raise refused(_unknown(name), "architecture")
    return architectures()[name].settings.model_validate({**given, "architecture": name})


def _of_a_user(given: Any) -> Any:
    chosen = choose(given)
    if isinstance(given, dict):
        for key in FITTED:
            if key in given:
                said = "follows from the training set; leave it out"
                raise refused(said, key, kind=UNKNOWN_KEY)
    return chosen


def _unknown(name: Any) -> str:
    return wrong(name, f"one of {', '.join(architectures())}")


def _known(name: str) -> str:
    if name not in architectures():
        raise refused(_unknown(name))
    return name


class _KeysOfAll:
    """For messages: a section of this kind may have the keys of any architecture."""

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: Any, _handler: Any) -> dict[str, Any]:
        named = {key for one in architectures().values() for key in one.settings.model_fields}
        return {"type": "object", "properties": {key: {} for key in sorted(named - {*FITTED})}}


ArchitectureName = Annotated[str, AfterValidator(_known)]
# Settings of any architecture, as a user gives them.
Model = Annotated[SerializeAsAny[ModelSettings], BeforeValidator(_of_a_user), _KeysOfAll]
