"""Voigt's matrices of elastic and piezoelectric tensors, and the moduli of engineers.

The order of index pairs is xx yy zz yz xz xy. Stiffness C and the piezoelectric e (stress form)
have the plain components of the tensor; in the compliance S every shear index stands for the
engineering strain 2ε, so that its entries are 1, 2 or 4 times those of the tensor. Nye, *Physical
Properties of Crystals*, chapters VII and VIII.

Leading axes are batch axes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from camp.errors import InputError

PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_OF_PAIR = ((0, 5, 4), (5, 1, 3), (4, 3, 2))
_ROWS, _COLUMNS = zip(*PAIRS, strict=True)


def stiffness_to_voigt(tensor: Tensor) -> Tensor:
    """C_ijkl (..., 3, 3, 3, 3) → C_ab (..., 6, 6), plain components.

    :raises InputError: another shape.
    """
    _check_shape(tensor, (3, 3, 3, 3))
    return tensor[..., _ROWS, _COLUMNS, :, :][..., _ROWS, _COLUMNS]


def stiffness_from_voigt(matrix: Tensor) -> Tensor:
    """C_ab (..., 6, 6) → C_ijkl (..., 3, 3, 3, 3), plain components.

    :raises InputError: another shape.
    """
    _check_shape(matrix, (6, 6))
    pairs = torch.tensor(_OF_PAIR, device=matrix.device)
    return matrix[..., pairs, :][..., pairs]


def compliance_to_voigt(tensor: Tensor) -> Tensor:
    """S_ijkl (..., 3, 3, 3, 3) → S_ab (..., 6, 6) with the factors 1, 2, 4 of engineering strain.

    :raises InputError: another shape.
    """
    return stiffness_to_voigt(tensor) * _engineering(tensor)


def compliance_from_voigt(matrix: Tensor) -> Tensor:
    """S_ab (..., 6, 6) with the factors 1, 2, 4 of engineering strain → S_ijkl (..., 3, 3, 3, 3).

    :raises InputError: another shape.
    """
    _check_shape(matrix, (6, 6))
    return stiffness_from_voigt(matrix / _engineering(matrix))


def piezoelectric_to_voigt(tensor: Tensor) -> Tensor:
    """e_ijk, symmetric in jk, (..., 3, 3, 3) → e_ia (..., 3, 6), plain components.

    :raises InputError: another shape.
    """
    _check_shape(tensor, (3, 3, 3))
    return tensor[..., _ROWS, _COLUMNS]


def piezoelectric_from_voigt(matrix: Tensor) -> Tensor:
    """e_ia (..., 3, 6) → e_ijk (..., 3, 3, 3), plain components.

    :raises InputError: another shape.
    """
    _check_shape(matrix, (3, 6))
    return matrix[..., torch.tensor(_OF_PAIR, device=matrix.device)]


@dataclass(frozen=True)
class Moduli:
    """Bulk modulus K, shear modulus G and Young's modulus E of an isotropic body, each (...)."""

    bulk: Tensor
    shear: Tensor

    @property
    def young(self) -> Tensor:
        """E = 9KG / (3K + G)."""
        return 9 * self.bulk * self.shear / (3 * self.bulk + self.shear)


@dataclass(frozen=True)
class PolycrystalModuli:
    """Moduli of a polycrystal of randomly oriented grains."""

    voigt: Moduli  # equal strain: the upper bound
    reuss: Moduli  # equal stress: the lower bound
    hill: Moduli  # the mean of both


def polycrystal_moduli(stiffness: Tensor) -> PolycrystalModuli:
    """Moduli of Voigt, Reuss and Hill (doi:10.1088/0370-1298/65/5/307), in the stiffness' unit.

    Shapes: stiffness C_ab (..., 6, 6); each modulus (...).

    :raises InputError: another shape, or a stiffness that cannot be inverted.
    """
    compliance = compliance_of(stiffness)
    normal, coupling, shear = _sums(stiffness)
    voigt = Moduli((normal + 2 * coupling) / 9, (normal - coupling + 3 * shear) / 15)
    normal, coupling, shear = _sums(compliance)
    reuss = Moduli(1 / (normal + 2 * coupling), 15 / (4 * (normal - coupling) + 3 * shear))
    hill = Moduli((voigt.bulk + reuss.bulk) / 2, (voigt.shear + reuss.shear) / 2)
    return PolycrystalModuli(voigt, reuss, hill)


def directional_young_modulus(stiffness: Tensor, unit: Tensor) -> Tensor:
    """Young's modulus along directions, 1 / (S_ijkl n_i n_j n_k n_l), in the stiffness' unit.

    Shapes: stiffness C_ab (..., 6, 6), unit (m, 3); returns (..., m).

    :raises InputError: another shape, or a stiffness that cannot be inverted.
    """
    tensor = compliance_from_voigt(compliance_of(stiffness))
    return 1 / torch.einsum("...ijkl,mi,mj,mk,ml->...m", tensor, unit, unit, unit, unit)


def compliance_of(stiffness: Tensor) -> Tensor:
    """S_ab = (C⁻¹)_ab, both (..., 6, 6), S with the factors of engineering strain.

    :raises InputError: another shape, or a stiffness that cannot be inverted.
    """
    _check_shape(stiffness, (6, 6))
    inverse, info = torch.linalg.inv_ex(stiffness)
    if info.any():
        raise InputError("the stiffness cannot be inverted: some strain costs no energy")
    return inverse


def _sums(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """M₁₁+M₂₂+M₃₃, M₁₂+M₂₃+M₁₃ and M₄₄+M₅₅+M₆₆."""
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    coupling = matrix[..., 0, 1] + matrix[..., 1, 2] + matrix[..., 0, 2]
    return diagonal[..., :3].sum(-1), coupling, diagonal[..., 3:].sum(-1)


def _engineering(like: Tensor) -> Tensor:
    factor = like.new_tensor([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
    return factor[:, None] * factor


def _check_shape(tensor: Tensor, expected: tuple[int, ...]) -> None:
    if tensor.shape[-len(expected) :] != expected:
        raise InputError(f"expected the shape (…, {expected}), not {tuple(tensor.shape)}")
