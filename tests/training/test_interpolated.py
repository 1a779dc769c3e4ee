"""Radial functions on a grid: the interpolation, its derivatives, and the training step."""

import numpy as np
import pytest
import torch
from ase.build import bulk

import camp
from camp.data.dataset import GraphDataset
from camp.data.labelled import collate
from camp.models.camp.runtime import grid_sums
from camp.runtime import interpolation
from camp.runtime.interpolation import (
    POINTS,
    GridTables,
    lagrange,
    products_with_rows,
    sums_at_rows,
    sums_of_rows,
)
from camp.settings.architectures import find_architecture
from camp.training.interpolated import is_worth_a_grid, with_radial_grid
from camp.training.module import TrainingModule
from tests.training.small_training import SETTINGS, labelled


def test_weights_reproduce_polynomials_of_fifth_degree():
    t = torch.linspace(0, POINTS - 1, 23, dtype=torch.float64)
    coefficients = np.random.default_rng(0).normal(size=POINTS)
    values = torch.as_tensor(np.polyval(coefficients, np.arange(POINTS)))
    expected = torch.as_tensor(np.polyval(coefficients, t.numpy()))
    torch.testing.assert_close(lagrange(t) @ values, expected, rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("compiled", [True, False])
def test_sums_are_differentiable_twice(compiled, monkeypatch):
    """Against finite differences; compiled code and plain torch."""
    if not compiled:
        monkeypatch.setattr(interpolation, "_compiled", lambda *_: False)
    rng = torch.Generator().manual_seed(0)

    def drawn(*shape):
        return torch.randn(shape, generator=rng, dtype=torch.float64, requires_grad=True)

    first = torch.tensor([0, 3, 3, 14, 7])
    table, weights, values = drawn(20, 4), drawn(5, POINTS), drawn(5, 4)
    cases = [
        (lambda a, b: sums_of_rows(a, first, b), (table, weights)),
        (lambda a, b: sums_at_rows(a, first, b, 20), (values, weights)),
        (lambda a, b: products_with_rows(a, first, b), (values, table)),
    ]
    for function, inputs in cases:
        assert torch.autograd.gradcheck(function, inputs)
        assert torch.autograd.gradgradcheck(function, inputs)


def test_interpolated_function_and_its_slope():
    def functions(r):
        return [torch.stack([torch.sin(3 * r), torch.exp(-r)], dim=-1)[None]]

    r = torch.linspace(0.0, 5.0, 777, dtype=torch.float64).requires_grad_(True)
    tables = GridTables(functions, 5.0, r)
    found = tables(0, *tables.locate(r, torch.zeros_like(r, dtype=torch.int64)))
    torch.testing.assert_close(found, functions(r)[0][0], rtol=0, atol=1e-9)
    (slope,) = torch.autograd.grad(found[:, 0].sum(), r)
    torch.testing.assert_close(slope, 3 * torch.cos(3 * r), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("architecture", "compiled"), [("camp", True), ("camp", False), ("carnet", True)]
)
def test_training_step_on_a_grid_is_that_on_edges(architecture, compiled, monkeypatch):
    """Energies, forces and the gradient of the loss, in float64; with a compiler and without."""
    if not compiled:
        monkeypatch.setattr(grid_sums, "can_compile", lambda *_: False)
    torch.manual_seed(0)
    settings = find_architecture(architecture).settings(
        architecture=architecture, cutoff=4.5, channels=4, max_rank=2
    )
    potential = camp.Potential(settings, species=[11, 17], energy_scale=0.7).double()
    structure = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    structure.rattle(0.1, seed=1)
    dataset = GraphDataset([labelled(structure)], 4.5)
    batch = collate([dataset[0]])
    exact, found = potential(batch.graph), with_radial_grid(potential)(batch.graph)
    torch.testing.assert_close(found.energies, exact.energies, rtol=0, atol=1e-7)
    torch.testing.assert_close(found.forces, exact.forces, rtol=0, atol=1e-6)
    trained = [p for p in potential.parameters() if p.requires_grad]
    gradients = [
        torch.autograd.grad(
            TrainingModule([potential], SETTINGS.training, interpolated=interpolated).loss(
                potential, batch
            ),
            trained,
            materialize_grads=True,
        )
        for interpolated in (False, True)
    ]
    for expected, gradient in zip(*gradients, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-7)


def test_grid_is_chosen_by_the_number_of_edges():
    """Nine ordered pairs of species have 4,329 points. A molecule has fewer edges than that; two
    crystals have more than twice as many, and one has enough where edges are compiled code.
    """
    settings = find_architecture("camp").settings(architecture="camp", cutoff=6.0, channels=4)
    potential = camp.Potential(settings, species=[3, 15, 16])
    molecule, crystal = (
        GraphDataset([labelled(atoms)], 6.0)
        for atoms in (
            bulk("Li", "bcc", a=20.0, cubic=True),
            bulk("Li", "bcc", a=3.5, cubic=True) * (4, 4, 4),
        )
    )
    assert 4_329 < crystal.most_slots < 2 * 4_329
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert not is_worth_a_grid(potential, molecule, 4, cpu)
    assert is_worth_a_grid(potential, crystal, 1, cpu)
    assert not is_worth_a_grid(potential, crystal, 1, gpu)
    assert is_worth_a_grid(potential, crystal, 2, gpu)
