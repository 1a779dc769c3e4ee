"""The atomic graph from pairs of atoms, made on the device where the pairs are."""

import torch
from torch import Tensor

from camp.graph.atomic_graph import AtomicGraph
from camp.graph.rows import rows_of_pairs


def half_of_pairs(
    centres: Tensor, neighbours: Tensor, shifts: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """One of the two directions of each pair of a full neighbour list.

    :param centres: (e,) first atoms i.
    :param neighbours: (e,) second atoms j.
    :param shifts: (e, 3) integer cell shifts S; (i, j, S) and (j, i, −S) are the same pair.
    :return: centres, neighbours and shifts of the pairs that are kept.
    """
    # The sign of S in lexicographic order decides between an atom and its own images.
    first, second, third = shifts.unbind(1)
    beyond = torch.where(first != 0, first, torch.where(second != 0, second, third)) > 0
    keep = (centres < neighbours) | ((centres == neighbours) & beyond)
    return centres[keep], neighbours[keep], shifts[keep]


def graph_from_pairs(
    positions: Tensor,
    numbers: Tensor,
    system: Tensor,
    cells: Tensor,
    pairs: tuple[Tensor, Tensor, Tensor],
) -> AtomicGraph:
    """The graph of a batch with n atoms in s systems, all tensors on one device.

    :param positions: (n, 3) Å, float64.
    :param numbers: (n,) atomic numbers.
    :param system: (n,) index of the system of each atom, ascending.
    :param cells: (s, 3, 3) Å, float64, rows are the cell vectors; zeros without a cell.
    :param pairs: centres (e,), neighbours (e,) and integer cell shifts (e, 3): each pair within
        the cutoff once, in either direction.
    """
    i, j, shift = pairs
    shifts = torch.bmm(shift.to(cells)[:, None, :], cells[system[i]])[:, 0]
    rows = rows_of_pairs(len(positions), i, j, shifts)
    return AtomicGraph(positions, numbers, *rows, system=system, cells=cells)
