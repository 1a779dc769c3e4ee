"""The architectures: all that the rest of the package may ask about a model, one record for each.

A folder of :mod:`camp.models` holds one, as ``ARCHITECTURE``; packages outside register theirs by
the entry point ``camp.architectures``. Nothing here imports torch.
"""

import pkgutil
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from camp.errors import InputError
from camp.settings.base import ModelSettings

MODELS = "camp.models"
GROUP = "camp.architectures"


@dataclass(frozen=True)
class Architecture:
    """One kind of model. Places such as ``"camp.models.camp.network:Camp"`` are imported on use."""

    name: str
    label: str  # as shown to people
    settings: type[ModelSettings]
    # The network: (settings, species: atomic numbers ascending, targets: names) → torch module
    # that maps camp.graph.edges.Edges → values of atoms by the name of their target.
    network: str
    targets: frozenset[str] = frozenset({"energy"})  # what it can predict; "*" for any tensor
    # Readers of foreign files: path → camp.potential.building.Found, or None for "not mine".
    published: tuple[str, ...] = ()
    # The trained network → the same, accelerated.
    runtime: str | None = None
    # (trained network, dtype) → camp.runtime.exported.Exported, for programs such as LAMMPS.
    exported: str | None = None
    default: bool = False  # taken where a file names none

    def resolve(self, place: str) -> Any:
        """What stands at one of the record's places."""
        module, _, name = place.partition(":")
        return getattr(import_module(module), name)

    def code(self, *, reading: bool = False, accelerated: bool = False) -> tuple[str, ...]:
        """Names of the modules in which its code begins, see :mod:`camp.identity`.

        :param reading: with those that read foreign files.
        :param accelerated: with those that run it faster.
        """
        places = [self.network]
        places += self.published if reading else ()
        places += [self.runtime] if accelerated and self.runtime else []
        return (self.settings.__module__, *(place.partition(":")[0] for place in places))


@cache
def architectures() -> dict[str, Architecture]:
    """All architectures by name: those of this package and those that others have registered."""
    package = import_module(MODELS)
    found = [
        import_module(f"{MODELS}.{module.name}").ARCHITECTURE
        for module in pkgutil.iter_modules(package.__path__)
        if module.ispkg
    ]
    found += [entry.load() for entry in entry_points(group=GROUP)]
    return {record.name: record for record in sorted(found, key=lambda record: record.name)}


def code_of(name: str, *, reading: bool = False, accelerated: bool = False) -> tuple[str, ...]:
    """:meth:`Architecture.code` of the architecture of this name; nothing where there is none."""
    record = architectures().get(name)
    return record.code(reading=reading, accelerated=accelerated) if record else ()


def default_architecture() -> str:
    """The name of the architecture of a file that names none."""
    return next(record.name for record in architectures().values() if record.default)


def find_architecture(name: str) -> Architecture:
    """The architecture of this name.

    :raises InputError: there is none.
    """
    known = architectures()
    if name not in known:
        raise InputError(f"{name!r} is no architecture; known are: {', '.join(known)}")
    return known[name]
