"""Graphs unpacked from a dataset against graphs built directly."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from camp.data.dataset import GraphDataset
from camp.errors import InputError
from camp.graph import build_graph
from camp.targets import TARGETS
from tests.data.labelled_structures import CUTOFF, assert_equal_graphs, labelled


def test_packed_graphs_are_those_built_directly(structures):
    dataset = GraphDataset(structures, CUTOFF)
    assert len(dataset) == 5
    for k, atoms in enumerate(structures):
        item = dataset[k]
        assert_equal_graphs(item.graph, build_graph(atoms, CUTOFF))
        assert item.labels["energy"].dtype == item.labels["forces"].dtype == torch.float64
        assert item.labels["energy"].item() == atoms.get_potential_energy()
        assert item.labels["forces"].tolist() == atoms.get_forces().tolist()
    assert_equal_graphs(dataset[-1].graph, dataset[4].graph)
    with pytest.raises(IndexError):
        dataset[5]


def test_bad_structures_are_named(structures):
    bare = structures[1].copy()
    with pytest.raises(InputError, match="frame 1: no energy and no forces"):
        GraphDataset([structures[0], bare], CUTOFF)
    flat = labelled(Atoms("H", cell=[1, 0, 0], pbc=True), 0)
    with pytest.raises(InputError, match="frame 2: the cell has no volume"):
        GraphDataset([*structures[:2], flat], CUTOFF)
    silicon = bulk("Si")
    away = labelled(silicon, 0, offset=[[0, 0, 0], 40_000 * silicon.cell[0]])
    with pytest.raises(InputError, match="frame 0: atoms lie too many cells apart"):
        GraphDataset([away], CUTOFF)
    with pytest.raises(InputError, match="at least one structure"):
        GraphDataset([], CUTOFF)
    with pytest.raises(InputError, match="cutoff must be"):
        GraphDataset(structures, 0)


def test_labels_of_any_target_are_packed_and_batched(structures):
    """A tensor of each structure and one of each atom; what a frame lacks is NaN."""
    polarizability, shielding = TARGETS["polarizability"], TARGETS["shielding"]
    rng = np.random.default_rng(5)
    for number, atoms in enumerate(structures):
        tensor = rng.normal(size=(3, 3))
        atoms.info["alpha"] = tensor + tensor.T
        if number:
            atoms.set_array("shielding", rng.normal(size=(len(atoms), 9)))
    dataset = GraphDataset(structures, CUTOFF, targets=(polarizability, shielding))
    batch = dataset.batch([0, 2])
    assert batch.labels["polarizability"].shape == (2, 3, 3)
    np.testing.assert_array_equal(
        batch.labels["polarizability"][1].numpy(), structures[2].info["alpha"]
    )
    count = len(structures[0])
    assert batch.labels["shielding"][:count].isnan().all()
    np.testing.assert_array_equal(
        batch.labels["shielding"][count:].reshape(-1, 9).numpy(), structures[2].arrays["shielding"]
    )
