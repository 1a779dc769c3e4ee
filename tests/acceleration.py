"""What acceleration must not change, as a class of tests to inherit from.

A subclass provides a fixture ``plain``, a potential in float64. The reference is the plain
potential, whose own laws are those of tests/physics.py.
"""

import copy

import numpy as np
import pytest
import torch
from ase import Atoms

import camp
from camp.graph import build_graph
from camp.graph.skin import SkinList
from camp.potential.accelerated import AcceleratedPotential
from camp.runtime import library, team
from tests.physics import random_structure

needs_compiler = pytest.mark.skipif(library.compiler() is None, reason="needs a C++ compiler")
WAYS = [pytest.param(True, id="compiled", marks=needs_compiler), pytest.param(False, id="torch")]


def assert_same(ours, theirs, tolerance):
    """Energies, forces and stresses, relative to the largest force and stress."""
    np.testing.assert_allclose(ours.energies, theirs.energies, rtol=tolerance)
    for a, b in zip(ours.forces, theirs.forces, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance * np.abs(b).max())
    with_cell = ~np.isnan(theirs.stresses).any((1, 2))
    np.testing.assert_array_equal(~np.isnan(ours.stresses).any((1, 2)), with_cell)
    for a, b in zip(ours.stresses[with_cell], theirs.stresses[with_cell], strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance * np.abs(b).max())


def assert_same_and_as_exact(plain, atoms, compiled, tolerance=0.0):
    """In float64 forces within 10⁻⁶ of the largest; in float32 not farther from exact ones than
    those of the plain potential, which is changed to float32.
    """
    exact = plain.evaluate(atoms)
    fast = AcceleratedPotential(plain, compiled=compiled)
    assert_same(fast.evaluate(atoms), exact, 1e-6)
    errors = [_error(potential.float().evaluate(atoms), exact) for potential in (plain, fast)]
    assert errors[1] < 2 * errors[0] + tolerance


def various_structures(potential):
    """Of different sizes, periodic and not, a cell smaller than the cutoff, lone atoms."""
    structures = [
        random_structure(potential, seed=seed, atoms=2 + 5 * seed, periodic=seed != 1)
        for seed in range(4)
    ]
    structures.append(random_structure(potential, atoms=3, cell=3.0))
    number = potential.species[0]
    structures.append(Atoms([number], [[0.0, 0.0, 0.0]]))
    structures.append(structures[1] + Atoms([number], [[90.0, 0.0, 0.0]]))
    return structures


class AcceleratedLaws:
    """Equal results in both ways, both precisions, with any number of threads and any list."""

    @pytest.mark.parametrize("compiled", WAYS)
    def test_equals_the_plain_potential(self, plain, compiled):
        fast = AcceleratedPotential(plain, compiled=compiled)
        assert fast.compiled == compiled
        structures = various_structures(plain)
        assert_same(fast.evaluate(structures), plain.evaluate(structures), 1e-6)

    @needs_compiler
    def test_compiled_code_equals_torch(self, plain):
        """With the same tables, to rounding."""
        structures = various_structures(plain)
        ours, theirs = (
            AcceleratedPotential(plain, compiled=compiled).evaluate(structures)
            for compiled in (True, False)
        )
        assert_same(ours, theirs, 1e-10)
        for a, b in zip(ours.atomic_energies, theirs.atomic_energies, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10)

    @pytest.mark.parametrize("compiled", WAYS)
    def test_precision_can_be_changed(self, plain, compiled):
        """Also before and after; in single precision as good as the plain potential."""
        structures = various_structures(plain)
        exact = plain.evaluate(structures)
        fast = AcceleratedPotential(plain, compiled=compiled)
        rounded = copy.deepcopy(plain).float()
        error = _error(rounded.evaluate(structures), exact)
        assert _error(fast.float().evaluate(structures), exact) < 3 * error + 1e-6
        single = AcceleratedPotential(rounded, compiled=compiled)
        assert single.dtype == torch.float32
        assert _error(single.evaluate(structures), exact) < 3 * error + 1e-6
        assert _error(fast.double().evaluate(structures), exact) < 3 * error + 1e-6

    @needs_compiler
    def test_threads_change_nothing(self, plain, monkeypatch):
        monkeypatch.setattr(team, "SLOTS_PER_THREAD", 1)
        fast = AcceleratedPotential(plain)
        structures = various_structures(plain)
        threads = torch.get_num_threads()
        results = []
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            results.append(fast.evaluate(structures))
        torch.set_num_threads(threads)
        for result in results[1:]:
            assert_same(result, results[0], 1e-11)

    @needs_compiler
    def test_pairs_beyond_the_cutoff_are_left_out(self, plain):
        """Of a list with a skin."""
        fast = AcceleratedPotential(plain)
        for atoms in various_structures(plain):
            candidates = SkinList(plain.cutoff, skin=1.5).candidates(atoms)
            with torch.no_grad():
                found, expected = fast(candidates), fast(build_graph(atoms, plain.cutoff))
            torch.testing.assert_close(found.energies, expected.energies, rtol=1e-12, atol=0)
            scale = float(expected.forces.abs().max())
            torch.testing.assert_close(
                found.forces, expected.forces, rtol=0, atol=1e-11 * scale + 1e-14
            )

    @needs_compiler
    def test_used_potential_can_be_copied(self, plain):
        structures = various_structures(plain)
        fast = AcceleratedPotential(plain)
        expected = fast.evaluate(structures)
        copied = copy.deepcopy(fast)
        del fast
        assert_same(copied.evaluate(structures), expected, 1e-12)
        assert copied.description().parameters.keys() == plain.description().parameters.keys()

    @pytest.mark.parametrize("compiled", WAYS)
    def test_calculator_follows_a_walk(self, plain, compiled):
        """With a neighbour list that is kept: equal to fresh evaluations at every step."""
        calculator = camp.Calculator(plain, dtype="float64", compiled=compiled)
        rng = np.random.default_rng(0)
        for periodic, cell in ((True, 6.0), (True, 3.0), (False, 6.0)):
            size = 3 if cell < 6 else 10
            atoms = random_structure(plain, atoms=size, periodic=periodic, cell=cell)
            atoms.calc = calculator
            for _ in range(4):
                atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
                expected = plain.evaluate(atoms)
                scale = np.abs(expected.forces[0]).max()
                energy = atoms.get_potential_energy()
                assert energy == pytest.approx(expected.energies[0], rel=1e-6)
                np.testing.assert_allclose(
                    atoms.get_forces(), expected.forces[0], atol=1e-6 * scale
                )


def _error(found, exact):
    """Of forces, relative to the largest of each structure."""
    return max(
        np.abs(a - b).max() / (np.abs(b).max() or 1.0)
        for a, b in zip(found.forces, exact.forces, strict=True)
    )
