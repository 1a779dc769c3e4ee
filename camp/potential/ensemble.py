"""Several potentials of one kind, whose disagreement tells how far their mean can be trusted."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from camp.errors import InputError
from camp.graph import AtomicGraph
from camp.potential.derivatives import Deviations, Results
from camp.potential.potential import Potential
from camp.potential.prediction import Predictor
from camp.potential.properties import with_sign_of


class Ensemble(Predictor):
    """The mean of what several potentials predict, such as the seeds of one training, and their
    standard deviation.

    :param potentials: two at least, of the same architecture, species, cutoff and targets.
    :raises InputError: too few, or potentials that differ in these.
    """

    def __init__(self, potentials: Iterable[Potential]):
        super().__init__()
        self.members = nn.ModuleList(potentials)
        if len(self.members) < 2:
            raise InputError(f"an ensemble needs two models or more, not {len(self.members)}")
        first, *others = self.potentials
        for number, other in enumerate(others, start=2):
            for name in ("architecture", "species", "cutoff", "targets"):
                if getattr(other, name) != getattr(first, name):
                    raise InputError(
                        f"model {number} of the ensemble has another {name} than the first; take "
                        "trainings of the same kind on the same data"
                    )
        self.settings, self.species, self.targets = first.settings, first.species, first.targets

    @property
    def potentials(self) -> list[Potential]:
        """Its members."""
        return [one for one in self.members if isinstance(one, Potential)]

    @property
    def dtype(self) -> torch.dtype:
        return self.potentials[0].dtype

    @property
    def device(self) -> torch.device:
        return self.potentials[0].device

    @property
    def is_accelerated(self) -> bool:
        return all(one.is_accelerated for one in self.potentials)

    @property
    def skips_distant(self) -> bool:
        return all(one.skips_distant for one in self.potentials)

    def forward(self, graph: AtomicGraph) -> Results:
        """Means and deviations, float64."""
        found: list[Results] = [one(graph) for one in self.potentials]
        energies, atomic, forces, virials = (
            torch.stack(values).double() for values in zip(*(one[:4] for one in found), strict=True)
        )
        return Results(
            energies.mean(0),
            atomic.mean(0),
            forces.mean(0),
            virials.mean(0),
            properties={
                name: self._mean_property([one.properties[name] for one in found], name, graph)
                for name in self.other_targets
            },
            deviations=Deviations(_deviation(energies), _deviation(forces).norm(dim=-1))
            if self.predicts_energy
            else None,
        )

    def _mean_property(self, values: Sequence[Tensor], name: str, graph: AtomicGraph) -> Tensor:
        """Where its sign is free, all members get that of the first."""
        target = self.targets[name]
        if target.sign == "free":
            system = graph.system if target.of_atoms else None
            values = [with_sign_of(one, values[0], system) for one in values]
        return torch.stack([*values]).mean(0)


def _deviation(values: Tensor) -> Tensor:
    """The standard deviation over the members, the first axis."""
    return values.std(0, correction=0)
