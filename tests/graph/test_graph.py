"""Graphs against ASE's own neighbour list, and their invariants."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, graphene, molecule
from ase.neighborlist import primitive_neighbor_list

from camp.errors import InputError
from camp.graph import batch_graphs, build_graph, neighbour_list

CUTOFF = 5.0


def skewed():
    atoms = bulk("Cu", "fcc", a=3.6)
    atoms.set_cell(atoms.cell.array + np.array([[0, 0, 0.9], [1.3, 0, 0], [0, -0.4, 0]]))
    return atoms + Atoms("O", [[0.9, 1.1, 1.4]])


STRUCTURES = {
    "molecule": molecule("CH3CH2OH"),
    "cell smaller than the cutoff": bulk("Cu", "fcc", a=3.6),
    "skewed cell": skewed(),
    "two-dimensional, no third vector": graphene(size=(1, 1, 1), vacuum=None),
    "one-dimensional": Atoms("H2", [[0, 0, 0], [0.7, 0, 0]], cell=[2.0, 9, 9], pbc=[1, 0, 0]),
    "atoms outside the cell": Atoms("H2", [[-7.1, 0, 0], [23.0, 3, 1]], cell=[6, 6, 6], pbc=True),
    "single atom": Atoms("H", [[0, 0, 0]]),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_edges_are_those_of_ase(name):
    atoms = STRUCTURES[name]
    i, j, shift = neighbour_list(atoms, CUTOFF)
    ours = sorted(zip(i, j, *shift.T, strict=True))
    cell = atoms.cell.complete()
    expected = primitive_neighbor_list("ijS", atoms.pbc, cell, atoms.positions, CUTOFF)
    assert ours == sorted(zip(expected[0], expected[1], *expected[2].T, strict=True))


@pytest.mark.parametrize("name", STRUCTURES)
def test_order_depends_on_the_pairs_alone(name):
    """So that sums over a list of another time, or with a skin, are the same to the last bit."""
    atoms = STRUCTURES[name]
    moved = atoms.copy()
    moved.positions += np.random.default_rng(0).normal(scale=0.3, size=moved.positions.shape)
    ours, later = (
        list(zip(i.tolist(), j.tolist(), *shift.T.tolist(), strict=True))
        for i, j, shift in (neighbour_list(atoms, CUTOFF), neighbour_list(moved, CUTOFF + 0.5))
    )
    both = set(ours) & set(later)
    assert [pair for pair in ours if pair in both] == [pair for pair in later if pair in both]


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_edge_has_its_reverse(name):
    graph = build_graph(STRUCTURES[name], CUTOFF)
    vectors = graph.edge_vectors()
    back = vectors[graph.neighbours, graph.reverse]
    torch.testing.assert_close(back[graph.mask], -vectors[graph.mask])
    itself = torch.arange(len(graph.numbers))[:, None].expand_as(graph.neighbours)
    assert torch.equal(graph.neighbours[graph.neighbours, graph.reverse], itself)
    assert (vectors[graph.mask].norm(dim=-1) < CUTOFF).all()
    assert (vectors.norm(dim=-1) > 0).all()


def test_batch_keeps_every_structure():
    structures = list(STRUCTURES.values())
    graphs = [build_graph(atoms, CUTOFF) for atoms in structures]
    batch = batch_graphs(graphs)
    assert batch.number_of_systems == len(structures)
    assert batch.number_of_edges == sum(graph.number_of_edges for graph in graphs)
    first = 0
    for k, (atoms, graph) in enumerate(zip(structures, graphs, strict=True)):
        rows = slice(first, first + len(atoms))
        assert (batch.system[rows] == k).all()
        width = graph.mask.shape[1]
        torch.testing.assert_close(batch.edge_vectors()[rows, :width], graph.edge_vectors())
        assert not batch.mask[rows, width:].any()
        first += len(atoms)


def test_volume():
    atoms = skewed()
    assert build_graph(atoms, CUTOFF).volumes().item() == pytest.approx(atoms.get_volume())


def test_coinciding_atoms_are_refused():
    atoms = Atoms("H3", [[0, 0, 0], [1, 0, 0], [6.0, 0, 1e-5]], cell=[6, 6, 6], pbc=True)
    with pytest.raises(InputError, match="atoms 0 and 2 coincide"):
        build_graph(atoms, CUTOFF)


@pytest.mark.parametrize("cell", [np.zeros((3, 3)), [[3, 0, 0], [6, 0, 0], [0, 0, 5]]])
def test_periodic_without_volume_is_refused(cell):
    with pytest.raises(InputError, match="no volume"):
        build_graph(Atoms("H", [[0, 0, 0]], cell=cell, pbc=True), CUTOFF)
