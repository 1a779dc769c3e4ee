"""Ensembles: mean and deviation of their members, wherever a model is used."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

import camp
from camp.cli import main
from camp.errors import InputError
from camp.md.trajectory import read_state
from camp.potential.ensemble import Ensemble
from camp.potential.saving import save
from camp.targets import TARGETS
from tests.models.camp.test_network import make_potential
from tests.models.carnet.potentials import make_potential as make_tensor_potential
from tests.physics import random_structure

SEEDS = (0, 1, 2)


@pytest.fixture
def files(tmp_path):
    """Three models that differ in their parameters."""
    paths = [tmp_path / f"seed-{seed}.safetensors" for seed in SEEDS]
    for seed, path in zip(SEEDS, paths, strict=True):
        save(make_potential(seed), path)
    return paths


@pytest.fixture
def structures():
    crystal = random_structure(make_potential(), seed=0)
    molecule = Atoms("OH2C", [[0, 0, 0], [0.9, 0.2, 0], [-0.3, 0.9, 0.1], [0, 0.1, 1.4]])
    return [crystal, molecule]


@pytest.fixture
def expected(files, structures):
    """Of each structure: energies (members,), forces (members, n, 3), stresses (members, 3, 3)."""
    found = [camp.load(file).evaluate(structures) for file in files]
    return [
        tuple(
            np.array([getattr(one, name)[k] for one in found])
            for name in ("energies", "forces", "stresses")
        )
        for k in range(len(structures))
    ]


def spread(forces):
    """Root of the mean over the members of |F_m − F|², (n,)."""
    return np.sqrt(np.square(forces - forces.mean(0)).sum(-1).mean(0))


def test_mean_and_deviation_are_those_of_the_members(files, structures, expected):
    found = camp.load(files).evaluate(structures)
    for k, (energies, forces, stresses) in enumerate(expected):
        np.testing.assert_allclose(found.energies[k], energies.mean(), rtol=1e-13)
        np.testing.assert_allclose(found.forces[k], forces.mean(0), atol=1e-13)
        np.testing.assert_allclose(found.stresses[k], stresses.mean(0), atol=1e-15)
        np.testing.assert_allclose(found.uncertainty.energies[k], np.std(energies), rtol=1e-10)
        np.testing.assert_allclose(found.uncertainty.forces[k], spread(forces), rtol=1e-10)
        largest = found.uncertainty.largest_of_forces[k]
        assert largest == pytest.approx(spread(forces).max(), rel=1e-10)


@pytest.mark.parametrize("name", ["piezoelectric", "shielding"])
def test_members_with_free_signs_agree_on_one(structures, name):
    """A model and its negative are the same then, and their mean is the first."""
    target = replace(TARGETS[name], sign="free")
    one = make_tensor_potential(target, species=make_potential().species, max_rank=3)
    negative = copy.deepcopy(one)
    negative.property_of(name).scale.neg_()
    negative.property_of(name).shift.neg_()
    first = one.evaluate(structures).properties[name]
    for members in ((one, negative), (one, one, negative)):
        found = Ensemble(members).evaluate(structures).properties[name]
        for expected, values in zip(first, found, strict=True):
            np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_one_model_tells_no_deviation(files, structures):
    assert camp.load(files[0]).evaluate(structures).uncertainty is None
    assert isinstance(camp.load(files[:1]), camp.Potential)


@pytest.mark.parametrize("accelerate", [False, True])
def test_calculator(files, structures, expected, accelerate):
    """Accelerated up to the error of the tables, and along a path on which it keeps its list."""
    calculator = camp.Calculator(files, dtype="float64", accelerate=accelerate)
    atoms, (energies, forces, _) = structures[1], expected[1]
    atoms.calc = calculator
    assert atoms.get_potential_energy() == pytest.approx(energies.mean(), rel=1e-7)
    np.testing.assert_allclose(atoms.get_forces(), forces.mean(0), atol=1e-5)
    assert calculator.results["energy_deviation"] == pytest.approx(np.std(energies), rel=1e-5)
    deviations = calculator.get_property("forces_deviation", atoms)
    np.testing.assert_allclose(deviations, spread(forces), rtol=1e-4)
    atoms.positions[0] += 0.01
    moved = np.array([camp.load(file).evaluate(atoms).forces[0] for file in files])
    np.testing.assert_allclose(atoms.get_forces(), moved.mean(0), atol=1e-5)


def test_members_must_be_of_one_kind(files, tmp_path):
    save(make_potential(cutoff=4.5), tmp_path / "wide.safetensors")
    with pytest.raises(InputError, match=r"wide.safetensors: model 2 .* another cutoff"):
        camp.load([files[0], tmp_path / "wide.safetensors"])
    with pytest.raises(InputError, match="two models or more, not 0"):
        camp.load([])


def test_a_member_stays_what_it_is(files, structures):
    ensemble = camp.load(files)
    single = copy.deepcopy(ensemble.potentials[1]).evaluate(structures[1]).energies
    assert single == camp.load(files[1]).evaluate(structures[1]).energies


# --- commands ------------------------------------------------------------------------------------


def command(*words):
    return main([str(word) for word in words])


def test_predict(files, structures, expected, tmp_path):
    write(tmp_path / "in.xyz", structures)
    out = tmp_path / "out.xyz"
    assert command("predict", *files, tmp_path / "in.xyz", out, "--dtype", "float64") == 0
    for atoms, (energies, forces, _) in zip(read(out, ":"), expected, strict=True):
        assert atoms.get_potential_energy() == pytest.approx(energies.mean(), abs=1e-7)
        assert atoms.info["energy_deviation"] == pytest.approx(np.std(energies), abs=1e-7)
        np.testing.assert_allclose(atoms.arrays["forces_deviation"], spread(forces), atol=1e-7)


def test_evaluate(files, structures, expected, tmp_path, capsys):
    for atoms, (energies, forces, _) in zip(structures, expected, strict=True):
        atoms.calc = SinglePointCalculator(
            atoms, energy=energies.mean() + 0.5 * len(atoms), forces=forces.mean(0)
        )
    write(tmp_path / "data.xyz", structures)
    out = tmp_path / "errors.json"
    words = ("--json", out, "--npz", tmp_path / "errors.npz", "--dtype", "float64")
    assert command("evaluate", *files, tmp_path / "data.xyz", *words) == 0
    record = json.loads(out.read_text())
    assert record["metrics"]["energy_mae_per_atom"] == pytest.approx(0.5)
    assert record["metrics"]["forces_mae"] == pytest.approx(0.0, abs=1e-6)
    energies = [np.std(one[0]) for one in expected]
    assert record["deviations"]["energy"] == pytest.approx(np.sqrt(np.mean(np.square(energies))))
    assert "deviation of the members" in capsys.readouterr().out
    with np.load(tmp_path / "errors.npz") as arrays:
        np.testing.assert_allclose(arrays["energy_deviation"], energies)
        forces = np.concatenate([spread(one[1]) for one in expected])
        np.testing.assert_allclose(arrays["forces_deviation"], forces)


def test_select_takes_the_most_uncertain(files, tmp_path, capsys):
    rng = np.random.default_rng(0)
    distances = rng.permutation(np.linspace(0.8, 3.9, 8))
    write(tmp_path / "data.xyz", [Atoms("OH", [[0, 0, 0], [0, 0, d]]) for d in distances])
    data, out = tmp_path / "data.xyz", tmp_path / "out.xyz"
    words = ("--frames", 3, "--by", "uncertainty")
    assert command("select", data, out, *words, "--models", *files) == 0
    chosen = [atoms.positions[1, 2] - atoms.positions[0, 2] for atoms in read(out, ":")]
    ensemble = camp.load(files)
    largest = ensemble.evaluate(read(data, ":")).uncertainty.largest_of_forces
    np.testing.assert_allclose(chosen, distances[np.argsort(-largest)[:3]])
    assert command("select", data, out, *words) == 2
    assert "--by uncertainty and --models belong together" in capsys.readouterr().err
    assert command("select", data, out, *words, "--models", files[0]) == 2
    assert "give two or more" in capsys.readouterr().err


@pytest.fixture
def simulated(files, structures, tmp_path):
    """Runs ``camp md`` of the molecule with these settings; returns exit code and folder."""
    write(tmp_path / "start.xyz", structures[1])
    count = 0

    def run(models=files, **changes):
        nonlocal count
        count += 1
        content = {"temperature": 300.0, "timestep": 0.5, "length": 0.01, "sample_every": 1.0}
        content |= {"compile": False, "replicas": 2, **changes}
        (tmp_path / "md.yaml").write_text(yaml.safe_dump(content))
        out = tmp_path / f"run-{count}"
        words = ("--config", tmp_path / "md.yaml", "--out", out, "--dtype", "float64")
        return command("md", *models, tmp_path / "start.xyz", *words), out

    return run


@pytest.mark.parametrize("engine", ["ase", "torchsim"])
def test_simulation_marks_frames_and_stops_above_the_threshold(simulated, files, engine):
    if engine == "torchsim":
        pytest.importorskip("torch_sim")
    code, out = simulated(engine=engine)
    assert code == 0
    ensemble = camp.load(files)
    frames = read(out / "replica-1.traj", ":")
    marked = np.array([atoms.info["forces_deviation"] for atoms in frames])
    evaluated = ensemble.evaluate(frames).uncertainty.largest_of_forces
    np.testing.assert_allclose(marked, evaluated, rtol=1e-3)
    threshold = float(np.sort(marked[1:])[-2])
    assert threshold > marked[0]
    first = int(np.argmax(marked > threshold))
    _, stopped = simulated(engine=engine, uncertainty_threshold=threshold)
    entry = json.loads((stopped / "simulation.json").read_text())["replicas"][0]
    assert entry["end"] == "uncertain"
    assert f"disagree by {marked[first]:.3g} eV/Å" in entry["reason"]
    assert entry["time_fs"] == first
    again = read(stopped / "replica-1.traj", ":")
    assert len(again) == first + 1
    np.testing.assert_allclose(again[-1].positions, frames[first].positions, atol=1e-9)
    run = json.loads((stopped / "run.json").read_text())["run"]
    assert read_state(stopped / "replica-1.traj", first, run).step == 2 * first


@pytest.mark.parametrize("engine", ["ase", "torchsim"])
def test_simulation_ends_at_a_start_above_the_threshold(simulated, engine):
    """After its first frame."""
    if engine == "torchsim":
        pytest.importorskip("torch_sim")
    code, out = simulated(engine=engine, uncertainty_threshold=1e-9)
    assert code == 0
    for entry in json.loads((out / "simulation.json").read_text())["replicas"]:
        assert (entry["end"], entry["time_fs"]) == ("uncertain", 0.0)
        assert len(read(out / entry["trajectory"], ":")) == 1


def test_one_model_has_no_threshold(simulated, files, capsys):
    assert simulated(files[:1], uncertainty_threshold=0.1)[0] == 2
    assert "uncertainty_threshold is for several models" in capsys.readouterr().err
