"""What is wrong with settings, in words: pydantic's errors as lines that say what must be there."""

import difflib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

Json = dict[str, Any]
Keys = Sequence[str | int]
# Kinds of errors: two in words of this module, and two of pydantic's.
UNKNOWN_KEY, WRONG_VALUE, MISSING_KEY, TOO_LARGE = (
    "unknown_key",
    "wrong_value",
    "missing",
    "finite_number",
)
# Those that say by themselves what is wrong, in validators of other people.
SAID = ("value_error", "assertion_error")
KINDS = get_args(ErrorType)
LONGEST_VALUE = 60


def refused(
    said: str, *keys: str | int, kind: str = WRONG_VALUE, value: Any = None
) -> ValidationError:
    """A failed validation, for what a section says of the value under these keys of it."""
    return ValidationError.from_exception_data("settings", [_line(kind, keys, value, said)])


def _line(kind: str, keys: Keys, value: Any, said: str) -> InitErrorDetails:
    custom = PydanticCustomError(kind, "{said}", {"said": said})  # type: ignore[arg-type]
    return InitErrorDetails(type=kind if kind in KINDS else custom, loc=tuple(keys), input=value)


def in_words(model: type[BaseModel], error: ValidationError) -> ValidationError:
    """The same errors, of the kinds above. What stands in a section of its own is so already."""
    lines = []
    for line in error.errors(include_url=False):
        keys, kind, said = line["loc"], line["type"], line["msg"]
        if kind in SAID:
            kind, said = WRONG_VALUE, str(line["ctx"]["error"])
        elif kind in KINDS and kind != MISSING_KEY:
            keys, kind, said = _in_words(model.model_json_schema(), keys, kind, line["input"])
        keys = tuple(key for key in keys if key != "[key]")
        kind = kind if kind in (UNKNOWN_KEY, MISSING_KEY) else WRONG_VALUE
        lines.append(_line(kind, keys, line["input"], said))
    return ValidationError.from_exception_data(model.__name__, lines)


def _in_words(schema: Json, keys: Keys, kind: str, value: Any) -> tuple[tuple, str, str]:
    """The keys concerned, the kind of error, and what is said of it."""
    if kind in ("extra_forbidden", "invalid_key"):
        return _unknown(keys, schema["properties"], _sections_with(str(keys[-1]), schema))
    if keys and keys[-1] == "[key]":
        _, names = _find(schema, keys[:-2])
        admitted = names.get("propertyNames", {"type": "string"})
        if "enum" in admitted:
            return _unknown(keys[:-1], admitted["enum"])
        said = f"is not a possible name; it must be {expected(admitted)}"
        return (*keys[:-2], str(keys[-2])), WRONG_VALUE, said
    keys, admitted = _find(schema, keys)
    return tuple(keys), WRONG_VALUE, wrong(value, expected(admitted))


def _unknown(
    keys: Keys, known: Sequence[str], sections: Sequence[str] = ()
) -> tuple[tuple, str, str]:
    """What is said of a key, with the sections that know it, if any do."""
    wrong = str(keys[-1])
    hint = "; it belongs under " + " or ".join(map(repr, sections)) if sections else ""
    hint = hint or suggestion(wrong, [*known])
    return (*keys[:-1], wrong), UNKNOWN_KEY, f"is not a known key{hint}"


def _sections_with(key: str, schema: Json) -> list[str]:
    """The sections right inside a schema that have a key."""
    kinds = schema.get("$defs", {})
    return [
        name
        for name, one in schema["properties"].items()
        if key in kinds.get(one.get("$ref", "").rpartition("/")[2], one).get("properties", {})
    ]


def _find(schema: Json, keys: Keys) -> tuple[Keys, Json]:
    """The schema under these keys, or under as many of the first ones as are keys of a file."""
    for depth, key in enumerate(keys):
        found = filter(None, (_inside(one, key) for one in schema.get("anyOf", [schema])))
        inside = next(found, None)
        if inside is None:
            return keys[:depth], schema
        schema = inside
    return keys, schema


def _inside(schema: Json, key: str | int) -> Json | None:
    if isinstance(key, int):
        return schema.get("items")
    named = schema.get("properties", {}).get(key)
    anything = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
    return named or anything[0]


def expected(schema: Json) -> str:
    """What a schema admits, in words."""
    if "anyOf" in schema:
        return ", or ".join(map(expected, schema["anyOf"]))
    if "expected" in schema:
        return schema["expected"]
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    if "const" in schema:
        return repr(schema["const"])
    match schema.get("type"):
        case "integer":
            return "a whole number" + _whole_range(schema)
        case "number":
            return "a number" + _range(schema)
        case "array":
            return f"a list{_size(schema)}, each {expected(schema['items'])}"
        case "boolean":
            return "true or false"
        case "string":
            return "a text"
        case "null":
            return "null"
    return "keys with values"


def _whole_range(schema: Json) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if most is None:
        return "" if least is None else f" of at least {least}"
    return f" from {least} to {most}"


def _range(schema: Json) -> str:
    parts = [
        f"{words} {schema[key]:g}"
        for key, words in (
            ("exclusiveMinimum", "above"),
            ("minimum", "of at least"),
            ("maximum", "at most"),
        )
        if key in schema
    ]
    return " " + " and ".join(parts) if parts else ""


def _size(schema: Json) -> str:
    if "minItems" in schema:
        return f" of at least {schema['minItems']}"
    return f" of at most {schema['maxItems']}" if "maxItems" in schema else ""


def wrong(value: Any, must_be: str) -> str:
    """What is said of a wrong value."""
    hint = ""
    if isinstance(value, str) and "number" in must_be:
        with suppress(ValueError):
            number = int(value) if value.isdecimal() else float(value)
            hint = f" (YAML reads this as text: write {number!r})"
    return f"is {_shown(value)}; it must be {must_be}{hint}"


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def suggestion(wrong: str, known: Sequence[str]) -> str:
    """End of a message about a misspelt name: the likely one, or all."""
    close = difflib.get_close_matches(wrong, known, n=1, cutoff=0.7)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known are: {', '.join(sorted(known))}"
