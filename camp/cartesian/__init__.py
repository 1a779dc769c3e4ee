"""Cartesian tensor mathematics: symmetric and natural tensors, polyadics, paths, radial bases.

Natural tensors and what is made of them can be used alone:

>>> parts = decompose(stiffness_from_voigt(matrix), "ijkl=jikl=klij")
>>> lame_lambda, lame_mu = parts[0]
"""

from camp.cartesian.natural import (
    basis,
    check_symmetry,
    decompose,
    decomposition_matrix,
    gram_matrices,
    pack,
    packed_polyadics,
    parse_symmetry,
    polyadics,
    product,
    product_coefficient,
    product_table,
    rank_of,
    reconstruct,
    reconstruction_matrix,
    signature,
    split_packed,
    stf,
    symmetrised,
    unpack,
)
from camp.cartesian.voigt import (
    Moduli,
    PolycrystalModuli,
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

__all__ = [
    "Moduli",
    "PolycrystalModuli",
    "basis",
    "check_symmetry",
    "compliance_from_voigt",
    "compliance_of",
    "compliance_to_voigt",
    "decompose",
    "decomposition_matrix",
    "directional_young_modulus",
    "gram_matrices",
    "pack",
    "packed_polyadics",
    "parse_symmetry",
    "piezoelectric_from_voigt",
    "piezoelectric_to_voigt",
    "polyadics",
    "polycrystal_moduli",
    "product",
    "product_coefficient",
    "product_table",
    "rank_of",
    "reconstruct",
    "reconstruction_matrix",
    "signature",
    "split_packed",
    "stf",
    "stiffness_from_voigt",
    "stiffness_to_voigt",
    "symmetrised",
    "unpack",
]
