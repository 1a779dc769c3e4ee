"""Natural tensors: symmetric and traceless in all indices (arXiv:2510.04015).

A natural tensor of rank l has 2l+1 independent numbers and transforms under rotations like the
spherical harmonics of degree l. It is kept in one of two forms:

* *full*, a torch tensor of shape (..., 3, …, 3) with l trailing axes;
* *packed*, (..., 2l+1): its components in the orthonormal basis B_l of :func:`basis`, so that
  norms, full contractions and linear maps are the ordinary ones of vectors.

Leading axes are batch axes; they broadcast. Constants are made once, in float64.
"""

from itertools import product as cartesian_product
from math import comb, factorial, prod, sqrt

import torch
from torch import Tensor

from camp.cartesian import symmetric
from camp.cartesian.constants import constant
from camp.errors import InputError


def double_factorial(n: int) -> int:
    """n!! = n (n−2) (n−4) …, with (−1)!! = 0!! = 1."""
    return prod(range(n, 0, -2))


def stf(tensor: Tensor, rank: int) -> Tensor:
    """The symmetric traceless part of any tensor: the orthogonal projector onto natural tensors.

    STF = Σ_d (−1)^d (2l−2d−1)!!/(2l−1)!! {I^d ⊗ tr^d S}, S the mean over all orders of the indices,
    {·} the sum over the l!/((l−2d)! d! 2^d) different arrangements.

    Shapes: tensor (..., 3, …, 3) with ``rank`` trailing axes; returns the same.

    :raises InputError: the trailing axes are not so many threes.
    """
    _check_shape(tensor, rank)
    identity = torch.eye(3, dtype=tensor.dtype, device=tensor.device).flatten()
    traced = _symmetrise(tensor, rank)
    result = torch.zeros_like(traced)
    for d in range(rank // 2 + 1):
        arrangements = factorial(rank) // (factorial(rank - 2 * d) * factorial(d) * 2**d)
        weight = (-1) ** d * double_factorial(2 * (rank - d) - 1) / double_factorial(2 * rank - 1)
        term = traced.reshape(*_batch(tensor, rank), -1)
        for _ in range(d):
            term = (term[..., :, None] * identity).flatten(-2)
        result = result + weight * arrangements * _symmetrise(_unflatten(term, rank), rank)
        if rank >= 2 * (d + 1):
            traced = traced.diagonal(dim1=-2, dim2=-1).sum(-1)
    return result


def polyadics(unit: Tensor, max_rank: int) -> list[Tensor]:
    """Natural polyadics D_l(n) = (2l−1)!!/l! · STF(n ⊗ … ⊗ n) of unit vectors, in full form.

    They are the Legendre polynomials of tensors: D_l(a) ⊙ b^l = P_l(a·b).

    Shapes: unit (..., 3), dimensionless; returns for each rank l = 0 … max_rank (..., 3, …, 3).
    """
    result, power = [], torch.ones_like(unit[..., :1])
    for rank in range(max_rank + 1):
        weight = double_factorial(2 * rank - 1) / factorial(rank)
        result.append(weight * stf(_unflatten(power, rank), rank))
        power = (power[..., :, None] * unit[..., None, :]).flatten(-2)
    return result


def is_even(l1: int, l2: int, l3: int) -> bool:
    """Whether the product of these ranks only contracts; odd products have one ε besides."""
    return (l1 + l2 - l3) % 2 == 0


def product_coefficient(l1: int, l2: int, l3: int) -> float:
    """The factor α (even) or β (odd) of the product X_{l₁} × Y_{l₂} → Z_{l₃}.

    With α, D_{l₁}(n) × D_{l₂}(n) = D_{l₃}(n); with β, 1 × 1 → 1 is the cross product.

    :raises InputError: not |l₁−l₂| ≤ l₃ ≤ l₁+l₂.
    """
    if not abs(l1 - l2) <= l3 <= l1 + l2:
        raise InputError(
            f"there is no product of ranks {l1} and {l2} with rank {l3}; "
            f"it goes from {abs(l1 - l2)} to {l1 + l2}"
        )
    numerator = factorial(l1) * factorial(l2) * double_factorial(2 * l3 - 1)
    k = (l1 + l2 - l3) // 2
    if is_even(l1, l2, l3):
        odd = [double_factorial(2 * m - 1) for m in (l1 - k, l2 - k, k)]
        return numerator / (prod(odd) * factorial(l1 + l2 - k))
    odd = [double_factorial(2 * m + 1) for m in (l1 - k - 1, l2 - k - 1, k)]
    return 2 * l3 * numerator / (prod(odd) * factorial(l1 + l2 - k))


def product(x: Tensor, l1: int, y: Tensor, l2: int, l3: int) -> Tensor:
    """The natural tensor of rank l₃ in the product of two natural tensors, in full form.

    Even (l₁+l₂−l₃ even): α · STF(X ⊙^k Y), k contracted indices. Odd: β · STF(ε_{pqw} X_p… Y_q…),
    p on X, q on Y, w free. Swapping X and Y changes the sign of an odd product only.

    Shapes: x (..., 3, …, 3) with l₁ trailing axes, y with l₂; returns l₃ trailing axes.

    :raises InputError: no such product, or axes that do not fit the ranks.
    """
    coefficient = product_coefficient(l1, l2, l3)
    _check_shape(x, l1)
    _check_shape(y, l2)
    k = (l1 + l2 - l3) // 2
    x, y = x.reshape(*_batch(x, l1), -1), y.reshape(*_batch(y, l2), -1)
    if is_even(l1, l2, l3):
        joined = x.unflatten(-1, (-1, 3**k)) @ y.unflatten(-1, (3**k, -1))
    else:
        epsilon = levi_civita().to(x)
        x, y = x.unflatten(-1, (3, -1, 3**k)), y.unflatten(-1, (3, 3**k, -1))
        joined = torch.einsum("pqw,...pas,...qsb->...wab", epsilon, x, y)
        joined = joined.flatten(-2)
    return coefficient * stf(_unflatten(joined.flatten(-2), l3), l3)


@constant
def levi_civita() -> Tensor:
    """ε_ijk, (3, 3, 3)."""
    epsilon = torch.zeros(3, 3, 3, dtype=torch.float64)
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        epsilon[i, j, k], epsilon[i, k, j] = 1.0, -1.0
    return epsilon


@constant
def basis(rank: int) -> Tensor:
    """B_l: orthonormal natural tensors, (2l+1, 3^l), entries row-major.

    Row m + l, m = −l … l, is the real solid harmonic of degree l and order m, cos(mφ) for m ≥ 0 and
    sin(|m|φ) for m < 0, about the z axis. For l = 1 they are y, z, x.
    """
    rows = [_solid_harmonic(rank, m) for m in range(-rank, rank + 1)]
    # The coefficient of xᵃyᵇzᶜ stands for as many equal entries of the tensor.
    entries = torch.tensor(rows, dtype=torch.float64) / _multiplicities(rank)
    full = entries[:, _component_of_entry(rank)]
    return full / full.norm(dim=1, keepdim=True)


def pack(tensor: Tensor, rank: int) -> Tensor:
    """Packed form (..., 2l+1) of natural tensors in full form; of other tensors, their STF part.

    :raises InputError: the trailing axes are not so many threes.
    """
    _check_shape(tensor, rank)
    return tensor.reshape(*_batch(tensor, rank), -1) @ basis(rank).to(tensor).T


def unpack(packed: Tensor, rank: int) -> Tensor:
    """Full form (..., 3, …, 3) of natural tensors (..., 2l+1).

    :raises InputError: the last axis is not 2l+1 long.
    """
    if packed.ndim == 0 or packed.shape[-1] != 2 * rank + 1:
        raise InputError(
            f"a packed natural tensor of rank {rank} ends in an axis of {2 * rank + 1}, "
            f"not in the shape {tuple(packed.shape)}"
        )
    return _unflatten(packed @ basis(rank).to(packed), rank)


@constant
def polyadic_matrix(rank: int) -> Tensor:
    """The monomials xᵃyᵇzᶜ of a unit vector, as :func:`camp.cartesian.symmetric.polyadics` orders
    them, → packed D_l: (components, 2l+1).
    """
    first = [_component_of_entry(rank).index(c) for c in range(len(symmetric.components(rank)))]
    weight = double_factorial(2 * rank - 1) / factorial(rank)
    return weight * (basis(rank)[:, first] * _multiplicities(rank)).T.contiguous()


def packed_polyadics(unit: Tensor, max_rank: int) -> list[Tensor]:
    """D_l(n) of unit vectors in packed form.

    Shapes: unit (..., 3), dimensionless; returns for each rank l = 0 … max_rank (..., 2l+1).
    """
    monomials = symmetric.polyadics(unit, max_rank)
    return [power @ polyadic_matrix(rank).to(unit) for rank, power in enumerate(monomials)]


@constant
def product_table(l1: int, l2: int, l3: int) -> Tensor:
    """The product in packed form: z_c = Σ_ab table[c, a, b] x_a y_b; (2l₃+1, 2l₁+1, 2l₂+1).

    :raises InputError: there is no such product.
    """
    x, y = (unpack(torch.eye(2 * rank + 1, dtype=torch.float64), rank) for rank in (l1, l2))
    z = pack(product(x[:, None], l1, y[None, :], l2, l3), l3)
    # What vanishes in the basis of solid harmonics does so exactly.
    z = torch.where(z.abs() < 1e-13, 0.0, z)
    return z.permute(2, 0, 1).contiguous()


def _solid_harmonic(degree: int, order: int) -> list[float]:
    """Coefficients of a real solid harmonic, not normalised, by the components of
    :mod:`camp.cartesian.symmetric`: Π(z, r²) · Re or Im (x + iy)^|m|.
    """
    m = abs(order)
    coefficients = dict.fromkeys(symmetric.components(degree), 0)
    # Re (x+iy)^m has the even powers of y, Im the odd ones.
    powers_of_y = range(1 if order < 0 else 0, m + 1, 2)
    for k in range((degree - m) // 2 + 1):
        # 2^l times the coefficient of r^{2k} z^{l−2k−m}, from the m-th derivative of P_l(z).
        height = degree - 2 * k - m
        along = (-1) ** k * comb(degree, k) * comb(2 * degree - 2 * k, degree)
        along *= factorial(degree - 2 * k) // factorial(height)
        for b in powers_of_y:
            across = (-1) ** (b // 2) * comb(m, b)
            for i, j, n in symmetric.components(k):
                of_square = factorial(k) // (factorial(i) * factorial(j) * factorial(n))
                exponents = (m - b + 2 * i, b + 2 * j, height + 2 * n)
                coefficients[exponents] += along * across * of_square
    largest = sqrt(sum(value**2 for value in coefficients.values()))
    return [value / largest for value in coefficients.values()]


@constant
def _component_of_entry(rank: int) -> list[int]:
    """Index of the packed symmetric component that each of the 3^l entries belongs to."""
    position = {exponents: k for k, exponents in enumerate(symmetric.components(rank))}
    return [
        position[index.count(0), index.count(1), index.count(2)]
        for index in cartesian_product(range(3), repeat=rank)
    ]


def _multiplicities(rank: int) -> Tensor:
    return torch.tensor(symmetric.multiplicities(rank), dtype=torch.float64)


def _symmetrise(tensor: Tensor, rank: int) -> Tensor:
    """The mean over all orders of the trailing indices."""
    entries = tensor.reshape(*_batch(tensor, rank), -1)
    of_entry = torch.tensor(_component_of_entry(rank), device=tensor.device)
    multiplicities = _multiplicities(rank).to(tensor)
    sums = tensor.new_zeros(*entries.shape[:-1], len(multiplicities))
    means = sums.index_add(-1, of_entry, entries) / multiplicities
    return _unflatten(means[..., of_entry], rank)


def _batch(tensor: Tensor, rank: int) -> torch.Size:
    return tensor.shape[: tensor.ndim - rank]


def _unflatten(entries: Tensor, rank: int) -> Tensor:
    return entries.reshape(*entries.shape[:-1], *([3] * rank))


def _check_shape(tensor: Tensor, rank: int) -> None:
    if tensor.ndim < rank or tensor.shape[tensor.ndim - rank :] != (3,) * rank:
        raise InputError(
            f"a tensor of rank {rank} ends in {rank} axes of 3, not in the shape "
            f"{tuple(tensor.shape)}"
        )
