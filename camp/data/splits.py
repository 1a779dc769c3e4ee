"""Which frames of a dataset train, validate and test a model: random, seeded, kept as a file."""

import hashlib
import struct
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from ase import Atoms
from scipy.spatial import cKDTree

from camp.data.bilayers import find_bilayers
from camp.errors import InputError
from camp.files import read_json, write_json

PARTS = ("train", "validation", "test")
REST = "rest"
# Key of a split's file under which stands which structures it was drawn from.
DATA_HASH = "frames_sha256"
# Å; frames whose coordinates all agree within this are the same frame.
SAME = 1e-6
# The same for projections of the coordinates, with what is lost by rounding.
_REACH = SAME * (1 + 1e-6)
# What may be kept out of training and validation: structures → indices of such frames.
EXCLUSIONS: dict[str, Callable[[Sequence[Atoms]], Collection[int]]] = {
    "rigid-bilayers": find_bilayers,
}


@dataclass(frozen=True)
class Split:
    """Frame indices (counted from 0) of the three parts of a dataset."""

    train: list[int]
    validation: list[int]
    test: list[int]
    seed: int | None = None
    # Equal frames in two different parts: (frame of the earlier part, frame of the later part).
    duplicates: list[tuple[int, int]] = field(default_factory=list)
    # What was kept out of training and validation, and how many such frames the dataset has.
    excluded: dict[str, int] = field(default_factory=dict)

    def check(self, frames: int) -> None:
        """Refuse indices that a dataset of so many frames does not have, or that occur twice.

        :raises InputError: naming the part and the index.
        """
        seen: dict[int, str] = {}
        for part in PARTS:
            for index in getattr(self, part):
                if not 0 <= index < frames:
                    raise InputError(
                        f"{part} frame {index} is not in the dataset of {frames} frames"
                    )
                if index in seen:
                    raise InputError(f"frame {index} is both in {seen[index]} and in {part}")
                seen[index] = part


def random_split(
    frames: int | Sequence[Atoms],
    train: int,
    validation: int,
    test: int | Literal["rest"],
    seed: int,
    *,
    sources: Mapping[str, str] | None = None,
    exclude: Sequence[str] = (),
) -> Split:
    """Draw the three parts at random without replacement.

    Equal arguments give equal splits, and a smaller training set is the beginning of a larger one.
    Duplicates between the parts are looked for when structures are given.

    :param frames: the structures, or how many there are.
    :param test: a number, or "rest" for all frames that are left.
    :param seed: of NumPy's PCG64.
    :param sources: file (``info["source"]`` of a frame) from which a part is drawn; parts that are
        not mentioned are drawn from the files that no part mentions.
    :param exclude: keys of :data:`EXCLUSIONS`; such frames are kept out of training and
        validation, and stay available for the test part.
    :raises InputError: too few frames, a source that no frame has, or an unknown exclusion.
    """
    sizes: dict[str, int | str] = {"train": train, "validation": validation, "test": test}
    for part, size in sizes.items():
        least = 1 if part == "train" else 0
        if size != REST and (not isinstance(size, int) or size < least):
            raise InputError(f"split: {part} must be a number ≥ {least}, not {size!r}")
    if train == REST or validation == REST:
        raise InputError("split: only the test part may be 'rest'")
    count = frames if isinstance(frames, int) else len(frames)
    pools = _pools(frames, sources or {})
    excluded = _excluded(frames, exclude)
    barred = frozenset[int]().union(*excluded.values())
    order = np.random.Generator(np.random.PCG64(seed)).permutation(count).tolist()
    taken: set[int] = set()
    chosen: dict[str, list[int]] = {}
    for part, size in sizes.items():
        pool = pools.get(part)
        unusable = taken if part == "test" else taken | barred
        free = [i for i in order if i not in unusable and (pool is None or i in pool)]
        if isinstance(size, int) and size > len(free):
            asked = ", ".join(f"{name} {number}" for name, number in sizes.items())
            origin = f" from {sources[part]}" if sources and part in sources else ""
            without = f"; without {', '.join(exclude)}" if barred and part != "test" else ""
            raise InputError(
                f"too few frames: {part} wants {size}{origin}, {len(free)} are left "
                f"(dataset {count}; {asked}{without})"
            )
        chosen[part] = free if size == REST else free[: int(size)]
        taken.update(chosen[part])
    duplicates = [] if isinstance(frames, int) else _between_parts(frames, chosen)
    counts = {name: len(indices) for name, indices in excluded.items()}
    return Split(**chosen, seed=seed, duplicates=duplicates, excluded=counts)


def find_duplicates(first: Sequence[Atoms], second: Sequence[Atoms]) -> list[tuple[int, int]]:
    """Pairs (i, j) of frames with the same atoms in the same order, cell and positions; of the same
    sequence twice those with i < j.

    Equal means within 1e-6 Å in every coordinate, so that a frame is recognised in files that
    print different numbers of decimals.
    """
    ours = _projected(first)
    theirs = ours if second is first else _projected(second)
    found = []
    for kind in ours.keys() & theirs.keys():
        (left, points), (right, others) = ours[kind], theirs[kind]
        near = cKDTree(points).sparse_distance_matrix(
            cKDTree(others), _REACH, p=np.inf, output_type="ndarray"
        )
        pairs = np.stack([np.array(left)[near["i"]], np.array(right)[near["j"]]], axis=1)
        found += (pairs[pairs[:, 0] < pairs[:, 1]] if second is first else pairs).tolist()
    return sorted((i, j) for i, j in found if _are_equal(first[i], second[j]))


def draw(structures: Sequence[Atoms], count: int, seed: int) -> list[Atoms]:
    """So many different structures, drawn at random, in their order.

    :raises InputError: there are not so many.
    """
    if count > len(structures):
        raise InputError(f"has {len(structures)} frames to choose from; {count} are asked for")
    chosen = np.random.default_rng(seed).choice(len(structures), count, replace=False)
    return [structures[index] for index in sorted(chosen.tolist())]


def write_split(path: str | Path, split: Split, *, dataset: str, **more: object) -> None:
    """Write a split as JSON with the name of its dataset and whatever else should be kept.

    :raises InputError: see :func:`camp.files.write_json`.
    """
    write_json(path, {"dataset": dataset, **more, **asdict(split)})


def frames_hash(structures: Iterable[Atoms]) -> str:
    """SHA-256 over the atoms of all frames with their positions and cells, whatever the labels."""
    digest = hashlib.sha256()
    for atoms in structures:
        digest.update(struct.pack("<q3?", len(atoms), *atoms.pbc.tolist()))
        digest.update(atoms.numbers.astype("<i8").tobytes())
        for values in (atoms.positions, atoms.cell.array):
            digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
    return digest.hexdigest()


def read_split(path: str | Path, frames: int | Sequence[Atoms] | None = None) -> Split:
    """Read a split, and check it against its dataset.

    :param frames: the structures, or how many there are.
    :raises InputError: not a split, one of other structures, or see :meth:`Split.check`.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not all(_are_indices(content.get(part)) for part in PARTS):
        raise InputError(f"{path}: not a split; expected lists of frame indices {', '.join(PARTS)}")
    seed, pairs, excluded = (content.get(key) for key in ("seed", "duplicates", "excluded"))
    pairs, excluded = pairs or [], excluded or {}
    if not (
        (seed is None or type(seed) is int)
        and isinstance(pairs, list)
        and all(_are_indices(pair) and len(pair) == 2 for pair in pairs)
        and isinstance(excluded, dict)
        and _are_indices([*excluded.values()])
    ):
        raise InputError(f"{path}: seed, duplicates or excluded are not those of camp split")
    split = Split(
        **{part: content[part] for part in PARTS},
        seed=seed,
        duplicates=[(i, j) for i, j in pairs],
        excluded=excluded,
    )
    if frames is not None:
        try:
            split.check(frames if isinstance(frames, int) else len(frames))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    expected = content.get(DATA_HASH)
    given = None if frames is None or isinstance(frames, int) else frames
    if expected and given is not None and frames_hash(given) != expected:
        raise InputError(
            f"{path}: drawn from other structures than these ({content.get('dataset')}); draw it "
            "again with 'camp split'"
        )
    return split


def _are_indices(values: object) -> bool:
    return isinstance(values, list) and all(type(i) is int and i >= 0 for i in values)


def _excluded(frames: int | Sequence[Atoms], exclude: Sequence[str]) -> dict[str, frozenset[int]]:
    """The frames of each exclusion."""
    if unknown := [name for name in exclude if name not in EXCLUSIONS]:
        raise InputError(
            f"split: cannot exclude {unknown[0]!r}; choose from {', '.join(EXCLUSIONS)}"
        )
    if not exclude:
        return {}
    if isinstance(frames, int):
        raise InputError("split: what is excluded is told by the structures; give them")
    return {name: frozenset(EXCLUSIONS[name](frames)) for name in exclude}


def _pools(
    frames: int | Sequence[Atoms], sources: Mapping[str, str]
) -> Mapping[str, frozenset[int]]:
    """The frames from which each part may be drawn; empty when all parts share all frames."""
    if not sources:
        return {}
    if isinstance(frames, int):
        raise InputError("split: sources are noted in the frames; give the structures")
    unknown = set(sources) - set(PARTS)
    if unknown:
        raise InputError(f"split: {sorted(unknown)} are no parts; parts are {', '.join(PARTS)}")
    by_source: dict[str, list[int]] = defaultdict(list)
    for index, atoms in enumerate(frames):
        by_source[str(atoms.info.get("source", ""))].append(index)
    for part, source in sources.items():
        if source not in by_source:
            raise InputError(
                f"split: no frame for {part} comes from {source!r}; sources are "
                f"{', '.join(sorted(by_source))}"
            )
    unnamed = [i for name, own in by_source.items() if name not in sources.values() for i in own]
    return {
        part: frozenset(by_source[sources[part]] if part in sources else unnamed) for part in PARTS
    }


def _between_parts(
    frames: Sequence[Atoms], chosen: Mapping[str, list[int]]
) -> list[tuple[int, int]]:
    """Equal frames in different parts, the one of the earlier part first."""
    places = {index: place for place, part in enumerate(PARTS) for index in chosen[part]}
    pairs = [pair for pair in find_duplicates(frames, frames) if places.keys() >= {*pair}]
    ordered = [sorted(pair, key=places.__getitem__) for pair in pairs]
    apart = [(i, j) for i, j in ordered if places[i] != places[j]]
    return sorted(apart, key=lambda pair: (places[pair[0]], places[pair[1]], pair))


def _coordinates(atoms: Atoms) -> np.ndarray:
    """Positions and cell, Å."""
    return np.append(atoms.positions, atoms.cell.array)


def _are_equal(one: Atoms, other: Atoms) -> bool:
    return bool(np.abs(_coordinates(one) - _coordinates(other)).max() <= SAME)


def _projected(structures: Sequence[Atoms]) -> dict[bytes, tuple[array, np.ndarray]]:
    """Of frames with the same atoms in the same order, the indices, and points (frames, 3) that are
    within :data:`_REACH` of each other where the frames are equal.
    """
    kinds: dict[bytes, tuple[array, array]] = defaultdict(lambda: (array("q"), array("d")))
    for index, atoms in enumerate(structures):
        indices, points = kinds[atoms.numbers.tobytes() + atoms.pbc.tobytes()]
        indices.append(index)
        coordinates = _coordinates(atoms)
        points.extend((coordinates @ _directions(len(coordinates))).tolist())
    return {k: (i, np.array(points).reshape(-1, 3)) for k, (i, points) in kinds.items()}


@cache
def _directions(coordinates: int) -> np.ndarray:
    """Three directions in the space of all coordinates (coordinates, 3), the sum of the magnitudes
    of whose components is 1: the change of a projection is at most the largest of a coordinate.
    """
    directions = np.cos(np.arange(coordinates)[:, None] ** 2 * np.sqrt([1.0, 2.0, 3.0]))
    return directions / np.abs(directions).sum(0)
