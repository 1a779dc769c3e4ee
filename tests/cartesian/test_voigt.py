"""Voigt's matrices and elastic moduli against their definitions and known crystals."""

import numpy as np
import pytest
import torch

from camp.cartesian.natural import decompose
from camp.cartesian.voigt import (
    compliance_from_voigt,
    compliance_of,
    compliance_to_voigt,
    directional_young_modulus,
    piezoelectric_from_voigt,
    piezoelectric_to_voigt,
    polycrystal_moduli,
    stiffness_from_voigt,
    stiffness_to_voigt,
)
from camp.errors import InputError

ELASTIC = "ijkl=jikl=klij"


def cubic(c11, c12, c44):
    matrix = torch.zeros(6, 6, dtype=torch.float64)
    matrix[:3, :3] = c12
    matrix.diagonal()[:] = torch.tensor([c11] * 3 + [c44] * 3)
    return matrix


@pytest.fixture
def stiffness():
    """Symmetric and positive, of no crystal."""
    torch.manual_seed(0)
    root = torch.randn(6, 6, dtype=torch.float64)
    return root @ root.T + torch.eye(6, dtype=torch.float64)


def test_stress_follows_from_engineering_strain(stiffness):
    """σ_ij = C_ijkl ε_kl is σ_a = C_ab ε_b with ε_b = (ε_xx, …, 2ε_xy)."""
    strain = torch.tensor([[0.1, 0.3, -0.2], [0.3, -0.4, 0.5], [-0.2, 0.5, 0.7]]).double()
    stress = torch.einsum("ijkl,kl->ij", stiffness_from_voigt(stiffness), strain)
    voigt = stiffness @ torch.tensor([0.1, -0.4, 0.7, 1.0, -0.4, 0.6]).double()
    order = [stress[0, 0], stress[1, 1], stress[2, 2], stress[1, 2], stress[0, 2], stress[0, 1]]
    torch.testing.assert_close(torch.stack(order), voigt)


def test_compliance_inverts_the_stiffness(stiffness):
    """S_ijkl C_klmn is the identity of symmetric tensors."""
    compliance = compliance_from_voigt(compliance_of(stiffness))
    found = torch.einsum("ijkl,klmn->ijmn", compliance, stiffness_from_voigt(stiffness))
    one = torch.eye(3, dtype=torch.float64)
    outer = torch.einsum("im,jn->ijmn", one, one)
    torch.testing.assert_close(found, (outer + outer.transpose(2, 3)) / 2, atol=1e-10, rtol=0)


def test_conversions_are_inverse(stiffness):
    torch.testing.assert_close(stiffness_to_voigt(stiffness_from_voigt(stiffness)), stiffness)
    torch.testing.assert_close(compliance_to_voigt(compliance_from_voigt(stiffness)), stiffness)
    torch.manual_seed(1)
    piezoelectric = torch.randn(2, 3, 6, dtype=torch.float64)
    tensor = piezoelectric_from_voigt(piezoelectric)
    torch.testing.assert_close(tensor, tensor.transpose(-1, -2))
    torch.testing.assert_close(piezoelectric_to_voigt(tensor), piezoelectric)
    assert tensor[0, 2, 0, 1] == piezoelectric[0, 2, 5]


def test_matrices_of_the_reference(shared_carnet):
    with np.load(shared_carnet / "elastic.npz") as data:
        for k in range(int(data["count"])):
            found = stiffness_to_voigt(torch.tensor(data[f"{k}_tensor"]))
            np.testing.assert_allclose(found, data[f"{k}_voigt"], rtol=1e-12)


def test_moduli_of_copper():
    """Hill's bounds of Cu, C = 168.4, 121.4, 75.4 GPa: closed forms for cubic crystals."""
    c11, c12, c44 = 168.4, 121.4, 75.4
    moduli = polycrystal_moduli(cubic(c11, c12, c44))
    bulk = (c11 + 2 * c12) / 3
    for kind in (moduli.voigt, moduli.reuss, moduli.hill):
        assert kind.bulk.item() == pytest.approx(bulk)
    voigt = (c11 - c12 + 3 * c44) / 5
    reuss = 5 * (c11 - c12) * c44 / (4 * c44 + 3 * (c11 - c12))
    assert moduli.voigt.shear.item() == pytest.approx(voigt)
    assert moduli.reuss.shear.item() == pytest.approx(reuss)
    assert moduli.hill.shear.item() == pytest.approx((voigt + reuss) / 2)
    # Textbook values of polycrystalline copper, GPa.
    assert moduli.hill.young.item() == pytest.approx(127, abs=3)


def test_young_modulus_of_copper_along_the_axes():
    """1/E = S₁₁ − 2 (S₁₁ − S₁₂ − S₄₄/2)(n₁²n₂² + n₂²n₃² + n₁²n₃²): 67, 131 and 191 GPa."""
    units = torch.tensor([[1.0, 0, 0], [1, 1, 0], [1, 1, 1]]).double()
    units = units / units.norm(dim=1, keepdim=True)
    stiffness = cubic(168.4, 121.4, 75.4)
    s = torch.linalg.inv(stiffness)
    x, y, z = units.T.square()
    crossed = x * y + y * z + x * z
    expected = 1 / (s[0, 0] - 2 * (s[0, 0] - s[0, 1] - s[3, 3] / 2) * crossed)
    found = directional_young_modulus(stiffness, units)
    torch.testing.assert_close(found, expected)
    np.testing.assert_allclose(found, [67, 131, 191], atol=1)


def test_isotropic_body_has_one_modulus():
    """K = λ + 2μ/3, G = μ by all three averages, E in all directions."""
    lam, mu = 58.0, 26.0
    stiffness = cubic(lam + 2 * mu, lam, mu)
    moduli = polycrystal_moduli(stiffness)
    for kind in (moduli.voigt, moduli.reuss, moduli.hill):
        assert kind.bulk.item() == pytest.approx(lam + 2 * mu / 3)
        assert kind.shear.item() == pytest.approx(mu)
    units = torch.nn.functional.normalize(torch.tensor([[0.3, -0.5, 0.7], [1, 2, 3]]).double())
    young = directional_young_modulus(stiffness, units)
    np.testing.assert_allclose(young, moduli.hill.young.item())


def test_voigt_average_is_the_isotropic_part(stiffness):
    """K and G of Voigt are those of the Lamé constants in the elastic tensor."""
    lam, mu = decompose(stiffness_from_voigt(stiffness), ELASTIC)[0]
    moduli = polycrystal_moduli(stiffness).voigt
    torch.testing.assert_close(moduli.bulk, lam + 2 * mu / 3)
    torch.testing.assert_close(moduli.shear, mu)


def test_batches_and_bad_matrices(stiffness):
    moduli = polycrystal_moduli(torch.stack([stiffness, 2 * stiffness]))
    torch.testing.assert_close(moduli.reuss.young[1], 2 * moduli.reuss.young[0])
    with pytest.raises(InputError, match="cannot be inverted"):
        polycrystal_moduli(torch.zeros(6, 6))
    with pytest.raises(InputError, match=r"not \(3, 3\)"):
        stiffness_from_voigt(torch.zeros(3, 3))
