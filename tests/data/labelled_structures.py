"""Structures with labels drawn at random, and how graphs of them are compared."""

import numpy as np
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from camp.graph import AtomicGraph

CUTOFF = 4.5


def labelled(atoms: Atoms, seed: int, offset=0.0) -> Atoms:
    chance = np.random.default_rng(seed)
    atoms = atoms.copy()
    atoms.positions += 0.1 * chance.standard_normal((len(atoms), 3)) + offset
    forces = chance.standard_normal((len(atoms), 3))
    atoms.calc = SinglePointCalculator(atoms, energy=chance.normal(-1e4), forces=forces)
    return atoms


def assert_equal_graphs(ours: AtomicGraph, theirs: AtomicGraph) -> None:
    for name, mine, other in zip(
        ours.__dataclass_fields__, ours.tensors(), theirs.tensors(), strict=True
    ):
        assert mine.dtype == other.dtype, name
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-11, msg=name)
