"""The losses of Huber and of stress, against torch and through the commands."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from torch.nn.functional import huber_loss

from camp.cli import main
from camp.data.dataset import GraphDataset
from camp.data.statistics import statistics_of
from camp.potential.derivatives import Results
from camp.potential.properties import Property
from camp.targets import ENERGY, FORCES, STRESS, TARGETS
from camp.training.compiled import TracedLoss
from camp.training.initial import new_potential
from camp.training.loss import huber, training_loss
from camp.training.module import TrainingModule
from tests.training.small_training import TINY, settings

OF_ENERGY = (ENERGY, FORCES, STRESS)


def crystals(count, seed=0):
    """Strained copper, labelled by ASE's effective medium potential."""
    rng = np.random.default_rng(seed)
    structures = []
    for _ in range(count):
        atoms = bulk("Cu", cubic=True)
        strain = np.eye(3) + rng.uniform(-0.03, 0.03, (3, 3))
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        atoms.rattle(0.05, rng=rng)
        atoms.calc = EMT()
        labels = {name: atoms.calc.get_property(name, atoms) for name in ("energy", "stress")}
        atoms.calc = SinglePointCalculator(atoms, forces=atoms.get_forces(), **labels)
        structures.append(atoms)
    return structures


def test_huber_is_twice_that_of_torch():
    error = torch.linspace(-3, 3, 61, dtype=torch.float64, requires_grad=True)
    ours, theirs = (
        huber(error, 0.7),
        2 * huber_loss(error, torch.zeros_like(error), reduction="none", delta=0.7),
    )
    torch.testing.assert_close(ours, theirs)
    (slope,), (expected,) = (torch.autograd.grad(one.sum(), error) for one in (ours, theirs))
    torch.testing.assert_close(slope, expected)
    torch.testing.assert_close(huber(error, 10.0), error.square())


@pytest.mark.parametrize("loss", ["mse", "huber"])
def test_loss_of_energy_forces_and_stress(loss):
    """Of energies and virials per atom and of components of forces, all from torch's functions."""
    delta = 0.05
    dataset = GraphDataset(crystals(3), 4.0, targets=OF_ENERGY)
    potential = new_potential(settings(), dataset, 0)
    batch = dataset.batch([0, 1, 2])
    weights = {"energy": 2.0, "forces": 3.0, "stress": 0.5}
    given = delta if loss == "huber" else None
    found = potential(batch.graph)
    ours = training_loss(found, batch, weights, potential.property_of, huber_delta=given)

    def counted(predicted, labels):
        if loss == "mse":
            return (predicted - labels).square()
        return 2 * huber_loss(predicted, labels, reduction="none", delta=delta)

    atoms, volumes = 4, torch.linalg.det(batch.graph.cells)[:, None, None]
    energy = counted(found.energies / atoms, batch.labels["energy"] / atoms).sum()
    forces = counted(found.forces.double(), batch.labels["forces"]).sum() / (3 * atoms)
    virials = volumes * batch.labels["stress"] / atoms
    stress = counted(found.virials.double() / atoms, virials).mean((1, 2)).sum()
    assert ours.item() == pytest.approx((2 * energy + 3 * forces + 0.5 * stress).item())


FREE = {
    "system": replace(TARGETS["piezoelectric"], sign="free"),
    "atom": replace(TARGETS["shielding"], sign="free"),
}


def labelled_with(target, count=3):
    """Distorted water with random tensors, of which one is not known, in one batch."""
    rng = np.random.default_rng(0)
    structures = []
    for number in range(count):
        atoms = Atoms("OH2", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
        values = rng.normal(size=(3, 9) if target.of_atoms else 18)
        if target.of_atoms:
            values[number % 3] = np.nan
            atoms.set_array(target.name, values)
        else:
            atoms.info[target.name] = values
        structures.append(atoms)
    dataset = GraphDataset(structures, 3.0, targets=[target])
    spread = Property(target, 2, statistics_of(dataset).normalisation[target.name])
    return dataset.batch(range(count)), spread


def loss_of(predicted, batch, of, labels=None):
    """The loss of predictions of one target, in float64."""
    name, nothing = of.target.name, torch.zeros(0)
    results = Results(nothing, nothing, nothing, nothing, properties={name: predicted})
    if labels is not None:
        batch = replace(batch, labels={name: labels})
    return training_loss(results, batch, {name: 1.0}, {name: of}.__getitem__)


@pytest.mark.parametrize("target", FREE.values(), ids=FREE)
def test_loss_with_a_free_sign_is_that_of_the_nearer_sign(target):
    """Of each structure the smaller of both losses with a fixed sign; flipping labels of whole
    structures changes nothing, flipping those of single atoms does.
    """
    batch, free = labelled_with(target)
    labels = batch.labels[target.name]
    fixed = Property(replace(target, sign="fixed"), 2, free.normalisation)
    predicted = torch.randn(labels.shape, dtype=torch.float64, generator=torch.manual_seed(1))
    rows = 3 if target.of_atoms else 1
    smaller = 0.0
    for number in range(3):
        of_structure = torch.zeros(len(labels), dtype=bool)
        of_structure[rows * number : rows * (number + 1)] = True
        shape = (-1, *[1] * (labels.dim() - 1))
        only = torch.where(of_structure.reshape(shape), labels, torch.nan)
        smaller += min(loss_of(predicted, batch, fixed, sign * only) for sign in (1, -1))
    found = loss_of(predicted, batch, free)
    torch.testing.assert_close(found, smaller)
    assert found < loss_of(predicted, batch, fixed)
    flipped = labels.clone()
    flipped[:rows] *= -1
    torch.testing.assert_close(loss_of(predicted, batch, free, flipped), found)
    if target.of_atoms:
        flipped[1] *= -1
        assert loss_of(predicted, batch, free, flipped) != found


@pytest.mark.parametrize("target", FREE.values(), ids=FREE)
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_gradient_with_a_free_sign_on_both_sides(target, side):
    """Against finite differences, with predictions near to the labels and to their negatives."""
    batch, free = labelled_with(target)
    labels = batch.labels[target.name].nan_to_num(0.5)
    noise = 0.3 * torch.randn(labels.shape, dtype=torch.float64, generator=torch.manual_seed(2))
    predicted = (side * labels + noise).requires_grad_()
    assert torch.autograd.gradcheck(lambda values: loss_of(values, batch, free), (predicted,))


def test_huber_can_be_traced():
    dataset = GraphDataset(crystals(2), 4.0, targets=OF_ENERGY)
    potential = new_potential(settings().model_copy(update={"model": TINY}), dataset, 0)
    options = settings(loss="huber", huber_delta=0.02).training
    module = TrainingModule([potential], options, targets=[target.name for target in OF_ENERGY])
    batch = dataset.batch([0, 1])
    plain = module.loss(potential, batch)
    traced = TracedLoss(module.loss, [potential], backend=None)([batch])[0]
    assert traced.item() == pytest.approx(plain.item(), rel=1e-6)
    parameters = [one for one in potential.parameters() if one.requires_grad]
    pairs = (
        torch.autograd.grad(one, parameters, materialize_grads=True) for one in (plain, traced)
    )
    for expected, found in zip(*pairs, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("loss", ["mse", "huber"])
def test_stress_is_learnt(tmp_path, loss):
    """From a file with stresses as Voigt's six; its error falls, and is what evaluate says."""
    for name, count, seed in (("train", 12, 0), ("validation", 4, 1)):
        write(tmp_path / f"{name}.xyz", crystals(count, seed))
    content = {
        "train": str(tmp_path / "train.xyz"),
        "validation": str(tmp_path / "validation.xyz"),
        "targets": ["energy", "forces", "stress"],
        "model": {"channels": 4, "max_rank": 1, "layers": 1, "cutoff": 4.0},
        "training": {
            "recipe": "paper",
            "max_epochs": 15,
            "compile": False,
            "ema_start": 0,
            "ema_decay": 0.0,
        }
        | {"weights": {"stress": 2.0}, "batch_size": 2, "loss": loss},
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(content))
    out = tmp_path / "out"
    words = ["train", str(tmp_path / "job.yaml"), "--seed", "1", "--out", str(out)]
    assert main([*words, "--device", "cpu"]) == 0
    with (out / "metrics.csv").open() as file:
        errors = [float(row["validation_stress_mae"]) for row in csv.DictReader(file)]
    assert min(errors) < 0.5 * errors[0]
    model, data = out / "model.safetensors", tmp_path / "validation.xyz"
    json_file = tmp_path / "errors.json"
    assert main(["evaluate", str(model), str(data), "--json", str(json_file)]) == 0
    found = json.loads(json_file.read_text())["metrics"]["stress_mae"]
    assert any(found == pytest.approx(error, rel=1e-3) for error in errors)
