"""Errors of tensors: of components, and of numbers that do not depend on the axes."""

from dataclasses import replace

import numpy as np
import pytest

from camp.evaluation.tensors import tensor_metrics
from camp.targets import TARGETS


def test_isotropic_and_anisotropic_errors_by_hand():
    """Of a tensor off by a multiple of the unit tensor, and of one off in its shape only."""
    alpha = TARGETS["polarizability"]
    reference = np.array([np.diag([1.0, 2.0, 3.0]), np.diag([2.0, 2.0, 5.0])])
    shifted = tensor_metrics(alpha, reference + 0.3 * np.eye(3), reference)
    assert shifted["polarizability_isotropic_mae"] == pytest.approx(0.3)
    assert shifted["polarizability_anisotropy_mae"] == pytest.approx(0.0, abs=1e-12)
    assert shifted["polarizability_mae"] == pytest.approx(0.3 * 3 / 9)
    deviator = np.diag([1.0, 1.0, -2.0])
    stretched = tensor_metrics(
        alpha, 2 * np.eye(3) + 2 * deviator[None], 2 * np.eye(3) + deviator[None]
    )
    assert stretched["polarizability_isotropic_mae"] == pytest.approx(0.0, abs=1e-12)
    assert stretched["polarizability_anisotropy_mae"] == pytest.approx(np.sqrt(6.0))


def test_errors_do_not_depend_on_the_axes():
    """Those of norms, isotropic and anisotropic parts; the shielding has all three parts."""
    rng = np.random.default_rng(0)
    shielding = TARGETS["shielding"]
    predicted, reference = rng.normal(size=(2, 5, 3, 3))
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turned = [rotation @ values @ rotation.T for values in (predicted, reference)]
    before, after = (tensor_metrics(shielding, *both) for both in ((predicted, reference), turned))
    for name in ("norm", "isotropic", "anisotropy"):
        assert after[f"shielding_{name}_mae"] == pytest.approx(before[f"shielding_{name}_mae"])


def test_mean_prediction_has_the_error_of_the_mean_absolute_deviation():
    rng = np.random.default_rng(1)
    dipoles = rng.normal(size=(50, 3))
    mean = np.broadcast_to(dipoles.mean(0), dipoles.shape)
    found = tensor_metrics(TARGETS["dipole"], mean, dipoles)
    assert found["dipole_relative_mae"] == pytest.approx(1.0)
    assert "dipole_isotropic_mae" not in found


def test_one_structure_has_errors_relative_to_nothing():
    dipole = np.array([[0.0, 0.0, 1.0]])
    found = tensor_metrics(TARGETS["dipole"], 1.1 * dipole, dipole)
    assert found["dipole_mae"] == pytest.approx(0.1 / 3)
    assert "dipole_relative_mae" not in found and np.isfinite([*found.values()]).all()


def test_with_a_free_sign_deviations_count_from_zero():
    """Of what has a sign; that of the norm does not change."""
    rng = np.random.default_rng(4)
    reference = rng.normal(size=(40, 3, 3)) + 2 * np.eye(3)
    reference = reference + reference.transpose(0, 2, 1)
    target = replace(TARGETS["polarizability"], sign="free")
    free, fixed = (tensor_metrics(t, reference, reference) for t in (target, TARGETS[target.name]))
    assert free["polarizability_mad"] == pytest.approx(np.abs(reference).mean())
    thirds = np.trace(reference, axis1=1, axis2=2) / 3
    assert free["polarizability_isotropic_mad"] == pytest.approx(np.abs(thirds).mean())
    for name in ("norm", "anisotropy"):
        key = f"polarizability_{name}_mad"
        assert free[key] == fixed[key]


def cubic(c11, c12, c44):
    """C_ijkl of a cubic crystal, from its definition with Kronecker deltas."""
    unit = np.eye(3)
    anisotropy = np.einsum("ia,ja,ka,la->ijkl", unit, unit, unit, unit)
    volume = np.einsum("ij,kl->ijkl", unit, unit)
    shear = np.einsum("ik,jl->ijkl", unit, unit) + np.einsum("il,jk->ijkl", unit, unit)
    return c12 * volume + c44 * shear + (c11 - c12 - 2 * c44) * anisotropy


def test_moduli_are_those_of_the_closed_forms_of_cubic_crystals():
    """Of copper and aluminium (GPa): Hill's averages against each other, by hand."""
    constants = [(168.4, 121.4, 75.4), (107.3, 60.9, 28.3)]
    copper, aluminium = (cubic(*c)[None] for c in constants)
    found = tensor_metrics(TARGETS["elastic"], copper, aluminium)
    by_hand = []
    for c11, c12, c44 in constants:
        bulk, slow = (c11 + 2 * c12) / 3, c11 - c12
        voigt, reuss = (slow + 3 * c44) / 5, 5 * slow * c44 / (4 * c44 + 3 * slow)
        shears = {"voigt": voigt, "reuss": reuss, "hill": (voigt + reuss) / 2}
        moduli = {f"bulk_{name}": bulk for name in shears}
        moduli |= {f"shear_{name}": shear for name, shear in shears.items()}
        moduli |= {
            f"young_{name}": 1 / (1 / (3 * shear) + 1 / (9 * bulk))
            for name, shear in shears.items()
        }
        by_hand.append(moduli)
    for name, value in by_hand[0].items():
        expected = abs(value - by_hand[1][name])
        assert found[f"elastic_{name}_mae"] == pytest.approx(expected, rel=1e-10)
    assert found["elastic_unstable"] == 0


def test_a_prediction_without_moduli_is_counted_and_left_out():
    """C₁₁ < C₁₂: a shear that gains energy."""
    reference = np.array([cubic(168.4, 121.4, 75.4), cubic(107.3, 60.9, 28.3)])
    predicted = np.array([cubic(100.0, 121.4, 75.4), cubic(107.3, 60.9, 28.3)])
    found = tensor_metrics(TARGETS["elastic"], predicted, reference)
    assert found["elastic_unstable"] == 1
    assert found["elastic_bulk_hill_mae"] == pytest.approx(0.0, abs=1e-10)


def test_every_part_has_its_own_zero_of_the_scale():
    rng = np.random.default_rng(2)
    reference = rng.normal(size=(40, 3, 3))
    reference = reference + reference.transpose(0, 2, 1)
    found = tensor_metrics(TARGETS["polarizability"], reference + 0.1 * np.eye(3), reference)
    thirds = np.trace(reference, axis1=1, axis2=2) / 3
    mad = np.abs(thirds - thirds.mean()).mean()
    assert found["polarizability_isotropic_mad"] == pytest.approx(mad)
    assert found["polarizability_isotropic_relative_mae"] == pytest.approx(0.1 / mad)
