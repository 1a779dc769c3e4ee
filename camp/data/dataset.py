"""Labelled graphs for training, one by one and in batches.

All graphs of a dataset lie packed in a few tensors; a graph is unpacked when it is asked for. Where
all structures have the same number of atoms, the graphs lie in arrays, from which whole batches are
taken at once, on any device.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from torch import Tensor
from torch.utils.data import Dataset

from camp.data.labelled import LabelledBatch, LabelledGraph, collate
from camp.data.packing import PREFIX, content_hash, packed_graphs
from camp.errors import InputError
from camp.graph import AtomicGraph
from camp.graph.rows import Rows, shifts_of_cells
from camp.targets import ENERGY, FORCES, Target

# Of the free memory of a GPU, for the graphs of one dataset.
SHARE_OF_MEMORY = 0.25


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
        packed = packed_graphs(
            structures,
            self.cutoff,
            targets,
            content=self.content_hash,
            cache=cache,
            progress=progress,
        )
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
            name: packed[PREFIX + name][atoms if target.of_atoms else index]
            for name, target in self.targets.items()
        }
        of_atoms = frozenset(name for name, t in self.targets.items() if t.of_atoms)
        return LabelledGraph(graph, labels, of_atoms, float(packed["weights"][index]))

    @property
    def sizes(self) -> Tensor:
        """Atoms of each graph (structures,)."""
        return self._packed["sizes"]

    @property
    def numbers(self) -> Tensor:
        """Atomic numbers (all atoms,), one structure after another."""
        return self._packed["numbers"]

    def labelled(self, name: str) -> int:
        """How many structures have a label of a target, on some atom at least."""
        # Numbers and tensors alike: a row for each structure or atom.
        known = (~self.labels(name).isnan()).reshape(len(self.labels(name)), -1).any(1)
        if self.targets[name].of_atoms:
            structure = torch.arange(len(self)).repeat_interleave(self.sizes)
            return len(structure[known].unique())
        return int(known.sum())

    @property
    def neighbours(self) -> int:
        """Of all atoms together."""
        return int(self._packed["mask"].sum())

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
            name: a[PREFIX + name].flatten(0, 1) if target.of_atoms else a[PREFIX + name]
            for name, target in self.targets.items()
        }
        return LabelledBatch(graph, labels, sizes, a["weights"])

    def _as_arrays(self) -> dict[str, Tensor]:
        """The packed tensors of uniform graphs with an axis of structures, and one of slots."""
        packed = self._packed
        count, atoms, width = len(self), int(packed["sizes"][0]), int(packed["widths"].max())
        of_atoms = [PREFIX + name for name, target in self.targets.items() if target.of_atoms]
        arrays = {
            name: values
            for name, values in packed.items()
            if name in ("cells", "weights") or (name.startswith(PREFIX) and name not in of_atoms)
        }
        for name in ("positions", "numbers", *of_atoms):
            arrays[name] = packed[name].unflatten(0, (count, atoms))
        for name in Rows._fields:
            arrays[name] = packed[name].unflatten(0, (count, atoms, width))
        return arrays

    def labels(self, name: str) -> Tensor:
        """All labels of one target: (structures, *shape) or (all atoms, *shape)."""
        return self._packed[PREFIX + name]


def _starts(counts: Tensor) -> np.ndarray:
    return np.append(0, np.cumsum(counts.numpy()))
