"""Compiled evaluation: the order of atoms, lists with pairs beyond the cutoff, coinciding atoms."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from ase import Atoms

from camp.graph import batch_graphs, build_graph
from camp.graph.neighbours import CoincidingAtomsError
from camp.graph.skin import SkinList
from camp.potential.accelerated import AcceleratedPotential
from camp.runtime import geometry, library, team
from tests.models.camp.test_network import make_potential
from tests.physics import random_structure

pytestmark = pytest.mark.skipif(library.compiler() is None, reason="needs a C++ compiler")


@pytest.fixture(scope="module")
def plain():
    return make_potential()


@pytest.fixture(scope="module")
def fast(plain):
    return AcceleratedPotential(plain)


def structures(potential):
    """Periodic, outside of its cell, a molecule, and one whose last atom has no neighbours."""
    periodic = random_structure(potential, atoms=20, cell=8.0)
    outside = periodic.copy()
    outside.positions += np.arange(60).reshape(20, 3) // 7 @ periodic.cell.array
    molecule = random_structure(potential, periodic=False)
    molecule.cell = np.zeros((3, 3))
    return [periodic, outside, molecule, molecule + Atoms("H", [[50.0, 0.0, 0.0]])]


def test_order_of_the_rows_does_not_matter(monkeypatch, plain, fast):
    """Where atoms are sorted by their places, every result is still that of its own atom."""
    monkeypatch.setattr(geometry, "MOST_UNSORTED_ATOMS", 0)
    given = structures(plain)
    found, expected = fast.evaluate(given), plain.evaluate(given)
    np.testing.assert_allclose(found.energies, expected.energies, rtol=1e-7)
    np.testing.assert_allclose(found.stresses, expected.stresses, atol=1e-8)
    for k in range(len(given)):
        scale = np.abs(expected.forces[k]).max()
        np.testing.assert_allclose(found.forces[k], expected.forces[k], atol=1e-7 * scale)
        np.testing.assert_allclose(found.atomic_energies[k], expected.atomic_energies[k], rtol=1e-7)


def test_neighbours_are_near_in_the_sorted_order():
    """Of atoms on a lattice in random order, those that follow each other end up close together."""
    lattice = np.stack(np.meshgrid(*[np.arange(16)] * 3), -1).reshape(-1, 3).astype(float)
    shuffled = np.random.default_rng(0).permutation(lattice)
    atoms = Atoms("H4096", shuffled, cell=[16.0] * 3, pbc=True)
    order = geometry._along_a_curve(build_graph(atoms, 1.1))
    assert sorted(order.tolist()) == list(range(4096))
    steps = np.linalg.norm(np.diff(shuffled[order], axis=0), axis=1)
    assert np.median(steps) < 4.0
    assert np.median(np.linalg.norm(np.diff(shuffled, axis=0), axis=1)) > 8.0


def test_pairs_beyond_the_cutoff_are_left_out(plain, fast):
    for atoms in structures(plain):
        candidates = SkinList(plain.cutoff, skin=1.5).candidates(atoms)
        assert candidates.mask.sum() >= build_graph(atoms, plain.cutoff).mask.sum()
        with torch.no_grad():
            found, expected = fast(candidates), fast(build_graph(atoms, plain.cutoff))
        torch.testing.assert_close(found.energies, expected.energies, rtol=1e-12, atol=0)
        torch.testing.assert_close(found.forces, expected.forces, rtol=0, atol=1e-12)


def test_coinciding_atoms_are_named(plain, fast):
    """By their indices in the batch."""
    good = build_graph(random_structure(plain, atoms=4), plain.cutoff)
    pair = Atoms("OH", [[0, 0, 0], [0.5, 0, 0]])
    batch = batch_graphs([good, build_graph(pair, plain.cutoff)])
    batch.positions[5] = batch.positions[4]
    with torch.no_grad(), pytest.raises(CoincidingAtomsError) as caught:
        fast(batch)
    assert {caught.value.first, caught.value.second} == {4, 5}


@pytest.fixture
def three_threads(monkeypatch):
    """More than some machines have cores, and all at work however small the structure."""
    monkeypatch.setattr(team, "SLOTS_PER_THREAD", 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(threads)


def test_several_callers_share_the_threads(plain, fast, three_threads):
    """Each gets the result of its own structure, bit for bit."""
    structures = [random_structure(plain, atoms=6 + k) for k in range(4)]
    alone = [fast.evaluate(atoms).forces[0].tolist() for atoms in structures]
    with ThreadPoolExecutor(4) as callers:
        together = list(callers.map(fast.evaluate, 10 * structures))
    assert [result.forces[0].tolist() for result in together] == 10 * alone


def _put_forces(queue, potential, atoms):
    queue.put(potential.evaluate(atoms).forces[0].tolist())


def test_a_forked_process_has_threads_of_its_own(plain, fast, three_threads):
    """Those of its parent are not there."""
    atoms = random_structure(plain)
    expected = fast.evaluate(atoms).forces[0].tolist()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_put_forces, args=(queue, fast, atoms), daemon=True)
    child.start()
    assert queue.get(timeout=60) == expected
    child.join()
