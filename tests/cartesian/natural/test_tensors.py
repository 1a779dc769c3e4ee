"""Natural tensors against the laws that define them and the reference file."""

from math import factorial, prod

import numpy as np
import pytest
import torch
from numpy.polynomial.legendre import Legendre
from scipy.special import sph_harm_y

from camp.cartesian.natural import (
    basis,
    pack,
    packed_polyadics,
    polyadics,
    product,
    product_coefficient,
    product_table,
    stf,
    unpack,
)
from camp.errors import InputError
from tests.physics import random_rotation

RANKS = range(6)
PRODUCTS = [
    (l1, l2, l3)
    for l1 in range(5)
    for l2 in range(5)
    for l3 in range(abs(l1 - l2), min(l1 + l2, 5) + 1)
]


def random_units(count, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, 3))
    return torch.tensor(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def random_natural(rank, count=3, seed=0):
    torch.manual_seed(seed)
    return unpack(torch.randn(count, 2 * rank + 1, dtype=torch.float64), rank)


def rotated(tensor, rank, matrix):
    """Every index turned by the matrix."""
    matrix = torch.as_tensor(matrix)
    for axis in range(tensor.ndim - rank, tensor.ndim):
        tensor = torch.tensordot(tensor, matrix, dims=([axis], [1])).movedim(-1, axis)
    return tensor


@pytest.fixture(scope="module")
def reference(shared_carnet):
    with np.load(shared_carnet / "natural.npz") as data:
        yield {name: torch.tensor(data[name]) for name in data}


@pytest.mark.parametrize("rank", RANKS)
def test_projector_is_orthogonal_with_trace_2l_plus_1(rank):
    every = torch.eye(3**rank, dtype=torch.float64).reshape(-1, *([3] * rank))
    projector = stf(every, rank).reshape(3**rank, 3**rank)
    torch.testing.assert_close(projector, projector.T, atol=1e-14, rtol=0)
    torch.testing.assert_close(projector @ projector, projector, atol=1e-14, rtol=0)
    assert projector.trace().item() == pytest.approx(2 * rank + 1)


@pytest.mark.parametrize("rank", range(2, 6))
def test_projection_is_symmetric_and_traceless(rank):
    torch.manual_seed(rank)
    tensor = stf(torch.randn(2, *([3] * rank), dtype=torch.float64), rank)
    torch.testing.assert_close(tensor, tensor.transpose(1, -1))
    torch.testing.assert_close(tensor, tensor.transpose(-2, -1))
    trace = tensor.diagonal(dim1=1, dim2=2).sum(-1)
    assert trace.abs().max() < 1e-14


def test_polyadics_equal_the_reference(reference):
    for rank, found in enumerate(polyadics(reference["n"], 4)):
        expected = reference[f"polyadic|{rank}"].reshape(found.shape)
        torch.testing.assert_close(found, expected, atol=1e-14, rtol=0)


@pytest.mark.parametrize("rank", RANKS)
def test_polyadics_are_legendre_polynomials(rank):
    """D_l(a) ⊙ b^l = P_l(a·b), and |D_l|² = (2l−1)!!/l!."""
    a, b = random_units(4, seed=1), random_units(4, seed=2)
    value = polyadics(a, rank)[rank]
    for _ in range(rank):
        value = torch.einsum("n...i,ni->n...", value, b)
    expected = Legendre.basis(rank)((a * b).sum(1).numpy())
    np.testing.assert_allclose(value, expected, atol=1e-13)
    squares = polyadics(a, rank)[rank].reshape(4, -1).square().sum(1)
    norm = prod(range(2 * rank - 1, 0, -2)) / factorial(rank)
    np.testing.assert_allclose(squares, norm, rtol=1e-13)


@pytest.mark.parametrize("rank", RANKS)
def test_packed_polyadics_are_real_solid_harmonics(rank):
    """Their components are those of scipy but for signs and one common factor."""
    unit = random_units(7)
    ours = packed_polyadics(unit, rank)[rank]
    torch.testing.assert_close(unpack(ours, rank), polyadics(unit, rank)[rank])
    x, y, z = unit.T.numpy()
    theta, phi = np.arccos(z), np.arctan2(y, x)
    columns = []
    for m in range(-rank, rank + 1):
        harmonic = sph_harm_y(rank, abs(m), theta, phi)
        part = harmonic.imag if m < 0 else harmonic.real
        columns.append(part * (np.sqrt(2) if m else 1))
    expected = np.stack(columns, axis=1) * np.sqrt(4 * np.pi / (2 * rank + 1))
    expected *= np.sqrt(prod(range(2 * rank - 1, 0, -2)) / factorial(rank))
    np.testing.assert_allclose(ours.abs(), np.abs(expected), atol=1e-13)


@pytest.mark.parametrize("rank", RANKS)
def test_basis_is_orthonormal_and_natural(rank):
    rows = basis(rank)
    torch.testing.assert_close(
        rows @ rows.T, torch.eye(2 * rank + 1, dtype=torch.float64), atol=1e-14, rtol=0
    )
    full = rows.reshape(-1, *([3] * rank))
    torch.testing.assert_close(stf(full, rank), full, atol=1e-14, rtol=0)


def test_products_equal_the_reference(reference):
    names = [name for name in reference if name.startswith("product|")]
    assert names
    for name in names:
        l1, l2, l3 = (int(part) for part in name.split("|")[1:])
        x = reference[f"X|{l1}"].reshape(-1, *([3] * l1))
        y = reference[f"Y|{l2}"].reshape(-1, *([3] * l2))
        expected = reference[name].reshape(-1, *([3] * l3))
        atol = 1e-14 * expected.abs().max().item()
        torch.testing.assert_close(product(x, l1, y, l2, l3), expected, atol=atol, rtol=1e-13)


@pytest.mark.parametrize(
    ("ranks", "coefficient"),
    [
        ((0, 0, 0), 1),
        ((1, 1, 0), 1),
        ((1, 1, 1), 1),
        ((1, 2, 2), 4 / 3),
        ((2, 2, 4), 35 / 18),
        ((2, 3, 4), 28 / 15),
        ((3, 3, 1), 1 / 5),
        ((3, 3, 4), 7 / 2),
    ],
)
def test_coefficients_as_printed(ranks, coefficient):
    assert product_coefficient(*ranks) == pytest.approx(coefficient, rel=1e-15)


@pytest.mark.parametrize(("l1", "l2", "l3"), PRODUCTS)
def test_products_of_polyadics(l1, l2, l3):
    """D × D of one direction: D_{l₃} by an even product, nothing by an odd one."""
    d = polyadics(random_units(3), 5)
    expected = d[l3] if (l1 + l2 + l3) % 2 == 0 else torch.zeros_like(d[l3])
    torch.testing.assert_close(product(d[l1], l1, d[l2], l2, l3), expected, atol=1e-13, rtol=0)


@pytest.mark.parametrize(("l1", "l2", "l3"), PRODUCTS)
def test_products_turn_along(l1, l2, l3):
    """Equivariance under rotations; under reflections odd products are axial."""
    x, y = random_natural(l1, seed=1), random_natural(l2, seed=2)
    z = product(x, l1, y, l2, l3)
    for matrix, sign in ((random_rotation(5), 1), (-random_rotation(6), -1)):
        after = product(rotated(x, l1, matrix), l1, rotated(y, l2, matrix), l2, l3)
        sign = sign if (l1 + l2 + l3) % 2 else 1
        atol = 1e-13 * z.abs().max().item()
        torch.testing.assert_close(after, sign * rotated(z, l3, matrix), atol=atol, rtol=0)


@pytest.mark.parametrize(("l1", "l2", "l3"), PRODUCTS)
def test_products_swapped(l1, l2, l3):
    """Even products commute, odd ones change their sign."""
    x, y = random_natural(l1, seed=1), random_natural(l2, seed=2)
    sign = -1 if (l1 + l2 + l3) % 2 else 1
    swapped = product(y, l2, x, l1, l3)
    torch.testing.assert_close(product(x, l1, y, l2, l3), sign * swapped, atol=1e-12, rtol=1e-12)


def test_product_of_vectors_is_the_cross_product():
    x, y = random_natural(1, seed=1), random_natural(1, seed=2)
    torch.testing.assert_close(product(x, 1, y, 1, 1), torch.linalg.cross(x, y))


def test_downward_products_are_contractions_with_the_direction():
    """[X_{l₁} × D_{l₂}(n)]_{l₁−l₂} = X · n … n, coefficient one."""
    n = random_units(3)
    for l1 in range(5):
        contracted = x = random_natural(l1)
        for l2 in range(1, l1 + 1):
            contracted = torch.einsum("n...i,ni->n...", contracted, n)
            found = product(x, l1, polyadics(n, l2)[l2], l2, l1 - l2)
            torch.testing.assert_close(found, contracted)


@pytest.mark.parametrize(("l1", "l2", "l3"), PRODUCTS)
def test_tables_are_products_in_packed_form(l1, l2, l3):
    x, y = random_natural(l1, seed=1), random_natural(l2, seed=2)
    table = product_table(l1, l2, l3)
    assert table.shape == (2 * l3 + 1, 2 * l1 + 1, 2 * l2 + 1)
    found = torch.einsum("cab,na,nb->nc", table, pack(x, l1), pack(y, l2))
    torch.testing.assert_close(unpack(found, l3), product(x, l1, y, l2, l3), atol=1e-13, rtol=0)


def test_products_broadcast():
    x, y = random_natural(2, count=4)[:, None], random_natural(1, count=5)
    assert product(x, 2, y, 1, 3).shape == (4, 5, 3, 3, 3)


def test_wrong_shapes_and_ranks_are_refused():
    with pytest.raises(InputError, match=r"rank 2 ends in 2 axes of 3, not in the shape \(3, 4\)"):
        stf(torch.zeros(3, 4), 2)
    with pytest.raises(InputError, match="no product of ranks 1 and 1 with rank 3"):
        product(torch.zeros(3), 1, torch.zeros(3), 1, 3)
    with pytest.raises(InputError, match="ends in an axis of 5"):
        unpack(torch.zeros(2, 4), 2)


def test_constants_are_real_whoever_asks_first():
    """Files are checked on a device without numbers, and evaluated without gradients."""
    with torch.device("meta"), torch.inference_mode():
        table, rows = product_table(5, 4, 3), basis(7)
    for constant in (table, rows):
        assert constant.device.type == "cpu"
        assert not constant.is_inference()
