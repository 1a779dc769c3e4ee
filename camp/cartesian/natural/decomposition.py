"""Physical tensors of any rank and index symmetry as sums of natural tensors (arXiv:2510.04015).

A symmetry string says which indices may change places: ``ij=ji`` for a polarizability,
``ijkl=jikl=klij`` for an elastic tensor. For every rank l it leaves n_l natural tensors,

    T = Σ_{l,p} K_{l,p} X_{l,p},   X_{l,p} = H_{l,p} T,   H_{l,p} K_{l,q} = δ_pq P_l.

The K are found by a rule, not by lot: embeddings of X by deltas and ε in a fixed order, the first
independent ones, averaged over the symmetry, in reduced row echelon form. The elastic tensor's
X_{0,0} and X_{0,1}, for instance, are the Lamé constants λ and μ of its isotropic part.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, permutations

import torch
from torch import Tensor

from camp.cartesian.constants import constant
from camp.cartesian.natural.tensors import basis, levi_civita, pack, unpack
from camp.errors import InputError

# Of higher ranks the matrices and the permutations outgrow any use.
HIGHEST_RANK = 6
# Of the largest entry; how far a tensor may be from its own symmetry.
TOLERANCE = 1e-5
# What is smaller vanishes; the numbers here are fractions with small denominators.
_ZERO, _LARGEST_DENOMINATOR = 1e-9, 10_000

Permutation = tuple[int, ...]


@dataclass(frozen=True)
class _Weight:
    """The natural tensors of one rank l in a tensor: K_p B_lᵀ as columns, and g_pq = K_p · K_q."""

    embeddings: Tensor  # (n_l, 3^rank, 2l+1)
    gram: Tensor  # (n_l, n_l)


@constant
def parse_symmetry(symmetry: str) -> tuple[Permutation, ...]:
    """The group of index permutations that a symmetry string generates, ascending.

    T[i₀, i₁, …] = T[i_π(0), i_π(1), …] for every π in it.

    :raises InputError: the string is no symmetry.
    """
    first, *others = symmetry.split("=")
    if not (first.isascii() and first.isalpha()) or len(set(first)) != len(first):
        raise _no_symmetry(symmetry, "its first part must be different letters, such as ijk")
    if len(first) > HIGHEST_RANK:
        raise _no_symmetry(symmetry, f"it has {len(first)} indices, of at most {HIGHEST_RANK}")
    for part in others:
        if sorted(part) != sorted(first):
            raise _no_symmetry(symmetry, f"{part!r} does not have the letters of {first!r}")
    identity = tuple(range(len(first)))
    generators = [tuple(first.index(letter) for letter in part) for part in others]
    found, new = {identity}, [identity]
    while new:
        new = [
            permutation
            for known in new
            for generator in generators
            if (permutation := tuple(known[k] for k in generator)) not in found
        ]
        found.update(new)
    return tuple(sorted(found))


def rank_of(symmetry: str) -> int:
    """The number of indices.

    :raises InputError: the string is no symmetry.
    """
    return len(parse_symmetry(symmetry)[0])


def symmetrised(tensor: Tensor, symmetry: str) -> Tensor:
    """The part of a tensor (..., 3, …, 3) that has the symmetry.

    :raises InputError: the string is no symmetry, or the shape does not fit it.
    """
    group = parse_symmetry(symmetry)
    rank = len(group[0])
    if tensor.ndim < rank or tensor.shape[tensor.ndim - rank :] != (3,) * rank:
        raise InputError(
            f"a tensor of the symmetry {symmetry} ends in {rank} axes of 3, not in the shape "
            f"{tuple(tensor.shape)}"
        )
    batch = tuple(range(tensor.ndim - rank))
    orders = [(*batch, *(len(batch) + k for k in permutation)) for permutation in group]
    return torch.stack([tensor.permute(order) for order in orders]).mean(0)


def check_symmetry(tensor: Tensor, symmetry: str, tolerance: float = TOLERANCE) -> None:
    """Refuse a tensor (..., 3, …, 3) that does not have its symmetry.

    :param tolerance: how far entries may be from the symmetric ones, relative to the largest.
    :raises InputError: as for :func:`symmetrised`, or too far; says by how much.
    """
    deviation = (tensor - symmetrised(tensor, symmetry)).abs()
    if not tensor.numel():
        return
    worst, largest = deviation.max().item(), tensor.abs().max().item()
    if worst > tolerance * largest:
        raise InputError(
            f"the tensor does not have the symmetry {symmetry}: entries are up to {worst:.3g} from "
            f"the symmetric ones, the largest is {largest:.3g}"
        )


@constant
def signature(symmetry: str) -> Mapping[int, int]:
    """How many natural tensors of each rank l there are: {l: n_l}, ascending.

    :raises InputError: the string is no symmetry.
    """
    return {rank: len(weight.gram) for rank, weight in _weights(symmetry).items()}


def decompose(tensor: Tensor, symmetry: str, tolerance: float = TOLERANCE) -> dict[int, Tensor]:
    """The natural tensors X_{l,p} of a physical tensor, in full form.

    Shapes: tensor (..., 3, …, 3), also of numpy; returns for each rank l (..., n_l, 3, …, 3).

    :param tolerance: see :func:`check_symmetry`.
    :raises InputError: the string is no symmetry, or the tensor does not have its shape and
        symmetry.
    """
    tensor = _real(tensor)
    check_symmetry(tensor, symmetry, tolerance)
    rank = rank_of(symmetry)
    entries = tensor.reshape(*tensor.shape[: tensor.ndim - rank], -1)
    packed = entries @ decomposition_matrix(symmetry).to(entries).T
    parts = split_packed(packed, symmetry)
    return {weight: unpack(part, weight) for weight, part in parts.items()}


def reconstruct(parts: Mapping[int, Tensor], symmetry: str) -> Tensor:
    """The physical tensor (..., 3, …, 3) of natural tensors as :func:`decompose` returns them.

    :raises InputError: the string is no symmetry, or ranks or shapes are not those of its parts.
    """
    expected = signature(symmetry)
    if dict(expected).keys() != parts.keys():
        raise InputError(
            f"a tensor of the symmetry {symmetry} has natural tensors of the ranks "
            f"{', '.join(map(str, expected))}, not {', '.join(map(str, sorted(parts)))}"
        )
    packed = []
    for rank, number in expected.items():
        part = pack(_real(parts[rank]), rank)
        if part.ndim < 2 or part.shape[-2] != number:
            raise InputError(
                f"a tensor of the symmetry {symmetry} has {number} natural tensors of rank {rank}; "
                f"the shape {tuple(parts[rank].shape)} does not fit"
            )
        packed.append(part.flatten(-2))
    entries = torch.cat(packed, -1) @ reconstruction_matrix(symmetry).to(packed[0]).T
    return entries.reshape(*entries.shape[:-1], *([3] * rank_of(symmetry)))


def split_packed(packed: Tensor, symmetry: str) -> dict[int, Tensor]:
    """All packed natural tensors (..., D) of a physical tensor → for each rank l (..., n_l, 2l+1).

    D = Σ n_l (2l+1) runs over l ascending, then p, then the packed component.
    """
    sizes = {rank: number * (2 * rank + 1) for rank, number in signature(symmetry).items()}
    parts = packed.split(list(sizes.values()), dim=-1)
    return {
        rank: part.unflatten(-1, (-1, 2 * rank + 1))
        for rank, part in zip(sizes, parts, strict=True)
    }


@constant
def reconstruction_matrix(symmetry: str) -> Tensor:
    """All K: packed natural tensors → entries of the physical tensor, (3^rank, D).

    :raises InputError: the string is no symmetry.
    """
    return torch.cat(
        [column for weight in _weights(symmetry).values() for column in weight.embeddings], dim=1
    )


@constant
def decomposition_matrix(symmetry: str) -> Tensor:
    """All H: entries of the physical tensor → packed natural tensors, (D, 3^rank).

    :raises InputError: the string is no symmetry.
    """
    rows = []
    for weight in _weights(symmetry).values():
        dual = torch.einsum("pq,qem->pme", torch.linalg.inv(weight.gram), weight.embeddings)
        rows.append(dual.flatten(0, 1))
    return torch.cat(rows)


@constant
def gram_matrices(symmetry: str) -> Mapping[int, Tensor]:
    """g_pq of each rank l, (n_l, n_l): |T|² = Σ_{l,p,q} g_pq X_{l,p} · X_{l,q}.

    A loss on natural tensors equals the loss on T only with these weights.

    :raises InputError: the string is no symmetry.
    """
    return {rank: weight.gram for rank, weight in _weights(symmetry).items()}


@constant
def _weights(symmetry: str) -> Mapping[int, _Weight]:
    """The natural tensors of every rank that the symmetry leaves."""
    group = parse_symmetry(symmetry)
    found = {rank: _weight(group, rank) for rank in range(len(group[0]) + 1)}
    return {rank: weight for rank, weight in found.items() if len(weight.gram)}


def _weight(group: tuple[Permutation, ...], rank: int) -> _Weight:
    slots = len(group[0])
    candidates = [matrix @ basis(rank).T for matrix in _candidates(slots, rank)]
    independent = _independent(candidates)
    if not independent:
        return _Weight(torch.zeros(0, 3**slots, 2 * rank + 1), torch.zeros(0, 0))
    embeddings = torch.stack(independent)
    averaged = [_averaged(matrix, group, slots) for matrix in independent]
    # By Schur's lemma K_pᵀ K_q is a number times the identity, so traces say everything.
    overlaps = torch.einsum("pem,qem->pq", torch.stack(averaged), embeddings)
    coefficients = torch.linalg.solve(_gram(embeddings) * (2 * rank + 1), overlaps.T).T
    combinations_of = _reduced_row_echelon(coefficients)
    invariant = torch.einsum("pq,qem->pem", combinations_of, embeddings)
    return _Weight(invariant, _gram(invariant))


def _gram(embeddings: Tensor) -> Tensor:
    return torch.einsum("pem,qem->pq", embeddings, embeddings) / embeddings.shape[-1]


def _candidates(slots: int, rank: int) -> Iterator[Tensor]:
    """G: natural tensors put at some of the slots, deltas and at most one ε at the others, in the
    order of the original; each (3^slots, 3^rank).
    """
    if (slots - rank) % 2 == 0:
        for kept, pairs in _contractions(slots, rank):
            yield _embedding(slots, kept, pairs, ())
    elif rank == 0 and slots >= 3:
        for kept, pairs in _contractions(slots, 3):
            yield _embedding(slots, (), pairs, kept)
    elif rank > 0:
        for kept, pairs in _contractions(slots, rank + 1):
            for of_epsilon in combinations(kept, 2):
                free = tuple(slot for slot in kept if slot not in of_epsilon)
                yield _embedding(slots, free, pairs, of_epsilon)


def _contractions(slots: int, kept: int) -> list[tuple[Permutation, tuple[Permutation, ...]]]:
    """All choices of slots to keep and of pairs to contract, by the permutations of the pattern
    "kept …, pair 1, pair 1, pair 2, …".
    """
    if kept > slots:
        return []
    found: dict[tuple[Permutation, tuple[Permutation, ...]], None] = {}
    for permutation in permutations(range(slots)):
        slot_of = [permutation.index(place) for place in range(slots)]
        pairs = sorted(tuple(sorted(slot_of[place : place + 2])) for place in range(kept, slots, 2))
        found.setdefault((tuple(sorted(slot_of[:kept])), tuple(pairs)))
    return list(found)


def _embedding(
    slots: int, free: Permutation, pairs: tuple[Permutation, ...], of_epsilon: Permutation
) -> Tensor:
    """X at the free slots, ascending; deltas at the pairs; ε at two or three slots, with its first
    index on the last one of X where it has only two.
    """
    letters = [chr(ord("a") + slot) for slot in range(slots)]
    of_x = [chr(ord("A") + k) for k in range(len(free) + (len(of_epsilon) == 2))]
    factors = [(letters[slot], of_x[k]) for k, slot in enumerate(free)]
    factors += [(letters[a], letters[b]) for a, b in pairs]
    operands = [torch.eye(3, dtype=torch.float64)] * len(factors)
    terms = ["".join(factor) for factor in factors]
    if of_epsilon:
        first = of_x[-1] if len(of_epsilon) == 2 else ""
        terms.append(first + "".join(letters[slot] for slot in of_epsilon))
        operands.append(levi_civita())
    if not operands:
        return torch.ones(1, 1, dtype=torch.float64)
    result = torch.einsum(f"{','.join(terms)}->{''.join(letters + of_x)}", *operands)
    return result.reshape(3**slots, -1)


def _averaged(embedding: Tensor, group: tuple[Permutation, ...], slots: int) -> Tensor:
    full = embedding.reshape(*([3] * slots), -1)
    turned = [full.permute(*permutation, slots) for permutation in group]
    return torch.stack(turned).mean(0).reshape(embedding.shape)


def _independent(candidates: list[Tensor]) -> list[Tensor]:
    """Those that are no combination of the earlier ones."""
    found: list[Tensor] = []
    directions: list[Tensor] = []
    for candidate in candidates:
        rest = candidate.flatten() / candidate.norm()
        for direction in directions:
            rest = rest - (direction @ rest) * direction
        if rest.norm() > _ZERO**0.5:
            found.append(candidate)
            directions.append(rest / rest.norm())
    return found


def _reduced_row_echelon(matrix: Tensor) -> Tensor:
    """Columns in order, pivots one; rows of zeros are left out."""
    rows = [
        [Fraction(value).limit_denominator(_LARGEST_DENOMINATOR) for value in row]
        for row in matrix.tolist()
    ]
    done = 0
    for column in range(matrix.shape[1]):
        pivot = next((k for k in range(done, len(rows)) if rows[k][column]), None)
        if pivot is None:
            continue
        rows[done], rows[pivot] = rows[pivot], rows[done]
        rows[done] = [value / rows[done][column] for value in rows[done]]
        for k, row in enumerate(rows):
            if k != done and row[column]:
                rows[k] = [a - row[column] * b for a, b in zip(row, rows[done], strict=True)]
        done += 1
    kept = [[float(value) for value in row] for row in rows[:done]]
    return torch.tensor(kept, dtype=torch.float64).reshape(done, matrix.shape[1])


def _real(tensor: Tensor) -> Tensor:
    tensor = torch.as_tensor(tensor)
    return tensor if tensor.is_floating_point() else tensor.double()


def _no_symmetry(symmetry: str, why: str) -> InputError:
    return InputError(f"{symmetry!r} is no symmetry of indices: {why}")
