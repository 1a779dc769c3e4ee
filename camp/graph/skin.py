"""A neighbour list that outlives many steps of a simulation (Verlet's list)."""

from dataclasses import replace

import numpy as np
import torch
from ase import Atoms

from camp.errors import InputError
from camp.graph.atomic_graph import EMPTY_SLOT_LENGTH, AtomicGraph, build_graph
from camp.graph.neighbours import COINCIDENCE_DISTANCE

SKIN = 0.5  # Å


class SkinList:
    """Graphs of successive structures, as :func:`build_graph` makes them, but faster.

    All pairs within the cutoff and a skin are remembered; they serve until an atom has moved by
    half the skin, or until cell, species or periodicity change.

    :param cutoff: Å.
    :param skin: Å.
    """

    def __init__(self, cutoff: float, *, skin: float = SKIN):
        self.cutoff = float(cutoff)
        self.skin = float(skin)
        self.builds = 0
        self._graph: AtomicGraph | None = None
        self._built_for: Atoms | None = None

    def graph(self, atoms: Atoms, *, compact: bool = True) -> AtomicGraph:
        """The graph of a structure.

        :param compact: leave out the slots beyond the cutoff. They are masked in any case, and
            code that skips what is masked does not need them left out.
        :raises InputError: positions that are not finite, or see :func:`build_graph`.
        """
        if self._outdated(atoms):
            self._graph = build_graph(atoms, self.cutoff + self.skin)
            self._built_for = atoms.copy()
            self.builds += 1
        assert self._graph is not None
        positions = torch.from_numpy(atoms.positions.astype(np.float64))
        graph = replace(self._graph, positions=positions)
        lengths = torch.linalg.vector_norm(graph.edge_vectors(), dim=-1)
        if lengths.min() < COINCIDENCE_DISTANCE:
            i, slot = divmod(int(lengths.argmin()), lengths.shape[1])
            raise InputError(
                f"atoms {i} and {int(graph.neighbours[i, slot])} coincide "
                f"({lengths.min().item():.1e} Å apart); remove one of them"
            )
        graph = replace(graph, mask=graph.mask & (lengths < self.cutoff))
        return _without_masked_slots(graph) if compact else graph

    def _outdated(self, atoms: Atoms) -> bool:
        old = self._built_for
        if old is None or len(old) != len(atoms) or len(atoms) == 0:
            return True
        moved = np.square(atoms.positions - old.positions).sum(1).max()
        if not np.isfinite(moved):
            raise InputError("the positions are not finite; the dynamics have exploded")
        return bool(
            4.0 * moved >= self.skin**2
            or (atoms.numbers != old.numbers).any()
            or (atoms.pbc != old.pbc).any()
            or (atoms.cell.array != old.cell.array).any()
        )


def _without_masked_slots(graph: AtomicGraph) -> AtomicGraph:
    """The same graph with the masked slots left out, as far as the widest row allows."""
    counts = graph.mask.sum(1)
    n, width = len(counts), max(int(counts.max()), 1)
    if width == graph.mask.shape[1]:
        return graph
    new_slot = torch.cumsum(graph.mask, 1) - 1
    i, old = graph.mask.nonzero(as_tuple=True)
    slot = new_slot[i, old]
    j = graph.neighbours[i, old]
    shift = torch.tensor([EMPTY_SLOT_LENGTH, 0.0, 0.0], dtype=graph.shifts.dtype)
    shifts = shift.expand(n, width, 3).clone()
    shifts[i, slot] = graph.shifts[i, old]
    neighbours = torch.arange(n)[:, None].repeat(1, width)
    neighbours[i, slot] = j
    reverse = torch.arange(width).repeat(n, 1)
    reverse[i, slot] = new_slot[j, graph.reverse[i, old]]
    return replace(
        graph,
        neighbours=neighbours,
        reverse=reverse,
        shifts=shifts,
        mask=torch.arange(width) < counts[:, None],
    )
