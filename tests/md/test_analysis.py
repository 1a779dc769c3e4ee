"""Analyses: from run folders of known content to the numbers of the report."""

import json

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule

from camp.errors import InputError
from camp.md.analysis import analyse, analyse_reference, describe
from camp.md.observables import radial_distribution
from camp.md.sections import MAX_POINTS
from camp.md.states import Sample, State
from camp.md.trajectory import Writer
from camp.settings import AnalysisSettings

MD = {
    "engine": "ase",
    "ensemble": "nvt",
    "temperature": 300.0,
    "timestep": 1.0,
    "length": 2.0,
    "equilibration": 0.04,
    "thermostat_time": 100.0,
    "sample_every": 20.0,
    "replicas": 2,
    "seed": 5,
    "compile": False,
}
SPACING = MD["sample_every"]
FRAMES = 101
LABELS = {"simulation": "salt", "title": "Salt", "scale": "quick", "data": "generated"}
SALT = bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat(2)
STEP = 0.05  # Å, of the random walk in each direction and sample
DRIFT = 2e-4  # eV per atom and ps
KELVIN = 300.0


def walk(start, seed, frames=FRAMES, step=STEP):
    """Positions of a random walk from a structure."""
    steps = np.random.default_rng(seed).normal(scale=step, size=(frames, len(start), 3))
    steps[0] = 0
    return start.positions + np.cumsum(steps, axis=0)


def settings(**changes):
    return AnalysisSettings(**changes)


def write_run(folder, start, replicas, *, md=None, ends=None, model="a" * 64):
    """A run folder: {replica: positions} as camp md leaves it, two frames of equilibration."""
    folder.mkdir(parents=True, exist_ok=True)
    md = {**MD, **(md or {})}
    entries = []
    for replica, positions in replicas.items():
        name = f"replica-{replica}.traj"
        kinetic = 0.5 * (3 * len(start) - 3) * units.kB * KELVIN  # no motion of the whole
        with Writer(folder / name, "identity") as writer:
            for frame in range(-2, len(positions)):
                time = SPACING * frame
                atoms = start.copy()
                atoms.positions = positions[max(frame, 0)]
                # All momenta along x: the kinetic energy that was asked for.
                momenta = np.sqrt(2 * atoms.get_masses() * kinetic / len(start))
                atoms.set_momenta(momenta[:, None] * [1, 0, 0])
                conserved = -3.0 + DRIFT * len(start) * time / 1000
                writer.write(Sample(State(frame + 2, atoms), -5.0, kinetic, conserved), time)
        end, reason = (ends or {}).get(replica, ("completed", ""))
        entries.append(
            {
                "replica": replica,
                "seed": md["seed"] + replica - 1,
                "trajectory": name,
                "end": end,
                "reason": reason,
                "time_fs": SPACING * (len(positions) - 1),
                "steps_per_second": 12.5,
            }
        )
    summary = {
        "run": "identity",
        "settings": md,
        "model_sha256": model,
        "structure": {
            "formula": start.get_chemical_formula(),
            "atoms": len(start),
            "cell": start.cell.array.tolist() if start.pbc.all() else None,
            "pbc": start.pbc.tolist(),
        },
        "engine": "ase",
        "device": "cpu",
        "threads": 2,
        "replicas": entries,
    }
    (folder / "simulation.json").write_text(json.dumps(summary))
    return folder


@pytest.fixture(scope="module")
def salt(tmp_path_factory):
    folder = tmp_path_factory.mktemp("salt")
    return write_run(folder, SALT, {1: walk(SALT, 1), 2: walk(SALT, 2)})


SALT_ANALYSIS = settings(
    rdf=["Na-Cl"],
    adf={"Cl-Na-Cl": 3.4},
    msd=["Na", "Cl"],
    fit=[0.2, 1.0],
    stability="rdf",
    threshold=5.0,
    window=0.5,
)


def test_all_sections(salt):
    content = analyse([salt], SALT_ANALYSIS, LABELS)
    json.dumps(content, allow_nan=False)
    assert {name: content[name] for name in LABELS} == LABELS
    assert content["settings"] == MD
    assert content["structure"]["formula"] == "Cl32Na32"
    assert (content["engine"], content["device"], content["threads"]) == ("ase", "cpu", 2)
    assert content["stability"] == {
        "criterion": "rdf",
        "threshold": 5.0,
        "window_ps": 0.5,
        "limit_ps": 2.0,
        "values_ps": [2.0, 2.0],
        "mean_ps": 2.0,
        "std_ps": 0.0,
    }
    first = content["replicas"][0]
    assert (first["replica"], first["seed"], first["end"], first["time_ps"]) == (
        1,
        5,
        "completed",
        2.0,
    )
    assert first["temperature_K"] == pytest.approx(KELVIN)
    assert first["temperature_std_K"] == pytest.approx(0, abs=1e-6)
    assert first["drift_eV_per_atom_per_ps"] == pytest.approx(DRIFT)
    energy = content["energy"]
    assert len(energy["time_ps"]) == FRAMES
    np.testing.assert_allclose(
        energy["conserved_eV_per_atom"], [DRIFT * np.array(energy["time_ps"])] * 2, atol=1e-9
    )


def test_structure_is_the_mean_over_frames_and_replicas(salt):
    content = analyse([salt], SALT_ANALYSIS, LABELS)["rdf"]
    curves = []
    for seed in (1, 2):
        found = radial_distribution(
            SALT.numbers, walk(SALT, seed), SALT.cell.array, SALT.pbc, pairs=["Na-Cl"]
        )
        curves.append(found.g["Na-Cl"].mean(0))
    np.testing.assert_allclose(content["r_A"], found.r)
    np.testing.assert_allclose(content["pairs"]["Na-Cl"]["mean"], np.mean(curves, 0), rtol=1e-5)
    spread = np.abs(curves[0] - curves[1]) / 2**0.5
    np.testing.assert_allclose(content["pairs"]["Na-Cl"]["std"], spread, rtol=1e-3, atol=1e-6)
    assert set(content["pairs"]) == {"all", "Na-Cl"}
    assert content["valid_to_A"] == pytest.approx(5.60)


def test_angles_have_unit_area(salt):
    content = analyse([salt], SALT_ANALYSIS, LABELS)["adf"]
    triple = content["triples"]["Cl-Na-Cl"]
    assert triple["cutoff_A"] == 3.4
    assert 2 * sum(triple["mean"]) == pytest.approx(1, abs=1e-5)
    assert content["angle_deg"][int(np.argmax(triple["mean"]))] in (89, 91)


def test_diffusion_of_a_random_walk(salt):
    """D = σ²/(2 Δt), one degree of freedom in N lost with the centre of mass."""
    content = analyse([salt], SALT_ANALYSIS, LABELS)["msd"]
    expected = STEP**2 / (2 * SPACING) * 0.1
    for species in content["species"].values():
        assert species["fit_ps"] == [0.2, 1.0]
        values = species["diffusion_cm2_per_s"]
        assert len(values["values"]) == 2
        assert values["mean"] == pytest.approx(np.mean(values["values"]))
        assert values["std"] == pytest.approx(np.std(values["values"], ddof=1))
        assert values["mean"] == pytest.approx(expected, rel=0.3)
        assert "reason" not in values
        single = species["diffusion_from_start_cm2_per_s"]
        assert single["mean"] == pytest.approx(expected, rel=0.5)
        assert [len(curve) for curve in species["replicas_A2"]] == [FRAMES, FRAMES]
    assert content["time_ps"][-1] == pytest.approx(2.0)


def test_default_fit_is_the_tenth_to_the_half(salt):
    content = analyse([salt], SALT_ANALYSIS.model_copy(update={"fit": None}), LABELS)
    assert content["msd"]["species"]["Na"]["fit_ps"] == [0.2, 1.0]


def test_replicas_of_several_folders(tmp_path, salt):
    """One folder for each replica gives what one folder for all gives."""
    folders = [
        write_run(tmp_path / str(replica), SALT, {replica: walk(SALT, replica)})
        for replica in (2, 1)
    ]
    assert analyse(folders, SALT_ANALYSIS, LABELS) == analyse([salt], SALT_ANALYSIS, LABELS)


def test_what_was_not_asked_for_is_absent(salt):
    content = analyse([salt], settings(), LABELS)
    assert content["stability"]["criterion"] == "end"
    assert "adf" not in content
    assert "msd" not in content
    assert set(content["rdf"]["pairs"]) == {"all"}


def test_curves_over_time_are_thinned(tmp_path):
    frames = 3 * MAX_POINTS
    length = SPACING * (frames - 1) / 1000
    walked = {1: walk(molecule("H2O"), 0, frames)}
    folder = write_run(tmp_path, molecule("H2O"), walked, md={"length": length})
    content = analyse([folder], settings(msd=["O"]), LABELS)
    assert len(content["energy"]["time_ps"]) == MAX_POINTS
    assert len(content["energy"]["conserved_eV_per_atom"][0]) == MAX_POINTS
    assert len(content["msd"]["time_ps"]) == MAX_POINTS
    assert len(content["msd"]["species"]["O"]["replicas_A2"][0]) == MAX_POINTS
    assert content["stability"]["std_ps"] is None
    assert "rdf" not in content


# --- What goes wrong in a simulation is a result


def test_an_explosion_counts_until_its_time(tmp_path):
    """Replica 2 ends after 0.6 ps, replica 3 in its equilibration, replica 4 at once."""
    positions = {replica: walk(SALT, replica) for replica in (1, 2)}
    positions[2] = positions[2][:31]
    folder = write_run(tmp_path, SALT, positions, ends={2: ("exploded", "it is too hot")})
    summary = json.loads((folder / "simulation.json").read_text())
    for replica, time in ((3, -20.0), (4, 0.0)):
        entry = {**summary["replicas"][1], "replica": replica, "time_fs": time}
        summary["replicas"].append({**entry, "trajectory": f"replica-{replica}.traj"})
    (folder / "simulation.json").write_text(json.dumps(summary))
    content = analyse([folder], settings(msd=["Na"]), LABELS)
    json.dumps(content, allow_nan=False)
    assert content["stability"]["values_ps"] == [2.0, 0.6, 0.0, 0.0]
    assert content["stability"]["mean_ps"] == pytest.approx(0.65)
    second, third = content["replicas"][1:3]
    assert (second["end"], second["reason"], second["time_ps"]) == (
        "exploded",
        "it is too hot",
        0.6,
    )
    assert third["temperature_K"] is None
    sodium = content["msd"]["species"]["Na"]
    # Only the replicas with a stable part have a curve.
    assert [curve.count(None) for curve in sodium["replicas_A2"]] == [0, FRAMES - 31]
    assert sodium["diffusion_cm2_per_s"]["values"][1] is None
    assert sodium["diffusion_cm2_per_s"]["reason"] == "not stable to the end of the fit at 1 ps"
    assert sodium["diffusion_cm2_per_s"]["std"] is None
    assert content["energy"]["conserved_eV_per_atom"][2] == [None] * FRAMES


def test_all_replicas_exploded(tmp_path):
    folder = write_run(tmp_path, SALT, {1: walk(SALT, 1)[:1]}, ends={1: ("exploded", "too hot")})
    summary = json.loads((folder / "simulation.json").read_text())
    summary["replicas"][0]["time_fs"] = -20.0
    (folder / "simulation.json").write_text(json.dumps(summary))
    content = analyse([folder], SALT_ANALYSIS, LABELS)
    assert content["stability"]["values_ps"] == [0.0]
    for section in ("rdf", "adf", "msd"):
        assert content[section] == {"reason": "no replica has a stable part"}
    assert content["energy"] == {"reason": "no replica has a frame"}


def test_structure_is_that_of_the_stable_part(tmp_path):
    """A crystal that falls apart is counted until it does."""
    rng = np.random.default_rng(0)
    positions = SALT.positions + rng.normal(0, 0.02, (FRAMES, len(SALT), 3))
    intact = positions[:80].copy()
    positions[80:] = rng.uniform(size=(21, len(SALT), 3)) @ SALT.cell.array
    folder = write_run(tmp_path, SALT, {1: positions})
    asked = settings(rdf=["Na-Cl"], stability="rdf", threshold=4.0, window=0.2)
    content = analyse([folder], asked, LABELS)
    stable = content["stability"]["values_ps"][0]
    assert 1.4 < stable <= 1.6
    frames = round(1000 * stable / SPACING)
    expected = radial_distribution(
        SALT.numbers, intact[:frames], SALT.cell.array, SALT.pbc, pairs=["Na-Cl"]
    )
    np.testing.assert_allclose(
        content["rdf"]["pairs"]["Na-Cl"]["mean"], expected.g["Na-Cl"].mean(0), rtol=1e-5
    )


def test_a_molecule_is_judged_by_its_bonds(tmp_path):
    start = molecule("H2O")
    positions = np.repeat(start.positions[None], FRAMES, axis=0)
    positions[60:, 1] += [0, 0, 3.0]
    folder = write_run(tmp_path, start, {1: positions})
    asked = settings(stability="bonds", threshold=0.5)
    content = analyse([folder], asked, LABELS, [start])
    assert content["stability"]["values_ps"] == [1.2]
    assert content["replicas"][0]["end"] == "completed"
    with pytest.raises(InputError, match="needs reference structures"):
        analyse([folder], asked, LABELS)
    with pytest.raises(InputError, match="other atoms, or in another order"):
        analyse([folder], asked, LABELS, [molecule("CH4")])
    with pytest.raises(InputError, match="judge the stability of molecules by 'bonds'"):
        analyse([folder], settings(stability="rdf"), LABELS)


def test_a_run_that_is_too_short_still_has_an_analysis(tmp_path):
    folder = write_run(tmp_path, SALT, {1: walk(SALT, 1)[:6]}, md={"length": 0.1})
    content = analyse([folder], SALT_ANALYSIS.model_copy(update={"fit": None}), LABELS)
    assert content["stability"]["values_ps"] == [0.1]
    assert content["stability"]["reason"].startswith("shorter than one window")
    found = content["msd"]["species"]["Na"]["diffusion_cm2_per_s"]
    assert found["values"] == [None]
    assert found["reason"] == "6 frames are too few, 20 are needed"
    assert content["replicas"][0]["drift_eV_per_atom_per_ps"] is None
    assert content["rdf"]["pairs"]["all"]["std"] is None
    assert "missing: 6 frames are too few" in describe(content)


# --- Bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rdf": ["Na-Li"]}, "Li: the structure has no Li; its species are Na, Cl"),
        ({"msd": ["O"]}, "O: the structure has no O"),
        ({"fit": [1.0, 3.0]}, "from 1 to 3 ps is not within the simulation of 2 ps"),
        ({"fit": [1.0, 0.5]}, "from 1 to 0.5 ps is not within"),
        ({"stability": "bonds"}, "needs reference structures"),
    ],
)
def test_bad_settings(salt, change, message):
    with pytest.raises(InputError, match=message):
        analyse([salt], SALT_ANALYSIS.model_copy(update=change), LABELS)


def test_bonds_are_for_molecules(salt):
    with pytest.raises(InputError, match="for molecules without a cell"):
        analyse(
            [salt],
            SALT_ANALYSIS.model_copy(update={"stability": "bonds"}),
            LABELS,
            [molecule("H2O")],
        )


def test_bad_folders(tmp_path, salt):
    replicas = {3: walk(SALT, 3)}
    with pytest.raises(InputError, match="give folders of camp md"):
        analyse([], settings(), LABELS)
    with pytest.raises(InputError, match="no finished simulation"):
        analyse([tmp_path], settings(), LABELS)
    with pytest.raises(InputError, match="replica 1 is also in"):
        analyse([salt, salt], settings(), LABELS)
    hotter = write_run(tmp_path / "hotter", SALT, replicas, md={"temperature": 400.0})
    with pytest.raises(InputError, match="another set of settings than in"):
        analyse([salt, hotter], settings(), LABELS)
    other = write_run(tmp_path / "other", SALT, replicas, model="b" * 64)
    with pytest.raises(InputError, match="another model than in"):
        analyse([salt, other], settings(), LABELS)
    going_on = write_run(tmp_path / "going-on", SALT, replicas)
    summary = json.loads((going_on / "simulation.json").read_text())
    summary["replicas"][0]["time_fs"] = 1000.0
    (going_on / "simulation.json").write_text(json.dumps(summary))
    with pytest.raises(InputError, match="ends at 2 ps, simulation"):
        analyse([going_on], settings(), LABELS)


def test_replicas_are_as_long_as_their_run(tmp_path):
    """One that was left behind when the run was made longer is none that exploded early; of one
    that was made longer before, only the run's own part counts.
    """
    longer = {"length": 4.0}
    behind = write_run(tmp_path / "behind", SALT, {1: walk(SALT, 1)}, md=longer)
    with pytest.raises(InputError, match=r"replica-1\.traj: has 2 of 4 ps; continue"):
        analyse([behind], settings(), LABELS)
    whole = analyse([write_run(tmp_path / "whole", SALT, {1: walk(SALT, 1)})], settings(), LABELS)
    frames = walk(SALT, 1, frames=2 * FRAMES)
    ahead = analyse([write_run(tmp_path / "ahead", SALT, {1: frames})], settings(), LABELS)
    np.testing.assert_allclose(frames[:FRAMES], walk(SALT, 1))
    assert ahead["stability"] == whole["stability"]
    assert ahead["rdf"] == whole["rdf"]


def test_replicas_with_and_without_forces_are_of_one_simulation(tmp_path, salt):
    other = write_run(tmp_path, SALT, {3: walk(SALT, 3)}, md={"save_forces": True})
    assert len(analyse([salt, other], settings(), LABELS)["replicas"]) == 3


# --- Reference frames


def test_reference_frames(tmp_path):
    frames = [Atoms(SALT.numbers, p, cell=SALT.cell, pbc=True) for p in walk(SALT, 4)]
    table = tmp_path / "msd.csv"
    lags = 20.0 * np.arange(50)
    rows = [f"{lag},3,{0.5 + 6e-4 * lag}" for lag in lags]
    table.write_text("\n".join(["lag_fs,n_pairs,msd_Na_A2", *rows]))
    asked = SALT_ANALYSIS.model_copy(update={"msd": ["Na"], "fit": None})
    content = analyse_reference(frames, asked, LABELS, table)
    json.dumps(content, allow_nan=False)
    assert content["reference"] is True
    assert content["data"] == "generated"
    assert content["frames"] == FRAMES
    expected = radial_distribution(
        SALT.numbers, walk(SALT, 4), SALT.cell.array, SALT.pbc, pairs=["Na-Cl"]
    )
    np.testing.assert_allclose(
        content["rdf"]["pairs"]["Na-Cl"]["mean"], expected.g["Na-Cl"].mean(0), rtol=1e-5
    )
    assert content["rdf"]["pairs"]["Na-Cl"]["std"] is None
    assert content["adf"]["triples"]["Cl-Na-Cl"]["mean"]
    sodium = content["msd"]["species"]["Na"]
    # 6 D = 6e-4 Å²/fs, and 1 Å²/fs is 0.1 cm²/s.
    assert sodium["diffusion_cm2_per_s"]["values"] == [pytest.approx(1e-5)]
    assert sodium["fit_ps"] == pytest.approx([0.098, 0.49])
    assert "D(Na) 1e-05 cm²/s" in describe(content)
    with pytest.raises(InputError, match="no column 'msd_Cl_A2'"):
        analyse_reference(frames, asked.model_copy(update={"msd": ["Cl"]}), LABELS, table)
    with pytest.raises(InputError, match="no such file"):
        analyse_reference(frames, asked, LABELS, tmp_path / "nothing.csv")
    with pytest.raises(InputError, match="structure 1 has other atoms"):
        analyse_reference([frames[0], molecule("H2O")], asked, LABELS)


def test_ab_initio_reference(shared_data, lips_frames):
    """D(Li⁺) of the AIMD is 1.19 to 1.25 · 10⁻⁵ cm²/s, the S–P–S angle peaks at 111°."""
    asked = settings(adf={"S-P-S": 2.6}, msd=["Li"])
    file = shared_data / "lips" / "msd_aimd_sparse.csv"
    content = analyse_reference(lips_frames, asked, LABELS, file)
    diffusion = content["msd"]["species"]["Li"]["diffusion_cm2_per_s"]["mean"]
    assert diffusion == pytest.approx(1.22e-5, abs=0.04e-5)
    angles = content["adf"]
    assert angles["angle_deg"][int(np.argmax(angles["triples"]["S-P-S"]["mean"]))] == 111
