"""Runs: the models of a task, one for each architecture and seed or published file."""

import re
from dataclasses import dataclass
from typing import Literal

from camp.errors import InputError

Weights = Literal["own", "published"]


@dataclass(frozen=True)
class Run:
    """One model of a task, by whose name its files are called."""

    architecture: str
    weights: Weights
    seed: int | None = None  # None with published weights

    @property
    def name(self) -> str:
        """Such as ``camp-seed-1`` or ``cace-published``."""
        end = "published" if self.weights == "published" else f"seed-{self.seed}"
        return f"{self.architecture}-{end}"

    @classmethod
    def parse(cls, name: str) -> "Run":
        """The run of this name.

        :raises InputError: no run is called so.
        """
        found = re.fullmatch(r"(?P<architecture>.+)-(published|seed-(?P<seed>\d+))", name)
        if found is None:
            raise InputError(f"{name!r} is no run; write <architecture>-seed-<n> or …-published")
        if found["seed"] is None:
            return cls(found["architecture"], "published")
        return cls(found["architecture"], "own", int(found["seed"]))
