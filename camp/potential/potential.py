"""A potential: a model with the species, the energy scale and shift it was made for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols
from torch import Tensor, nn
from tqdm import tqdm

from camp.errors import InputError
from camp.graph import AtomicGraph, batch_graphs, build_graph
from camp.graph.edges import Edges
from camp.models.description import Description, Normalisation
from camp.potential.derivatives import Results, evaluate_graph, without_energy
from camp.potential.properties import Property, make_properties
from camp.settings.architectures import find_architecture
from camp.settings.base import ModelSettings
from camp.targets import ENERGY, FORCES, STRESS, Target

# Neighbour slots evaluated in one go; bounds the memory of `Potential.evaluate`.
SLOTS_PER_BATCH = 20_000
# A single structure with more of them is evaluated in chunks of so many, where the network can.
SLOTS_PER_CHUNK = 50_000


@dataclass(frozen=True)
class Evaluation:
    """Results for n structures, in the order in which they were given; NaN for what the model
    does not predict.
    """

    energies: np.ndarray  # (n,) eV
    forces: list[np.ndarray]  # n arrays (atoms, 3), eV/Å
    stresses: np.ndarray  # (n, 3, 3) eV/Å³, ASE's sign; NaN without a cell
    atomic_energies: list[np.ndarray]  # n arrays (atoms,), eV
    # Other targets by name, in their units: (n, *shape), or n arrays (atoms, *shape).
    properties: Mapping[str, np.ndarray | list[np.ndarray]] = field(default_factory=dict)


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


class Potential(nn.Module):
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
        """Scale and shift stay float64 whatever the network is converted to."""
        super()._apply(fn, recurse)
        self.energy_scale = self.energy_scale.double()
        self.energy_shift = self.energy_shift.double()
        return self

    @property
    def architecture(self) -> str:
        return self.settings.architecture

    @property
    def cutoff(self) -> float:
        """Å."""
        return self.settings.cutoff

    @property
    def predicts_energy(self) -> bool:
        return ENERGY.name in self.targets

    @property
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype

    @property
    def device(self) -> torch.device:
        return self.energy_scale.device

    def __repr__(self) -> str:
        """What it is, in a few aligned lines; ``model`` has the layers of its network."""
        count = sum(parameter.numel() for parameter in self.model.parameters())
        said = {
            "architecture": self.architecture,
            "species": ", ".join(chemical_symbols[number] for number in self.species),
            "cutoff": f"{self.cutoff:g} Å",
            "predicts": ", ".join(_predicted(self.targets.values())),
            "parameters": f"{count:,}",
            "precision": f"{str(self.dtype).removeprefix('torch.')}, on {self.device}",
            **{key: str(value) for key, value in self.origin.items()},
        }
        width = max(map(len, said))
        return "\n".join(f"{name:{width}}  {text}" for name, text in said.items())

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

    def graph(self, atoms: Atoms) -> AtomicGraph:
        """The graph of a structure for this potential.

        :raises InputError: see :meth:`check` and :func:`camp.graph.build_graph`.
        """
        self.check(atoms)
        return build_graph(atoms, self.cutoff)

    def check(self, atoms: Atoms) -> None:
        """Refuse what the potential was not made for.

        :raises InputError: no atoms, or an unknown species.
        """
        if len(atoms) == 0:
            raise InputError("the structure has no atoms")
        unknown = sorted(set(atoms.numbers.tolist()) - set(self.species))
        if unknown:
            names = ", ".join(chemical_symbols[z] for z in unknown)
            known = ", ".join(chemical_symbols[z] for z in self.species)
            raise InputError(f"the model does not know {names}; it was made for {known}")

    def evaluate(self, atoms: Atoms | Iterable[Atoms], *, progress: bool = False) -> Evaluation:
        """All that the model predicts of one or several structures, in batches.

        :param progress: show a progress bar on the terminal.
        :raises InputError: naming the structure (counted from 0) that cannot be evaluated.
        """
        structures = [atoms] if isinstance(atoms, Atoms) else list(atoms)
        found = _Collected([name for name in self.targets if name != ENERGY.name])
        bar = tqdm(total=len(structures), unit="structure", disable=not progress)
        for chunk in self._chunks(structures):
            graph = batch_graphs(chunk).to(self.device)
            with torch.no_grad():
                result = self(graph)
            found.add(result, graph, [len(g.numbers) for g in chunk], self.targets)
            bar.update(len(chunk))
        bar.close()
        return found.evaluation(self.targets)

    def _chunks(self, structures: Sequence[Atoms]) -> Iterable[list[AtomicGraph]]:
        """Graphs of consecutive structures, as many as fit into one batch."""
        chunk: list[AtomicGraph] = []
        for number, atoms in enumerate(structures):
            try:
                graph = self.graph(atoms)
            except InputError as error:
                raise InputError(f"structure {number}: {error}") from None
            width = max([g.mask.shape[1] for g in chunk] + [graph.mask.shape[1]])
            rows = sum(len(g.numbers) for g in chunk) + len(graph.numbers)
            if chunk and rows * width > SLOTS_PER_BATCH:
                yield chunk
                chunk = []
            chunk.append(graph)
        if chunk:
            yield chunk


def _predicted(targets: Iterable[Target]) -> Iterator[str]:
    """Names with units; forces and stress come with the energy."""
    for target in targets:
        yield f"{target.name} ({target.unit})"
        if target == ENERGY:
            yield from (f"{derived.name} ({derived.unit})" for derived in (FORCES, STRESS))


class _Collected:
    """The results of batches, structure by structure."""

    def __init__(self, names: Sequence[str]):
        self.energies: list[np.ndarray] = []
        self.forces: list[np.ndarray] = []
        self.stresses: list[np.ndarray] = []
        self.atomic: list[np.ndarray] = []
        self.properties: dict[str, list[np.ndarray]] = {name: [] for name in names}

    def add(
        self,
        result: Results,
        graph: AtomicGraph,
        sizes: Sequence[int],
        targets: Mapping[str, Target],
    ) -> None:
        volumes = graph.volumes()[:, None, None]
        stress = result.virials.double() / torch.where(volumes > 0, volumes, torch.nan)

        def by_structure(values: Tensor) -> list[np.ndarray]:
            return [value.cpu().double().numpy() for value in values.split(list(sizes))]

        self.energies.append(result.energies.cpu().numpy())
        self.stresses.append(stress.cpu().numpy())
        self.forces += by_structure(result.forces)
        self.atomic += by_structure(result.atomic_energies)
        for name, found in self.properties.items():
            values = result.properties[name]
            found += by_structure(values) if targets[name].of_atoms else [*values.cpu().numpy()]

    def evaluation(self, targets: Mapping[str, Target]) -> Evaluation:
        properties: dict[str, np.ndarray | list[np.ndarray]] = {
            name: found
            if targets[name].of_atoms
            else np.array(found).reshape(-1, *(targets[name].shape))
            for name, found in self.properties.items()
        }
        return Evaluation(
            np.concatenate(self.energies) if self.energies else np.zeros(0),
            self.forces,
            np.concatenate(self.stresses) if self.stresses else np.zeros((0, 3, 3)),
            self.atomic,
            properties,
        )
