"""A potential: a model with the species, the energy scale and shift it was made for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
from camp.models import create_model
from camp.potential.derivatives import Derivatives, evaluate_graph

# Neighbour slots evaluated in one go; bounds the memory of `Potential.evaluate`.
SLOTS_PER_BATCH = 20_000
# A single structure with more of them is evaluated in chunks of so many.
SLOTS_PER_CHUNK = 50_000


@dataclass(frozen=True)
class Evaluation:
    """Results for n structures, in the order in which they were given."""

    energies: np.ndarray  # (n,) eV
    forces: list[np.ndarray]  # n arrays (atoms, 3), eV/Å
    stresses: np.ndarray  # (n, 3, 3) eV/Å³, ASE's sign; NaN without a cell
    atomic_energies: list[np.ndarray]  # n arrays (atoms,), eV


class Potential(nn.Module):
    """Energy, forces and stress of atoms: e_i = scale · model_i + shift, summed in float64.

    :param architecture: name of the model, a key of :data:`camp.models.MODELS`.
    :param hyperparameters: the model's, without the number of species and the cutoff.
    :param species: atomic numbers, ascending.
    :param cutoff: Å.
    :param energy_scale: eV.
    :param energy_shift: eV for every species: one number or one for each.
    :param origin: where parameters and data come from; kept with the saved model.
    """

    energy_scale: Tensor
    energy_shift: Tensor
    species_index: Tensor

    def __init__(
        self,
        architecture: str,
        hyperparameters: Mapping[str, Any],
        *,
        species: Sequence[int],
        cutoff: float,
        energy_scale: float = 1.0,
        energy_shift: float | Sequence[float] = 0.0,
        origin: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        self.architecture = architecture
        self.hyperparameters = dict(hyperparameters)
        self.species = tuple(int(z) for z in species)
        self.cutoff = float(cutoff)
        self.origin = dict(origin or {})
        self.model = create_model(
            architecture, species=len(self.species), cutoff=self.cutoff, **hyperparameters
        )
        shift = torch.as_tensor(energy_shift, dtype=torch.float64).expand(len(self.species))
        self.register_buffer("energy_scale", torch.tensor(float(energy_scale)).double())
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
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype

    @property
    def device(self) -> torch.device:
        return self.energy_scale.device

    def atomic_energies(self, species: Tensor, *edges: Tensor, **options: Any) -> Tensor:
        """Energies of atoms (n,) in eV, float64; arguments as for :class:`camp.models.Camp`."""
        energies = self.model(species, *edges, **options).double()
        return energies * self.energy_scale + self.energy_shift[species]

    def forward(self, graph: AtomicGraph) -> Derivatives:
        """Energies, forces and virials of a batch whose species the model knows."""
        species = self.species_index[graph.numbers]
        in_chunks = graph.mask.numel() > SLOTS_PER_CHUNK and not torch.is_grad_enabled()
        options: dict[str, Any] = {"slots_per_chunk": SLOTS_PER_CHUNK} if in_chunks else {}
        energies = partial(self.atomic_energies, **options)
        return evaluate_graph(energies, species, graph, self.dtype)

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
        """Energies, forces and stresses of one or several structures, in batches.

        :param progress: show a progress bar on the terminal.
        :raises InputError: naming the structure (counted from 0) that cannot be evaluated.
        """
        structures = [atoms] if isinstance(atoms, Atoms) else list(atoms)
        energies, forces, stresses, atomic = [], [], [], []
        bar = tqdm(total=len(structures), unit="structure", disable=not progress)
        for chunk in self._chunks(structures):
            graph = batch_graphs(chunk).to(self.device)
            with torch.no_grad():
                result = self(graph)
            sizes = [len(g.numbers) for g in chunk]
            energies.append(result.energies.cpu().numpy())
            volumes = graph.volumes()[:, None, None]
            stress = result.virials.double() / torch.where(volumes > 0, volumes, torch.nan)
            stresses.append(stress.cpu().numpy())
            forces += [f.cpu().double().numpy() for f in result.forces.split(sizes)]
            atomic += [e.cpu().numpy() for e in result.atomic_energies.split(sizes)]
            bar.update(len(chunk))
        bar.close()
        if not structures:
            return Evaluation(np.zeros(0), [], np.zeros((0, 3, 3)), [])
        return Evaluation(np.concatenate(energies), forces, np.concatenate(stresses), atomic)

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
