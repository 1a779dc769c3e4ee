"""Which contractions make atomic and hyper moments (SI sections 1 and 2)."""

from functools import cache
from itertools import combinations_with_replacement


@cache
def atomic_moment_paths(max_rank: int, max_feature_rank: int) -> tuple[tuple[int, int], ...]:
    """Paths (v, v₁) of the atomic moments M_v = h_{v₁} ⊙^{v₁} D_{v₁+v}, ordered by v, then v₁.

    The two rules of SI section 1, v₁ ≤ v₂ and c = v₁, leave v₂ = v₁ + v ≤ v_max.

    :param max_rank: v_max, the largest rank of any tensor.
    :param max_feature_rank: largest rank of the incoming features (0 in the first layer).
    """
    return tuple(
        (v, v1)
        for v in range(max_rank + 1)
        for v1 in range(min(max_feature_rank, max_rank - v) + 1)
    )


@cache
def hyper_moment_paths(max_rank: int, rank: int) -> tuple[tuple[int, ...], ...]:
    """Ranks (v₁ ≤ … ≤ v_n) of the atomic moments multiplied into hyper moments of one rank.

    The two rules of SI section 2 leave the multisets of ranks ≥ 1 whose largest is the sum of
    the others plus ``rank``; M₀ alone makes a scalar. Ordered by length, then by ranks.
    """
    found: list[tuple[int, ...]] = [(0,)] if rank == 0 else []
    for length in range(1, max_rank + 2):
        for lower in combinations_with_replacement(range(1, max_rank + 1), length - 1):
            last = rank + sum(lower)
            if 1 <= last <= max_rank:
                found.append((*lower, last))
    return tuple(found)
