"""Resources of jobs, as functions of their wildcards."""

from collections.abc import Callable
from typing import Any

from camp.settings import Scale

# The name of a wildcard and the entries of a scale that go by its value.
Of = Callable[[Any], int]


def task_resource(scale: Scale, name: str) -> Of:
    """For trainings and evaluations."""
    return lambda wildcards: scale.tasks[wildcards.task]["resources"][name]


def simulation_resource(scale: Scale, name: str) -> Of:
    return lambda wildcards: scale.simulations[wildcards.simulation]["resources"][name]


def growing(memory: int | Of) -> Callable[[Any, int], int]:
    """Memory in MB for each attempt: a job that had too little of it must not fail of the same
    again.
    """

    def of_attempt(wildcards: Any, attempt: int) -> int:
        return attempt * (memory if isinstance(memory, int) else memory(wildcards))

    return of_attempt
