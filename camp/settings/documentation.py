"""The tables of keys in config/README.md, made from the settings themselves.

``python -m camp.settings.documentation`` writes them anew.
"""

import json
import re
from pathlib import Path

from pydantic import BaseModel

from camp.files import write_text
from camp.settings import commands, scale, sections, simulation, training
from camp.settings.architectures import architectures
from camp.settings.base import FITTED
from camp.settings.words import Json, expected

README = Path(__file__).resolve().parents[2] / "config" / "README.md"
# <!-- keys of NAME -->, what is made here, <!-- end -->
PLACE = re.compile(r"(<!-- keys of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
MODELS = "models"


def with_tables(text: str) -> str:
    """A text with the tables of the sections, or for ``models`` of all architectures, that it
    names.
    """
    return PLACE.sub(lambda place: f"{place[1]}{_between(place[2])}{place[3]}", text)


def _between(name: str) -> str:
    if name == MODELS:
        return "".join(
            f"\n#### `{record.name}`, {record.label}\n\n{table(record.settings)}\n"
            for record in architectures().values()
        )
    places = [vars(module) for module in (sections, training, simulation, scale, commands)]
    return table(next(place[name] for place in places if name in place))


def table(section: type[BaseModel]) -> str:
    """The keys of a section that users give, in Markdown."""
    schema = section.model_json_schema()
    rows = [("key", "value", "default", "meaning"), ("---",) * 4]
    fields = {one.alias or name: one for name, one in section.model_fields.items()}
    for key, field in schema["properties"].items():
        if key not in FITTED:
            if fields[key].default_factory:
                field["default"] = fields[key].get_default(call_default_factory=True)
            default = "required" if key in schema.get("required", []) else _default(field)
            value = expected(field).removesuffix(", or null").removeprefix("a ")
            rows.append((f"`{key}`", value, default, field.get("description", "")))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _default(field: Json) -> str:
    """As YAML; nothing for a section, which has a table of its own, and for an empty text."""
    value = field.get("default", "")
    return "" if value == "" or isinstance(value, dict) else json.dumps(value).replace('"', "")


if __name__ == "__main__":
    write_text(README, with_tables(README.read_text(encoding="utf-8")))
