"""Accelerated potentials give the plain one's results and obey the same laws."""

import copy

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.io import read
from ase.md.verlet import VelocityVerlet

import camp
from camp.errors import InputError
from camp.potential.accelerated import AcceleratedPotential
from camp.runtime import library, team
from camp.runtime.splines import SplineTables
from tests.acceleration import WAYS, assert_same, assert_same_and_as_exact, needs_compiler
from tests.models.camp.test_network import make_potential
from tests.physics import PotentialPhysics, random_structure


def published_convention(**changes):
    potential = make_potential(envelope_on="basis", **changes)
    for layer in potential.model.layers:
        for bias in layer.atomic.radial.mlp.biases:
            torch.nn.init.normal_(bias)
    return potential


@needs_compiler
class TestPhysicsCompiled(PotentialPhysics):
    @pytest.fixture
    def potential(self):
        return AcceleratedPotential(make_potential())


@pytest.mark.parametrize("compiled", WAYS)
@pytest.mark.parametrize(
    ("max_rank", "layers", "channels"),
    [(0, 1, 1), (0, 2, 8), (1, 2, 5), (2, 3, 9), (3, 2, 17), (4, 2, 4)],
)
def test_equals_the_plain_potential(max_rank, layers, channels, compiled):
    """All ranks and numbers of channels, both conventions, batches of different sizes."""
    for make in (make_potential, published_convention):
        plain = make(max_rank=max_rank, layers=layers, channels=channels)
        fast = AcceleratedPotential(plain, compiled=compiled)
        assert fast.compiled == compiled
        structures = [
            random_structure(plain, seed=seed, atoms=2 + 5 * seed, periodic=seed != 1)
            for seed in range(3)
        ]
        structures.append(Atoms("H", [[0.0, 0.0, 0.0]]))
        assert_same(fast.evaluate(structures), plain.evaluate(structures), 1e-7)


@pytest.mark.parametrize("compiled", WAYS)
def test_single_precision_is_as_good_as_the_plain_one(compiled):
    plain = published_convention()
    structure = random_structure(plain)
    exact = plain.evaluate(structure)
    fast = AcceleratedPotential(plain.float(), compiled=compiled)
    assert fast.dtype == torch.float32
    assert_same(fast.evaluate(structure), exact, 1e-5)


@pytest.mark.parametrize("compiled", WAYS)
def test_precision_can_be_changed_later(compiled):
    plain = make_potential()
    structure = random_structure(plain)
    fast = AcceleratedPotential(plain, compiled=compiled)
    exact = plain.evaluate(structure)
    for converted, tolerance in (
        (fast.double(), 1e-7),
        (fast.float(), 1e-5),
        (fast.double(), 1e-5),
    ):
        assert_same(converted.evaluate(structure), exact, tolerance)


@needs_compiler
def test_threads_change_nothing(monkeypatch):
    monkeypatch.setattr(team, "SLOTS_PER_THREAD", 1)
    potential = AcceleratedPotential(make_potential())
    structure = random_structure(potential)
    threads = torch.get_num_threads()
    results = []
    for number in (1, 3):
        torch.set_num_threads(number)
        results.append(potential.evaluate(structure))
    torch.set_num_threads(threads)
    assert_same(results[1], results[0], 1e-12)


@pytest.mark.parametrize("compiled", WAYS)
@pytest.mark.parametrize(
    ("model", "structure"),
    [
        ("water/checkpoint.ckpt", "water/liquid-64.xyz"),
        ("LiPS/training_size-100/checkpoint.ckpt", "LiPS/lips_config.xyz"),
    ],
)
def test_published_weights(shared_data, model, structure, compiled):
    folder = shared_data / "mirror" / "camp_run"
    if not folder.is_dir():
        pytest.skip("needs the published weights")
    plain = camp.load(folder / "models" / model).double()
    assert_same_and_as_exact(plain, read(folder / "md" / structure), compiled)


@pytest.mark.parametrize("compiled", WAYS)
def test_calculator_follows_a_walk(compiled):
    """With a neighbour list that is kept: equal to fresh evaluations at every step."""
    plain = published_convention()
    calculator = camp.Calculator(plain, dtype="float64", compiled=compiled)
    rng = np.random.default_rng(0)
    for periodic, cell in ((True, 6.0), (True, 3.0), (False, 6.0)):
        atoms = random_structure(plain, atoms=3 if cell < 6 else 10, periodic=periodic, cell=cell)
        atoms.calc = calculator
        for _ in range(15):
            atoms.positions += rng.normal(scale=0.03, size=atoms.positions.shape)
            expected = plain.evaluate(atoms)
            scale = np.abs(expected.forces[0]).max()
            assert atoms.get_potential_energy() == pytest.approx(expected.energies[0], rel=1e-9)
            np.testing.assert_allclose(atoms.get_forces(), expected.forces[0], atol=1e-7 * scale)
            np.testing.assert_allclose(
                atoms.get_stress(voigt=False), expected.stresses[0], atol=1e-7 * scale
            )


@pytest.mark.parametrize("compiled", WAYS)
def test_same_drift_as_the_plain_potential(compiled):
    """Constant energy is followed step by step: nothing leaks in through tables or lists."""
    potential = make_potential()
    trajectories = []
    for options in ({"accelerate": False}, {"compiled": compiled}):
        atoms = random_structure(potential)
        atoms.calc = camp.Calculator(potential, dtype="float64", **options)
        atoms.set_momenta(np.random.default_rng(1).normal(scale=2.0, size=(len(atoms), 3)))
        dynamics = VelocityVerlet(atoms, 0.5 * units.fs)
        totals = []
        for _ in range(60):
            dynamics.run(1)
            totals.append(atoms.get_total_energy())
        trajectories.append((np.array(totals), atoms.positions))
    (plain, plain_end), (fast, fast_end) = trajectories
    assert np.abs(plain_end - random_structure(potential).positions).max() > 0.5
    np.testing.assert_allclose(fast_end, plain_end, atol=1e-5)
    np.testing.assert_allclose(fast - fast[0], plain - plain[0], atol=1e-3 * np.ptp(plain))


@pytest.mark.parametrize("compiled", WAYS)
def test_calculator_refuses_bad_structures(compiled):
    potential = make_potential()
    calculator = camp.Calculator(potential, compiled=compiled)
    pair = Atoms("HO", [[0, 0, 0], [0.05, 0, 0]], calculator=calculator)
    pair.get_forces()
    pair.positions[1] = 0.0
    for atoms, message in (
        (pair, "coincide"),
        (Atoms(), "no atoms"),
        (Atoms("Xe"), "does not know Xe"),
        (Atoms("H", pbc=True), "no volume"),
    ):
        atoms.calc = calculator
        with pytest.raises(InputError, match=message):
            atoms.get_forces()
        # Also when nothing has changed since but the positions.
        atoms.positions += 0.1
        with pytest.raises(InputError, match=message):
            atoms.get_forces()


def test_without_a_compiler_torch_does_it(monkeypatch, capsys):
    library.load.cache_clear()
    monkeypatch.setattr(library, "compiler", lambda: None)
    plain = make_potential(max_rank=1)
    fast = AcceleratedPotential(plain)
    assert capsys.readouterr().err == ("no C++ compiler found: evaluation without compiled code\n")
    structure = random_structure(plain)
    assert_same(fast.evaluate(structure), plain.evaluate(structure), 1e-7)


def test_what_cannot_be_tabulated_is_evaluated_plainly(monkeypatch, capsys):
    monkeypatch.setattr("camp.runtime.splines.MOST_BYTES", 1000)
    plain = make_potential()
    atoms = random_structure(plain)
    atoms.calc = camp.Calculator(plain, dtype="float64")
    message = capsys.readouterr().err
    assert "not fit into memory" in message
    assert message.count("\n") == 1
    np.testing.assert_allclose(atoms.get_forces(), plain.evaluate(atoms).forces[0], rtol=1e-12)


def test_original_is_left_alone():
    plain = make_potential()
    before = copy.deepcopy(plain.state_dict())
    structure = random_structure(plain)
    fast = AcceleratedPotential(plain)
    expected = fast.evaluate(structure)
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.mul_(1.1)
    assert_same(fast.evaluate(structure), expected, 1e-12)
    plain.load_state_dict(before)
    assert_same(expected, plain.evaluate(structure), 1e-7)


@needs_compiler
def test_used_potential_can_be_copied_and_given_on():
    plain = make_potential()
    structure = random_structure(plain)
    fast = AcceleratedPotential(plain)
    expected = fast.evaluate(structure)
    copied = copy.deepcopy(fast)
    del fast
    assert_same(copied.evaluate(structure), expected, 1e-12)
    structure.calc = camp.Calculator(copied, dtype="float64")
    np.testing.assert_allclose(structure.get_forces(), expected.forces[0], atol=1e-12)


def test_splines_are_exact_for_what_they_contain():
    """A polynomial of fifth degree is reproduced, beyond the last knot as its last value."""
    factors = torch.tensor([[1.0, -2.0, 0.3], [0.5, 1.0, 4.0]], dtype=torch.float64)

    def function(r):
        return [(factors[:, None, :] * (r - 1.0)[None, :, None] ** 5)]

    tables = SplineTables(function, 3.0)
    r = torch.linspace(0.0, 3.2, 77, dtype=torch.float64, requires_grad=True)
    pair = torch.arange(77) % 2
    found = tables(0, *tables.locate(r, pair))
    clamped = r.detach().clamp(max=3.0)
    expected = factors[pair] * (clamped - 1.0)[:, None] ** 5
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    (slope,) = torch.autograd.grad(found.sum(), r)
    inside = r.detach() < 3.0
    expected = factors[pair].sum(1) * 5 * (clamped - 1.0) ** 4
    torch.testing.assert_close(slope[inside], expected[inside], rtol=1e-8, atol=1e-8)


def test_functions_too_steep_for_splines_are_refused(monkeypatch):
    monkeypatch.setattr("camp.runtime.splines.MOST_INTERVALS", 1024)
    with pytest.raises(InputError, match="vary too fast"):
        SplineTables(lambda r: [torch.sin(3000.0 * r)[None, :, None]], 3.0)
