"""What a training says before its first step."""

import numpy as np
import pytest
import torch
from ase.calculators.singlepoint import SinglePointCalculator

from camp.data.dataset import GraphDataset
from camp.data.statistics import statistics_of
from camp.training.announcement import announcement
from camp.training.initial import new_potential
from camp.training.train import train
from tests.training.small_training import SETTINGS, clusters, settings


def said(device="cpu", devices=1, seeds=(1,), **training) -> dict[str, str]:
    data = [GraphDataset(clusters(count, seed=count), 4.0) for count in (5, 3)]
    potential = new_potential(SETTINGS, data[0], seed=1)
    options = settings(**training).training
    device = torch.device(device)
    lines = announcement(potential, *data, options, device=device, devices=devices, seeds=seeds)
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in lines.splitlines()}


def test_device_model_data_and_scale():
    lines = said()
    threads = torch.get_num_threads()
    assert lines["device"] == f"cpu, {threads} thread{'s' * (threads > 1)}"
    data = GraphDataset(clusters(5, seed=5), 4.0)
    trained = [p for p in new_potential(SETTINGS, data, 1).parameters() if p.requires_grad]
    parameters = sum(p.numel() for p in trained)
    assert lines["model"] == f"camp, {parameters} parameters, cutoff 4 Å"
    assert lines["structures"] == "5 training, 3 validation, of Ar"
    assert lines["targets"] == "energy (eV), forces (eV/Å)"
    statistics = statistics_of(data)
    mean = statistics.mean_energy_per_atom
    assert float(lines["baseline"].split()[0]) == pytest.approx(mean, rel=1e-5)
    assert float(lines["scale"].split()[0]) == pytest.approx(statistics.rms_force, rel=1e-3)


def test_labels_that_are_not_everywhere_are_counted():
    """A structure whose force is known on one atom has forces."""
    structures = clusters(4)
    for atoms in structures[:3]:
        forces = atoms.get_forces()
        forces[1:] = np.nan
        if atoms is not structures[0]:
            forces[0] = np.nan
        atoms.calc = SinglePointCalculator(
            atoms, energy=atoms.get_potential_energy(), forces=forces
        )
    data = GraphDataset(structures, 4.0)
    assert (data.labelled("energy"), data.labelled("forces")) == (4, 2)
    potential = new_potential(SETTINGS, data, seed=1)
    device = torch.device("cpu")
    text = announcement(potential, data, data, SETTINGS.training, device=device)
    assert "energy (eV), forces (eV/Å) in 2 of 4" in text


@pytest.mark.parametrize(
    ("training", "devices", "plan"),
    [
        ({}, 1, "at most 18 steps, 3 in each of at most 6 epochs"),
        ({"max_steps": 10}, 1, "at most 10 steps, 3 in each of at most 6 epochs"),
        (
            {"batch_size": 1, "max_time": 0.5},
            2,
            "at most 18 steps, 3 in each of at most 6 epochs, at most 0.5 h",
        ),
        ({"validate_every": 2}, 1, "at most 12 steps, validation every 2"),
    ],
)
def test_what_ends_it(training, devices, plan):
    assert said(devices=devices, **training)["plan"] == plan


def test_seeds_that_are_trained_together():
    assert said(seeds=(1, 2))["model"].endswith("seeds 1, 2 together")


def test_it_comes_before_the_first_step(tmp_path, capsys):
    train(settings(max_epochs=1), clusters(4), clusters(2), seeds=[1], out=tmp_path)
    text = capsys.readouterr().err
    assert text.index("plan") < text.index("epoch 0")
