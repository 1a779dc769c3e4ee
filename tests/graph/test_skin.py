"""A neighbour list with a skin gives what a fresh one gives, on any walk."""

import numpy as np
import pytest
from ase import Atoms

from camp.errors import InputError
from camp.graph import build_graph
from camp.graph.skin import SkinList

CUTOFF = 4.0


def edges(graph):
    """All edges as rows (centre, neighbour, vector), in an order of their own."""
    vectors = graph.edge_vectors().numpy()
    i, slot = np.nonzero(graph.mask.numpy())
    rows = np.column_stack([i, graph.neighbours.numpy()[i, slot], vectors[i, slot].round(9) + 0.0])
    return rows[np.lexsort(rows.T[::-1])]


def reversed_vectors(graph):
    """The vectors found in the slots of the reversed edges."""
    return graph.edge_vectors().numpy()[graph.neighbours.numpy(), graph.reverse.numpy()]


def structures():
    rng = np.random.default_rng(0)
    skewed = np.array([[3.0, 0.2, -0.4], [1.9, 2.8, 0.3], [-1.0, 0.9, 3.1]])
    return {
        "molecule": Atoms("H8", rng.uniform(0, 6, (8, 3))),
        "crystal": Atoms("H20", rng.uniform(0, 9, (20, 3)), cell=[9, 9, 9], pbc=True),
        "images": Atoms("H2", [[0, 0, 0], [1.4, 1.2, 1.1]], cell=skewed, pbc=True),
        "slab": Atoms("H6", rng.uniform(0, 5, (6, 3)), cell=[5, 5, 5], pbc=[1, 1, 0]),
        "alone": Atoms("H", [[1.0, 2.0, 3.0]]),
    }


@pytest.mark.parametrize("name", structures())
@pytest.mark.parametrize("compact", [True, False])
def test_equals_a_fresh_list_on_a_random_walk(name, compact):
    rng = np.random.default_rng(1)
    atoms = structures()[name]
    neighbours = SkinList(CUTOFF, skin=0.6)
    for _ in range(60):
        atoms.positions += rng.normal(scale=0.03, size=(len(atoms), 3))
        graph = neighbours.graph(atoms, compact=compact)
        fresh = build_graph(atoms, CUTOFF)
        np.testing.assert_allclose(edges(graph), edges(fresh), atol=1e-9)
        kept = graph.mask.numpy()
        np.testing.assert_array_equal(
            reversed_vectors(graph)[kept], -graph.edge_vectors().numpy()[kept]
        )
        if compact:
            assert graph.mask.shape == fresh.mask.shape
    assert neighbours.builds < 30


def test_is_rebuilt_when_anything_but_positions_changes():
    atoms = structures()["crystal"]
    neighbours = SkinList(CUTOFF)
    changes = [
        lambda: atoms.set_cell(atoms.cell * 1.2, scale_atoms=False),
        lambda: atoms.set_pbc([True, False, True]),
        lambda: atoms.numbers.__setitem__(3, 8),
        lambda: atoms.__delitem__(5),
        lambda: atoms.wrap() or atoms.positions.__iadd__(9.0),
    ]
    for builds, change in enumerate(changes, start=1):
        neighbours.graph(atoms)
        assert neighbours.builds == builds
        change()
        graph = neighbours.graph(atoms)
        np.testing.assert_allclose(edges(graph), edges(build_graph(atoms, CUTOFF)), atol=1e-9)
        np.testing.assert_array_equal(graph.numbers, atoms.numbers)


@pytest.mark.parametrize("name", ["crystal", "images", "slab"])
def test_equals_a_fresh_list_while_the_cell_changes(name):
    """Sheared and stretched, with the atoms or without them, and moved besides."""
    rng = np.random.default_rng(2)
    atoms = structures()[name]
    neighbours = SkinList(CUTOFF, skin=0.6)
    for step in range(60):
        strain = np.eye(3) + rng.normal(scale=2e-3, size=(3, 3))
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=step % 4 > 0)
        # A drift of all atoms together is not a reason for a new list.
        atoms.positions += rng.normal([0.3, -0.2, 0.1], 0.01, size=(len(atoms), 3))
        for compact in (True, False):
            graph = neighbours.graph(atoms, compact=compact)
            np.testing.assert_allclose(edges(graph), edges(build_graph(atoms, CUTOFF)), atol=1e-9)
            np.testing.assert_array_equal(
                reversed_vectors(graph)[graph.mask], -graph.edge_vectors()[graph.mask]
            )
            np.testing.assert_array_equal(graph.cells[0], atoms.cell.array)
    assert neighbours.builds < 30


def test_pairs_beyond_the_skin_come_into_reach_when_the_cell_shrinks():
    """The limit of the criterion: strain alone brings a pair from outside to the cutoff."""
    atoms = Atoms("H2", [[0, 0, 0], [CUTOFF + 0.61, 0, 0]], cell=[30, 30, 30], pbc=True)
    neighbours = SkinList(CUTOFF, skin=0.6)
    assert neighbours.graph(atoms).number_of_edges == 0
    for stretch in np.linspace(1.0, 0.8, 50):
        smaller = atoms.copy()
        smaller.set_cell(stretch * atoms.cell, scale_atoms=True)
        within = stretch * (CUTOFF + 0.61) < CUTOFF
        assert neighbours.graph(smaller).number_of_edges == (2 if within else 0)


def test_atoms_that_come_to_coincide_are_refused():
    """Within the skin, where no list is built that would notice, and far away."""
    for step in (0.05, 5.0):
        atoms = Atoms("H2", [[0, 0, 0], [step, 0, 0]])
        neighbours = SkinList(CUTOFF, skin=0.5)
        neighbours.graph(atoms)
        atoms.positions[1, 0] = 0.0
        with pytest.raises(InputError, match="atoms 0 and 1 coincide"):
            neighbours.graph(atoms)


def test_exploded_positions_are_refused():
    atoms = structures()["crystal"]
    neighbours = SkinList(CUTOFF)
    neighbours.graph(atoms)
    atoms.positions[2, 1] = np.nan
    with pytest.raises(InputError, match="not finite"):
        neighbours.graph(atoms)
