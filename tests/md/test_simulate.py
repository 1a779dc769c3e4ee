"""Simulations: resumable, reproducible, and honest about how they end."""

import json
from itertools import count

import numpy as np
import pytest
import torch
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.io import read, write
from ase.io.ulm import Writer as UlmWriter

from camp.cli import main
from camp.errors import InputError
from camp.md.ase_engine import AseEngine
from camp.md.simulate import check_structure, initial_state, simulate
from camp.md.states import Dynamics, State
from camp.md.trajectory import number_of_frames, read_trajectory
from camp.models.camp.settings import CampSettings
from camp.potential.potential import Potential
from camp.potential.saving import load, model_hash, save
from camp.settings import MdSettings

SETTINGS = MdSettings(
    temperature=300.0,
    timestep=2.0,
    length=0.1,
    equilibration=0.04,
    thermostat_time=50.0,
    sample_every=10.0,
    replicas=2,
    compile=False,
)
# Sixteen atoms of copper; the potential only says which structures it could simulate.
CRYSTAL = bulk("Cu", cubic=True).repeat((2, 2, 1))


def copper(cutoff: float = 3.5, species: int = 29, **more: str) -> Potential:
    torch.manual_seed(0)
    settings = CampSettings(
        cutoff=cutoff,
        channels=2,
        max_rank=1,
        layers=1,
        radial_hidden=[2],
        readout_hidden=[2],
        **more,
    )
    # Random weights on so small a scale are a stable potential.
    return Potential(settings, species=[species], energy_scale=0.01)


def changed(**values):
    return SETTINGS.model_copy(update=values)


def dynamics_of(settings):
    return Dynamics(settings.temperature, settings.timestep, settings.thermostat_time)


def engine_of(settings, calculator=EMT):
    dynamics = dynamics_of(settings)
    return lambda states, ensemble: AseEngine(calculator, states, dynamics, ensemble=ensemble)


def run(out, settings=SETTINGS, *, replicas=(1, 2), calculator=EMT, structure=CRYSTAL, **more):
    return simulate(
        copper(),
        [structure],
        settings,
        engine_of(settings, calculator),
        out=out,
        replicas=replicas,
        **more,
    )


def test_samples_are_where_the_settings_say(tmp_path):
    summary = run(tmp_path)
    assert [r["end"] for r in summary["replicas"]] == ["completed", "completed"]
    assert summary["replicas"][0]["time_fs"] == 100.0
    trajectory = read_trajectory(tmp_path / "replica-1.traj")
    assert np.allclose(trajectory.times, np.arange(0, 101, 10))
    assert trajectory.positions.shape == (11, 16, 3)
    assert np.allclose(trajectory.cell, CRYSTAL.cell.array)


def test_replicas_have_velocities_of_their_own_and_are_reproducible(tmp_path):
    run(tmp_path / "a")
    run(tmp_path / "b")
    one, again = (read_trajectory(tmp_path / f / "replica-1.traj") for f in "ab")
    other = read_trajectory(tmp_path / "a" / "replica-2.traj")
    assert np.array_equal(one.positions, again.positions)
    assert not np.allclose(one.positions, other.positions, atol=1e-3)


class InterruptionError(Exception):
    pass


class StoppingEngine(AseEngine):
    """Stops the process, so to speak, when so many samples were made."""

    left = 0

    def advance(self, steps):
        if StoppingEngine.left == 0:
            raise InterruptionError
        StoppingEngine.left -= 1
        super().advance(steps)


@pytest.mark.parametrize("samples", [1, 4, 5, 9])
@pytest.mark.parametrize("ensemble", ["nvt", "nve"])
def test_an_interrupted_run_continues_as_if_nothing_had_happened(tmp_path, samples, ensemble):
    settings = changed(ensemble=ensemble)
    run(tmp_path / "whole", settings)
    StoppingEngine.left = samples
    with pytest.raises(InterruptionError):
        simulate(
            copper(),
            [CRYSTAL],
            settings,
            lambda s, e: StoppingEngine(EMT, s, dynamics_of(settings), ensemble=e),
            out=tmp_path / "parts",
            replicas=[1, 2],
        )
    assert number_of_frames(tmp_path / "parts" / "replica-1.traj") == samples + 1
    run(tmp_path / "parts", settings)
    for replica in ("replica-1.traj", "replica-2.traj"):
        whole, parts = (read_trajectory(tmp_path / f / replica) for f in ("whole", "parts"))
        assert np.array_equal(whole.times, parts.times)
        assert np.allclose(whole.positions, parts.positions, atol=1e-9)
        assert np.allclose(whole.conserved_energies, parts.conserved_energies, atol=1e-9)


def test_a_frame_that_was_interrupted_does_not_count(tmp_path, monkeypatch):
    samples, plain = count(1), UlmWriter.add_array

    def add_array(writer, name, *arguments):
        if name == "momenta" and next(samples) == 6:
            raise InterruptionError
        return plain(writer, name, *arguments)

    run(tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(InterruptionError):
        patch.setattr(UlmWriter, "add_array", add_array)
        run(tmp_path / "parts")
    run(tmp_path / "parts")
    for replica in ("replica-1.traj", "replica-2.traj"):
        whole, parts = (read_trajectory(tmp_path / f / replica) for f in ("whole", "parts"))
        assert np.allclose(whole.positions, parts.positions, atol=1e-9)


def test_a_longer_run_continues_a_shorter_one(tmp_path):
    run(tmp_path)
    run(tmp_path, changed(length=0.15))
    assert read_trajectory(tmp_path / "replica-2.traj").times[-1] == 150.0


def test_a_replica_that_was_saved_more_often_waits_for_the_others(tmp_path):
    run(tmp_path, replicas=[2])
    run(tmp_path)
    frames = [number_of_frames(tmp_path / f"replica-{k}.traj") for k in (1, 2)]
    assert frames[0] == frames[1]
    assert np.all(np.diff(read_trajectory(tmp_path / "replica-2.traj").times) == 10)


def test_the_thermostat_holds_the_temperature_and_conserves_its_energy(tmp_path):
    settings = changed(length=3.0, equilibration=0.5, replicas=1)
    run(tmp_path, settings, replicas=[1])
    trajectory = read_trajectory(tmp_path / "replica-1.traj")
    kelvin = trajectory.kinetic_energies.mean() / (1.5 * 16 * 8.617333e-5)
    assert abs(kelvin - 300) < 35
    assert np.ptp(trajectory.conserved_energies) < 1e-3 * 16


def test_energy_is_conserved_without_a_thermostat(tmp_path):
    run(tmp_path, changed(ensemble="nve", length=1.0), replicas=[1])
    trajectory = read_trajectory(tmp_path / "replica-1.traj")
    total = trajectory.potential_energies + trajectory.kinetic_energies
    assert np.allclose(total, trajectory.conserved_energies)
    assert np.ptp(total) < 1e-3 * 16


def test_momentum_is_zero_and_molecules_do_not_rotate():
    molecule = Atoms("H2O", [[0, 0.76, -0.48], [0, -0.76, -0.48], [0, 0, 0.12]])
    start = initial_state(molecule, 300.0, 1).atoms
    assert np.allclose(start.get_momenta().sum(0), 0)
    assert np.allclose(start.get_angular_momentum(), 0)
    assert np.isclose(start.get_temperature(), 300, rtol=2)


class Exploding(EMT):
    """Forces grow without bound after some calls."""

    calls = 0

    def calculate(self, *arguments, **keywords):
        super().calculate(*arguments, **keywords)
        self.calls += 1
        if self.calls > 40:
            self.results["forces"] = self.results["forces"] * 1e4 + 100.0


def test_an_explosion_is_a_result_and_leaves_the_other_replicas_alone(tmp_path):
    calculators = iter([Exploding, EMT, Exploding, EMT])
    summary = run(tmp_path, calculator=lambda: next(calculators)())
    first, second = summary["replicas"]
    assert first["end"] == "exploded" and first["reason"]
    assert second["end"] == "completed" and second["time_fs"] == 100.0
    assert 0 < first["time_fs"] < 100
    assert read_trajectory(tmp_path / "replica-1.traj").times[-1] == first["time_fs"]
    # The result stands when the command is repeated.
    assert run(tmp_path)["replicas"][0] == first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.symbols.__setitem__(0, "Ag"), "does not know Ag"),
        (lambda a: a.positions.__setitem__(1, a.positions[0] + 0.1), "atoms 0 and 1 overlap"),
        (lambda a: a.set_cell(a.cell * 0.5, scale_atoms=False), "coincide"),
    ],
)
def test_structures_that_cannot_be_simulated_are_refused(change, message):
    atoms = CRYSTAL.copy()
    change(atoms)
    with pytest.raises(InputError, match=message):
        check_structure(copper(), atoms)


def test_a_cell_smaller_than_the_cutoff_is_refused():
    with pytest.raises(InputError, match="repeat it"):
        check_structure(copper(cutoff=6.0), bulk("Cu", cubic=True))


def test_another_run_in_the_folder_is_refused_or_set_aside(tmp_path):
    run(tmp_path)
    before = (tmp_path / "replica-1.traj").read_bytes()
    hotter = changed(temperature=400.0)
    with pytest.raises(InputError, match="another model, structure or settings"):
        run(tmp_path, hotter)
    assert (tmp_path / "replica-1.traj").read_bytes() == before
    run(tmp_path, hotter, set_aside=True)
    assert (tmp_path / "superseded-1" / "replica-1.traj").read_bytes() == before


def test_another_precision_is_another_run(tmp_path):
    """A trajectory in float32 is not continued in float64 without a word."""
    run(tmp_path)
    with pytest.raises(InputError, match="another precision"):
        run(tmp_path, changed(length=0.2), dtype="float64")
    summary = run(tmp_path, changed(length=0.2), dtype="float32")
    assert summary["dtype"] == "float32"


def test_other_code_is_another_run(tmp_path, monkeypatch):
    run(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(InputError, match="of other code"):
        patch.setattr("camp.md.simulate.simulation_code", lambda *_: ["camp.data.splits"])
        run(tmp_path)


def test_a_model_is_its_parameters_and_all_its_settings():
    """Models of the same parameters that differ in what they make of them."""
    models = [copper(), copper(cutoff=4.0), copper(species=47), copper(envelope_on="basis")]
    state, *others = [model.state_dict() for model in models]
    for other in others:
        assert all(torch.equal(value, state[name]) for name, value in other.items())
    assert len({model_hash(model) for model in models}) == len(models)
    assert model_hash(copper().double()) == model_hash(copper())


def test_the_speed_of_a_run_outlives_its_summary(tmp_path):
    """A summary that was lost beside complete trajectories is made again, whatever is known."""
    summary = run(tmp_path)
    (tmp_path / "simulation.json").unlink()
    assert run(tmp_path) == summary
    record = json.loads((tmp_path / "run.json").read_text())
    assert record.pop("steps_per_second").keys() == {"1", "2"}
    (tmp_path / "run.json").write_text(json.dumps(record))
    (tmp_path / "simulation.json").unlink()
    for _ in range(2):
        unknown = run(tmp_path)
        assert [one["steps_per_second"] for one in unknown["replicas"]] == [None, None]


def test_more_replicas_leave_the_finished_ones_alone(tmp_path):
    """Also where replicas share a batch, which holds then only those that have steps to make."""
    batches = []

    def make_engine(states, ensemble):
        batches.append([state.step for state in states])
        return AseEngine(EMT, states, dynamics_of(SETTINGS), ensemble=ensemble)

    first = run(tmp_path)
    content = (tmp_path / "replica-1.traj").read_bytes()
    more = changed(replicas=3)
    summary = simulate(copper(), [CRYSTAL], more, make_engine, out=tmp_path, replicas=[1, 2, 3])
    assert batches == [[0], [20]]  # of replica 3: equilibration, and from its end on
    assert (tmp_path / "replica-1.traj").read_bytes() == content
    assert summary["replicas"][:2] == first["replicas"]
    batches.clear()
    longer = changed(length=0.12, replicas=4)
    simulate(copper(), [CRYSTAL], longer, make_engine, out=tmp_path, replicas=[1, 2, 3, 4])
    assert [len(batch) for batch in batches] == [1, 1, 3]
    times = [read_trajectory(tmp_path / f"replica-{k}.traj").times for k in (1, 2, 3, 4)]
    assert all(np.array_equal(one, times[0]) and one[-1] == 120.0 for one in times)


def test_foreign_trajectories_are_refused(tmp_path):
    run(tmp_path)
    (tmp_path / "run.json").unlink()
    with pytest.raises(InputError, match="not of this run"):
        run(tmp_path)
    other = tmp_path / "other"
    run(other, changed(seed=7))
    run(tmp_path / "mine")
    (other / "replica-1.traj").rename(tmp_path / "mine" / "replica-1.traj")
    (tmp_path / "mine" / "simulation.json").unlink()
    with pytest.raises(InputError, match="another run"):
        run(tmp_path / "mine", changed(length=0.2))


def test_a_broken_trajectory_is_named(tmp_path):
    run(tmp_path)
    (tmp_path / "replica-1.traj").write_bytes(b"no trajectory")
    with pytest.raises(InputError, match=r"replica-1\.traj: not a trajectory"):
        run(tmp_path, changed(length=0.2))


def test_structures_of_different_atoms_are_refused(tmp_path):
    with pytest.raises(InputError, match="other atoms"):
        simulate(
            copper(),
            [CRYSTAL, CRYSTAL[:-1]],
            SETTINGS,
            engine_of(SETTINGS),
            out=tmp_path,
            replicas=[1],
        )


def command(folder, **settings):
    """Files for ``camp md``; returns its arguments."""
    save(copper(), folder / "model.safetensors")
    write(folder / "start.xyz", CRYSTAL)
    content = {"temperature": 300, "timestep": 2, "length": 0.1, **settings}
    (folder / "md.yaml").write_text(yaml.safe_dump(content))
    files = [str(folder / name) for name in ("model.safetensors", "start.xyz")]
    return ["md", *files, "--config", str(folder / "md.yaml"), "--out", str(folder / "out")]


def test_the_command(tmp_path, capsys):
    assert main(command(tmp_path)) == 0
    assert "replica 1: 0.1 ps, completed" in capsys.readouterr().out
    summary = json.loads((tmp_path / "out" / "simulation.json").read_text())
    assert summary["structure"]["formula"] == "Cu16" and summary["device"] == "cpu"
    assert len(read(tmp_path / "out" / "replica-1.traj", ":")) == 11


@pytest.mark.parametrize("engine", ["ase", "torchsim"])
def test_forces_are_saved_on_request(tmp_path, engine):
    """Those of the model at the positions of each frame."""
    if engine == "torchsim":
        pytest.importorskip("torch_sim")
    assert main(command(tmp_path, save_forces=True, engine=engine)) == 0
    model = load(tmp_path / "model.safetensors")
    for atoms in read(tmp_path / "out" / "replica-1.traj", "::5"):
        expected = model.evaluate(atoms).forces[0]
        np.testing.assert_allclose(atoms.get_forces(), expected, atol=1e-4)


def test_an_explosion_is_said_clearly(tmp_path, capsys, monkeypatch):
    """It is no error; and a time before the end of the equilibration is no negative time."""
    monkeypatch.setattr("camp.md.ase_engine.why_exploded", lambda *_: "too hot")
    assert main(command(tmp_path, equilibration=0.1)) == 0
    said = capsys.readouterr()
    assert "replica 1: exploded (too hot), 0.1 ps before the end of the equilibration" in said.out
    assert "1 of 1 replicas exploded; that is a result" in said.err


def test_a_bad_structure_is_named_with_its_file(tmp_path, capsys):
    arguments = command(tmp_path)
    write(tmp_path / "start.xyz", [CRYSTAL, Atoms("Ag", cell=[9, 9, 9], pbc=True)])
    assert main(arguments) == 2
    assert "start.xyz, frame 1 has other atoms" in capsys.readouterr().err
    write(tmp_path / "start.xyz", Atoms("Ag", cell=[9, 9, 9], pbc=True))
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "start.xyz, frame 0: the model does not know Ag" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -1}, "temperature is -1; it must be a number above 0"),
        ({"timestep": 0}, "timestep is 0; it must be a number above 0"),
        ({"timestep": 3}, "sample_every"),
        ({"length": 0.0105}, "length"),
        ({"tempurature": 3}, "did you mean 'temperature'"),
    ],
)
def test_bad_settings_are_refused_in_one_line(tmp_path, capsys, settings, message):
    assert main(command(tmp_path, **settings)) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_engine_agrees_with_the_motion_of_a_harmonic_pair():
    """Two argon atoms near the minimum of a Lennard-Jones pair swing with √(k/μ)."""
    minimum = 2 ** (1 / 6) * 3.4
    pair = Atoms("Ar2", [[0, 0, 0], [minimum + 0.002, 0, 0]])
    pair.set_momenta(np.zeros((2, 3)))
    calculator = LennardJones(sigma=3.4, epsilon=0.0104, rc=20.0)
    settings = changed(timestep=1.0)
    engine = AseEngine(lambda: calculator, [State(0, pair)], dynamics_of(settings), ensemble="nve")
    stiffness, reduced = 57.146 * 0.0104 / 3.4**2, pair.get_masses()[0] / 2
    period = 2 * np.pi * np.sqrt(reduced / stiffness) * 10.180505  # fs
    engine.advance(round(period / 2))
    distance = engine.samples()[0].state.atoms.get_distance(0, 1)
    assert abs(distance - (minimum - 0.002)) < 2e-5
