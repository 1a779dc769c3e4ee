"""Packed symmetric tensors against full 3^v tensors."""

import numpy as np
import pytest
import torch

from camp.cartesian.symmetric import (
    components,
    contract,
    contraction_matrix,
    multiplicities,
    number_of_components,
    polyadics,
    unpack,
)

RANKS = range(5)


def full_polyadic(vector, rank):
    result = np.ones(())
    for _ in range(rank):
        result = np.multiply.outer(result, vector)
    return result


@pytest.mark.parametrize("rank", RANKS)
def test_components_stand_for_all_entries(rank):
    assert len(components(rank)) == number_of_components(rank) == (rank + 1) * (rank + 2) // 2
    assert sum(multiplicities(rank)) == 3**rank


@pytest.mark.parametrize("rank", RANKS)
def test_polyadics_are_outer_products(rank):
    """Eq. 3, entry by entry."""
    vector = np.array([0.36, -0.48, 0.8])
    packed = polyadics(torch.tensor(vector)[None], 4)[rank]
    full = unpack(packed[..., None], rank)[0, ..., 0]
    np.testing.assert_allclose(full.numpy(), full_polyadic(vector, rank), rtol=1e-14)


@pytest.mark.parametrize(("low", "high"), [(a, b) for b in RANKS for a in range(b + 1)])
def test_contraction_is_the_full_one(low, high):
    """Against einsum over all 3^v entries, for sums of several polyadics."""
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(2, 3, 3))
    packed, full = [], []
    for group, rank in zip(vectors, (low, high), strict=True):
        packed.append(polyadics(torch.tensor(group), 4)[rank].sum(0)[None, :, None])
        full.append(sum(full_polyadic(vector, rank) for vector in group))
    matrix = contraction_matrix(low, high - low).double()
    result = unpack(contract(packed[0], packed[1], matrix), high - low)[0, ..., 0]
    expected = np.tensordot(full[0], full[1], axes=low)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-12, atol=1e-12)
