"""Resources of jobs, as functions of their wildcards."""

from collections.abc import Callable
from typing import Any

from camp.settings import Scale

# The wildcards of a job → a number.
Of = Callable[[Any], int]


def task_resource(scale: Scale, name: str) -> Of:
    """For trainings and evaluations.

    :param name: a key of ``resources``, such as ``threads``.
    """
    return lambda wildcards: getattr(scale.tasks[wildcards.task].resources, name)


def simulation_resource(scale: Scale, name: str) -> Of:
    return lambda wildcards: getattr(scale.simulations[wildcards.simulation].resources, name)


def growing(memory: int | Of) -> Callable[[Any, int], int]:
    """Memory in MB for each attempt: a job that had too little of it must not fail of the same
    again.
    """

    def of_attempt(wildcards: Any, attempt: int) -> int:
        return attempt * (memory if isinstance(memory, int) else memory(wildcards))

    return of_attempt
