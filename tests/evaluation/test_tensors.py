"""Errors of tensors: of components, and of numbers that do not depend on the axes."""

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
