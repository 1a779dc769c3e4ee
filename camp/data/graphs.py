"""Labelled graphs for training, kept in a cache that goes by content and cutoff.

All graphs of a dataset lie packed in a few tensors, in a file that is mapped into memory and was
written one graph after another, so that there may be any number of them; a graph is unpacked when
it is asked for. Where all structures have the same number of atoms, the graphs lie in arrays, from
which whole batches are taken at once, on any device.
"""

import hashlib
import json
import math
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from camp.cartesian.natural.decomposition import decomposition_matrix, split_packed
from camp.data.labels import keys_of, label
from camp.data.mapped import MappedRows
from camp.errors import InputError
from camp.files import checksum, save_tensors
from camp.graph import AtomicGraph, batch_graphs, build_graph
from camp.graph.rows import Rows, empty_rows, shifts_of_cells
from camp.models.description import Normalisation
from camp.settings import TrainingSettings
from camp.targets import ENERGY, FORCES, Target

# Part of the name of a cached file; to be raised when graphs or their packing change.
FORMAT = 5
# Key of a frame's ``info`` with its weight in the loss.
WEIGHT = "config_weight"
# Before the names of targets among the packed tensors.
_LABEL = "label/"
# Of the free memory of a GPU, for the graphs of one dataset.
SHARE_OF_MEMORY = 0.25
# Numbers that are worked on at once.
CHUNK = 2**22
# Lattice vectors between an atom and its neighbour, as stored.
LARGEST_SHIFT = np.iinfo(np.int16).max


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


@dataclass(frozen=True)
class TrainingStatistics:
    """What a training set says about the model to be trained on it."""

    mean_energy_per_atom: float  # eV; mean over the structures; 0 without energies
    rms_force: float  # eV/Å; root mean square of all force components; 1 without forces
    average_neighbours: float  # neighbours of an atom, mean over the atoms
    species: tuple[int, ...]  # atomic numbers, ascending
    normalisation: Mapping[str, Normalisation]  # of the other targets


class GraphDataset(Dataset[LabelledGraph]):
    """Graphs of labelled structures.

    :param structures: each with the label of one of the targets at least.
    :param cutoff: Å.
    :param targets: which labels to keep.
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
        targets: Sequence[Target] = (ENERGY, FORCES),
        cache: str | Path | None = None,
        progress: bool = False,
    ):
        if len(structures) == 0:
            raise InputError("a dataset needs at least one structure")
        if not 0 < cutoff < float("inf"):
            raise InputError(f"the cutoff must be a positive number of Å, not {cutoff}")
        self.cutoff = float(cutoff)
        self.targets = {target.name: target for target in targets}
        self.content_hash = content_hash(structures, targets)
        packed = None
        if cache is not None:
            name = hashlib.sha256(f"{self.content_hash} {self.cutoff!r} {FORMAT}".encode())
            path = Path(cache) / f"{name.hexdigest()}.safetensors"
            packed = _load(path)
        if packed is None:
            packed = _pack(structures, self.cutoff, targets, progress, cache)
            if cache is not None:
                save_tensors(path, packed, "sha256", checksum(packed))
                packed = _load(path) or packed
        self._packed = packed
        # Slots of a row as stored: as many as in the widest row of uniform graphs.
        widths = packed["widths"]
        self._widths = widths.max().expand_as(widths) if self.is_uniform else widths
        self._first_atom = _starts(packed["sizes"])
        self._first_slot = _starts(packed["sizes"] * self._widths)
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
        width, stored = int(packed["widths"][index]), int(self._widths[index])
        atoms = slice(self._first_atom[index], self._first_atom[index + 1])
        slots = slice(self._first_slot[index], self._first_slot[index + 1])
        numbers, cell = packed["numbers"][atoms].long(), packed["cells"][index]
        rows = {n: packed[n][slots].unflatten(0, (-1, stored))[:, :width] for n in Rows._fields}
        graph = AtomicGraph(
            positions=packed["positions"][atoms],
            numbers=numbers,
            neighbours=rows["neighbours"].long(),
            reverse=rows["reverse"].long(),
            shifts=shifts_of_cells(cell[None], rows["shifts"][None], rows["mask"][None]),
            mask=rows["mask"],
            system=torch.zeros(len(numbers), dtype=torch.int64),
            cells=cell[None],
        )
        labels = {
            name: packed[_LABEL + name][atoms if target.of_atoms else index]
            for name, target in self.targets.items()
        }
        of_atoms = frozenset(name for name, t in self.targets.items() if t.of_atoms)
        return LabelledGraph(graph, labels, of_atoms, float(packed["weights"][index]))

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
        count, atoms, _ = a["mask"].shape
        first = torch.arange(0, count * atoms, atoms, device=device)[:, None, None]
        graph = AtomicGraph(
            positions=a["positions"].flatten(0, 1),
            numbers=a["numbers"].long().flatten(),
            neighbours=(a["neighbours"].long() + first).flatten(0, 1),
            reverse=a["reverse"].long().flatten(0, 1),
            shifts=shifts_of_cells(a["cells"], a["shifts"], a["mask"]),
            mask=a["mask"].flatten(0, 1),
            system=torch.arange(count, device=device).repeat_interleave(atoms),
            cells=a["cells"],
        )
        sizes = torch.full((count,), atoms, device=device)
        labels = {
            name: a[_LABEL + name].flatten(0, 1) if target.of_atoms else a[_LABEL + name]
            for name, target in self.targets.items()
        }
        return LabelledBatch(graph, labels, sizes, a["weights"])

    def _as_arrays(self) -> dict[str, Tensor]:
        """The packed tensors of uniform graphs with an axis of structures, and one of slots."""
        packed = self._packed
        count, atoms, width = len(self), int(packed["sizes"][0]), int(packed["widths"].max())
        of_atoms = [_LABEL + name for name, target in self.targets.items() if target.of_atoms]
        arrays = {
            name: values
            for name, values in packed.items()
            if name in ("cells", "weights") or (name.startswith(_LABEL) and name not in of_atoms)
        }
        for name in ("positions", "numbers", *of_atoms):
            arrays[name] = packed[name].unflatten(0, (count, atoms))
        for name in Rows._fields:
            arrays[name] = packed[name].unflatten(0, (count, atoms, width))
        return arrays

    def labels(self, name: str) -> Tensor:
        """All labels of one target: (structures, *shape) or (all atoms, *shape)."""
        return self._packed[_LABEL + name]

    def baseline(self, settings: TrainingSettings) -> float | tuple[float, ...]:
        """Energies of lone atoms that a model starts from (eV): one for all species, or for each.

        :raises InputError: a species without a given energy.
        """
        statistics = self.statistics()
        given = {atomic_numbers[symbol]: e for symbol, e in settings.atomic_energies.items()}
        if given:
            if unknown := set(statistics.species) - set(given):
                names = ", ".join(chemical_symbols[number] for number in sorted(unknown))
                raise InputError(f"atomic_energies lacks {names}, which training structures have")
            return tuple(given[number] for number in statistics.species)
        if settings.baseline == "mean" or ENERGY.name not in self.targets:
            return statistics.mean_energy_per_atom
        energies = self.labels(ENERGY.name)
        known = ~energies.isnan()
        numbers, first = self._packed["numbers"].numpy(), self._first_atom[:-1]
        counts = [np.add.reduceat(numbers == z, first, dtype=float) for z in statistics.species]
        compositions = torch.from_numpy(np.stack(counts, axis=1))
        return least_squares_energies(compositions[known], energies[known])

    def statistics(self) -> TrainingStatistics:
        """Energy shift and scale, density, species and normalisation of the set."""
        packed = self._packed
        energies, forces = (
            self.labels(target.name) if target.name in self.targets else None
            for target in (ENERGY, FORCES)
        )
        shift, scale = 0.0, 1.0
        if energies is not None and not energies.isnan().all():
            per_atom = energies / packed["sizes"]
            shift = float(per_atom[~per_atom.isnan()].mean())
        if forces is not None:
            scale = _root_mean_square(forces) or scale
        return TrainingStatistics(
            mean_energy_per_atom=shift,
            rms_force=scale,
            average_neighbours=int(packed["mask"].sum()) / int(packed["sizes"].sum()),
            species=tuple(packed["numbers"].unique(sorted=True).tolist()),
            normalisation={
                name: normalisation(self.labels(name), target)
                for name, target in self.targets.items()
                if target != ENERGY and not target.derivative_of
            },
        )


def least_squares_energies(compositions: Tensor, energies: Tensor) -> tuple[float, ...]:
    """Energies E0 of the species (eV) with Σ_Z n_Z E0_Z nearest to the energies; of all of them
    the smallest, where structures of few compositions leave a choice.

    Shapes: compositions (s, species), energies (s,); float64.
    """
    solution = torch.linalg.lstsq(compositions, energies[:, None], driver="gelsd").solution
    return tuple(solution[:, 0].tolist())


def normalisation(labels: Tensor, target: Target) -> Normalisation:
    """Scales and shift of the natural parts of a target, from its labels (…, *shape).

    Of rank 0 the mean and the standard deviation; of a higher rank l the root of the mean of
    |X_l|², since no other shift is equivariant. Where the sign is free, there is no mean.
    """
    tensors = labels.reshape(len(labels), -1)
    tensors = tensors[~tensors.isnan().any(1)]
    if not len(tensors):
        return Normalisation({})
    parts = split_packed(tensors @ decomposition_matrix(target.symmetry).T, target.symmetry)
    scale, shift = {}, (0.0,)
    for rank, part in parts.items():
        if rank == 0 and target.sign == "fixed":
            shift = (float(part.mean()),)
            size = part.std(correction=0)
        else:
            size = part.square().sum(-1).mean().sqrt()
        scale[rank] = float(size) or 1.0
    return Normalisation(scale, shift)


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


def content_hash(structures: Iterable[Atoms], targets: Sequence[Target] = (ENERGY, FORCES)) -> str:
    """SHA-256 over targets, atoms, positions, cells, periodicity and labels."""
    signs = {target.name: [target.sign] for target in targets if target.sign != "fixed"}
    named = [[target.name, target.unit, *signs.get(target.name, [])] for target in targets]
    digest = hashlib.sha256(json.dumps(named).encode())
    for index, atoms in enumerate(structures):
        labels = _labels(atoms, targets, index)
        digest.update(struct.pack("<q3?", len(atoms), *atoms.pbc.tolist()))
        for values in (atoms.positions, atoms.cell.array, *labels.values()):
            digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
        digest.update(atoms.numbers.astype("<i8").tobytes())
        if (weight := weight_of(atoms)) != 1.0:
            digest.update(struct.pack("<d", weight))
    return digest.hexdigest()


def weight_of(atoms: Atoms) -> float:
    """The weight of a structure in the loss, 1 where it has none.

    :raises InputError: no number from 0 on.
    """
    weight = atoms.info.get(WEIGHT, 1.0)
    try:
        if 0 <= float(weight) < np.inf:
            return float(weight)
    except (TypeError, ValueError):
        pass
    raise InputError(f"{WEIGHT} is {weight}; it must be a number from 0 on")


def _labels(atoms: Atoms, targets: Sequence[Target], index: int) -> dict[str, np.ndarray]:
    """Labels by target, NaN where there is none."""
    try:
        found = {target.name: label(atoms, target) for target in targets}
    except InputError as error:
        raise InputError(f"frame {index}: {error}") from None
    if all(values is None for values in found.values()):
        absent = " and no ".join(found)
        raise InputError(f"frame {index}: no {absent} (the frame has: {', '.join(keys_of(atoms))})")
    return {
        target.name: np.full((len(atoms),) * target.of_atoms + target.shape, np.nan)
        if (values := found[target.name]) is None
        else values
        for target in targets
    }


def _root_mean_square(values: Tensor) -> float | None:
    """Of the numbers that are given, chunk by chunk; None where there is none."""
    total, count = 0.0, 0
    for chunk in values.flatten().split(CHUNK):
        given = chunk[~chunk.isnan()]
        total += float(given.square().sum())
        count += len(given)
    return math.sqrt(total / count) if count else None


def _starts(counts: Tensor) -> np.ndarray:
    return np.append(0, np.cumsum(counts.numpy()))


def _pack(
    structures: Sequence[Atoms],
    cutoff: float,
    targets: Sequence[Target],
    progress: bool,
    folder: str | Path | None,
) -> dict[str, Tensor]:
    """Graphs and labels one after another, mapped to files in a folder."""
    place = None if folder is None else Path(folder)
    packed = defaultdict[str, MappedRows](lambda: MappedRows(place))
    bar = tqdm(structures, desc="graphs", unit="frame", disable=not progress)
    for index, atoms in enumerate(bar):
        labels = {
            _LABEL + target.name: torch.from_numpy(values if target.of_atoms else values[None])
            for target, values in zip(targets, _labels(atoms, targets, index).values(), strict=True)
        }
        try:
            graph = build_graph(atoms, cutoff)
            shifts = _lattice_shifts(graph)
        except InputError as error:
            raise InputError(f"frame {index}: {error}") from None
        rows = {
            "positions": graph.positions,
            **labels,
            "numbers": graph.numbers.to(torch.uint8),
            "cells": graph.cells,
            "sizes": torch.tensor([len(atoms)]),
            "weights": torch.tensor([weight_of(atoms)], dtype=torch.float64),
            "widths": torch.tensor([graph.mask.shape[1]]),
            "neighbours": graph.neighbours.to(torch.int32).reshape(-1),
            "reverse": graph.reverse.to(torch.int16).reshape(-1),
            "mask": graph.mask.reshape(-1),
            "shifts": shifts,
        }
        for name, values in rows.items():
            packed[name].append(values)
    tensors = {name: rows.tensor() for name, rows in packed.items()}
    sizes, widths = tensors["sizes"], tensors["widths"]
    if (sizes == sizes[0]).all() and (widths != widths[0]).any():
        tensors |= _widened(tensors, place)
    return tensors


def _widened(packed: Mapping[str, Tensor], folder: Path | None) -> dict[str, Tensor]:
    """The rows of uniform graphs with as many slots as the widest of all."""
    atoms, width = int(packed["sizes"][0]), int(packed["widths"].max())
    empty = empty_rows(atoms, width)
    # Shifts are in lattice vectors here, for :func:`shifts_of_cells`.
    empty = empty._replace(shifts=torch.zeros_like(empty.shifts))
    wide = {name: MappedRows(folder) for name in Rows._fields}
    first_slot = 0
    for widths in packed["widths"].split(max(1, CHUNK // (3 * atoms * width))):
        used = torch.arange(width) < widths.repeat_interleave(atoms)[:, None]
        slots = slice(first_slot, first_slot := first_slot + int(used.sum()))
        for name, filling in empty._asdict().items():
            values = packed[name][slots]
            rows = filling.to(values.dtype).repeat(len(widths), *[1] * (filling.dim() - 1))
            rows[used] = values
            wide[name].append(rows.flatten(0, 1))
    return {name: rows.tensor() for name, rows in wide.items()}


def _lattice_shifts(graph: AtomicGraph) -> Tensor:
    """Shifts of all slots in lattice vectors (slots, 3), int16; zero in an empty slot."""
    fractional = graph.shifts.reshape(-1, 3) @ torch.linalg.pinv(graph.cells[0])
    whole = torch.where(graph.mask.reshape(-1, 1), fractional.round(), 0.0)
    if whole.abs().max() > LARGEST_SHIFT:
        raise InputError("atoms lie too many cells apart; wrap the positions into the cell")
    return whole.to(torch.int16)


def _load(path: Path) -> dict[str, Tensor] | None:
    """The packed graphs of a file, mapped to it; None where there is none or it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            packed = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            expected = (file.metadata() or {}).get("sha256")
    except (OSError, SafetensorError):
        return None
    return packed if expected == checksum(packed) else None
