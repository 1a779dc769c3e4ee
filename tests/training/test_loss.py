"""The losses of Huber and of stress, against torch and through the commands."""

import csv
import json

import numpy as np
import pytest
import torch
import yaml
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from torch.nn.functional import huber_loss

from camp.cli import main
from camp.data.graphs import GraphDataset
from camp.targets import ENERGY, FORCES, STRESS
from camp.training.compiled import TracedLoss
from camp.training.initial import new_potential
from camp.training.loss import huber, training_loss
from camp.training.module import TrainingModule
from tests.training.small_training import TINY, settings

TARGETS = (ENERGY, FORCES, STRESS)


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
    dataset = GraphDataset(crystals(3), 4.0, targets=TARGETS)
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


def test_huber_can_be_traced():
    dataset = GraphDataset(crystals(2), 4.0, targets=TARGETS)
    potential = new_potential(settings().model_copy(update={"model": TINY}), dataset, 0)
    options = settings(loss="huber", huber_delta=0.02).training
    module = TrainingModule([potential], options, targets=[target.name for target in TARGETS])
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
