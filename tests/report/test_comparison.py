"""The comparison of architectures: one row for each, with what is known of it."""

import csv
import io
import json

import pytest

from camp.cli import main
from camp.errors import InputError
from camp.report.inputs import read_inputs
from camp.report.provenance import architecture_label
from camp.report.tables import make_table

from .conftest import PAPERS, write_analysis, write_evaluation, write_speeds, write_training


def recorded(steps=100, memory=300, threads=1):
    """What a training records of itself beside its time; memory in MiB."""
    return {
        "peak_memory_bytes": memory * 2**20,
        "threads": threads,
        "budget": {"structures_per_step": 2, "epochs": 10, "steps": steps, "hours": 0.1},
        "asked": {"data": ["a", "b"]},
    }


@pytest.fixture
def comparison(tmp_path, this_work):
    folder = tmp_path / "evaluation"
    for seed, energy in ((1, 0.0014), (2, 0.0018)):
        write_evaluation(folder, "water", seed, energy=energy, parameters=1234)
    write_evaluation(folder, "water", None, energy=0.0006, architecture="cace", weights="published")
    reason = {"task": "water", "architecture": "carnet", "reason": "job train failed"}
    (folder / "reason.json").write_text(json.dumps(reason))
    tensors = {"dipole_mae": 0.02, "dipole_rmse": 0.03}
    write_evaluation(folder, "ethanol", 1, targets={"dipole": "e·Å"}, metrics=tensors)
    trainings = [write_training(tmp_path, "water", "camp", seed=s, seeds=(1, 2)) for s in (1, 2)]
    speeds = [write_speeds(tmp_path, "water-300K", task="water")]
    return make_table(
        "comparison",
        read_inputs(this_work, "quick", evaluations=[folder], trainings=trainings, speeds=speeds),
    )


def rows(comparison, task):
    found = csv.DictReader(io.StringIO(comparison.to_csv()))
    return [row for row in found if row["task"] == task]


def test_one_row_for_each_architecture_of_a_task(comparison):
    page = comparison.to_markdown()
    table = page.partition("### water")[2].splitlines()
    models = [line.split(" | ")[0].removeprefix("| ") for line in table if line.startswith("| ")]
    labels = [architecture_label(name) for name in ("cace", "camp", "carnet")]
    expected = [f"{labels[0]}, published weights", f"{labels[1]}, own weights", labels[2]]
    assert models[2:] == expected


def test_errors_with_spreads_parameters_and_times(comparison):
    found = {(row["architecture"], row["metric"]): row for row in rows(comparison, "water")}
    energy = found["camp", "energy_mae"]
    # 1.4 and 1.8 meV/atom: deviations ±0.2, √(0.08 / 1)
    assert float(energy["value"]) == pytest.approx(1.6)
    assert float(energy["std"]) == pytest.approx(0.08**0.5)
    assert (energy["unit"], energy["seeds"], energy["parameters"]) == ("meV/atom", "2", "1234")
    # 5 s for 100 steps of two models side by side
    assert float(energy["seconds_per_training_step"]) == pytest.approx(0.025)
    other = found["cace", "energy_mae"]
    assert float(other["value"]) == pytest.approx(0.6)
    assert (other["std"], other["seconds_per_training_step"], other["weights"]) == (
        "",
        "",
        "published",
    )
    assert found["carnet", ""]["note"] == "missing: job train failed"


def potentials(folder, architectures, **trainings):
    """One evaluation with own weights of the task 'lips' for each, and inputs of their table."""
    evaluations = [write_evaluation(folder, "lips", 1, architecture=name) for name in architectures]
    summaries = [
        write_training(folder / "training", "lips", name, **trainings.get(name, recorded()))
        for name in architectures
    ]
    return {"evaluations": evaluations, "trainings": summaries}


def test_what_a_training_took_and_its_budget(tmp_path, this_work):
    """Steps, time and memory of one model; the budget is printed beside them."""
    given = potentials(tmp_path, ["camp", "cace"], cace=recorded(memory=512, threads=2))
    table = make_table("comparison", read_inputs(this_work, "quick", **given))
    found = {row["architecture"]: row for row in rows(table, "lips")}
    assert found["camp"]["budget"] == "at most 0.1 h, 100 steps; 2 structures a step"
    assert float(found["camp"]["training_steps"]) == 100
    assert float(found["camp"]["training_seconds"]) == 5.0
    assert int(found["cace"]["training_memory_bytes"]) == 512 * 2**20
    assert found["cace"]["training_device"] == "cpu, 2 threads"
    page = table.to_markdown()
    assert "Trainings. The same for all: structures, seeds, budget." in page
    assert "| 100 | 5.00 | 50.0 | 300 |" in page


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (recorded(steps=7), "The same for all: structures, seeds. Different: budget."),
        (recorded() | {"seed": 2}, "The same for all: structures, budget. Different: seeds."),
        (recorded() | {"asked": {"data": ["a", "c"]}}, "Different: structures."),
        ({}, "The same for all: seeds. Not recorded: structures, budget."),
    ],
)
def test_what_trainings_do_not_have_in_common_is_said(tmp_path, this_work, other, said):
    given = potentials(tmp_path, ["camp", "cace"], cace=other)
    assert said in make_table("comparison", read_inputs(this_work, "quick", **given)).to_html()


def test_simulations_go_by_task_architecture_and_weights(tmp_path, this_work):
    """The drift is that at constant energy only; a measured speed goes before those of
    simulations, whose two runs have 30 and 32 steps/s.
    """
    given = potentials(tmp_path, ["camp", "cace", "carnet"])
    own = {"task": "lips", "weights": "own"}
    conserving = {**own, "ensemble": "nve", "drift": 2e-9}
    analyses = [
        write_analysis(tmp_path, "nve", **conserving),
        write_analysis(tmp_path, "nvt", drift=1.0, **own),
        write_analysis(tmp_path, "nve-cace", architecture="cace", **conserving),
        write_analysis(tmp_path, "foreign", architecture="carnet", ensemble="nve"),
    ]
    failed = {"simulation": "nve-carnet", "task": "lips", "architecture": "carnet"}
    (tmp_path / "unavailable.json").write_text(
        json.dumps({**failed, "scale": "quick", "unavailable": "job train failed"})
    )
    speeds = [write_speeds(tmp_path, "water", **own)]
    given |= {"analyses": [*analyses, tmp_path / "unavailable.json"], "speeds": speeds}
    table = make_table("comparison", read_inputs(this_work, "quick", **given))
    found = {}
    for row in rows(table, "lips"):
        found.setdefault((row["architecture"], row["metric"]), []).append(row)
    (drift,) = found["camp", "energy_drift"]
    assert float(drift["value"]) == pytest.approx(2e-3)
    assert (drift["unit"], drift["simulation"]) == ("µeV/atom/ps", "nve")
    (speed,) = found["camp", "md_steps_per_s"]
    assert (float(speed["value"]), speed["simulation"]) == (pytest.approx(0.8 / 0.02), "water")
    (speed,) = found["cace", "md_steps_per_s"]
    assert (float(speed["value"]), speed["simulation"]) == (31.0, "nve-cace")
    assert speed["note"] == "2 runs of 20 ps, 520 K, 0.25 fs, cpu, 2 threads"
    for metric in ("energy_drift", "md_steps_per_s"):
        (nothing,) = found["carnet", metric]
        assert nothing["note"] == "missing: nve-carnet: job train failed"
    assert "0.00200 (0.00000)" in table.to_html()


def test_without_a_simulation_the_reason_is_given(tmp_path, this_work, comparison):
    given = potentials(tmp_path, ["camp"])
    table = make_table("comparison", read_inputs(this_work, "quick", **given))
    notes = {row["metric"]: row["note"] for row in rows(table, "lips")}
    said = "with this model at scale quick"
    assert notes["md_steps_per_s"] == f"missing: no speed or simulation {said}"
    assert notes["energy_drift"] == f"missing: no simulation at constant energy {said}"
    assert "missing: predicts no forces" in {row["note"] for row in rows(comparison, "ethanol")}


def test_time_of_energy_and_forces_goes_with_its_weights(comparison):
    """The measured models have published weights, those of the evaluation their own."""
    energy = next(row for row in rows(comparison, "water") if row["architecture"] == "camp")
    assert energy["seconds_per_energy_forces"] == ""


def test_targets_go_by_name(comparison):
    dipole = {row["metric"]: row for row in rows(comparison, "ethanol")}
    assert float(dipole["dipole_rmse"]["value"]) == pytest.approx(0.03)
    assert dipole["dipole_rmse"]["unit"] == "e·Å"
    headings = comparison.to_markdown().partition("### ethanol")[2].splitlines()[2]
    assert "Dipole MAE (e·Å)" in headings and "Energy MAE" not in headings


def test_units_are_those_of_the_data(tmp_path, this_work):
    metrics = {"dipole_mae": 0.02, "dipole_rmse": 0.03}
    write_evaluation(tmp_path, "ethanol", 1, targets={"dipole": "e·a₀"}, metrics=metrics)
    table = make_table("comparison", read_inputs(this_work, "quick", evaluations=[tmp_path]))
    found = {row["metric"]: row["unit"] for row in rows(table, "ethanol")}
    assert found["dipole_mae"] == "e·a₀"


def test_parts_of_tensors_stand_beside_their_zero_of_the_scale(tmp_path, this_work):
    metrics = {"dipole_mae": 0.02, "dipole_rmse": 0.03}
    metrics |= {"dipole_relative_mae": 0.25, "dipole_norm_mae": 0.01}
    write_evaluation(tmp_path, "ethanol", 1, targets={"dipole": "e·Å"}, metrics=metrics)
    inputs = read_inputs(this_work, "quick", evaluations=[tmp_path])
    table = make_table("comparison", inputs)
    found = {row["metric"]: row for row in rows(table, "ethanol")}
    assert (found["dipole_relative_mae"]["value"], found["dipole_relative_mae"]["unit"]) == (
        "25.0",
        "%",
    )
    assert found["dipole_norm_mae"]["unit"] == "e·Å"
    headings = table.to_markdown().partition("### ethanol")[2].splitlines()[2]
    assert "Dipole MAE/MAD (%)" in headings and "isotropic" not in headings


def test_page(comparison):
    page = comparison.to_html()
    assert "1.60 (0.28)" in page and "1,234" in page and "25.0" in page
    assert "job train failed" in page
    assert page.count("<table>") == 2


def test_verb(tmp_path):
    file = write_evaluation(tmp_path, "water", 1)
    command = ["table", "comparison", "--paper", str(PAPERS / "this-work"), "--scale", "quick"]
    command += ["--evaluations", str(file), "--out-csv", str(tmp_path / "c.csv")]
    assert main(command) == 0
    assert "energy_mae" in (tmp_path / "c.csv").read_text(encoding="utf-8")


def test_foreign_summary_is_refused(tmp_path, this_work):
    path = tmp_path / "training.json"
    path.write_text("{}")
    with pytest.raises(InputError, match=r"training\.json: not the summary of a training"):
        make_table("comparison", read_inputs(this_work, "quick", trainings=[path]))


def test_a_peer_stands_beside_our_models_with_what_its_training_took(tmp_path, this_work):
    """Its evaluation tells of its training; the same budget on the same structures is said."""
    folder = tmp_path / "evaluation"
    write_evaluation(folder, "water", 1)
    training = write_training(tmp_path, "water", "camp", **recorded())
    told = {**json.loads(training.read_text()), "steps": 25, "seconds": 10.0}
    peer = {"architecture": "MACE", "energy": 0.002, "parameters": 99, "training": told}
    rival = write_evaluation(tmp_path / "rivals", "water", 1, **peer)
    inputs = read_inputs(this_work, "quick", evaluations=[folder, rival], trainings=[training])
    made = make_table("comparison", inputs)
    found = next(row for row in rows(made, "water") if row["architecture"] == "MACE")
    assert (found["value"], found["parameters"], found["weights"]) == ("2.0", "99", "own")
    assert (found["training_steps"], found["training_seconds"]) == ("25.0", "10.0")
    assert (found["seconds_per_training_step"], found["seconds_per_energy_forces"]) == ("0.4", "")
    assert found["budget"].startswith("at most 0.1 h")
    assert "MACE, own weights" in made.to_html() and "| MACE, own weights |" in made.to_markdown()
    assert "The same for all: structures, seeds, budget." in made.to_markdown()
