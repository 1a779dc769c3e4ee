"""Sums over neighbours in training: against Eq. 5 written out, and their derivatives."""

import pytest
import torch

from camp.cartesian.paths import atomic_moment_paths
from camp.cartesian.symmetric import multiplicities, number_of_components
from camp.models.camp.network import Camp
from camp.models.camp.runtime import grid_sums
from camp.models.camp.settings import CampSettings
from camp.runtime import team
from camp.runtime.interpolation import POINTS

ATOMS, WIDTH, ROWS, CHANNELS = 4, 3, 12, 3


@pytest.fixture
def given():
    """Arguments for ranks up to two; the last slot of each atom is empty."""
    rng = torch.Generator().manual_seed(0)

    def drawn(*shape):
        return torch.randn(shape, generator=rng, dtype=torch.float64, requires_grad=True)

    mask = torch.ones(ATOMS, WIDTH, dtype=torch.bool)
    mask[:, -1] = False
    return dict(
        weights=drawn(ATOMS, WIDTH, POINTS),
        polyadics=[drawn(ATOMS, WIDTH, number_of_components(v)) for v in range(3)],
        features=[drawn(ATOMS, number_of_components(v), CHANNELS) for v in range(3)],
        table=drawn(ROWS, len(atomic_moment_paths(2, 2)) * CHANNELS),
        first=torch.randint(0, ROWS - POINTS + 1, (ATOMS, WIDTH), generator=rng),
        neighbours=torch.randint(0, ATOMS, (ATOMS, WIDTH), generator=rng),
        mask=mask,
    )


def written_out(weights, polyadics, features, table, first, neighbours, mask):
    """Path by path."""
    rows = first[..., None] + torch.arange(POINTS)
    radial = (weights[..., None] * table[rows]).sum(2) * mask[..., None]
    sums = [torch.zeros_like(features[v]) for v in range(3)]
    paths = atomic_moment_paths(2, 2)
    for (v, v1), r in zip(paths, radial.split(CHANNELS, dim=-1), strict=True):
        count = torch.tensor(multiplicities(v1), dtype=torch.float64)
        bracket = torch.einsum("ikc,c,ikcu->iku", polyadics[v1], count, features[v1][neighbours])
        sums[v] = sums[v] + torch.einsum("iku,iku,ikc->icu", r, bracket, polyadics[v])
    return sums


def test_sums_are_those_of_the_equation(given):
    for found, expected in zip(
        grid_sums.neighbour_sums(**given), written_out(**given), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_sums_are_differentiable_twice(given):
    """Against finite differences; that with respect to the table need not be differentiable."""
    fixed = {name: given.pop(name) for name in ("first", "neighbours", "mask", "table")}

    def sums(weights, *tensors):
        return tuple(
            grid_sums.neighbour_sums(
                weights=weights, polyadics=tensors[:3], features=tensors[3:], **fixed
            )
        )

    inputs = given["weights"], *given["polyadics"], *given["features"]
    assert torch.autograd.gradcheck(sums, inputs)
    assert torch.autograd.gradgradcheck(sums, inputs)
    assert torch.autograd.gradcheck(
        lambda table: tuple(grid_sums.neighbour_sums(**{**given, **fixed, "table": table})),
        fixed["table"],
    )


@pytest.mark.parametrize(("threads", "pooled"), [(1, True), (3, True), (3, False)])
def test_gradient_of_a_gradient_is_that_of_the_equation(given, threads, pooled, monkeypatch):
    """Of the square of the forces' part, with respect to everything, by any number of threads,
    torch's or others.
    """
    monkeypatch.setattr(grid_sums, "threads_for", lambda *_: threads)
    if not pooled:
        monkeypatch.setattr(team, "_pool", lambda: None)
    leaves = [given["weights"], *given["polyadics"], *given["features"], given["table"]]

    def gradients(function):
        total = sum((value**2).sum() for value in function(**given))
        edges = torch.autograd.grad(total, leaves[:4], create_graph=True)
        return torch.autograd.grad(sum((edge**2).sum() for edge in edges), leaves)

    for found, expected in zip(
        gradients(grid_sums.neighbour_sums), gradients(written_out), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-9)


def test_numbers_may_lie_in_any_order(given):
    """Not in one piece, and beginning between the addresses of vectors."""
    leaves = ("weights", "table")

    def results():
        total = sum((value**2).sum() for value in grid_sums.neighbour_sums(**given))
        edges, table = torch.autograd.grad(
            total, [given[name] for name in leaves], create_graph=True
        )
        (twice,) = torch.autograd.grad((edges**2).sum(), given["table"])
        return edges, table, twice

    expected = results()
    for name in leaves:
        value = given[name].detach()
        turned = value.mT.contiguous().mT
        given[name] = turned.requires_grad_()
    for found, known in zip(results(), expected, strict=True):
        torch.testing.assert_close(found, known, rtol=1e-12, atol=1e-12)
    places = torch.empty(given["table"].numel() + 1, dtype=torch.float64)[1:]
    shifted = places.view(given["table"].shape).copy_(given["table"].detach())
    given["table"] = shifted.requires_grad_()
    for found, known in zip(results(), expected, strict=True):
        torch.testing.assert_close(found, known, rtol=1e-12, atol=1e-12)


def test_other_devices_and_precisions_have_no_code():
    model = Camp(CampSettings(channels=3), species=[1, 8])
    assert grid_sums.can_compile(model, torch.device("cpu"), torch.float32)
    assert not grid_sums.can_compile(model, torch.device("cpu"), torch.float16)
    assert not grid_sums.can_compile(model, torch.device("cuda"), torch.float32)
