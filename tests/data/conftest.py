"""Structures that tests of graphs share."""

import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule

from tests.data.labelled_structures import labelled


@pytest.fixture
def structures() -> list[Atoms]:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    unwrapped = labelled(salt, 3, offset=[[0, 0, 0], 37 * salt.cell[0] - 5 * salt.cell[2]])
    return [
        labelled(bulk("Si"), 0),
        labelled(molecule("CH3CH2OH"), 1),
        labelled(fcc111("Al", (2, 2, 2)), 2),
        unwrapped,
        labelled(Atoms("He"), 4),
    ]
