"""The notebooks: stored without results, and they run from end to end on any model."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from camp.data.readers import write_structures
from camp.data.splits import Split, write_split
from camp.errors import InputError
from camp.evaluation.comparison import compare, evaluation_record
from camp.files import read_json, write_json
from camp.md.analysis import analyse
from camp.md.ase_engine import AseEngine
from camp.md.simulate import simulate
from camp.md.states import Dynamics
from camp.models.camp.settings import CampSettings
from camp.potential.calculator import Calculator
from camp.potential.potential import Potential
from camp.potential.saving import save
from camp.report.inspection import find_run, read_frames
from camp.settings import AnalysisSettings, MdSettings
from camp.training.callbacks import columns

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NAMES = ("training", "model", "trajectory")
TEST_FRAMES = [5, 1, 3]


def tiny_potential(*, biases: bool = False, energy_scale: float = 1.0, **changes: Any) -> Potential:
    """A model with random parameters that knows H and O."""
    torch.manual_seed(3)
    settings = {"channels": 3, "max_rank": 2, "layers": 2, "average_neighbours": 4.0}
    potential = Potential(
        CampSettings(
            cutoff=3.0, **{**settings, "radial_hidden": [4], "readout_hidden": [4], **changes}
        ),
        species=(1, 8),
        energy_scale=energy_scale,
        energy_shift=[-13.6, -430.0],
        origin={"weights": "own"},
    )
    if biases:
        for layer in potential.model.layers:
            for bias in layer.atomic.radial.mlp.biases:
                torch.nn.init.normal_(bias)
    return potential


def water_frames(count: int) -> list[Atoms]:
    """Two water molecules in a box, shaken, with made-up labels."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(count):
        molecule = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
        positions = np.concatenate([molecule, molecule + np.array([0.0, 0.3, 2.7])])
        atoms = Atoms("OH2OH2", positions + rng.normal(0, 0.05, (6, 3)), cell=[5.5] * 3, pbc=True)
        forces = rng.normal(0, 1, (6, 3))
        atoms.calc = SinglePointCalculator(atoms, energy=-900 + rng.normal(), forces=forces)
        frames.append(atoms)
    return frames


def write_run(results: Path, potential: Potential) -> dict[str, Path]:
    """The files of one trained and evaluated model, where the workflow puts them."""
    frames = water_frames(6)
    training = results / "training" / "water" / "camp-seed-1"
    evaluation = results / "evaluation" / "water" / "camp-seed-1.json"
    files = {
        "model": training / "model.safetensors",
        "data": results / "data" / "box.xyz.gz",
        "split": results / "splits" / "water.json",
        "metrics": training / "metrics.csv",
        "evaluation": evaluation,
        "predictions": evaluation.with_suffix(".npz"),
    }
    save(potential, files["model"])
    write_structures(files["data"], frames)
    write_split(files["split"], Split([0, 2], [4], TEST_FRAMES, seed=1), dataset="box.xyz.gz")
    # One epoch without validation, as when it is not done every epoch.
    rows = [[0, 2, 9.0, "", "", 0.01, 3.0, 1.0], [1, 4, 8.0, 0.02, 0.5, 0.01, 2.0, 2.0]]
    lines = [",".join(map(str, row)) for row in [columns(["energy", "forces"]), *rows]]
    files["metrics"].write_text("\n".join(lines) + "\n", encoding="utf-8")
    comparison = compare(potential, [frames[index] for index in TEST_FRAMES])
    comparison.save(files["predictions"])
    labels = {"task": "water", "seed": 1, "scale": "quick", "data": "made up", "weights": "own"}
    labels |= {"architecture": "camp", "generated": False}
    record = evaluation_record(comparison, unavailable={}, train_size=2, note="", **labels)
    write_json(evaluation, record)
    return files


def write_simulation(
    results: Path,
    potential: Potential,
    start: Atoms,
    md: Mapping[str, Any],
    analysis: Mapping[str, Any],
    references: Sequence[Atoms] = (),
) -> dict[str, Path]:
    """The files of a simulation with its analysis, where the workflow puts them."""
    folder = results / "md" / "water-300K" / "replica-1"
    files = {
        "analysis": folder.parent / "analysis.json",
        "trajectory": folder / "replica-1.traj",
        "model": results / "training" / "water" / "camp-seed-1" / "model.safetensors",
    }
    save(potential, files["model"])
    settings = MdSettings(**{"temperature": 300, "timestep": 0.5, "sample_every": 1.0, **md})
    dynamics = Dynamics(settings.temperature, settings.timestep)

    def engine(states, ensemble):
        def calculator():
            return Calculator(potential, accelerate=False)

        return AseEngine(calculator, states, dynamics, ensemble=ensemble)

    machine = {"engine": "ase", "device": "cpu", "threads": 1}
    simulate(potential, [start], settings, engine, out=folder, replicas=[1], machine=machine)
    labels = {"simulation": "water-300K", "title": "Water at 300 K", "task": "water"}
    labels |= {"scale": "quick", "weights": "own", "data": "made up", "note": ""}
    labels |= {"architecture": "camp", "generated": False}
    chosen = AnalysisSettings(**analysis)
    write_json(files["analysis"], analyse([folder], chosen, labels, references))
    return files


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    return write_run(tmp_path / "results" / "quick", tiny_potential())


# --- the stored notebooks -------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_stored_without_results(name):
    nbformat = pytest.importorskip("nbformat")
    text = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata["language_info"]["name"] == "python"
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert {cell.cell_type for cell in notebook.cells} == {"markdown", "code"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.parametrize("name", NAMES)
def test_caption_renders(name):
    jinja2 = pytest.importorskip("jinja2")
    publish_parts = pytest.importorskip("docutils.core").publish_parts
    source = (FOLDER.parent / "report" / "notebook.rst").read_text(encoding="utf-8")
    text = (
        jinja2.Environment(undefined=jinja2.StrictUndefined)
        .from_string(source)
        .render(
            snakemake=SimpleNamespace(
                wildcards=SimpleNamespace(name=name), config={"scale": "quick", "data": "made up"}
            )
        )
    )
    html = publish_parts(text, writer="html", settings_overrides={"halt_level": 2})["body"]
    assert "<strong>" in html.splitlines()[0]
    assert "<blockquote>" not in html
    assert "made up" in html


# --- which run they look at -----------------------------------------------------------------


def test_variables_name_the_run(files):
    environment = {f"CAMP_{name.upper()}": str(path) for name, path in files.items()}
    environment |= {"CAMP_TASK": "water", "CAMP_SCALE": "subset", "CAMP_DATA_LABEL": "real"}
    run = find_run(environment)
    assert (run.task, run.scale, run.data_label) == ("water", "subset", "real")
    assert {name: getattr(run, name) for name in files} == files
    own = {f"CAMP_{name.upper()}": str(files[name]) for name in ("model", "data", "evaluation")}
    run = find_run(own)
    assert (run.task, run.scale, run.data_label) == ("water", "quick", "made up")


def test_without_variables_the_first_finished_training(files, tmp_path):
    (tmp_path / "Snakefile").touch()
    (tmp_path / "notebooks").mkdir()
    # Before 'water' in the alphabet, but not evaluated yet.
    save(
        tiny_potential(), tmp_path / "results/quick/training/lips-10/camp-seed-1/model.safetensors"
    )
    run = find_run({}, tmp_path / "notebooks")
    assert (run.task, run.scale, run.data_label) == ("water", "quick", "made up")
    assert {name: getattr(run, name) for name in files} == files


def test_nothing_has_been_run_yet(tmp_path):
    with pytest.raises(InputError, match="not inside the repository"):
        find_run({}, tmp_path)
    (tmp_path / "Snakefile").touch()
    with pytest.raises(InputError, match=r"no training has been run .* 'make reproduce'"):
        find_run({}, tmp_path)


def test_bad_variables_are_refused(files, tmp_path):
    with pytest.raises(InputError, match="CAMP_MODEL and CAMP_DATA belong together"):
        find_run({"CAMP_MODEL": str(files["model"])})
    with pytest.raises(InputError, match=r"gone.xyz: no such file \(CAMP_DATA\)"):
        find_run({"CAMP_MODEL": str(files["model"]), "CAMP_DATA": str(tmp_path / "gone.xyz")})
    run = find_run({"CAMP_MODEL": str(files["model"]), "CAMP_DATA": str(files["data"])})
    with pytest.raises(InputError, match="needs the metrics; set CAMP_METRICS"):
        run.path("metrics")


def test_read_frames_by_index(files):
    frames = water_frames(6)
    found = read_frames(files["data"], [4, 1])
    assert sorted(found) == [1, 4]
    for index, atoms in found.items():
        np.testing.assert_array_equal(atoms.positions, frames[index].positions)
    with pytest.raises(InputError, match="no frame 6"):
        read_frames(files["data"], [1, 6])


# --- running them ---------------------------------------------------------------------------


def execute(name: str, environment: Mapping[str, str], monkeypatch, folder: Path = FOLDER) -> str:
    """Everything that a notebook, opened in a folder, prints and shows, as text."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute(cwd=str(folder))
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return json.dumps(outputs, ensure_ascii=False)


def test_training_runs(files, monkeypatch):
    environment = {f"CAMP_{name.upper()}": str(path) for name, path in files.items()}
    environment |= {"CAMP_TASK": "water", "CAMP_SCALE": "quick", "CAMP_DATA_LABEL": "made up"}
    shown = execute("training", environment, monkeypatch)
    assert "Task water, scale quick; data: made up" in shown
    assert shown.count("image/png") == 4


@pytest.mark.parametrize(
    ("model", "smooth"),
    [
        ({"max_rank": 3}, True),
        ({"envelope_on": "basis", "layers": 1, "max_rank": 0, "biases": True}, False),
    ],
    ids=["own", "published convention, scalars only"],
)
def test_model_runs(model, smooth, tmp_path, monkeypatch):
    files = write_run(tmp_path / "results" / "quick", tiny_potential(**model))
    environment = {f"CAMP_{name.upper()}": str(files[name]) for name in ("model", "data")}
    for name in ("split", "metrics", "evaluation", "predictions"):
        monkeypatch.delenv(f"CAMP_{name.upper()}", raising=False)
    shown = execute("model", environment, monkeypatch)
    assert shown.count("image/png") == 4
    step = float(re.search(r"\(this model\): (\S+) meV", shown)[1])
    assert abs(step) < 1e-9 if smooth else abs(step) > 1e-3
    assert float(re.search(r"model − sum over paths: (\S+)", shown)[1]) < 1e-10


def test_trajectory_runs_on_a_liquid(tmp_path, monkeypatch):
    files = write_simulation(
        tmp_path,
        tiny_potential(energy_scale=0.01),
        water_frames(1)[0],
        {"length": 0.04},
        # Hydrogen atoms that hardly feel a force leave: unstable before the end.
        {"rdf": ["O-H"], "msd": ["H"], "stability": "rdf", "window": 0.01, "threshold": 6.5},
    )
    environment = {f"CAMP_{name.upper()}": str(path) for name, path in files.items()}
    environment |= {"CAMP_SIMULATION": "water-300K", "CAMP_DATA_LABEL": "labelled"}
    for name in ("BONDS", "SCALE"):
        monkeypatch.delenv(f"CAMP_{name}", raising=False)
    shown = execute("trajectory", environment, monkeypatch)
    assert "Simulation water-300K, scale quick; data: labelled; model: water/camp-seed-1" in shown
    assert shown.count("image/png") == 6
    assert "bonds are followed in molecules" in shown
    # Recomputed from one replica, everything is what the analysis found.
    analysis = read_json(files["analysis"])
    table = shown[shown.index("∫|Δg| dr to the analysis") :]
    differences = re.findall(r"\d\.\de[+-]\d\d", table[: table.index("window of the fit")])
    assert len(differences) >= 2
    assert all(float(difference) < 1e-5 for difference in differences)
    diffusion = analysis["msd"]["species"]["H"]["diffusion_cm2_per_s"]["mean"]
    assert f"{1e5 * diffusion:.4g}" in shown
    stable = analysis["stability"]["mean_ps"]
    assert 0 < stable < 0.04
    assert f"first above it at {stable:g} ps" in shown
    # And energies are those of the simulation, but for float32.
    assert float(re.search(r"from the stored energies: (\S+) meV", shown)[1]) < 1e-3


@pytest.mark.parametrize("energy_scale", [0.01, 1e4], ids=["stable", "exploding"])
def test_trajectory_opened_by_hand_runs_on_a_molecule(energy_scale, tmp_path, monkeypatch):
    molecule = water_frames(1)[0][:3]
    molecule.cell, molecule.pbc = None, False
    files = write_simulation(
        tmp_path / "results" / "quick",
        tiny_potential(energy_scale=energy_scale),
        molecule,
        {"length": 0.002},
        {"stability": "bonds", "threshold": 0.5},
        [molecule],
    )
    # Another seed, which is not the model of this simulation, comes first.
    other = tmp_path / "results/quick/training/water/camp-seed-0/model.safetensors"
    save(tiny_potential(energy_scale=0.5), other)
    (tmp_path / "Snakefile").touch()
    (tmp_path / "notebooks").mkdir()
    for name in ("ANALYSIS", "TRAJECTORY", "MODEL", "BONDS", "SCALE", "SIMULATION", "DATA_LABEL"):
        monkeypatch.delenv(f"CAMP_{name}", raising=False)
    shown = execute("trajectory", {}, monkeypatch, tmp_path / "notebooks")
    assert "Simulation water-300K, scale quick; data: made up; model: water/camp-seed-1" in shown
    assert shown.count("needs a cell that is periodic in three directions") == 2
    exploded = read_json(files["analysis"])["replicas"][0]["end"] == "exploded"
    assert exploded == (energy_scale > 1)
    assert ("exploded: " in shown) == exploded
    assert shown.count("image/png") == 5
