"""What every model offers, be it one potential or an ensemble: predictions of structures."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols
from torch import Tensor, nn
from tqdm import tqdm

from camp.errors import InputError
from camp.graph import AtomicGraph, batch_graphs, build_graph
from camp.potential.derivatives import Results
from camp.settings.base import ModelSettings
from camp.targets import ENERGY, Target

# Neighbour slots evaluated in one go; bounds the memory of `Predictor.evaluate`.
SLOTS_PER_BATCH = 20_000
# How results call what an ensemble says of its certainty: eV, and of each atom, eV/Å.
DEVIATIONS = ("energy_deviation", "forces_deviation")


@dataclass(frozen=True)
class Uncertainty:
    """How far the members of an ensemble lie apart for n structures; see
    :class:`camp.potential.derivatives.Deviations`.
    """

    energies: np.ndarray  # (n,) eV
    forces: list[np.ndarray]  # n arrays (atoms,), eV/Å

    @property
    def largest_of_forces(self) -> np.ndarray:
        """(n,) eV/Å, of the atom of each structure whose force is known least."""
        return np.array([of_atoms.max() for of_atoms in self.forces])


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
    uncertainty: Uncertainty | None = None  # of ensembles that predict energies


class Predictor(nn.Module, ABC):
    """A model of structures of some species, evaluated in batches."""

    settings: ModelSettings
    species: tuple[int, ...]  # atomic numbers, ascending
    targets: dict[str, Target]  # by name

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """Of the network."""

    @property
    @abstractmethod
    def device(self) -> torch.device: ...

    @abstractmethod
    def forward(self, graph: AtomicGraph) -> Results:
        """Everything that is predicted of a batch whose species the model knows."""

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
    def trained_parameters(self) -> int:
        """How many parameters a training changes."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def require_energy(self, user: str) -> None:
        """:raises InputError: there is none, and what ``user`` names needs its derivatives."""
        if not self.predicts_energy:
            raise InputError(f"the model predicts no energy, and {user} needs forces")

    @property
    def other_targets(self) -> list[str]:
        """Names of the targets beside the energy."""
        return [name for name in self.targets if name != ENERGY.name]

    @property
    def is_accelerated(self) -> bool:
        """Whether it is made for fast evaluation."""
        return False

    @property
    def skips_distant(self) -> bool:
        """Whether neighbour lists with a skin will do: pairs beyond the cutoff are left out."""
        return False

    def graph(self, atoms: Atoms) -> AtomicGraph:
        """The graph of a structure for this model.

        :raises InputError: see :meth:`check` and :func:`camp.graph.build_graph`.
        """
        self.check(atoms)
        return build_graph(atoms, self.cutoff)

    def check(self, atoms: Atoms) -> None:
        """Refuse what the model was not made for.

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
        found = _Collected(self.other_targets)
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


class _Collected:
    """The results of batches, structure by structure."""

    def __init__(self, names: Sequence[str]):
        self.energies: list[np.ndarray] = []
        self.forces: list[np.ndarray] = []
        self.stresses: list[np.ndarray] = []
        self.atomic: list[np.ndarray] = []
        self.properties: dict[str, list[np.ndarray]] = {name: [] for name in names}
        self.energy_deviations: list[np.ndarray] = []
        self.force_deviations: list[np.ndarray] = []

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
        if result.deviations is not None:
            self.energy_deviations.append(result.deviations.energies.cpu().numpy())
            self.force_deviations += by_structure(result.deviations.forces)
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
            Uncertainty(np.concatenate(self.energy_deviations), self.force_deviations)
            if self.energy_deviations
            else None,
        )
