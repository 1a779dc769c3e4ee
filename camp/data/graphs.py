"""Labelled graphs for training, kept in a cache that goes by content and cutoff.

All graphs of a dataset lie packed in a few tensors, in less than half the memory of the graphs
themselves; a graph is unpacked when it is asked for. Where all structures have the same number of
atoms, the graphs lie in arrays, from which whole batches are taken at once, on any device.
"""

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from camp.data.readers import energy_and_forces
from camp.errors import InputError
from camp.files import checksum, save_tensors
from camp.graph import AtomicGraph, batch_graphs, build_graph
from camp.graph.atomic_graph import EMPTY_SLOT_LENGTH

# Part of the name of a cached file; to be raised when graphs or their packing change.
FORMAT = 2
# Of the free memory of a GPU, for the graphs of one dataset.
SHARE_OF_MEMORY = 0.25
# Lattice vectors between an atom and its neighbour, as stored.
LARGEST_SHIFT = np.iinfo(np.int16).max


@dataclass(frozen=True)
class LabelledGraph:
    """A graph of n atoms with its energy (), eV, and forces (n, 3), eV/Å; both float64."""

    graph: AtomicGraph
    energy: Tensor
    forces: Tensor


@dataclass(frozen=True)
class LabelledBatch:
    """s labelled graphs of n atoms together."""

    graph: AtomicGraph
    energies: Tensor  # (s,) eV, float64
    forces: Tensor  # (n, 3) eV/Å, float64
    sizes: Tensor  # (s,) atoms of each

    def to(self, device: torch.device | str) -> "LabelledBatch":
        return replace(
            self,
            graph=self.graph.to(device),
            energies=self.energies.to(device),
            forces=self.forces.to(device),
            sizes=self.sizes.to(device),
        )


@dataclass(frozen=True)
class TrainingStatistics:
    """What a training set says about the model to be trained on it."""

    mean_energy_per_atom: float  # eV; mean over the structures
    rms_force: float  # eV/Å; root mean square of all force components
    average_neighbours: float  # neighbours of an atom, mean over the atoms
    species: tuple[int, ...]  # atomic numbers, ascending


class GraphDataset(Dataset[LabelledGraph]):
    """Graphs of labelled structures.

    :param structures: each with energy and forces.
    :param cutoff: Å.
    :param cache: folder for packed graphs; a file there that is damaged is made anew.
    :param progress: show a progress bar on the terminal while graphs are built.
    :raises InputError: naming the frame (counted from 0) without labels or whose graph cannot be
        built; or no frames.
    """

    def __init__(
        self,
        structures: Sequence[Atoms],
        cutoff: float,
        *,
        cache: str | Path | None = None,
        progress: bool = False,
    ):
        if len(structures) == 0:
            raise InputError("a dataset needs at least one structure")
        if not 0 < cutoff < float("inf"):
            raise InputError(f"the cutoff must be a positive number of Å, not {cutoff}")
        self.cutoff = float(cutoff)
        self.content_hash = content_hash(structures)
        packed = None
        if cache is not None:
            name = hashlib.sha256(f"{self.content_hash} {self.cutoff!r} {FORMAT}".encode())
            path = Path(cache) / f"{name.hexdigest()}.safetensors"
            packed = _load(path)
        if packed is None:
            packed = _pack(structures, self.cutoff, progress)
            if cache is not None:
                _save(path, packed)
        self._packed = packed
        self._first_atom = _starts(packed["sizes"])
        self._first_slot = _starts(packed["sizes"] * packed["widths"])
        self._arrays = self._as_arrays() if self.is_uniform else None

    @property
    def is_uniform(self) -> bool:
        """Whether all structures have the same number of atoms."""
        return len(self._packed["sizes"].unique()) == 1

    def __len__(self) -> int:
        return len(self._packed["sizes"])

    def __getitem__(self, index: int) -> LabelledGraph:
        if not -len(self) <= index < len(self):
            raise IndexError(f"graph {index} of {len(self)}")
        index %= len(self)
        packed = self._packed
        width = int(packed["widths"][index])
        atoms = slice(self._first_atom[index], self._first_atom[index + 1])
        slots = slice(self._first_slot[index], self._first_slot[index + 1])
        numbers, cell = packed["numbers"][atoms].long(), packed["cells"][index]
        mask = packed["mask"][slots].reshape(-1, width)
        shifts = packed["shifts"][slots].double() @ cell
        shifts[:, 0] += EMPTY_SLOT_LENGTH * ~mask.reshape(-1)
        graph = AtomicGraph(
            positions=packed["positions"][atoms],
            numbers=numbers,
            neighbours=packed["neighbours"][slots].long().reshape(-1, width),
            reverse=packed["reverse"][slots].long().reshape(-1, width),
            shifts=shifts.reshape(-1, width, 3),
            mask=mask,
            system=torch.zeros(len(numbers), dtype=torch.int64),
            cells=cell[None],
        )
        return LabelledGraph(graph, packed["energies"][index], packed["forces"][atoms])

    @property
    def most_slots(self) -> int:
        """Neighbour slots of the largest graph."""
        return int((self._packed["sizes"] * self._packed["widths"]).max())

    def keep_on(self, device: torch.device) -> None:
        """Let batches be made on a device, where uniform graphs and that device's memory allow."""
        if self._arrays is None or device.type != "cuda":
            return
        needed = sum(array.nbytes for array in self._arrays.values())
        if needed <= SHARE_OF_MEMORY * torch.cuda.mem_get_info(device)[0]:
            self._arrays = {name: array.to(device) for name, array in self._arrays.items()}

    def batch(self, indices: Sequence[int]) -> LabelledBatch:
        """Labelled graphs as one batch, in the order given. Uniform graphs all have the width of
        the widest, so that batches differ in numbers only.
        """
        if self._arrays is None:
            return collate([self[index] for index in indices])
        device = self._arrays["mask"].device
        rows = torch.tensor(indices, device=device)
        a = {name: array.index_select(0, rows) for name, array in self._arrays.items()}
        count, atoms, width = a["mask"].shape
        first = torch.arange(0, count * atoms, atoms, device=device)[:, None, None]
        shifts = (a["shifts"].double().flatten(1, 2) @ a["cells"]).view(count * atoms, width, 3)
        mask = a["mask"].flatten(0, 1)
        shifts[..., 0] += EMPTY_SLOT_LENGTH * ~mask
        graph = AtomicGraph(
            positions=a["positions"].flatten(0, 1),
            numbers=a["numbers"].long().flatten(),
            neighbours=(a["neighbours"].long() + first).flatten(0, 1),
            reverse=a["reverse"].long().flatten(0, 1),
            shifts=shifts,
            mask=mask,
            system=torch.arange(count, device=device).repeat_interleave(atoms),
            cells=a["cells"],
        )
        sizes = torch.full((count,), atoms, device=device)
        return LabelledBatch(graph, a["energies"], a["forces"].flatten(0, 1), sizes)

    def _as_arrays(self) -> dict[str, Tensor]:
        """The packed tensors of uniform graphs with an axis of structures, and one of slots."""
        packed = self._packed
        count, atoms = len(self), int(packed["sizes"][0])
        width = int(packed["widths"].max())
        rows = packed["widths"].repeat_interleave(atoms)
        used = torch.arange(width) < rows[:, None]
        empty = {
            "neighbours": torch.arange(atoms, dtype=torch.int32).repeat(count)[:, None],
            "reverse": torch.arange(width, dtype=torch.int16),
            "mask": torch.tensor(False),
            "shifts": torch.tensor(0, dtype=torch.int16),
        }
        arrays = {name: packed[name] for name in ("energies", "cells")}
        for name in ("positions", "forces", "numbers"):
            arrays[name] = packed[name].unflatten(0, (count, atoms))
        for name, filling in empty.items():
            extra = packed[name].shape[1:]
            array = filling.expand(count * atoms, width, *extra).clone()
            array[used] = packed[name]
            arrays[name] = array.view(count, atoms, width, *extra)
        return arrays

    def statistics(self) -> TrainingStatistics:
        """Energy shift and scale, density and species of the set."""
        packed = self._packed
        return TrainingStatistics(
            mean_energy_per_atom=float((packed["energies"] / packed["sizes"]).mean()),
            rms_force=float(packed["forces"].square().mean().sqrt()),
            average_neighbours=int(packed["mask"].sum()) / int(packed["sizes"].sum()),
            species=tuple(packed["numbers"].unique(sorted=True).tolist()),
        )


def collate(graphs: list[LabelledGraph]) -> LabelledBatch:
    """Labelled graphs as one batch, in the order given."""
    return LabelledBatch(
        graph=batch_graphs([labelled.graph for labelled in graphs]),
        energies=torch.stack([labelled.energy for labelled in graphs]),
        forces=torch.cat([labelled.forces for labelled in graphs]),
        sizes=torch.tensor([len(labelled.graph.numbers) for labelled in graphs]),
    )


def content_hash(structures: Iterable[Atoms]) -> str:
    """SHA-256 over atoms, positions, cells, periodicity, energies and forces, in this order."""
    digest = hashlib.sha256()
    for index, atoms in enumerate(structures):
        energy, forces = _labels(atoms, index)
        digest.update(struct.pack("<qd3?", len(atoms), energy, *atoms.pbc.tolist()))
        for values in (atoms.positions, atoms.cell.array, forces):
            digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
        digest.update(atoms.numbers.astype("<i8").tobytes())
    return digest.hexdigest()


def _labels(atoms: Atoms, index: int) -> tuple[float, np.ndarray]:
    energy, forces = energy_and_forces(atoms)
    if energy is None or forces is None:
        raise InputError(f"frame {index}: no energy or no forces; training needs both")
    return float(energy), np.asarray(forces, dtype=np.float64)


def _starts(counts: Tensor) -> list[int]:
    return [0, *torch.cumsum(counts, 0).tolist()]


def _pack(structures: Sequence[Atoms], cutoff: float, progress: bool) -> dict[str, Tensor]:
    graphs: list[dict[str, Tensor]] = []
    bar = tqdm(structures, desc="graphs", unit="frame", disable=not progress)
    for index, atoms in enumerate(bar):
        energy, forces = _labels(atoms, index)
        try:
            graph = build_graph(atoms, cutoff)
            shifts = _lattice_shifts(graph)
        except InputError as error:
            raise InputError(f"frame {index}: {error}") from None
        graphs.append(
            {
                "positions": graph.positions,
                "forces": torch.from_numpy(forces),
                "numbers": graph.numbers.to(torch.uint8),
                "cells": graph.cells,
                "energies": torch.tensor([energy], dtype=torch.float64),
                "sizes": torch.tensor([len(atoms)]),
                "widths": torch.tensor([graph.mask.shape[1]]),
                "neighbours": graph.neighbours.to(torch.int32).reshape(-1),
                "reverse": graph.reverse.to(torch.int16).reshape(-1),
                "mask": graph.mask.reshape(-1),
                "shifts": shifts,
            }
        )
    return {name: torch.cat([graph[name] for graph in graphs]) for name in graphs[0]}


def _lattice_shifts(graph: AtomicGraph) -> Tensor:
    """Shifts of all slots in lattice vectors (slots, 3), int16; zero in an empty slot."""
    fractional = graph.shifts.reshape(-1, 3) @ torch.linalg.pinv(graph.cells[0])
    whole = torch.where(graph.mask.reshape(-1, 1), fractional.round(), 0.0)
    if whole.abs().max() > LARGEST_SHIFT:
        raise InputError("atoms lie too many cells apart; wrap the positions into the cell")
    return whole.to(torch.int16)


def _save(path: Path, packed: dict[str, Tensor]) -> None:
    save_tensors(path, packed, "sha256", checksum(packed))


def _load(path: Path) -> dict[str, Tensor] | None:
    """The packed graphs of a file; None where there is none or it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            packed = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            expected = (file.metadata() or {}).get("sha256")
    except (OSError, SafetensorError):
        return None
    return packed if expected == checksum(packed) else None
