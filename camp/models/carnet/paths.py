"""Which products of natural tensors a layer makes."""

from functools import cache

from camp.models.carnet.settings import PathMode

Path = tuple[int, int, int]  # (l₁, l₂, l₃): X_{l₁} × Y_{l₂} → Z_{l₃}


@cache
def product_paths(
    max_first: int,
    max_second: int,
    max_out: int,
    *,
    mode: PathMode,
    polar_only: bool,
    level: int,
) -> tuple[tuple[Path, ...], ...]:
    """For every l₃ = 0 … max_out the paths into it, by l₁, then l₂.

    :param level: of the modes ``level`` and ``level2``.
    """
    return tuple(
        tuple(
            (l1, l2, l3)
            for l1 in range(max_first + 1)
            for l2 in range(abs(l1 - l3), min(l1 + l3, max_second) + 1)
            if _allowed(l1, l2, l3, mode, level) and not (polar_only and (l1 + l2 + l3) % 2)
        )
        for l3 in range(max_out + 1)
    )


def _allowed(l1: int, l2: int, l3: int, mode: PathMode, level: int) -> bool:
    if mode == "lite":
        return l3 == abs(l1 - l2)
    if mode == "camp":
        return l3 == l2 - l1
    if mode == "level":
        return l1 + l2 <= level or l3 == 0
    if mode == "level2":
        return l1 + l2 + l3 <= level or l3 == 0
    return True
