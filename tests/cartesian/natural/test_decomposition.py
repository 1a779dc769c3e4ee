"""Physical tensors taken apart and put together, against the reference and the laws of groups."""

from itertools import permutations

import numpy as np
import pytest
import torch

from camp.cartesian.natural import (
    decompose,
    decomposition_matrix,
    gram_matrices,
    parse_symmetry,
    rank_of,
    reconstruct,
    reconstruction_matrix,
    signature,
    split_packed,
    stf,
    symmetrised,
)
from camp.errors import InputError
from tests.cartesian.natural.test_tensors import rotated
from tests.physics import random_rotation

ELASTIC = "ijkl=jikl=klij"
SYMMETRIES = {
    "i": 3,
    "ij": 9,
    "ij=ji": 6,
    "ijk": 27,
    "ijk=ikj": 18,
    "ijk=jik": 18,
    "ijk=ikj=jik": 10,
    ELASTIC: 21,
    "ijkl=jikl=ijlk": 36,
    "ijkl=klij": 45,
    "ijkl=jikl": 54,
    "ijkl=jikl=kjil=ljki": 15,
    "ijklm=jiklm=ijkml": 108,
}


def random_tensor(symmetry, count=2, seed=0):
    torch.manual_seed(seed)
    rank = rank_of(symmetry)
    return symmetrised(torch.randn(count, *([3] * rank), dtype=torch.float64), symmetry)


def number_of_cycles(permutation):
    seen, cycles = set(), 0
    for start in permutation:
        cycles += start not in seen
        while start not in seen:
            seen.add(start)
            start = permutation[start]
    return cycles


@pytest.fixture(scope="module")
def reference(shared_carnet):
    with np.load(shared_carnet / "natural.npz") as data:
        yield {name: torch.tensor(data[name]) for name in data}


def test_equals_the_reference(reference):
    """Also in the order of the natural tensors."""
    names = [name for name in reference if name.startswith("tensor|")]
    assert names
    for name in names:
        symmetry = name.partition("|")[2]
        parts = decompose(reference[name], symmetry)
        for rank, part in parts.items():
            expected = reference[f"natural|{symmetry}|{rank}"].reshape(part.shape)
            torch.testing.assert_close(part, expected, atol=3e-15, rtol=1e-13)


@pytest.mark.parametrize(("symmetry", "dimension"), SYMMETRIES.items())
def test_number_of_components(symmetry, dimension):
    """Known dimensions, which are also (1/|G|) Σ_π 3^cycles(π)."""
    numbers = signature(symmetry)
    assert sum(number * (2 * rank + 1) for rank, number in numbers.items()) == dimension
    group = parse_symmetry(symmetry)
    assert sum(3 ** number_of_cycles(p) for p in group) == dimension * len(group)


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_decomposition_is_exact_and_natural(symmetry):
    tensor = random_tensor(symmetry)
    parts = decompose(tensor, symmetry)
    for rank, part in parts.items():
        torch.testing.assert_close(stf(part, rank), part, atol=1e-13, rtol=0)
    torch.testing.assert_close(reconstruct(parts, symmetry), tensor, atol=1e-13, rtol=0)


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_matrices_are_inverse(symmetry):
    """H K = 1, and K of any numbers has the symmetry."""
    inside, outside = decomposition_matrix(symmetry), reconstruction_matrix(symmetry)
    one = torch.eye(SYMMETRIES[symmetry], dtype=torch.float64)
    torch.testing.assert_close(inside @ outside, one, atol=1e-13, rtol=0)
    tensors = outside.T.reshape(-1, *([3] * rank_of(symmetry)))
    torch.testing.assert_close(symmetrised(tensors, symmetry), tensors, atol=1e-13, rtol=0)


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_parts_turn_along(symmetry):
    tensor, matrix = random_tensor(symmetry), random_rotation(3)
    before = decompose(tensor, symmetry)
    after = decompose(rotated(tensor, rank_of(symmetry), matrix), symmetry)
    for rank, part in before.items():
        torch.testing.assert_close(after[rank], rotated(part, rank, matrix), atol=1e-12, rtol=0)


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_gram_matrices_weigh_a_loss(symmetry):
    """|T|² = Σ g_pq X_p · X_q."""
    tensor = random_tensor(symmetry)
    total = 0
    for rank, part in decompose(tensor, symmetry).items():
        flat = part.reshape(*part.shape[:2], -1)
        total += torch.einsum("pq,npc,nqc->n", gram_matrices(symmetry)[rank], flat, flat)
    torch.testing.assert_close(total, tensor.reshape(len(tensor), -1).square().sum(1))


def test_isotropic_elastic_tensor_gives_the_lame_constants():
    """λ δ_ij δ_kl + μ (δ_ik δ_jl + δ_il δ_jk), and nothing else."""
    one = torch.eye(3, dtype=torch.float64)
    outer = torch.einsum("ij,kl->ijkl", one, one)
    tensor = 58.0 * outer + 26.0 * (outer.permute(0, 2, 1, 3) + outer.permute(0, 2, 3, 1))
    parts = decompose(tensor, ELASTIC)
    torch.testing.assert_close(parts[0], torch.tensor([58.0, 26.0], dtype=torch.float64))
    for rank in (2, 4):
        assert parts[rank].abs().max() < 1e-13


def test_shielding_as_printed():
    """X₀ = tr T/3, X₁ₐ = ½ ε_aij T_ij, X₂ = STF T."""
    tensor = random_tensor("ij", count=1)[0]
    parts = decompose(tensor, "ij")
    trace = tensor.trace() / 3
    torch.testing.assert_close(parts[0][0], trace)
    axial = [tensor[1, 2] - tensor[2, 1], tensor[2, 0] - tensor[0, 2], tensor[0, 1] - tensor[1, 0]]
    torch.testing.assert_close(parts[1][0], torch.stack(axial) / 2)
    symmetric = (tensor + tensor.T) / 2 - trace * torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(parts[2][0], symmetric)


def test_piezoelectric_as_printed():
    """X₁,₀ = 2/5 v − 1/5 w and X₁,₁ = −1/10 v + 3/10 w of v_i = T_ijj, w_i = T_jij."""
    tensor = random_tensor("ijk=ikj")
    v, w = torch.einsum("nijj->ni", tensor), torch.einsum("njij->ni", tensor)
    vectors = torch.stack([2 / 5 * v - 1 / 5 * w, -1 / 10 * v + 3 / 10 * w], dim=1)
    torch.testing.assert_close(decompose(tensor, "ijk=ikj")[1], vectors)


def test_numpy_arrays_are_tensors_too():
    parts = decompose(np.diag([1, 2, 6]), "ij=ji")
    assert parts[0].item() == 3.0


def test_packed_parts_are_ordered_by_rank():
    packed = decomposition_matrix(ELASTIC) @ random_tensor(ELASTIC).reshape(2, -1).T
    parts = split_packed(packed.T, ELASTIC)
    assert {rank: part.shape for rank, part in parts.items()} == {
        0: (2, 2, 1),
        2: (2, 2, 5),
        4: (2, 1, 9),
    }


def test_group_is_generated():
    assert parse_symmetry("ijk=ikj=jik") == tuple(permutations(range(3)))
    assert len(parse_symmetry(ELASTIC)) == 8


@pytest.mark.parametrize(
    ("symmetry", "why"),
    [
        ("", "first part must be different letters"),
        ("iji=jii", "first part must be different letters"),
        ("i j", "first part must be different letters"),
        ("ij=jk", "'jk' does not have the letters of 'ij'"),
        ("ij=", "'' does not have the letters of 'ij'"),
        ("ijklmno", "it has 7 indices, of at most 6"),
    ],
)
def test_what_is_no_symmetry_is_refused(symmetry, why):
    with pytest.raises(InputError, match=why):
        signature(symmetry)


def test_wrong_tensors_are_refused():
    with pytest.raises(InputError, match=r"ends in 2 axes of 3, not in the shape \(3, 4\)"):
        decompose(torch.zeros(3, 4), "ij")
    slanted = torch.eye(3)
    slanted[0, 1] = 0.5
    with pytest.raises(InputError, match=r"up to 0\.25 from the symmetric ones, the largest is 1"):
        decompose(slanted, "ij=ji")
    decompose(slanted, "ij=ji", tolerance=0.3)
    with pytest.raises(InputError, match="natural tensors of the ranks 0, 2, not 0"):
        reconstruct({0: torch.zeros(1)}, "ij=ji")
    with pytest.raises(InputError, match="1 natural tensors of rank 0"):
        reconstruct({0: torch.zeros(2), 2: torch.zeros(1, 3, 3)}, "ij=ji")
