"""The public files of a scale: which they are, and which of them it can do without.

Files are fetched by item, such as ``data-water`` or ``reference-neutron``. Those that a scale can
do without have a record of what could be had; the others are outputs like any other.
"""

from collections.abc import Iterable

from camp.data.sources import find
from camp.settings import Scale

# The same for every scale.
FOLDER = "cache/public"


def items(scale: Scale) -> dict[str, list[str]]:
    """Names in the registry of public files, by item: data-<dataset>, weights-<task>,
    start-<simulation> and reference-<name>.
    """
    starts = {name: one["start"] for name, one in scale.simulations.items()}
    return {
        **{f"data-{n}": d["fetch"] for n, d in scale.datasets.items() if "fetch" in d},
        **{f"weights-{n}": [t["checkpoint"]] for n, t in scale.tasks.items() if "checkpoint" in t},
        **{f"start-{n}": [start["fetch"]] for n, start in starts.items() if "fetch" in start},
        **{f"reference-{n}": [r["fetch"]] for n, r in scale.references.items() if "fetch" in r},
    }


def is_optional(scale: Scale, item: str) -> bool:
    """Whether a scale does without: published weights and references that cannot be had are left
    out, a training needs its data.
    """
    return scale.weights == "published" or item.startswith("reference-")


def optional_items(scale: Scale) -> list[str]:
    """Those of which there is a record."""
    return [item for item in items(scale) if is_optional(scale, item)]


def files_of(names: Iterable[str]) -> list[str]:
    """Where public files of these names lie once they are fetched."""
    return [f"{FOLDER}/{find(name).file_name}" for name in names]


def folder_of(path: str, file: str) -> str:
    """The folder into which a file is fetched whose name holds folders of its own."""
    return path.removesuffix(f"/{file}")


def names_by_file(scale: Scale) -> dict[str, str]:
    """The names of all public files of a scale by where they lie in :data:`FOLDER`."""
    names = [name for wanted in items(scale).values() for name in wanted]
    return {find(name).file_name: name for name in names}


def content_of(name: str) -> str:
    """By what a public file is verified: it changes when another content is expected."""
    source = find(name)
    return source.git_blob_sha1 or source.sha256 or source.url
