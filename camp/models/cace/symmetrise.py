"""The symmetrised basis B: products of A of one atom that no rotation changes.

With T^{l,k}_w = Σ_u m(u) A_u A_{u+w}, |u| = l, |w| = k, m the multinomials, all of them are inner
products ⟨x, y⟩ = Σ_w m(w) x_w y_w:

    ν = 1: A_000    ν = 2: ⟨A_l, A_l⟩    ν = 3: ⟨A_l₁, T^{l₂,l₁}⟩    ν = 4: ⟨T^{l₁,l₃}, T^{l₂,l₃}⟩

A is kept by degree, as tensors (components, n, u) of u = radial functions × channels.
"""

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor, nn

from camp.cartesian.symmetric import contraction_matrix, multiplicities, number_of_components

Labels = list[tuple[int, ...]]


def second_order(max_l: int) -> Labels:
    """(l,) of the features of two factors."""
    return [(degree,) for degree in range(1, max_l + 1)]


def third_order(max_l: int) -> Labels:
    """(l₁, l₂) of the features of three factors."""
    pairs = product(range(1, max_l + 1), repeat=2)
    return [(a, b) for a, b in pairs if a <= b and a + b <= max_l]


def older_third_order(max_l: int) -> Labels:
    """(a, b, c) of the features of three factors in the oldest published weights:
    Σ m(u) m(v) m(w) A_{u+v} A_{u+w} A_{v+w}, with c = 0 those of :func:`third_order`.
    """
    triples = product(range(1, max_l + 1), range(1, max_l + 1), range(max_l + 1))
    return [(a, b, c) for a, b, c in triples if a >= b >= c and a + b <= max_l]


def fourth_order(max_l: int) -> Labels:
    """(l₁, l₂, l₃) of the features of four factors."""
    triples = product(range(1, max_l + 1), repeat=3)
    return [(a, b, c) for a, b, c in triples if a < b and b + c <= max_l]


def number_of_features(max_l: int, max_nu: int, *, older: bool = False) -> int:
    """S: features of an atom for each radial function and channel."""
    third = older_third_order(max_l) if older else third_order(max_l)
    orders: list[Labels] = [[()], second_order(max_l), third, fourth_order(max_l)]
    return sum(map(len, orders[:max_nu]))


class Symmetrisation(nn.Module):
    """A of an atom → B, in the order of the published weights."""

    def __init__(self, max_l: int, max_nu: int, *, older: bool = False):
        super().__init__()
        self.max_l = max_l
        self.second = second_order(max_l) if max_nu >= 2 else []
        self.third = third_order(max_l) if max_nu >= 3 and not older else []
        self.older_third = older_third_order(max_l) if max_nu >= 3 and older else []
        self.fourth = fourth_order(max_l) if max_nu >= 4 else []
        for degree in range(max_l + 1):
            weights = torch.tensor(multiplicities(degree), dtype=torch.get_default_dtype())
            self.register_buffer(f"multinomials_{degree}", weights[:, None, None], persistent=False)
        for low in range(1, max_l + 1):
            for out in range(1, max_l - low + 1):
                matrix = contraction_matrix(low, out)
                self.register_buffer(f"contraction_{low}_{out}", matrix, persistent=False)

    def forward(self, basis: Sequence[Tensor]) -> Tensor:
        """Shapes: basis[l] (components(l), n, u); returns (n, S, u)."""
        weighted = [a * self.multinomials(degree) for degree, a in enumerate(basis)]
        known: dict[tuple[int, int], Tensor] = {}

        def contraction(low: int, out: int) -> Tensor:
            """T^{low, out}; features that share it share its work."""
            if (low, out) not in known:
                known[low, out] = (basis[low][:, None] * self.spread(basis, low, out)).sum(0)
            return known[low, out]

        features = [basis[0][0]]
        for (a,) in self.second:
            features.append((weighted[a] * basis[a]).sum(0))
        for a, b in self.third:
            features.append((weighted[a] * contraction(b, a)).sum(0))
        for a, b, c in self.older_third:
            if c == 0:
                features.append((weighted[b] * contraction(a, b)).sum(0))
            else:
                # Σ m(u) m(v) m(w) A_{u+v} A_{v+w} A_{w+u}
                around = (self.spread(basis, *pair) for pair in ((a, b), (b, c), (c, a)))
                features.append(torch.einsum("uvni,vwni,wuni->ni", *around))
        for a, b, c in self.fourth:
            one, other = contraction(a, c), contraction(b, c)
            features.append((self.multinomials(c) * one * other).sum(0))
        return torch.stack(features, dim=1)

    def spread(self, basis: Sequence[Tensor], low: int, out: int) -> Tensor:
        """m(u) A_{u+w}, |u| = low, |w| = out, as (components(low), components(out), n, u)."""
        # As a product of matrices, whose derivative needs no scattered addition.
        matrix, tensor = self.get_buffer(f"contraction_{low}_{out}"), basis[low + out]
        shape = (number_of_components(low), number_of_components(out), *tensor.shape[1:])
        return (matrix @ tensor.flatten(1)).view(shape)

    def multinomials(self, degree: int) -> Tensor:
        return self.get_buffer(f"multinomials_{degree}")
