"""Radial bases against numpy and analytic limits."""

import numpy as np
import torch
from numpy.polynomial import chebyshev as reference

from camp.cartesian.radial import chebyshev, envelope


def test_chebyshev_polynomials():
    x = np.linspace(0, 1, 17)
    values = chebyshev(torch.tensor(x), 8).numpy()
    np.testing.assert_allclose(values, reference.chebvander(x, 8), atol=1e-14)


def test_lowest_degrees():
    x = torch.tensor([0.3])
    assert chebyshev(x, 0).shape == (1, 1)
    assert chebyshev(x, 1).shape == (1, 2)


def test_envelope_vanishes_with_two_derivatives():
    x = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    value = envelope(x)
    (slope,) = torch.autograd.grad(value, x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, x)
    for number in (value, slope, curvature):
        assert abs(number.item()) < 1e-11
    assert envelope(torch.zeros(1)).item() == 1.0
