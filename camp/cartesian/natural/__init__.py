"""Natural tensors (symmetric and traceless), and physical tensors taken apart into them."""

from camp.cartesian.natural.decomposition import (
    check_symmetry,
    decompose,
    decomposition_matrix,
    gram_matrices,
    parse_symmetry,
    rank_of,
    reconstruct,
    reconstruction_matrix,
    signature,
    split_packed,
    symmetrised,
)
from camp.cartesian.natural.tensors import (
    basis,
    pack,
    packed_polyadics,
    polyadics,
    product,
    product_coefficient,
    product_table,
    stf,
    unpack,
)

__all__ = [
    "basis",
    "check_symmetry",
    "decompose",
    "decomposition_matrix",
    "gram_matrices",
    "pack",
    "packed_polyadics",
    "parse_symmetry",
    "polyadics",
    "product",
    "product_coefficient",
    "product_table",
    "rank_of",
    "reconstruct",
    "reconstruction_matrix",
    "signature",
    "split_packed",
    "stf",
    "symmetrised",
    "unpack",
]
