"""Packed graphs and their cache: made anew where, and only where, something is another."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from camp.data import packing
from camp.data.dataset import GraphDataset
from camp.data.packing import content_hash
from camp.errors import InputError
from camp.graph import build_graph
from tests.conftest import fill_disk
from tests.data.labelled_structures import CUTOFF, assert_equal_graphs, labelled


def test_cache_is_used_and_goes_by_content_and_cutoff(tmp_path, structures, monkeypatch):
    built = []
    original = packing.build_graph
    monkeypatch.setattr(packing, "build_graph", lambda a, c: built.append(a) or original(a, c))

    def number_built(atoms, cutoff) -> int:
        before = len(built)
        dataset = GraphDataset(atoms, cutoff, cache=tmp_path)
        for k, frame in enumerate(atoms):
            assert_equal_graphs(dataset[k].graph, build_graph(frame, cutoff))
            assert dataset[k].labels["forces"].tolist() == frame.get_forces().tolist()
        return len(built) - before

    assert number_built(structures, CUTOFF) == 5
    assert number_built(copies(structures), CUTOFF) == 0
    assert number_built(structures, CUTOFF + 0.1) == 5
    assert number_built(structures[::-1], CUTOFF) == 5
    moved = labelled(structures[0], 9)
    assert number_built([moved, *structures[1:]], CUTOFF) == 5
    assert len(list(tmp_path.iterdir())) == 4


def copies(structures: list[Atoms]) -> list[Atoms]:
    """The same content in new objects."""
    new = [atoms.copy() for atoms in structures]
    for copy, atoms in zip(new, structures, strict=True):
        copy.calc = SinglePointCalculator(copy, **atoms.calc.results)
    return new


def test_damaged_cache_is_made_anew(tmp_path, structures):
    expected = GraphDataset(structures, CUTOFF, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-20] ^= 1
    for damaged in (b"", b"text", whole[:-5], whole[: len(whole) // 2], bytes(flipped)):
        # Another file, since the one that is there is in use.
        path.unlink()
        path.write_bytes(damaged)
        again = GraphDataset(structures, CUTOFF, cache=tmp_path)
        for k in range(5):
            assert_equal_graphs(again[k].graph, expected[k].graph)
        assert path.read_bytes() == whole


def test_every_part_of_the_content_counts(structures):
    one = structures[0]
    hashes = {content_hash([one])}
    for change in ("positions", "cell", "pbc", "numbers", "energy", "forces"):
        other = one.copy()
        results = {key: np.array(value) for key, value in one.calc.results.items()}
        if change == "pbc":
            other.pbc = [True, True, False]
        elif change == "cell":
            other.cell[0, 0] += 1e-9
        elif change == "positions":
            other.positions[1, 2] += 1e-9
        elif change == "numbers":
            other.numbers[1] = 6
        else:
            results[change] = results[change] + 1e-9
        other.calc = SinglePointCalculator(other, **results)
        hashes.add(content_hash([other]))
    assert len(hashes) == 7


def test_full_disk_is_one_message(small_disk, structures):
    fill_disk(small_disk)
    with pytest.raises(InputError, match=r"cannot write .*No space left"):
        GraphDataset(structures, CUTOFF, cache=small_disk)
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]
