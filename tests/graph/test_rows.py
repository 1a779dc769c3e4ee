"""The layout of rows, by its definition: each slot is asked, one after the other."""

import numpy as np
import torch

from camp.graph.rows import compact_rows, empty_rows, rows_of_pairs, shifts_of_cells, widened_rows

# Atom 3 has no neighbours; atom 2 pairs with an image of itself.
FIRST, SECOND = torch.tensor([0, 0, 2, 2]), torch.tensor([1, 2, 1, 2])
SHIFTS = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 3)))


def edges_of(rows):
    """Edges (i, j, shift) of all rows; each is checked to be the reverse of its reverse."""
    found = []
    for i, slot in rows.mask.nonzero().tolist():
        j, back = int(rows.neighbours[i, slot]), int(rows.reverse[i, slot])
        assert rows.mask[j, back]
        assert (int(rows.neighbours[j, back]), int(rows.reverse[j, back])) == (i, slot)
        assert torch.equal(rows.shifts[j, back], -rows.shifts[i, slot])
        found.append((i, j, *rows.shifts[i, slot].tolist()))
    return found


def assert_empty(rows, place):
    """As a row of :func:`empty_rows` has it."""
    empty = empty_rows(*rows.mask.shape)
    for values, expected in zip(rows, empty, strict=True):
        assert torch.equal(values[place], expected[place])


def test_both_directions_of_each_pair_are_in_the_rows():
    rows = rows_of_pairs(4, FIRST, SECOND, SHIFTS)
    pairs = zip(FIRST.tolist(), SECOND.tolist(), SHIFTS.tolist(), strict=True)
    both = [edge for i, j, s in pairs for edge in ((i, j, *s), (j, i, *(-x for x in s)))]
    assert sorted(edges_of(rows)) == sorted(both)
    assert rows.mask.sum(1).tolist() == [2, 2, 4, 0]
    # First the pairs whose first atom the row's is, in their order.
    assert rows.neighbours[2].tolist() == [1, 2, 0, 2]
    assert_empty(rows, ~rows.mask)


def test_atoms_without_neighbours_have_one_empty_slot():
    none = torch.tensor([], dtype=torch.int64)
    rows = rows_of_pairs(2, none, none, torch.zeros(0, 3, dtype=torch.float64))
    assert rows.mask.shape == (2, 1)
    assert_empty(rows, ~rows.mask)


def test_wider_rows_have_more_empty_slots():
    rows = rows_of_pairs(4, FIRST, SECOND, SHIFTS)
    wide = widened_rows(rows, 6)
    assert wide.mask.shape == (4, 6)
    assert edges_of(wide) == edges_of(rows)
    assert_empty(wide, ~wide.mask)
    for found, expected in zip(compact_rows(wide), rows, strict=True):
        assert torch.equal(found, expected)


def test_compact_rows_lose_masked_edges_only():
    rows = rows_of_pairs(4, FIRST, SECOND, SHIFTS)
    kept = torch.tensor([True, False, True, True])
    masked = rows.mask.clone()
    # The pair 0–2 in both of its directions.
    slot = rows.neighbours[0].tolist().index(2)
    masked[0, slot] = masked[2, rows.reverse[0, slot]] = False
    compact = compact_rows(rows._replace(mask=masked))
    expected = rows_of_pairs(4, FIRST[kept], SECOND[kept], SHIFTS[kept])
    for found, fresh in zip(compact, expected, strict=True):
        assert torch.equal(found, fresh)


def test_shifts_of_cells_are_those_of_the_lattice():
    rng = np.random.default_rng(1)
    cells = torch.from_numpy(rng.normal(size=(2, 3, 3)))
    numbers = torch.from_numpy(rng.integers(-2, 3, size=(2, 4, 3, 3)).astype(np.int16))
    mask = torch.from_numpy(rng.random((2, 4, 3)) < 0.6)
    numbers[~mask] = 0
    found = shifts_of_cells(cells, numbers, mask).view(2, 4, 3, 3)
    expected = torch.einsum("bnkc,bcx->bnkx", numbers.double(), cells)
    torch.testing.assert_close(found[mask], expected[mask])
    assert (found[~mask] == torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)).all()
