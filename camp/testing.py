"""The laws that every model must obey, as a check for models of anybody's making.

    import camp
    camp.testing.check_model(camp.load("model.safetensors"))

What a law is checked against is an analytic fact or a finite difference, never another call of the
same derivative.
"""

import copy
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.stress import full_3x3_to_voigt_6_stress

from camp.errors import InputError
from camp.potential.accelerated import AcceleratedPotential
from camp.potential.potential import Potential
from camp.potential.prediction import Evaluation
from camp.targets import Target

STEP = 1e-4  # Å, for central differences
# Largest difference between accelerated and plain forces, relative to the largest force.
ACCELERATED = 1e-5

Law = Callable[[Potential], None]


class BrokenLawError(AssertionError):
    """A model breaks a law; ``law`` is its name."""

    def __init__(self, law: str, what: str):
        super().__init__(f"{law}: {what}")
        self.law = law


def check_model(model: Potential) -> None:
    """Check a model in float64 on random structures with its species, against all laws that apply.

    Where the model's settings say that it has a step at the cutoff, as published CAMP weights have,
    smoothness there and conservation of energy are not checked.

    :raises BrokenLawError: naming the first law that is broken, and by how much.
    """
    exact = copy.deepcopy(model).double()
    for law in laws_of(exact):
        try:
            law(exact)
        except AssertionError as error:
            what = " ".join(str(error).split())[:300]
            raise BrokenLawError((law.__doc__ or law.__name__).split("\n")[0], what) from None


def laws_of(model: Potential) -> Iterator[Law]:
    """The laws that apply to a model."""
    yield from COMMON
    if model.predicts_energy:
        yield from OF_ENERGIES
        if model.settings.smooth_at_cutoff:
            yield from OF_SMOOTH_ENERGIES
    if model.properties:
        yield from OF_TENSORS


def random_structure(
    potential: Potential, seed: int = 0, atoms: int = 10, periodic: bool = True, cell: float = 6.0
) -> Atoms:
    """Atoms of all species at random places at least 1.2 Å apart, in a skewed cell (Å)."""
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


def random_rotation(seed: int) -> np.ndarray:
    """A proper rotation (3, 3)."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


def transformed(atoms: Atoms, matrix: np.ndarray) -> Atoms:
    """Positions and cell under a linear map (3, 3)."""
    result = atoms.copy()
    result.set_cell(atoms.cell.array @ matrix.T)
    result.positions = atoms.positions @ matrix.T
    return result


def turned(tensor: np.ndarray, matrix: np.ndarray, rank: int) -> np.ndarray:
    """Tensors (…, 3, …, 3) with every one of their last ``rank`` indices turned."""
    for axis in range(tensor.ndim - rank, tensor.ndim):
        tensor = np.moveaxis(np.tensordot(tensor, matrix.T, axes=(axis, 0)), -1, axis)
    return tensor


def _structures(potential: Potential) -> list[Atoms]:
    return [random_structure(potential, periodic=periodic) for periodic in (True, False)]


def _close(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Within a tolerance relative to the largest number that is expected."""
    scale = np.abs(expected).max(initial=0.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale + 1e-300)


def _energy(potential: Potential, atoms: Atoms) -> float:
    return float(potential.evaluate(atoms).energies[0])


# Laws of all models


def batches_give_single_results(potential: Potential) -> None:
    """A structure has the same results alone and among others."""
    structures = [
        random_structure(potential, seed=seed, atoms=3 + 4 * seed, periodic=seed % 2 == 0)
        for seed in range(4)
    ]
    together = potential.evaluate(structures)
    for number, structure in enumerate(structures):
        single = potential.evaluate(structure)
        if potential.predicts_energy:
            _close(together.energies[number], single.energies[0], 1e-12)
            np.testing.assert_allclose(together.forces[number], single.forces[0], atol=1e-10)
            np.testing.assert_allclose(together.stresses[number], single.stresses[0], atol=1e-10)
        for name in potential.properties:
            _close(together.properties[name][number], single.properties[name][0], 1e-10)


def single_precision_agrees(potential: Potential) -> None:
    """Results in float32 are those in float64 to its precision."""
    rough = copy.deepcopy(potential).float()
    for structure in _structures(potential):
        exact, single = potential.evaluate(structure), rough.evaluate(structure)
        if potential.predicts_energy:
            _close(single.forces[0], exact.forces[0], 1e-4)
        for name in potential.properties:
            _close(single.properties[name][0], exact.properties[name][0], 1e-3)


# Laws of energies


def rotations_and_inversion(potential: Potential) -> None:
    """Under rotations and inversion the energy is invariant; forces and stress turn along."""
    for structure in _structures(potential):
        before = potential.evaluate(structure)
        for matrix in (random_rotation(1), -np.eye(3), -random_rotation(2)):
            after = potential.evaluate(transformed(structure, matrix))
            np.testing.assert_allclose(after.energies, before.energies, rtol=1e-9)
            _close(after.forces[0], before.forces[0] @ matrix.T, 1e-9)
            if structure.pbc.all():
                _close(after.stresses[0], matrix @ before.stresses[0] @ matrix.T, 1e-9)


def translations_and_permutations(potential: Potential) -> None:
    """Neither the place of a structure nor the order of its atoms matters."""
    for structure in _structures(potential):
        moved, order = _moved_and_permuted(structure)
        before, after = potential.evaluate(structure), potential.evaluate(moved)
        np.testing.assert_allclose(after.energies, before.energies, rtol=1e-9)
        _close(after.forces[0], before.forces[0][order], 1e-9)


def _moved_and_permuted(structure: Atoms) -> tuple[Atoms, np.ndarray]:
    moved = structure.copy()
    moved.positions += [0.3, -1.1, 2.7]
    if structure.pbc.all():
        moved.wrap()
    order = np.random.default_rng(3).permutation(len(structure))
    return moved[order], order


def forces_are_the_gradient(potential: Potential) -> None:
    """Forces are minus the derivative of the energy, by finite differences."""
    for structure in _structures(potential):
        forces = potential.evaluate(structure).forces[0]
        largest = max(1.0, np.abs(forces).max())
        for atom in (0, len(structure) - 1):
            for axis in range(3):
                shifted = []
                for sign in (1, -1):
                    trial = structure.copy()
                    trial.positions[atom, axis] += sign * STEP
                    shifted.append(_energy(potential, trial))
                numerical = -(shifted[0] - shifted[1]) / (2 * STEP)
                np.testing.assert_allclose(
                    forces[atom, axis], numerical, rtol=1e-6, atol=1e-6 * largest
                )


def no_net_force_and_no_torque(potential: Potential) -> None:
    """The forces on a molecule add up to no force and no torque."""
    molecule = random_structure(potential, periodic=False)
    forces = potential.evaluate(molecule).forces[0]
    scale = np.abs(forces).max()
    np.testing.assert_allclose(forces.sum(0), 0, atol=1e-9 * scale)
    torque = np.cross(molecule.positions, forces).sum(0)
    np.testing.assert_allclose(torque, 0, atol=1e-8 * scale)


def forces_are_curl_free(potential: Potential) -> None:
    """The Jacobian of the forces, from differences of forces, is symmetric."""
    for structure in _structures(potential):
        size = 3 * 3
        jacobian = np.zeros((size, size))
        for column in range(size):
            shifted = []
            for sign in (1, -1):
                trial = structure.copy()
                trial.positions[column // 3, column % 3] += sign * STEP
                shifted.append(potential.evaluate(trial).forces[0][:3].ravel())
            jacobian[:, column] = (shifted[0] - shifted[1]) / (2 * STEP)
        _close(jacobian, jacobian.T, 1e-5)


def stress_is_the_strain_derivative(potential: Potential) -> None:
    """Stress is the derivative of the energy with respect to strain, by finite differences."""
    structure = random_structure(potential)
    stress = full_3x3_to_voigt_6_stress(potential.evaluate(structure).stresses[0])
    largest = max(1e-3, np.abs(stress).max())
    for voigt, (a, b) in enumerate([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]):
        strained = []
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            strain[a, b] += 0.5 * sign * STEP
            strain[b, a] += 0.5 * sign * STEP
            strained.append(_energy(potential, transformed(structure, np.eye(3) + strain)))
        numerical = (strained[0] - strained[1]) / (2 * STEP) / structure.get_volume()
        np.testing.assert_allclose(stress[voigt], numerical, rtol=1e-5, atol=1e-5 * largest)


def molecules_have_no_stress(potential: Potential) -> None:
    """Without a cell there is no stress."""
    molecule = random_structure(potential, periodic=False)
    molecule.cell = np.zeros((3, 3))
    assert np.isnan(potential.evaluate(molecule).stresses).all(), "a stress without a cell"


def energies_are_extensive(potential: Potential) -> None:
    """Two copies beyond the reach of all layers have twice the energy and the same forces."""
    one, both = _copies(potential)
    single, double = potential.evaluate(one), potential.evaluate(both)
    np.testing.assert_allclose(double.energies, 2 * single.energies, rtol=1e-9)
    _close(double.forces[0], np.concatenate([single.forces[0]] * 2), 1e-9)


def _copies(potential: Potential) -> tuple[Atoms, Atoms]:
    one = random_structure(potential, periodic=False)
    other = one.copy()
    other.positions += [500.0, 0.0, 0.0]
    return one, one + other


def isolated_atoms_have_energies(potential: Potential) -> None:
    """Alone, and also last in the list beside others, an atom has an energy and no force."""
    number = potential.species[0]
    alone = potential.evaluate(Atoms([number], [[0.0, 0.0, 0.0]]))
    assert np.isfinite(alone.energies).all(), "no energy"
    assert not alone.forces[0].any(), "a force"
    others = random_structure(potential, periodic=False)
    both = others + Atoms([number], [[300.0, 0.0, 0.0]])
    expected = _energy(potential, others) + alone.energies[0]
    np.testing.assert_allclose(_energy(potential, both), expected, rtol=1e-9)


def smooth_at_the_cutoff(potential: Potential) -> None:
    """An atom that crosses the cutoff changes the energy with the second power at least."""
    apart, near = energies_at_the_cutoff(potential)
    # Below this there is nothing but rounding.
    smallest = 1e-13 * max(1.0, abs(apart))
    for farther, nearer in pairwise(near):
        assert farther < smallest or farther / nearer > 3.5, (
            f"halving the distance to the cutoff divides the energy of a pair by "
            f"{farther / max(nearer, smallest):.2g} only"
        )


def energies_at_the_cutoff(potential: Potential) -> tuple[float, list[float]]:
    """Energy of a pair beyond the cutoff, and how far it is from it 5, 2.5 and 1.25 mÅ before."""
    number = potential.species[-1]

    def pair_energy(distance: float) -> float:
        return _energy(potential, Atoms([number] * 2, [[0, 0, 0], [distance, 0, 0]]))

    apart = pair_energy(potential.cutoff + 0.1)
    distances = (potential.cutoff - d for d in (5e-3, 2.5e-3, 1.25e-3))
    return apart, [abs(pair_energy(distance) - apart) for distance in distances]


def small_skewed_cells_agree_with_supercells(potential: Potential) -> None:
    """A cell far below the cutoff, neighbours its own images, gives the supercell's values."""
    for pbc in ((1, 1, 1), (1, 1, 0), (1, 0, 0)):
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
        tolerance = 1e-9 * max(10.0, np.abs(small.forces[0]).max())
        for position, force in zip(primitive.positions, small.forces[0], strict=True):
            np.testing.assert_allclose(found[tuple(np.round(position, 6))], force, atol=tolerance)


def energy_is_conserved(potential: Potential) -> None:
    """Without a thermostat the total energy stays, up to the second order in the timestep."""
    atoms = random_structure(potential, periodic=False)
    masses = atoms.get_masses()[:, None]
    forces = potential.evaluate(atoms).forces[0]
    # So short that the strongest force moves an atom by 2e-4 Å from rest.
    step = np.sqrt(4e-4 / max(np.abs(forces / masses).max(), 1e-12))
    coarse, fine = (_drift(potential, atoms, step / k, 40 * k) for k in (1, 2))
    assert fine <= 0.5 * coarse + 1e-9, (
        f"it changes by {coarse:.2g} eV, and with half the timestep by {fine:.2g} eV"
    )


def _drift(potential: Potential, start: Atoms, step: float, steps: int) -> float:
    """Largest change of the total energy (eV) by velocity Verlet from rest; ASE's unit of time."""
    atoms = start.copy()
    masses = atoms.get_masses()[:, None]
    result = potential.evaluate(atoms)
    velocities, first, worst = np.zeros((len(atoms), 3)), result.energies[0], 0.0
    for _ in range(steps):
        velocities += 0.5 * step * result.forces[0] / masses
        atoms.positions += step * velocities
        result = potential.evaluate(atoms)
        velocities += 0.5 * step * result.forces[0] / masses
        kinetic = 0.5 * float((masses * velocities**2).sum())
        worst = max(worst, abs(float(result.energies[0] - first) + kinetic))
    return worst


def accelerated_is_plain(potential: Potential) -> None:
    """The accelerated model has the forces of the plain one."""
    try:
        fast = AcceleratedPotential(potential)
    except InputError:
        return
    for structure in _structures(potential):
        exact, found = potential.evaluate(structure), fast.evaluate(structure)
        _close(found.forces[0], exact.forces[0], ACCELERATED)


# Laws of tensors


def tensors_turn_along(potential: Potential) -> None:
    """Under rotations and inversion all indices of a tensor turn along."""
    for structure in _structures(potential):
        before = potential.evaluate(structure)
        for matrix in (random_rotation(1), -np.eye(3), -random_rotation(2)):
            after = potential.evaluate(transformed(structure, matrix))
            for target, old, new in _tensors(potential, before, after):
                _close(new, turned(old, matrix, target.rank), 1e-10)


def tensors_are_where_their_atoms_are(potential: Potential) -> None:
    """Neither the place of a structure nor the order of its atoms matters to its tensors."""
    for structure in _structures(potential):
        moved, order = _moved_and_permuted(structure)
        before, after = potential.evaluate(structure), potential.evaluate(moved)
        for target, old, new in _tensors(potential, before, after):
            _close(new, old[order] if target.of_atoms else old, 1e-9)


def tensors_add_up_or_stay(potential: Potential) -> None:
    """Two distant copies have twice an extensive tensor, and the same of any other."""
    one, both = _copies(potential)
    shifted = {name for name in potential.properties if potential.property_of(name).shift.any()}
    for target, old, new in _tensors(potential, potential.evaluate(one), potential.evaluate(both)):
        if target.of_atoms:
            _close(new, np.concatenate([old, old]), 1e-9)
        elif not target.extensive:
            _close(new, old, 1e-9)
        elif target.name not in shifted:
            _close(new, 2 * old, 1e-9)


def _tensors(
    potential: Potential, before: Evaluation, after: Evaluation
) -> Iterator[tuple[Target, np.ndarray, np.ndarray]]:
    for name in potential.properties:
        old, new = before.properties[name][0], after.properties[name][0]
        yield potential.targets[name], np.asarray(old), np.asarray(new)


COMMON: tuple[Law, ...] = (batches_give_single_results, single_precision_agrees)
OF_ENERGIES: tuple[Law, ...] = (
    rotations_and_inversion,
    translations_and_permutations,
    forces_are_the_gradient,
    no_net_force_and_no_torque,
    forces_are_curl_free,
    stress_is_the_strain_derivative,
    molecules_have_no_stress,
    energies_are_extensive,
    isolated_atoms_have_energies,
    small_skewed_cells_agree_with_supercells,
    accelerated_is_plain,
)
OF_SMOOTH_ENERGIES: tuple[Law, ...] = (smooth_at_the_cutoff, energy_is_conserved)
OF_TENSORS: tuple[Law, ...] = (
    tensors_turn_along,
    tensors_are_where_their_atoms_are,
    tensors_add_up_or_stay,
)
