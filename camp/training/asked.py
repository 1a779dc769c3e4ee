"""What a training was asked for, by which its own files are recognised, and how two differ."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from camp.identity import code_hash, identity

# Differences that a message names; more are counted.
MOST_NAMED = 3


@dataclass(frozen=True)
class Asked:
    """Settings, data and code of one training."""

    settings: Mapping[str, Any]  # as in JSON
    data: Sequence[str]  # hashes of the content of its training and validation sets
    code: Sequence[str]  # names of modules

    @cached_property
    def identity(self) -> str:
        """See :mod:`camp.identity`."""
        return identity(self.settings, inputs=self.data, code=self.code)

    def record(self) -> dict[str, Any]:
        """What files of the training keep."""
        return {**asdict(self), "code": code_hash(self.code)}

    def differences(self, record: object) -> str:
        """How a training of which a file has this record differs, in brackets, with a space before;
        empty where that is not known, as in files of earlier versions.
        """
        if not isinstance(record, Mapping):
            return ""
        ours = self.record()
        found = list(_changes(record.get("settings"), ours["settings"]))
        parts = ("training", "validation")
        theirs = record.get("data")
        if isinstance(theirs, list) and len(theirs) == len(parts):
            found += [
                f"other {part} structures"
                for part, one, other in zip(parts, theirs, self.data, strict=True)
                if one != other
            ]
        found += ["other code"] * (record.get("code") != ours["code"])
        more = [f"{len(found) - MOST_NAMED} more"] * (len(found) > MOST_NAMED)
        return f" ({', '.join(found[:MOST_NAMED] + more)})" if found else ""


def _changes(theirs: object, ours: object, key: str = "") -> Iterator[str]:
    """What stands under the same key with another value."""
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        for name in {**theirs, **ours}:
            yield from _changes(theirs.get(name), ours.get(name), f"{key}.{name}" if key else name)
    elif theirs != ours:
        yield f"{key} {theirs} there, {ours} here"
