"""The batched engine against the ASE engine, conservation laws, continuation, independence."""

import copy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from ase import Atoms, units

import camp
from camp.errors import InputError
from camp.md.ase_engine import AseEngine
from camp.md.states import Dynamics, State, temperature_of
from camp.potential.graphed import FusedFunction
from tests.models.camp.test_network import make_potential
from tests.physics import random_structure

pytest.importorskip("torch_sim")
torchsim = pytest.importorskip("camp.potential.torchsim")
engine_module = pytest.importorskip("camp.md.torchsim_engine")
TorchSimEngine = engine_module.TorchSimEngine

DYNAMICS = Dynamics(temperature=300.0, timestep=0.5, thermostat_time=20.0)


@pytest.fixture(scope="module")
def potential():
    return make_potential(channels=4, max_rank=1, layers=1, radial_hidden=[5])


@pytest.fixture(scope="module")
def model(potential):
    return torchsim.TorchSimModel(potential, dtype="float64")


def start(potential, seed, atoms=6, periodic=True, temperature=300.0):
    structure = random_structure(potential, seed=seed, atoms=atoms, periodic=periodic)
    masses = structure.get_masses()[:, None]
    momenta = np.random.default_rng(seed).normal(size=(atoms, 3))
    momenta *= np.sqrt(masses * units.kB * temperature)
    structure.set_momenta(momenta - masses * momenta.sum(0) / masses.sum())
    return State(0, structure)


@pytest.fixture
def states(potential):
    """Crystals, a slab and a molecule, of different sizes."""
    replicas = [
        start(potential, 0),
        start(potential, 1, atoms=4),
        start(potential, 2, periodic=False),
    ]
    replicas[1].atoms.pbc = (True, True, False)
    return replicas


def assert_same(one, other, tolerance=1e-9):
    assert one.state.step == other.state.step
    assert one.failed == other.failed
    for name in ("positions", "momenta"):
        found, expected = one.state.atoms.arrays[name], other.state.atoms.arrays[name]
        np.testing.assert_allclose(found, expected, atol=tolerance)
    for name in ("potential_energy", "kinetic_energy", "conserved_energy"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=tolerance)
    assert one.state.thermostat.keys() == other.state.thermostat.keys()
    for name, values in one.state.thermostat.items():
        np.testing.assert_allclose(values, other.state.thermostat[name], atol=tolerance)


@pytest.mark.parametrize("ensemble", ["nve", "nvt"])
def test_same_trajectory_as_the_ase_engine(potential, model, states, ensemble):
    """Velocity Verlet and the chains: positions, momenta and thermostats step by step."""
    batched = TorchSimEngine(model, states, DYNAMICS, ensemble=ensemble)
    reference = AseEngine(
        lambda: camp.Calculator(potential, dtype="float64"), states, DYNAMICS, ensemble=ensemble
    )
    for steps in (0, 1, 49):
        batched.advance(steps)
        reference.advance(steps)
        for one, other in zip(batched.samples(), reference.samples(), strict=True):
            assert_same(one, other, tolerance=1e-6)
    moved = [
        np.abs(sample.state.atoms.positions - state.atoms.positions).max()
        for sample, state in zip(batched.samples(), states, strict=True)
    ]
    assert min(moved) > 0.01


@pytest.mark.parametrize("ensemble", ["nve", "nvt"])
def test_the_energy_is_conserved(model, states, ensemble):
    """The error of a symplectic integrator does not grow and falls with the timestep squared."""
    spread = []
    for timestep, every in ((0.5, 4), (0.25, 8)):
        dynamics = replace(DYNAMICS, timestep=timestep)
        engine = TorchSimEngine(model, states, dynamics, ensemble=ensemble)
        energies = [[sample.conserved_energy for sample in engine.samples()]]
        for _ in range(50):
            engine.advance(every)
            energies.append([sample.conserved_energy for sample in engine.samples()])
        spread.append(np.ptp(energies, axis=0))
    np.testing.assert_allclose(spread[0] / spread[1], 4.0, rtol=0.25)
    assert (spread[0] < 2e-3).all()


def test_mean_temperature(potential, model):
    """Twelve replicas started at half the temperature takes on the thermostat's."""
    states = [start(potential, seed, atoms=8, temperature=150.0) for seed in range(12)]
    engine = TorchSimEngine(model, states, DYNAMICS, ensemble="nvt")
    engine.advance(200)
    kinetic = []
    for _ in range(100):
        engine.advance(5)
        kinetic.append([sample.kinetic_energy for sample in engine.samples()])
    kelvin = temperature_of(states[0].atoms, np.mean(kinetic))
    assert kelvin == pytest.approx(300.0, rel=0.08)


@pytest.mark.parametrize("ensemble", ["nve", "nvt"])
def test_continues_from_a_state(model, states, ensemble):
    engine = TorchSimEngine(model, states, DYNAMICS, ensemble=ensemble)
    engine.advance(20)
    halfway = [sample.state for sample in engine.samples()]
    resumed = TorchSimEngine(model, halfway, DYNAMICS, ensemble=ensemble)
    for one, other in zip(resumed.samples(), engine.samples(), strict=True):
        assert_same(one, other)
    engine.advance(20)
    resumed.advance(20)
    for one, other in zip(resumed.samples(), engine.samples(), strict=True):
        assert_same(one, other)


def test_chains_are_the_same_in_numpy_and_torch(states, capsys):
    """On a GPU they are compiled from torch's operations."""
    chains = engine_module.NoseHooverChains.of(states, 300.0, 2.0, 0.05, torch.device("cpu"))
    in_torch = replace(
        chains,
        half_step_of=FusedFunction(partial(engine_module._half_step, 0.05, torch), backend="eager"),
    )
    kinetic = torch.tensor([0.1, 0.3, 0.0], dtype=torch.float64)
    for _ in range(5):
        chains, scale = chains.half_step(kinetic)
        in_torch, other = in_torch.half_step(kinetic)
        torch.testing.assert_close(other, scale, rtol=1e-12, atol=0)
        torch.testing.assert_close(in_torch.p_eta, chains.p_eta, rtol=1e-12, atol=0)
        torch.testing.assert_close(in_torch.energies(), chains.energies(), rtol=1e-12, atol=0)
        kinetic = kinetic * scale**2
    assert capsys.readouterr().err == ""


def test_ase_engine_continues_it(potential, model, states):
    engine = TorchSimEngine(model, states, DYNAMICS, ensemble="nvt")
    engine.advance(10)
    halfway = [sample.state for sample in engine.samples()]
    other = AseEngine(
        lambda: camp.Calculator(potential, dtype="float64"), halfway, DYNAMICS, ensemble="nvt"
    )
    engine.advance(10)
    other.advance(10)
    for one, two in zip(engine.samples(), other.samples(), strict=True):
        assert_same(one, two, tolerance=1e-6)


def test_samples_are_of_the_host(model, states, monkeypatch):
    """All that they read was brought there, which a GPU would complain of."""
    engine = TorchSimEngine(model, states, DYNAMICS, ensemble="nvt")
    brought, plain = [], torch.Tensor.cpu

    def cpu(tensor):
        brought.append(plain(tensor).clone())
        return brought[-1]

    monkeypatch.setattr(torch.Tensor, "cpu", cpu)
    host = engine._batch.on_host()
    state = host.state
    for tensor in (state.positions, state.momenta, state.energy, state.forces, host.kinetic):
        assert any(tensor is one for one in brought)


@pytest.mark.parametrize("ensemble", ["nve", "nvt"])
def test_replicas_are_independent(model, states, ensemble):
    together = TorchSimEngine(model, states, DYNAMICS, ensemble=ensemble)
    together.advance(30)
    for state, sample in zip(states, together.samples(), strict=True):
        alone = TorchSimEngine(model, [state], DYNAMICS, ensemble=ensemble)
        alone.advance(30)
        assert_same(alone.samples()[0], sample)


def test_positions_stay_unwrapped(potential, model):
    """A crystal in free flight leaves its cell."""
    state = start(potential, 0)
    velocity = np.array([0.2, 0.0, 0.0]) / units.fs
    state.atoms.set_momenta(state.atoms.get_masses()[:, None] * velocity)
    dynamics = replace(DYNAMICS, temperature=1e5)
    engine = TorchSimEngine(model, [state], dynamics, ensemble="nve")
    engine.advance(100)
    centre = engine.samples()[0].state.atoms.get_center_of_mass() - state.atoms.get_center_of_mass()
    np.testing.assert_allclose(centre, [0.2 * 100 * 0.5, 0, 0], atol=1e-6)


def exploding(potential, kind):
    """A replica that does not survive ten steps."""
    state = start(potential, 5)
    momenta = state.atoms.get_momenta()
    if kind == "hot":
        momenta[0] *= 1e3
    elif kind == "not a number":
        momenta[0] = np.nan
    else:
        # Two free hydrogen atoms that meet exactly after four steps.
        state.atoms = Atoms("HHH", [[0, 0, 0], [9.9, 0, 0], [30.0, 0, 0]])
        momenta = np.zeros((3, 3))
        momenta[1, 0] = -9.9 / (4 * 0.5 * units.fs) * state.atoms.get_masses()[1]
    state.atoms.set_momenta(momenta)
    return state


@pytest.mark.parametrize(
    ("kind", "reason", "ensemble"),
    [
        ("hot", "the temperature reached", "nve"),
        ("hot", "not a number", "nvt"),  # the chain itself overflows first
        ("not a number", "not a number", "nvt"),
        ("not a number", "not a number", "nve"),
    ],
)
def test_an_explosion_stops_one_replica(potential, model, states, kind, reason, ensemble):
    bad = exploding(potential, kind)
    engine = TorchSimEngine(model, [states[0], bad, *states[1:]], DYNAMICS, ensemble=ensemble)
    reference = TorchSimEngine(model, states, DYNAMICS, ensemble=ensemble)
    for _ in range(2):
        engine.advance(10)
        reference.advance(10)
    first, failed, *others = engine.samples()
    assert reason in failed.failed
    assert failed.state.step == 0
    np.testing.assert_array_equal(failed.state.atoms.positions, bad.atoms.positions)
    for one, other in zip([first, *others], reference.samples(), strict=True):
        assert_same(one, other)


def test_atoms_that_meet_stop_one_replica(potential, states):
    """The model refuses in the middle of a step; the others make this step nevertheless."""
    # Without forces two atoms meet exactly where and when they should.
    free = copy.deepcopy(potential)
    free.energy_scale.zero_()
    model = torchsim.TorchSimModel(free, dtype="float64")
    bad = exploding(free, "meet")
    dynamics = replace(DYNAMICS, temperature=1e7)
    engine = TorchSimEngine(model, [bad, *states], dynamics, ensemble="nve")
    engine.advance(3)
    assert not engine.samples()[0].failed
    engine.advance(3)
    failed, *others = engine.samples()
    assert "atoms 0 and 1 coincide" in failed.failed
    assert failed.state.step == 3
    for state, sample in zip(states, others, strict=True):
        assert sample.state.step == 6
        velocities = state.atoms.get_velocities()
        path = sample.state.atoms.positions - state.atoms.positions
        np.testing.assert_allclose(path, 6 * 0.5 * units.fs * velocities, atol=1e-9)


def test_all_replicas_may_explode(potential, model):
    engine = TorchSimEngine(model, [exploding(potential, "hot")] * 2, DYNAMICS, ensemble="nvt")
    engine.advance(10)
    engine.advance(10)
    assert all(sample.failed for sample in engine.samples())


def test_a_start_that_cannot_be_evaluated(model, states):
    bad = State(0, Atoms("HH", [[0, 0, 0], [0, 0, 0]]))
    with pytest.raises(InputError, match="system 3: atoms 0 and 1 coincide"):
        TorchSimEngine(model, [*states, bad], DYNAMICS, ensemble="nve")


def test_nothing_global_is_changed(model, states):
    before = torch.get_default_dtype(), torch.get_rng_state(), np.random.get_state()[1].copy()
    TorchSimEngine(model, states, DYNAMICS, ensemble="nvt").advance(2)
    assert torch.get_default_dtype() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    np.testing.assert_array_equal(np.random.get_state()[1], before[2])
