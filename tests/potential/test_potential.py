"""Evaluation through the public interface: units, precision, errors, the ASE calculator."""

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces
from ase.md.verlet import VelocityVerlet

import camp
from camp.errors import InputError
from camp.models.camp.settings import CampSettings
from camp.models.carnet.settings import CarNetSettings
from camp.potential.saving import save
from camp.targets import TARGETS
from tests.models.camp.test_network import make_potential
from tests.physics import random_structure


@pytest.fixture
def potential():
    return make_potential()


def test_energies_are_summed_in_float64(potential):
    """At −10⁶ eV float32 would have lost everything below 60 meV."""
    structure = random_structure(potential)
    exact = potential.evaluate(structure).energies[0]
    potential.energy_shift -= 1e6
    single = potential.float().evaluate(structure).energies[0]
    assert single + 1e6 * len(structure) == pytest.approx(exact, abs=1e-4)


def test_atomic_energies_sum_up(potential):
    result = potential.evaluate(random_structure(potential))
    assert result.atomic_energies[0].sum() == pytest.approx(result.energies[0])


@pytest.mark.parametrize("convention", ["radial", "basis"])
def test_large_structures_in_chunks_give_the_same(monkeypatch, convention):
    """Whatever the chunks, and with a last atom that has no neighbours."""
    potential = make_potential(envelope_on=convention, layers=3)
    structures = [random_structure(potential), random_structure(potential, periodic=False)]
    structures.append(structures[1] + Atoms("H", [[50.0, 0.0, 0.0]]))
    expected = potential.evaluate(structures)
    for slots in (1, 50):
        monkeypatch.setattr("camp.potential.potential.SLOTS_PER_CHUNK", slots)
        found = potential.evaluate(structures)
        np.testing.assert_allclose(found.energies, expected.energies, rtol=1e-12)
        np.testing.assert_allclose(found.stresses, expected.stresses, atol=1e-12)
        for ours, theirs in zip(found.forces, expected.forces, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_chunks_keep_the_gradients_of_training(monkeypatch, potential):
    """Where parameters want gradients nothing is evaluated in chunks, which have none."""
    monkeypatch.setattr("camp.potential.potential.SLOTS_PER_CHUNK", 1)
    result = potential(potential.graph(random_structure(potential)))
    trained = [p for p in potential.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(result.forces.square().sum(), trained, allow_unused=True)
    assert all(gradient is not None for gradient in gradients[: len(trained) // 2])


def test_no_array_of_all_edges_is_kept(monkeypatch):
    """The largest tensor that waits for the reverse pass is one of a chunk, or of atoms."""
    potential = make_potential(channels=16, radial_hidden=[16, 16])
    structure = random_structure(potential, atoms=40, cell=9.0)
    largest = []
    for slots in (10**9, 100):
        monkeypatch.setattr("camp.potential.potential.SLOTS_PER_CHUNK", slots)
        sizes = [0]

        def note(tensor, sizes=sizes):
            sizes.append(tensor.nbytes)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            potential.evaluate(structure)
        largest.append(max(sizes))
    assert largest[1] < 0.2 * largest[0]


def test_nothing_to_evaluate(potential):
    result = potential.evaluate([])
    assert result.energies.shape == (0,)
    assert result.stresses.shape == (0, 3, 3)


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        (Atoms(), "structure 1: the structure has no atoms"),
        (Atoms("Xe"), "structure 1: the model does not know Xe; it was made for H, C, O"),
        (Atoms("HH", [[0, 0, 0], [0, 0, 0]]), "structure 1: atoms 0 and 1 coincide"),
        (Atoms("H", pbc=True), "structure 1: the cell has no volume"),
    ],
)
def test_bad_structures_are_named(potential, structure, message):
    with pytest.raises(InputError, match=message):
        potential.evaluate([Atoms("H"), structure])


def test_nothing_global_is_changed(potential):
    before = torch.get_default_dtype(), torch.get_rng_state(), torch.is_grad_enabled()
    potential.evaluate(random_structure(potential))
    camp.Calculator(potential, dtype="float64")
    assert torch.get_default_dtype() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert torch.is_grad_enabled() == before[2]


def test_calculator_forces_are_the_gradient(potential):
    atoms = random_structure(potential)
    atoms.calc = camp.Calculator(potential, dtype="float64")
    numerical = calculate_numerical_forces(atoms, eps=1e-4, iatoms=[2])
    np.testing.assert_allclose(atoms.get_forces()[2], numerical[0], rtol=1e-5)
    assert atoms.get_stress().shape == (6,)
    assert atoms.get_potential_energies().sum() == pytest.approx(atoms.get_potential_energy())


def test_calculator_has_stress_after_a_call_that_failed(potential):
    """Also if the cell was changed in that call: by finite strain through ASE."""
    atoms = random_structure(potential)
    expected = potential.evaluate(atoms).stresses[0]
    apart, atoms.calc = atoms.positions[1].copy(), camp.Calculator(potential, dtype="float64")
    for _ in range(2):
        atoms.positions[1] = atoms.positions[0]
        with pytest.raises(InputError, match="coincide"):
            atoms.get_potential_energy()
        atoms.positions[1] = apart
        np.testing.assert_allclose(atoms.get_stress(voigt=False), expected, rtol=1e-5, atol=1e-9)
        atoms.set_cell(atoms.cell * 1.1)
        atoms.set_cell(atoms.cell / 1.1)


def test_calculator_takes_the_file_of_a_model(potential, tmp_path):
    save(potential, tmp_path / "model.safetensors")
    atoms = random_structure(potential)
    atoms.calc = camp.Calculator(tmp_path / "model.safetensors", dtype="float64")
    energy = potential.evaluate(atoms).energies[0]
    assert atoms.get_potential_energy() == pytest.approx(energy, rel=1e-6)


def test_calculator_has_the_dipole_of_a_model_without_energy():
    torch.manual_seed(0)
    model = camp.Potential(
        CarNetSettings(cutoff=4, channels=3, max_rank=1, layers=1),
        species=(1, 8),
        targets=[TARGETS["dipole"]],
    )
    water = Atoms("OH2", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    water.calc = camp.Calculator(model, dtype="float64")
    dipole = water.get_dipole_moment()
    assert dipole.shape == (3,)
    # In the plane of the molecule, by symmetry.
    assert abs(dipole[2]) < 1e-12 * np.abs(dipole).max()
    with pytest.raises(PropertyNotImplementedError):
        water.get_potential_energy()


def test_calculator_leaves_the_potential_alone(potential):
    camp.Calculator(potential, dtype="float32")
    assert potential.dtype == torch.float64


def test_calculator_refuses_other_precisions(potential):
    with pytest.raises(ValueError, match="float16"):
        camp.Calculator(potential, dtype="float16")


def test_calculator_notices_what_changes(potential):
    """Positions, species, cell and periodicity; nothing is computed again without a change."""
    atoms = random_structure(potential)
    atoms.calc = camp.Calculator(potential, dtype="float64")
    changes = [
        lambda: atoms.positions.__iadd__(np.linspace(0, 0.1, 3 * len(atoms)).reshape(-1, 3)),
        lambda: atoms.numbers.__setitem__(0, 8),
        lambda: atoms.set_cell(1.01 * atoms.cell, scale_atoms=True),
        lambda: atoms.set_pbc([True, True, False]),
        lambda: atoms.__delitem__(2),
    ]
    for change in changes:
        forces = atoms.get_forces()
        assert atoms.calc.check_state(atoms) == []
        change()
        expected = potential.evaluate(atoms)
        assert atoms.get_potential_energy() == pytest.approx(expected.energies[0], rel=1e-7)
        assert forces.shape != expected.forces[0].shape or not np.allclose(
            forces, expected.forces[0]
        )


def test_dynamics_conserve_energy(potential):
    """The error of velocity Verlet, and nothing else: a quarter when the step is halved."""
    drifts = []
    for step in (0.5, 0.25):
        atoms = random_structure(potential, periodic=False)
        atoms.calc = camp.Calculator(potential, dtype="float64")
        rng = np.random.default_rng(1)
        atoms.set_momenta(rng.normal(scale=0.05, size=(len(atoms), 3)))
        dynamics = VelocityVerlet(atoms, step * units.fs)
        totals = []
        for _ in range(round(10 / step)):
            dynamics.run(1)
            totals.append(atoms.get_total_energy())
        drifts.append(np.ptp(totals))
    assert drifts[1] / drifts[0] == pytest.approx(0.25, rel=0.3)


def test_shift_keeps_its_digits_in_float32():
    """−2 keV for an atom, as of an all-electron code, would lose 6e-5 eV in single precision."""
    shift = -2041.840732781
    potential = camp.Potential(CampSettings(channels=2), species=[8], energy_shift=shift)
    assert potential.float().double().energy_shift.item() == shift
