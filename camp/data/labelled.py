"""Labelled graphs: one, and many together in a batch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from camp.graph import AtomicGraph, batch_graphs


@dataclass(frozen=True)
class LabelledGraph:
    """A graph of n atoms with its labels by target, float64: (*shape,) or (n, *shape); NaN for
    what is not given.
    """

    graph: AtomicGraph
    labels: Mapping[str, Tensor]
    of_atoms: frozenset[str]  # which of them are labels of atoms
    weight: float = 1.0  # in the loss


@dataclass(frozen=True)
class LabelledBatch:
    """s labelled graphs of n atoms together."""

    graph: AtomicGraph
    # By target, float64: (s, *shape) of structures or (n, *shape) of atoms; NaN: not given.
    labels: Mapping[str, Tensor]
    sizes: Tensor  # (s,) atoms of each
    weights: Tensor  # (s,) of each in the loss, float64

    def to(self, device: torch.device | str) -> "LabelledBatch":
        return replace(
            self,
            graph=self.graph.to(device),
            labels={name: values.to(device) for name, values in self.labels.items()},
            sizes=self.sizes.to(device),
            weights=self.weights.to(device),
        )


def collate(graphs: list[LabelledGraph]) -> LabelledBatch:
    """Labelled graphs as one batch, in the order given."""
    sizes = [len(labelled.graph.numbers) for labelled in graphs]
    labels = {
        name: torch.cat(values) if name in graphs[0].of_atoms else torch.stack(values)
        for name in graphs[0].labels
        if (values := [labelled.labels[name] for labelled in graphs])
    }
    return LabelledBatch(
        graph=batch_graphs([labelled.graph for labelled in graphs]),
        labels=labels,
        sizes=torch.tensor(sizes),
        weights=torch.tensor([labelled.weight for labelled in graphs], dtype=torch.float64),
    )
