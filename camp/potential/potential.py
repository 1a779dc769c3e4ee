"""A potential: a model with the species, the energy scale and shift it was made for."""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from ase.data import chemical_symbols
from torch import Tensor, nn

from camp.errors import InputError
from camp.graph import AtomicGraph
from camp.graph.edges import Edges
from camp.models.description import Description, Normalisation
from camp.potential.derivatives import Results, evaluate_graph, without_energy
from camp.potential.prediction import Predictor
from camp.potential.properties import Property, make_properties
from camp.settings.architectures import find_architecture
from camp.settings.base import ModelSettings
from camp.targets import ENERGY, FORCES, STRESS, Target

# A single structure with more of them is evaluated in chunks of so many, where the network can.
SLOTS_PER_CHUNK = 50_000


def create_network(
    settings: ModelSettings, species: Sequence[int], targets: Sequence[Target]
) -> nn.Module:
    """The network of an architecture with fresh parameters.

    :param species: atomic numbers, ascending.
    :raises InputError: an unknown architecture, or targets that it cannot predict.
    """
    record = find_architecture(settings.architecture)
    for target in targets:
        if target.name not in record.targets and (target == ENERGY or "*" not in record.targets):
            raise InputError(
                f"{record.label} cannot predict {target.name!r}; it predicts "
                f"{', '.join(sorted(record.targets))}"
            )
    return record.resolve(record.network)(settings, species, targets)


class Potential(Predictor):
    """Energy, forces and stress of atoms: e_i = scale · network_i + shift, summed in float64; and
    whatever else the network predicts.

    :param settings: of the model; they name its architecture.
    :param species: atomic numbers, ascending.
    :param targets: what the network predicts.
    :param energy_scale: eV: one number or one for each species.
    :param energy_shift: eV for every species: one number or one for each.
    :param normalisation: of the other targets, by name.
    :param origin: where parameters and data come from; kept with the saved model.
    :raises InputError: targets that the architecture cannot predict.
    """

    energy_scale: Tensor
    energy_shift: Tensor
    species_index: Tensor

    def __init__(
        self,
        settings: ModelSettings,
        *,
        species: Sequence[int],
        targets: Sequence[Target] = (ENERGY,),
        energy_scale: float | Sequence[float] = 1.0,
        energy_shift: float | Sequence[float] = 0.0,
        normalisation: Mapping[str, Normalisation] | None = None,
        origin: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        self.settings = settings
        self.species = tuple(int(z) for z in species)
        self.targets = {target.name: target for target in targets}
        self.normalisation = dict(normalisation or {})
        self.origin = dict(origin or {})
        self.model = create_network(settings, self.species, targets)
        others = {name: t for name, t in self.targets.items() if t != ENERGY}
        self.properties = make_properties(others, len(self.species), self.normalisation)
        scale = torch.as_tensor(energy_scale, dtype=torch.float64).squeeze()
        shift = torch.as_tensor(energy_shift, dtype=torch.float64).expand(len(self.species))
        self.register_buffer("energy_scale", scale.clone())
        self.register_buffer("energy_shift", shift.clone())
        index = torch.full((max(self.species) + 1,), -1, dtype=torch.int64)
        index[list(self.species)] = torch.arange(len(self.species))
        self.register_buffer("species_index", index, persistent=False)

    def _apply(self, fn, recurse=True):
        """Scale and shift stay what they are, to the last bit, whatever the network becomes."""
        exact = self.energy_scale, self.energy_shift
        super()._apply(fn, recurse)
        self.energy_scale, self.energy_shift = (value.to(self.device) for value in exact)
        return self

    @property
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype

    @property
    def device(self) -> torch.device:
        return self.energy_scale.device

    def __repr__(self) -> str:
        """What it is, in a few aligned lines; ``model`` has the layers of its network."""
        count = sum(parameter.numel() for parameter in self.model.parameters())
        trained = self.trained_parameters
        said = {
            "architecture": self.architecture,
            "species": ", ".join(chemical_symbols[number] for number in self.species),
            "cutoff": f"{self.cutoff:g} Å",
            "predicts": ", ".join(_predicted(self.targets.values())),
            "parameters": f"{count:,}"
            + (f", of which {trained:,} are trained" if 0 < trained < count else ""),
            "precision": f"{str(self.dtype).removeprefix('torch.')}, on {self.device}",
            **{key: str(value) for key, value in self.origin.items()},
        }
        width = max(map(len, said))
        return "\n".join(f"{name:{width}}  {text}" for name, text in said.items())

    def with_network(self, network: nn.Module) -> "Potential":
        """The same potential with another network; all else is shared, not copied."""
        other = copy.copy(self)
        other._modules = {**self._modules, "model": network}
        return other

    def description(self) -> Description:
        """All that is needed to build the potential again."""
        return Description(
            settings=self.settings,
            species=self.species,
            parameters=self.model.state_dict(),
            targets=tuple(self.targets.values()),
            energy_scale=tuple(self.energy_scale.reshape(-1).tolist()),
            energy_shift=tuple(self.energy_shift.tolist()),
            normalisation=self.normalisation,
            origin=self.origin,
        )

    def atomic_values(self, edges: Edges, **options: Any) -> dict[str, Tensor]:
        """What the network says of atoms; energies (n,) in eV, float64."""
        values = dict(self.model(edges, **options))
        if self.predicts_energy:
            scale = (
                self.energy_scale
                if self.energy_scale.dim() == 0
                else self.energy_scale[edges.species]
            )
            energies = values["energy"].double() * scale + self.energy_shift[edges.species]
            if "repulsion" in values:
                energies = energies + values.pop("repulsion").double()
            values["energy"] = energies
        return values

    def forward(self, graph: AtomicGraph) -> Results:
        """Everything that is predicted of a batch whose species the model knows."""
        species = self.species_index[graph.numbers]
        slots = graph.mask.numel()
        in_chunks = slots > SLOTS_PER_CHUNK and not torch.is_grad_enabled() and self._has_chunks
        options: dict[str, Any] = {"slots_per_chunk": SLOTS_PER_CHUNK} if in_chunks else {}
        if self.predicts_energy:
            results, values = evaluate_graph(
                partial(self.atomic_values, **options), species, graph, self.dtype
            )
        else:
            vectors = graph.edge_vectors().to(self.dtype)
            edges = Edges(species, vectors, graph.neighbours, graph.mask, graph.reverse)
            results, values = without_energy(graph), self.atomic_values(edges, **options)
        return results._replace(properties=self.properties_of(values, species, graph))

    @property
    def _has_chunks(self) -> bool:
        """Whether the network can keep the edges of some of its atoms at a time."""
        return bool(getattr(self.model, "chunked", False))

    def properties_of(
        self, values: Mapping[str, Tensor], species: Tensor, graph: AtomicGraph
    ) -> dict[str, Tensor]:
        """The targets other than energy from what the network says of atoms."""
        return {
            name: module(values[name], species, graph) for name, module in self.properties.items()
        }

    def property_of(self, name: str) -> Property:
        """How one of the other targets follows from what the network predicts."""
        module = self.properties[name]
        assert isinstance(module, Property)
        return module


def _predicted(targets: Iterable[Target]) -> Iterator[str]:
    """Names with units; forces and stress come with the energy."""
    for target in targets:
        yield f"{target.name} ({target.unit})"
        if target == ENERGY:
            yield from (f"{derived.name} ({derived.unit})" for derived in (FORCES, STRESS))
