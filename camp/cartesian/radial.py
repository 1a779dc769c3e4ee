"""Radial bases of the edge length."""

import torch
from torch import Tensor


def chebyshev(x: Tensor, max_degree: int) -> Tensor:
    """Chebyshev polynomials of the first kind T₀ … T_max (Eq. 2).

    Shapes: x (...), dimensionless; returns (..., max_degree + 1).
    """
    values = [torch.ones_like(x), x]
    for _ in range(max_degree - 1):
        values.append(2.0 * x * values[-1] - values[-2])
    return torch.stack(values[: max_degree + 1], dim=-1)


def envelope(x: Tensor) -> Tensor:
    """1 − 28x⁶ + 48x⁷ − 21x⁸: one at zero; value and two derivatives vanish at x = 1.

    The polynomial of DimeNet (arXiv:2003.03123, Eq. 8) with p = 6.
    """
    x6 = x**6
    return 1.0 + x6 * (-28.0 + x * (48.0 - 21.0 * x))
