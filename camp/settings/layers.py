"""Reading YAML, laying settings over each other, and saying what is wrong with them and where."""

import copy
import difflib
import math
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from camp.errors import InputError
from camp.settings.schema import Json

# Strict: true is no number, 2.0 is no whole number, and .nan and .inf are no numbers at all.
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
            "number": lambda _, value: (
                isinstance(value, int | float)
                and not isinstance(value, bool)
                and math.isfinite(value)
            ),
        }
    ),
)


class _Loader(yaml.SafeLoader):
    """YAML in which a key given twice is an error, not a silent choice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key_node.value!r} is given twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: str | Path) -> Json:
    """The mapping in a YAML file.

    :raises InputError: no such file, not YAML, a key given twice, or not a mapping.
    """
    path = Path(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8") from None
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{path}{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold keys with values, such as 'scale: quick'")
    return content


def merge(base: Any, extra: Any) -> Any:
    """``extra`` over ``base``: mappings key by key, anything else replaced; neither is changed."""
    if isinstance(base, Mapping) and isinstance(extra, Mapping):
        both = {key: merge(base[key], extra[key]) for key in base if key in extra}
        return {**copy.deepcopy(dict(base)), **copy.deepcopy(dict(extra)), **both}
    return copy.deepcopy(extra)


@dataclass(frozen=True)
class Layer:
    source: str  # as shown in messages
    content: Json


class Layers:
    """Settings from several places, of which the later ones win; remembers who said what."""

    def __init__(self, layers: Sequence[Layer]):
        self.layers = layers
        self.content: Json = {}
        for layer in layers:
            self.content = merge(self.content, layer.content)

    def error(self, keys: Sequence[str | int], complaint: str) -> InputError:
        """The exception for these keys; names the place that set them."""
        return InputError(f"{self._source(keys)}: {_dotted(keys)} {complaint}".replace(":  ", ": "))

    def _source(self, keys: Sequence[str | int]) -> str:
        def depth(content: Any) -> int:
            count = 0
            for key in keys:
                try:
                    content = content[key]
                except (KeyError, IndexError, TypeError):
                    break
                count += 1
            return count

        return max(reversed(self.layers), key=lambda layer: depth(layer.content)).source

    def validate(self, schema: Json) -> None:
        """:raises InputError: the first thing wrong, misspelt keys before wrong values."""
        errors = sorted(
            _Validator(schema).iter_errors(self.content),
            key=lambda e: (
                e.validator != "additionalProperties",
                [str(k) for k in e.absolute_path],
            ),
        )
        if errors:
            raise self.error(*_complaint(errors[0]))


def _dotted(keys: Sequence[str | int]) -> str:
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.removeprefix(".")


def _complaint(error: jsonschema.ValidationError) -> tuple[list[str | int], str]:
    """The keys concerned and what is wrong with them."""
    keys, value = list(error.absolute_path), error.instance
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        wrong = next(key for key in value if key not in known)
        return [*keys, str(wrong)], f"is not a known key{suggestion(str(wrong), known)}"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in value)
        return keys, f"{'lacks' if keys else 'lacking is'} the key '{missing}'"
    if error.validator == "uniqueItems":
        twice = next(item for item in value if value.count(item) > 1)
        return keys, f"holds {twice!r} more than once"
    if "propertyNames" in error.absolute_schema_path:
        return [*keys, str(value)], f"is not a possible name; it must be {error.schema['expected']}"
    hint = ""
    if isinstance(value, str) and "number" in error.schema["expected"]:
        with suppress(ValueError):
            number = int(value) if value.isdecimal() else float(value)
            hint = f" (YAML reads this as text: write {number!r})"
    return keys, f"is {_shown(value)}; it must be {error.schema['expected']}{hint}"


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def suggestion(wrong: str, known: Sequence[str]) -> str:
    """End of a message about a misspelt name: the likely one, or all."""
    close = difflib.get_close_matches(wrong, known, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known are: {', '.join(sorted(known))}"
