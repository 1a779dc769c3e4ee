"""Rows and slots: the one place that lays out the edges of a graph.

Row i holds the edges from atom i to its neighbours, filled up to the width K with *empty slots*: in
these the neighbour is the atom itself, the reversed edge is the slot itself, and the mask is False.
All tensors of a call lie on one device, where the rows are made.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# Å; the vector of an empty slot must not vanish, and the mask keeps it out of every sum.
EMPTY_SLOT_LENGTH = 1.0


class Rows(NamedTuple):
    """The edges of n atoms in rows of K slots: fields of :class:`camp.graph.AtomicGraph`."""

    neighbours: Tensor  # (n, K) index of the neighbour; the atom itself in an empty slot
    reverse: Tensor  # (n, K) slot, in the neighbour's row, of the reversed edge
    shifts: Tensor  # (n, K, 3) Å, float64: r_ij = r_j − r_i + shift
    mask: Tensor  # (n, K) bool: False in an empty slot


def empty_rows(atoms: int, width: int, device: torch.device | str = "cpu") -> Rows:
    """Rows of atoms without neighbours, which may be filled in place."""
    shifts = torch.zeros(atoms, width, 3, dtype=torch.float64, device=device)
    shifts[..., 0] = EMPTY_SLOT_LENGTH
    return Rows(
        neighbours=torch.arange(atoms, device=device)[:, None].expand(-1, width).contiguous(),
        reverse=torch.arange(width, device=device).expand(atoms, -1).contiguous(),
        shifts=shifts,
        mask=torch.zeros(atoms, width, dtype=torch.bool, device=device),
    )


def rows_of_edges(
    counts: Tensor,
    centres: Tensor,
    slots: Tensor,
    neighbours: Tensor,
    reverse: Tensor,
    shifts: Tensor,
) -> Rows:
    """Rows as wide as the longest of them, with e edges at given places.

    :param counts: (n,) edges of each atom; those of atom i are in its first slots.
    :param centres: (e,) the atom i of each edge, and its slot in ``slots`` (e,).
    :param neighbours: (e,) the atom j, and the slot of the reversed edge in ``reverse`` (e,).
    :param shifts: (e, 3) Å, float64.
    """
    atoms, width = len(counts), max(int(counts.max()), 1) if len(counts) else 1
    rows = empty_rows(atoms, width, centres.device)
    places = centres * width + slots
    rows.neighbours.view(-1).scatter_(0, places, neighbours)
    rows.reverse.view(-1).scatter_(0, places, reverse)
    rows.shifts.view(-1, 3).index_copy_(0, places, shifts)
    return rows._replace(mask=torch.arange(width, device=centres.device) < counts[:, None])


def rows_of_pairs(atoms: int, first: Tensor, second: Tensor, shifts: Tensor) -> Rows:
    """Rows with both directions of each pair, in each row first the pairs of which the atom is the
    first, in the order given.

    :param first: (p,) atoms i.
    :param second: (p,) atoms j.
    :param shifts: (p, 3) Å, float64, of i → j.
    """
    pairs = len(first)
    centres = torch.cat([first, second])
    counts = torch.bincount(centres, minlength=atoms)
    begins = torch.cumsum(counts, 0) - counts
    order = _stable_order(centres, atoms)
    slots = torch.empty_like(centres)
    slots.scatter_(0, order, torch.arange(2 * pairs, device=slots.device) - begins[centres[order]])
    return rows_of_edges(
        counts,
        centres,
        slots,
        neighbours=torch.cat([second, first]),
        reverse=torch.cat([slots[pairs:], slots[:pairs]]),
        shifts=torch.cat([shifts, -shifts]),
    )


def _stable_order(centres: Tensor, atoms: int) -> Tensor:
    if centres.device.type != "cpu":
        return torch.argsort(centres, stable=True)
    # Short integers are sorted by their digits, which takes a tenth of the time.
    short = centres.numpy().astype(np.min_scalar_type(atoms))
    return torch.from_numpy(np.argsort(short, kind="stable"))


def widened_rows(rows: Rows, width: int) -> Rows:
    """The same rows with more empty slots."""
    wide = empty_rows(len(rows.mask), width, rows.mask.device)
    for target, values in zip(wide, rows, strict=True):
        target[:, : values.shape[1]] = values
    return wide


def compact_rows(rows: Rows) -> Rows:
    """The same rows with the masked slots left out, as far as the longest row allows."""
    counts = rows.mask.sum(1)
    if max(int(counts.max()), 1) == rows.mask.shape[1]:
        return rows
    slots = torch.cumsum(rows.mask, 1) - 1
    i, old = rows.mask.nonzero(as_tuple=True)
    j = rows.neighbours[i, old]
    return rows_of_edges(
        counts, i, slots[i, old], j, slots[j, rows.reverse[i, old]], rows.shifts[i, old]
    )


def shifts_of_cells(cells: Tensor, numbers: Tensor, mask: Tensor) -> Tensor:
    """Shifts of slots in Å from those in lattice vectors, which are zero in an empty slot.

    Shapes: cells (b, 3, 3) Å, float64; numbers (b, n, K, 3); mask (b, n, K).
    Returns (b · n, K, 3), float64.
    """
    batches, atoms, width = mask.shape
    shifts = (numbers.double().flatten(1, 2) @ cells).view(batches * atoms, width, 3)
    shifts[..., 0] += EMPTY_SLOT_LENGTH * ~mask.flatten(0, 1)
    return shifts
