"""Path enumeration against the lists printed in the SI."""

from camp.cartesian.paths import atomic_moment_paths, hyper_moment_paths


def test_atomic_moments_of_si_section_1():
    """v_max = 2: (v, v₁) of h₀D₀, h₁D₁, h₂D₂; h₀D₁, h₁D₂; h₀D₂."""
    assert atomic_moment_paths(2, 2) == ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0))


def test_first_layer_has_scalars_only():
    assert atomic_moment_paths(3, 0) == ((0, 0), (1, 0), (2, 0), (3, 0))


def test_hyper_moments_of_si_section_2():
    """v_max = 3, as printed."""
    assert hyper_moment_paths(3, 0) == (
        (0,),
        (1, 1),
        (2, 2),
        (3, 3),
        (1, 1, 2),
        (1, 2, 3),
        (1, 1, 1, 3),
    )
    assert hyper_moment_paths(3, 1) == ((1,), (1, 2), (2, 3), (1, 1, 3))
    assert hyper_moment_paths(3, 2) == ((2,), (1, 3))
    assert hyper_moment_paths(3, 3) == ((3,),)


def test_hyper_moments_for_rank_two():
    assert hyper_moment_paths(2, 0) == ((0,), (1, 1), (2, 2), (1, 1, 2))
    assert hyper_moment_paths(2, 1) == ((1,), (1, 2))
    assert hyper_moment_paths(2, 2) == ((2,),)


def test_without_tensors_only_the_scalar_is_left():
    assert atomic_moment_paths(0, 0) == ((0, 0),)
    assert hyper_moment_paths(0, 0) == ((0,),)


def test_rules_hold_for_rank_four():
    """Every path: largest rank = sum of the others + v; no other multiset obeys that."""
    for rank in range(5):
        paths = hyper_moment_paths(4, rank)
        assert len(set(paths)) == len(paths)
        for *lower, last in paths:
            assert last == sum(lower) + rank
            assert list(lower) == sorted(lower)
            assert last <= 4
    # Partitions of 1 … 4 (1 + 2 + 3 + 5 of them) make a scalar with M of that rank, and M₀.
    assert len(hyper_moment_paths(4, 0)) == 1 + 1 + 2 + 3 + 5
