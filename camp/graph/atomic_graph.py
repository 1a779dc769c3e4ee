"""The atomic graph: atoms, their neighbours and the edge vectors (Fig. 1a of the paper).

Neighbours are stored densely: row i holds the neighbours of atom i, filled up to the width K of
the batch with *empty slots* that a mask takes out. Sums over neighbours are then sums over an
axis, and because every edge knows the slot of its reverse, the derivative of "look up the
feature of neighbour j" is such a sum too: no scattered addition anywhere, so results are the
same on every run, on CPU and on GPU.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from camp.graph.neighbours import neighbour_list
from camp.graph.rows import Rows, rows_of_pairs, widened_rows


@dataclass(frozen=True)
class AtomicGraph:
    """One structure or a batch of them; n atoms, K neighbour slots, s systems."""

    positions: Tensor  # (n, 3) Å, float64
    numbers: Tensor  # (n,) atomic numbers
    neighbours: Tensor  # (n, K) index of the neighbour; the atom itself in an empty slot
    reverse: Tensor  # (n, K) slot, in the neighbour's row, of the reversed edge
    shifts: Tensor  # (n, K, 3) Å, float64: r_ij = r_j − r_i + shift
    mask: Tensor  # (n, K) bool: False in an empty slot
    system: Tensor  # (n,) index of the system of each atom, ascending
    cells: Tensor  # (s, 3, 3) Å, float64; zeros without a cell

    @property
    def rows(self) -> Rows:
        return Rows(self.neighbours, self.reverse, self.shifts, self.mask)

    @property
    def number_of_systems(self) -> int:
        return self.cells.shape[0]

    @property
    def number_of_edges(self) -> int:
        return int(self.mask.sum())

    def edge_vectors(self) -> Tensor:
        """r_ij = r_j − r_i in Å, shape (n, K, 3); any non-zero vector in an empty slot."""
        return self.positions[self.neighbours] - self.positions[:, None, :] + self.shifts

    def volumes(self) -> Tensor:
        """Å³, shape (s,); zero without a cell."""
        return torch.linalg.det(self.cells).abs()

    def to(self, device: torch.device | str) -> "AtomicGraph":
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def tensors(self) -> tuple[Tensor, ...]:
        """All fields in their order, for functions that take tensors only."""
        return tuple(getattr(self, f.name) for f in fields(self))


def build_graph(atoms: Atoms, cutoff: float) -> AtomicGraph:
    """The graph of one structure: an edge for every pair within the cutoff (Å).

    :raises InputError: see :func:`camp.graph.neighbours.neighbour_list`.
    """
    i, j, shift = neighbour_list(atoms, cutoff)
    half = len(i) // 2
    first, second = torch.from_numpy(i[:half]), torch.from_numpy(j[:half])
    shifts = torch.from_numpy(shift[:half] @ atoms.cell.array)
    return AtomicGraph(
        torch.from_numpy(atoms.positions.astype(np.float64)),
        torch.from_numpy(atoms.numbers.astype(np.int64)),
        *rows_of_pairs(len(atoms), first, second, shifts),
        system=torch.zeros(len(atoms), dtype=torch.int64),
        cells=torch.from_numpy(atoms.cell.array.astype(np.float64))[None],
    )


def batch_graphs(graphs: list[AtomicGraph]) -> AtomicGraph:
    """Several graphs as one, systems in the order given; widths are filled up to the largest."""
    width = max(graph.mask.shape[1] for graph in graphs)
    widened = [
        graph
        if graph.mask.shape[1] == width
        else replace(graph, **widened_rows(graph.rows, width)._asdict())
        for graph in graphs
    ]
    sizes = torch.tensor([graph.positions.shape[0] for graph in graphs])
    first_atom = torch.cumsum(sizes, 0) - sizes
    systems = torch.tensor([graph.number_of_systems for graph in graphs])
    first_system = torch.cumsum(systems, 0) - systems
    joined = {f.name: torch.cat([getattr(g, f.name) for g in widened]) for f in fields(AtomicGraph)}
    offset = torch.repeat_interleave(first_atom, sizes)
    joined["neighbours"] = joined["neighbours"] + offset[:, None]
    joined["system"] = joined["system"] + torch.repeat_interleave(first_system, sizes)
    return AtomicGraph(**joined)
