"""What is wrong with settings, in words: pydantic's errors as lines that say what must be there."""

import difflib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Json = dict[str, Any]
Keys = Sequence[str | int]
# Kinds of errors that are in words, or need none.
UNKNOWN_KEY, WRONG_VALUE, MISSING_KEY = IN_WORDS = ("unknown_key", "wrong_value", "missing")
TOO_LARGE = "too_large"
LONGEST_VALUE = 60


def refused(
    said: str, *keys: str | int, kind: str = WRONG_VALUE, value: Any = None
) -> ValidationError:
    """A failed validation, for what a section says of the value under these keys of it."""
    line = InitErrorDetails(type=_error(kind, said), loc=keys, input=value)
    return ValidationError.from_exception_data("settings", [line])


def _error(kind: str, said: str) -> PydanticCustomError:
    return PydanticCustomError(kind, "{said}", {"said": said})  # type: ignore[arg-type]


def in_words(model: type[BaseModel], error: ValidationError) -> ValidationError:
    """The same errors, of the kinds above. What stands in a section of its own is so already."""
    lines = []
    for line in error.errors(include_url=False):
        keys, kind, said = line["loc"], line["type"], line["msg"]
        if kind in IN_WORDS:
            keys = tuple(key for key in keys if key != "[key]")
        else:
            keys, kind, said = _in_words(model.model_json_schema(), keys, kind, line["input"])
        told = kind if kind == MISSING_KEY else _error(kind, said)
        lines.append(InitErrorDetails(type=told, loc=keys, input=line["input"]))
    return ValidationError.from_exception_data(model.__name__, lines)


def _in_words(schema: Json, keys: Keys, kind: str, value: Any) -> tuple[tuple, str, str]:
    """The keys concerned, the kind of error, and what is said of it."""
    if kind in ("extra_forbidden", "invalid_key"):
        return _unknown(keys, schema["properties"])
    if keys and keys[-1] == "[key]":
        _, names = _find(schema, keys[:-2])
        admitted = names.get("propertyNames", {"type": "string"})
        if "enum" in admitted:
            return _unknown(keys[:-1], admitted["enum"])
        said = f"is not a possible name; it must be {expected(admitted)}"
        return (*keys[:-2], str(keys[-2])), WRONG_VALUE, said
    keys, admitted = _find(schema, keys)
    return tuple(keys), WRONG_VALUE, wrong(value, expected(admitted))


def _unknown(keys: Keys, known: Sequence[str]) -> tuple[tuple, str, str]:
    wrong = str(keys[-1])
    return (*keys[:-1], wrong), UNKNOWN_KEY, f"is not a known key{suggestion(wrong, [*known])}"


def _find(schema: Json, keys: Keys) -> tuple[Keys, Json]:
    """The schema under these keys, or under as many of the first ones as are keys of a file."""
    for depth, key in enumerate(keys):
        inside = next(filter(None, (_inside(one, key) for one in schema.get("anyOf", [schema]))), 0)
        if not inside:
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
    close = difflib.get_close_matches(wrong, known, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known are: {', '.join(sorted(known))}"
