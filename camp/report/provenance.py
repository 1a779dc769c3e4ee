"""Where a result is from: a result belongs to a task or simulation, an architecture and weights."""

from typing import NamedTuple

from camp.settings.architectures import architectures

GENERATED_REMARK = (
    "Numbers on generated data show that every step runs; the structures and the reference "
    "method are not the paper's, so they neither confirm nor contradict a reported number."
)


class Origin(NamedTuple):
    """What a result belongs to."""

    name: str  # of the task or simulation
    architecture: str
    weights: str  # "own" or "published"


def ours_first(name: str, architecture: str) -> tuple[str, bool, str]:
    """By what results of a task or simulation are sorted: our architectures before all others."""
    return name, architecture not in architectures(), architecture


def architecture_label(name: str) -> str:
    """As shown to people; the bare name for one that is not installed here."""
    known = architectures().get(name)
    return known.label if known else name


def with_weights(model: str, weights: str) -> str:
    """The label of a model with the kind of its weights, which simple methods do not have."""
    return f"{model}, {weights} weights" if weights else model


def provenance(architecture: str, data: str, weights: str) -> str:
    """Model, data and weights in one line."""
    model = f"model: {architecture_label(architecture)}; " if architecture else ""
    return f"{model}data: {data}; weights: {weights}"
