"""Statistics of training sets against hand-made ones."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from camp.data.dataset import GraphDataset
from camp.data.statistics import (
    baseline_of,
    least_squares_energies,
    normalisation,
    statistics_of,
)
from camp.errors import InputError
from camp.settings import TrainingSettings
from camp.targets import TARGETS


def test_statistics_of_a_hand_made_set():
    pair = Atoms("HO", [(0, 0, 0), (0, 0, 1)])
    pair.calc = SinglePointCalculator(pair, energy=-4.0, forces=[(0, 0, 3), (0, 0, -3)])
    chain = Atoms("O4", [(0, 0, k) for k in range(4)])
    chain.calc = SinglePointCalculator(chain, energy=-2.0, forces=np.zeros((4, 3)))
    statistics = statistics_of(GraphDataset([pair, chain], cutoff=1.5))
    assert statistics.mean_energy_per_atom == (-4 / 2 - 2 / 4) / 2
    assert statistics.rms_force == pytest.approx(np.sqrt(2 * 9 / 18), rel=1e-15)
    # Each atom of the pair has one neighbour, the chain has 1 + 2 + 2 + 1.
    assert statistics.average_neighbours == 8 / 6
    assert statistics.species == (1, 8)


def test_normalisation_of_tensors_by_hand():
    """Of rank 0 mean and standard deviation of trace / 3; of rank 2 the root mean square norm of
    the traceless part.
    """
    first, second = np.diag([1.0, 2.0, 3.0]), np.diag([4.0, 4.0, 4.0])
    found = normalisation(torch.tensor(np.array([first, second])), TARGETS["polarizability"])
    assert found.shift == (pytest.approx(3.0),)
    assert found.scale[0] == pytest.approx(1.0)
    assert found.scale[2] == pytest.approx(1.0)


def test_least_squares_energies_by_hand():
    """Two compositions fix two species; one alone gives the smallest solution, E0 ∝ n."""
    molecules = torch.tensor([[2.0, 1.0], [4.0, 1.0]], dtype=torch.float64)
    energies = torch.tensor([-5.0, -7.0], dtype=torch.float64)
    assert least_squares_energies(molecules, energies) == pytest.approx((-1.0, -3.0))
    water = torch.tensor([[2.0, 1.0]] * 3, dtype=torch.float64)
    energies = torch.full((3,), -10.0, dtype=torch.float64)
    assert least_squares_energies(water, energies) == pytest.approx((-4.0, -2.0))


def test_baselines_of_a_dataset():
    structures = []
    for count, energy in ((1, -5.0), (3, -7.0)):
        atoms = Atoms("O" + "H" * count, 2.0 * np.eye(4, 3)[: count + 1] + count)
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=np.zeros((count + 1, 3)))
        structures.append(atoms)
    dataset = GraphDataset(structures, 3.0)
    assert baseline_of(dataset, TrainingSettings()) == pytest.approx((-2.5 - 7 / 4) / 2)
    fitted = baseline_of(dataset, TrainingSettings(baseline="least-squares"))
    assert fitted == pytest.approx((-1.0, -4.0))
    given = TrainingSettings(atomic_energies={"O": -3.0, "H": -1.5})
    assert baseline_of(dataset, given) == (-1.5, -3.0)
    with pytest.raises(InputError, match="atomic_energies lacks H"):
        baseline_of(dataset, TrainingSettings(atomic_energies={"O": -3.0}))
