"""The laws that every potential must obey, as a class of tests to inherit from.

A subclass provides a fixture ``potential`` in float64. What the laws are checked against is an
analytic fact or a finite difference, never another call of the same derivative.
"""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.stress import full_3x3_to_voigt_6_stress

STEP = 1e-4  # Å, for central differences


def random_structure(potential, seed=0, atoms=10, periodic=True, cell=6.0):
    """Atoms of all species at random places at least 1.2 Å apart, in a skewed cell."""
    rng = np.random.default_rng(seed)
    lattice = cell * np.eye(3) + rng.uniform(-0.6, 0.6, (3, 3))
    structure = Atoms(cell=lattice, pbc=periodic)
    while len(structure) < atoms:
        number = potential.species[len(structure) % len(potential.species)]
        trial = structure + Atoms([number], [rng.uniform(0, 1, 3) @ lattice])
        if (
            len(trial) == 1
            or trial.get_distances(-1, range(len(trial) - 1), mic=periodic).min() > 1.2
        ):
            structure = trial
    return structure


def energy(potential, atoms):
    return potential.evaluate(atoms).energies[0]


def random_rotation(seed):
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


def transformed(atoms, matrix):
    result = atoms.copy()
    result.set_cell(atoms.cell.array @ matrix.T)
    result.positions = atoms.positions @ matrix.T
    return result


class PotentialPhysics:
    """Invariance, derivatives, extensivity, limits, batching, small and skewed cells."""

    smooth_at_cutoff = True

    @pytest.fixture(params=[True, False], ids=["periodic", "molecule"])
    def structure(self, request, potential):
        return random_structure(potential, periodic=request.param)

    def test_rotation_and_inversion(self, potential, structure):
        """Energy is invariant; forces and stress turn along."""
        before = potential.evaluate(structure)
        for matrix in (random_rotation(1), -np.eye(3), -random_rotation(2)):
            after = potential.evaluate(transformed(structure, matrix))
            np.testing.assert_allclose(after.energies, before.energies, rtol=1e-9)
            scale = np.abs(before.forces[0]).max()
            np.testing.assert_allclose(
                after.forces[0], before.forces[0] @ matrix.T, atol=1e-9 * scale
            )
            if structure.pbc.all():
                turned = matrix @ before.stresses[0] @ matrix.T
                np.testing.assert_allclose(
                    after.stresses[0], turned, atol=1e-9 * np.abs(turned).max()
                )

    def test_translation_and_permutation(self, potential, structure):
        before = potential.evaluate(structure)
        moved = structure.copy()
        moved.positions += [0.3, -1.1, 2.7]
        if structure.pbc.all():
            moved.wrap()
        order = np.random.default_rng(3).permutation(len(structure))
        after = potential.evaluate(moved[order])
        np.testing.assert_allclose(after.energies, before.energies, rtol=1e-9)
        scale = np.abs(before.forces[0]).max()
        np.testing.assert_allclose(after.forces[0], before.forces[0][order], atol=1e-9 * scale)

    def test_forces_are_the_gradient(self, potential, structure):
        forces = potential.evaluate(structure).forces[0]
        for atom in (0, len(structure) - 1):
            for axis in range(3):
                shifted = []
                for sign in (1, -1):
                    trial = structure.copy()
                    trial.positions[atom, axis] += sign * STEP
                    shifted.append(energy(potential, trial))
                numerical = -(shifted[0] - shifted[1]) / (2 * STEP)
                assert forces[atom, axis] == pytest.approx(numerical, rel=1e-6, abs=1e-6)

    def test_no_net_force_and_no_torque(self, potential):
        molecule = random_structure(potential, periodic=False)
        forces = potential.evaluate(molecule).forces[0]
        scale = np.abs(forces).max()
        np.testing.assert_allclose(forces.sum(0), 0, atol=1e-9 * scale)
        torque = np.cross(molecule.positions, forces).sum(0)
        np.testing.assert_allclose(torque, 0, atol=1e-8 * scale)

    def test_forces_are_curl_free(self, potential, structure):
        """The Jacobian of the forces, from differences of forces, is symmetric."""
        size = 3 * 3
        jacobian = np.zeros((size, size))
        for column in range(size):
            shifted = []
            for sign in (1, -1):
                trial = structure.copy()
                trial.positions[column // 3, column % 3] += sign * STEP
                shifted.append(potential.evaluate(trial).forces[0][:3].ravel())
            jacobian[:, column] = (shifted[0] - shifted[1]) / (2 * STEP)
        scale = np.abs(jacobian).max()
        np.testing.assert_allclose(jacobian, jacobian.T, atol=1e-5 * scale)

    def test_stress_is_the_strain_derivative(self, potential):
        structure = random_structure(potential)
        stress = full_3x3_to_voigt_6_stress(potential.evaluate(structure).stresses[0])
        for voigt, (a, b) in enumerate([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]):
            strained = []
            for sign in (1, -1):
                strain = np.zeros((3, 3))
                strain[a, b] += 0.5 * sign * STEP
                strain[b, a] += 0.5 * sign * STEP
                strained.append(energy(potential, transformed(structure, np.eye(3) + strain)))
            numerical = (strained[0] - strained[1]) / (2 * STEP) / structure.get_volume()
            assert stress[voigt] == pytest.approx(numerical, rel=1e-5, abs=1e-8)

    def test_molecule_has_no_stress(self, potential):
        molecule = random_structure(potential, periodic=False)
        molecule.cell = np.zeros((3, 3))
        assert np.isnan(potential.evaluate(molecule).stresses).all()

    def test_extensive(self, potential):
        """Two copies beyond the reach of all layers have twice the energy and the same forces."""
        one = random_structure(potential, periodic=False)
        other = one.copy()
        other.positions += [500.0, 0.0, 0.0]
        single, double = potential.evaluate(one), potential.evaluate(one + other)
        np.testing.assert_allclose(double.energies, 2 * single.energies, rtol=1e-9)
        expected = np.concatenate([single.forces[0]] * 2)
        np.testing.assert_allclose(double.forces[0], expected, atol=1e-9 * np.abs(expected).max())

    def test_isolated_atom(self, potential):
        """Alone, and also last in the list beside others, an atom has an energy and no force."""
        number = potential.species[0]
        alone = potential.evaluate(Atoms([number], [[0.0, 0.0, 0.0]]))
        assert np.isfinite(alone.energies).all()
        assert not alone.forces[0].any()
        others = random_structure(potential, periodic=False)
        both = others + Atoms([number], [[300.0, 0.0, 0.0]])
        expected = energy(potential, others) + alone.energies[0]
        assert energy(potential, both) == pytest.approx(expected, rel=1e-9)

    def test_smooth_at_the_cutoff(self, potential):
        """An atom that crosses the cutoff changes the energy with the third power at most."""
        if not self.smooth_at_cutoff:
            pytest.skip("this convention has a step at the cutoff")
        number = potential.species[-1]

        def pair_energy(distance):
            return energy(potential, Atoms([number] * 2, [[0, 0, 0], [distance, 0, 0]]))

        apart = pair_energy(potential.cutoff + 0.1)
        near = [abs(pair_energy(potential.cutoff - d) - apart) for d in (5e-3, 2.5e-3, 1.25e-3)]
        # Value, slope and curvature vanish: halving the distance divides by 2³.
        assert near[0] / near[1] == pytest.approx(8.0, rel=0.3)
        assert near[1] / near[2] == pytest.approx(8.0, rel=0.3)

    def test_batches_give_single_results(self, potential):
        structures = [
            random_structure(potential, seed=seed, atoms=3 + 4 * seed, periodic=seed % 2 == 0)
            for seed in range(4)
        ]
        together = potential.evaluate(structures)
        for k, structure in enumerate(structures):
            single = potential.evaluate(structure)
            assert together.energies[k] == pytest.approx(single.energies[0], rel=1e-12)
            np.testing.assert_allclose(together.forces[k], single.forces[0], atol=1e-10)
            np.testing.assert_allclose(together.stresses[k], single.stresses[0], atol=1e-10)

    @pytest.mark.parametrize("pbc", [(1, 1, 1), (1, 1, 0), (1, 0, 0)])
    def test_small_skewed_cells_agree_with_supercells(self, potential, pbc):
        """A cell far below the cutoff, neighbours its own images, gives the supercell's values."""
        primitive = bulk("Cu", "fcc", a=3.2)
        primitive.numbers[:] = potential.species[0]
        primitive += Atoms([potential.species[-1]], [[1.5, 1.2, 1.9]])
        primitive.set_cell(
            primitive.cell.array + np.array([[0, 0, 0.3], [0.2, 0, 0], [0, -0.1, 0]])
        )
        primitive.pbc = pbc
        repeats = [2 if periodic else 1 for periodic in pbc]
        supercell = make_supercell(primitive, np.diag(repeats))
        small, large = potential.evaluate(primitive), potential.evaluate(supercell)
        copies = np.prod(repeats)
        np.testing.assert_allclose(large.energies, copies * small.energies, rtol=1e-9)
        found = {}
        for position, force in zip(supercell.positions, large.forces[0], strict=True):
            found[tuple(np.round(position, 6))] = force
        for position, force in zip(primitive.positions, small.forces[0], strict=True):
            np.testing.assert_allclose(found[tuple(np.round(position, 6))], force, atol=1e-8)

    def test_float32_agrees(self, potential, structure):
        exact = potential.evaluate(structure)
        single = potential.float().evaluate(structure)
        potential.double()
        scale = np.abs(exact.forces[0]).max()
        np.testing.assert_allclose(single.forces[0], exact.forces[0], atol=1e-4 * scale)
