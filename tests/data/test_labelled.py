"""Labelled graphs in batches against those built directly."""

import numpy as np
import torch
from torch.utils.data import DataLoader

from camp.data.dataset import GraphDataset
from camp.data.labelled import collate
from camp.graph import batch_graphs, build_graph
from tests.data.labelled_structures import CUTOFF, assert_equal_graphs


def test_a_loader_gives_batches(structures):
    loader = DataLoader(GraphDataset(structures, CUTOFF), batch_size=3, collate_fn=collate)
    first, second = list(loader)
    assert first.sizes.tolist() == [2, 9, 8]
    assert second.sizes.tolist() == [2, 1]
    expected = batch_graphs([build_graph(atoms, CUTOFF) for atoms in structures[:3]])
    assert_equal_graphs(first.graph, expected)
    assert first.labels["energy"].tolist() == [a.get_potential_energy() for a in structures[:3]]
    assert first.labels["energy"].dtype == torch.float64
    forces = np.concatenate([atoms.get_forces() for atoms in structures[:3]])
    np.testing.assert_array_equal(first.labels["forces"].numpy(), forces)
    assert first.to("cpu").graph.number_of_systems == 3
