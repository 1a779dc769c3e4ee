"""Structures and arrays in files give what was put into them."""

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator

from camp.data.mapped import MappedRows, StoredStructures
from camp.errors import InputError
from tests.conftest import fill_disk
from tests.training.small_training import clusters


def numbered(count):
    structures = [molecule("H2O"), bulk("NaCl", "rocksalt", a=5.6)] * count
    structures = [atoms.copy() for atoms in structures[:count]]
    for number, atoms in enumerate(structures):
        atoms.info["number"] = number
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0 / (1 + number))
    return structures


def numbers(structures):
    return [atoms.info["number"] for atoms in structures]


def test_stored_structures_are_those_that_were_stored():
    structures = numbered(5)
    stored = StoredStructures(iter(structures))
    assert len(stored) == 5
    for ours, theirs in zip(stored, structures, strict=True):
        assert ours == theirs and ours.info == theirs.info
        assert ours.get_potential_energy() == theirs.get_potential_energy()
    assert stored[-1] == structures[-1]
    with pytest.raises(IndexError):
        stored[5]


def test_some_of_them_in_any_order():
    stored = StoredStructures(numbered(6))
    some = stored.chosen([4, 0, 2])
    assert numbers(some) == [4, 0, 2]
    assert numbers(some[1:]) == [0, 2]
    assert numbers(some + stored[:1]) == [4, 0, 2, 0]
    assert len(stored.chosen([])) == 0


def test_a_change_to_one_stays_with_it():
    stored = StoredStructures(clusters(1))
    stored[0].positions += 1.0
    assert stored[0] == clusters(1)[0]


@pytest.mark.parametrize("dtype", [torch.float64, torch.int16, torch.bool])
def test_rows_are_those_that_came(dtype):
    rows = MappedRows()
    parts = [torch.arange(6).reshape(2, 3).to(dtype), torch.ones(1, 3).to(dtype)]
    for part in parts:
        rows.append(part)
    found = rows.tensor()
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.numpy(), torch.cat(parts).numpy())


def test_full_disk_is_one_message(small_disk, monkeypatch):
    fill_disk(small_disk)
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    with pytest.raises(InputError, match=r"cannot write .*No space left"):
        StoredStructures(clusters(1))
