"""Reading YAML, laying settings over each other, and saying what is wrong with them and where."""

import copy
import difflib
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from camp.errors import InputError, reason
from camp.settings.schema import Json

# Keys and values that a file may have, counted wherever an alias repeats them.
MOST_VALUES = 100_000
# Larger ones do not fit into what computes with them.
LARGEST_WHOLE, LARGEST_NUMBER = 2**63 - 1, 1e30

# Strict: true is no number, 2.0 is no whole number, and .nan and .inf are no numbers at all.
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: (
                isinstance(value, int)
                and not isinstance(value, bool)
                and abs(value) <= LARGEST_WHOLE
            ),
            "number": lambda _, value: (
                isinstance(value, int | float)
                and not isinstance(value, bool)
                and abs(value) <= LARGEST_NUMBER
            ),
        }
    ),
)


class _Loader(yaml.SafeLoader):
    """YAML in which a key given twice is an error, not a silent choice, as is a file whose aliases
    multiply to more than any settings have.
    """

    def get_single_node(self) -> yaml.Node | None:
        root = super().get_single_node()
        if root is not None and not _is_bounded(root):
            raise yaml.constructor.ConstructorError(
                None, None, f"more than {MOST_VALUES:,} values", root.start_mark
            )
        return root

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode):
                complaint = "a key is no text"
            elif key in seen:
                complaint = f"the key {key!r} is given twice"
            else:
                seen.add(key)
                continue
            raise yaml.constructor.ConstructorError(None, None, complaint, key_node.start_mark)
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
    # What a value says to be, such as a date, makes the library fail in any way.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not valid YAML: {reason(error)}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold keys with values, such as 'scale: quick'")
    return content


def _is_bounded(root: yaml.Node) -> bool:
    """Whether the values under a node, aliases written out, are not too many."""
    waiting, count = [root], 0
    while waiting and count <= MOST_VALUES:
        node = waiting.pop()
        count += 1
        if isinstance(node, yaml.MappingNode):
            waiting += [child for pair in node.value for child in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
    return count <= MOST_VALUES


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
        # Keys may hold line breaks.
        text = " ".join(f"{_dotted(keys)} {complaint}".split())
        return InputError(f"{self._source(keys)}: {text}")

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
