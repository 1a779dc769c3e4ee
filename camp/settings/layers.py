"""Reading YAML, laying settings over each other, and saying what is wrong with them and where."""

import copy
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from camp.errors import InputError, reason
from camp.settings.words import MISSING_KEY, UNKNOWN_KEY, WRONG_VALUE, Json, Keys

Section = TypeVar("Section", bound=BaseModel)

# Keys and values that a file may have, counted wherever an alias repeats them.
MOST_VALUES = 100_000


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
        raise InputError(f"{path}: must hold keys with values, as in 'key: value'")
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

    def error(self, keys: Keys, complaint: str) -> InputError:
        """The exception for these keys; names the place that set them."""
        # Keys may hold line breaks.
        text = " ".join(f"{_dotted(keys)} {complaint}".split())
        return InputError(f"{self._source(keys)}: {text}")

    def _source(self, keys: Keys) -> str:
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

    def validate(self, kind: type[Section], at: Keys = ()) -> Section:
        """The settings under the keys ``at``.

        :raises InputError: the first thing wrong, misspelt keys before wrong values.
        """
        content: Any = self.content
        for key in at:
            content = content[key]
        try:
            return kind.model_validate(content)
        except ValidationError as error:
            raise self._first(error, at) from None

    def check(self, kind: type[BaseModel]) -> None:
        """Refuse what is wrong, but not what is missing.

        :raises InputError: as :meth:`validate`.
        """
        try:
            kind.model_validate(self.content)
        except ValidationError as error:
            if any(line["type"] != MISSING_KEY for line in error.errors()):
                raise self._first(error) from None

    def _first(self, error: ValidationError, at: Keys = ()) -> InputError:
        """The first thing wrong: misspelt keys, then wrong values, then missing keys."""
        kinds = (UNKNOWN_KEY, WRONG_VALUE, MISSING_KEY)
        wrong = min(
            error.errors(include_url=False),
            key=lambda e: (kinds.index(e["type"]), [str(key) for key in e["loc"]]),
        )
        keys = [*at, *wrong["loc"]]
        if wrong["type"] == MISSING_KEY:
            *keys, missing = keys
            return self.error(keys, f"{'lacks' if keys else 'lacking is'} the key '{missing}'")
        return self.error(keys, wrong["msg"])


def _dotted(keys: Keys) -> str:
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.removeprefix(".")
