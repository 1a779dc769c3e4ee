"""A neighbour list that outlives many steps of a simulation (Verlet's list)."""

from dataclasses import replace

import numpy as np
import torch
from ase import Atoms

from camp.errors import InputError
from camp.graph.atomic_graph import AtomicGraph, build_graph
from camp.graph.neighbours import COINCIDENCE_DISTANCE, CoincidingAtomsError
from camp.graph.rows import compact_rows

SKIN = 0.5  # Å
IDENTITY = np.eye(3)


class SkinList:
    """Graphs of successive structures, as :func:`build_graph` makes them, but faster.

    All pairs within the cutoff and a skin are remembered. Let F be the strain that took the cell
    of then to the cell of now, s its smallest stretch, and u ≥ u' the two largest displacements
    of atoms beside that strain and beside the drift of all. A pair that was left out is now no
    nearer than s · (cutoff + skin) − u − u', and the list serves as long as that is not below the
    cutoff. In a constant cell, s = 1, that is until two atoms have moved by half the skin.

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
        graph = self.candidates(atoms)
        lengths = torch.linalg.vector_norm(graph.edge_vectors(), dim=-1)
        refuse_coincidence(graph, float(lengths.min()), int(lengths.argmin()))
        graph = replace(graph, mask=graph.mask & (lengths < self.cutoff))
        return replace(graph, **compact_rows(graph.rows)._asdict()) if compact else graph

    def candidates(self, atoms: Atoms) -> AtomicGraph:
        """The same with the pairs beyond the cutoff among the others, as many as the list has,
        and without a look for coinciding atoms: for code that measures all edges anyway.

        :raises InputError: see :meth:`graph`.
        """
        if not np.isfinite(atoms.positions.sum() + atoms.cell.array.sum()):
            raise InputError("the positions are not finite; the dynamics have exploded")
        strain = self._strain(atoms)
        if strain is None:
            self._graph = build_graph(atoms, self.cutoff + self.skin)
            self._built_for = atoms.copy()
            self.builds += 1
        assert self._graph is not None
        graph = replace(self._graph, positions=torch.from_numpy(atoms.positions.astype(np.float64)))
        if strain is None or strain is IDENTITY:
            return graph
        cells = torch.from_numpy(atoms.cell.array.astype(np.float64))[None]
        # Not as a product of matrices, which may round the two directions of a pair differently.
        x, y, z = torch.from_numpy(strain)
        shifts = graph.shifts[..., :1] * x + graph.shifts[..., 1:2] * y + graph.shifts[..., 2:] * z
        return replace(graph, shifts=shifts, cells=cells)

    def _strain(self, atoms: Atoms) -> np.ndarray | None:
        """F with cell(now) = cell(then) · F if the list still serves."""
        old = self._built_for
        if (
            old is None
            or len(old) != len(atoms)
            or len(atoms) == 0
            or (atoms.numbers != old.numbers).any()
            or (atoms.pbc != old.pbc).any()
        ):
            return None
        strain, stretch, expected = IDENTITY, 1.0, old.positions
        if (atoms.cell.array != old.cell.array).any():
            if old.cell.rank < 3:
                return None
            strain = np.linalg.solve(old.cell.array, atoms.cell.array)
            stretch = np.linalg.svd(strain, compute_uv=False).min()
            expected = old.positions @ strain
        moved = atoms.positions - expected
        moved -= moved.mean(0)
        largest = np.sort(np.einsum("ix,ix->i", moved, moved))[-2:]
        serves = stretch * (self.cutoff + self.skin) - np.sqrt(largest).sum() > self.cutoff
        return strain if serves else None


def refuse_coincidence(graph: AtomicGraph, shortest: float, place: int) -> None:
    """Refuse the graph if its shortest edge is too short to be one.

    :param shortest: its length in Å.
    :param place: the index of its slot among the n · K.
    :raises CoincidingAtomsError: naming its atoms.
    """
    if shortest < COINCIDENCE_DISTANCE:
        i, slot = divmod(place, graph.neighbours.shape[1])
        raise CoincidingAtomsError(i, int(graph.neighbours[i, slot]), shortest)
