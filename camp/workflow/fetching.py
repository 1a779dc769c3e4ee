"""The public files of a scale: which they are, and which of them it can do without.

Files are fetched by item, such as ``data-water`` or ``reference-neutron``. Those that a scale can
do without have a record of what could be had; the others are outputs like any other.
"""

from collections.abc import Iterable

from camp.data.sources import find
from camp.settings import Scale

# The same for every scale.
FOLDER = "cache/public"


def data_item(dataset: str) -> str:
    return f"data-{dataset}"


def left_out_item(dataset: str) -> str:
    """Of files whose frames a dataset leaves out."""
    return f"without-{dataset}"


def data_items(dataset: str) -> tuple[str, str]:
    """All without which a dataset cannot be made: with frames that it must not have, it is another
    one.
    """
    return data_item(dataset), left_out_item(dataset)


def weights_item(task: str, architecture: str) -> str:
    return f"weights-{task}-{architecture}"


def start_item(simulation: str) -> str:
    return f"start-{simulation}"


def reference_item(reference: str) -> str:
    return f"reference-{reference}"


def items(scale: Scale) -> dict[str, list[str]]:
    """Names in the registry of public files, by item."""
    datasets = scale.datasets.items()
    found = {data_item(name): data.fetch for name, data in datasets if data.fetch}
    found |= {left_out_item(name): data.without for name, data in datasets if data.without}
    if scale.weights == "published":
        found |= {
            weights_item(name, architecture): [model.checkpoint]
            for name, task in scale.tasks.items()
            for architecture, model in task.models.items()
            if model.checkpoint
        }
    starts = {start_item(name): one.start for name, one in scale.simulations.items()}
    references = {reference_item(name): one for name, one in scale.references.items()}
    single = {**starts, **references}
    return found | {item: [source.fetch] for item, source in single.items() if source.fetch}


def is_optional(scale: Scale, item: str) -> bool:
    """Whether a scale does without: published weights and references that cannot be had are left
    out, a training needs its data.
    """
    return scale.weights == "published" or item.startswith(reference_item(""))


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
