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

from .conftest import PAPERS, write_evaluation, write_speeds


def write_training(folder, task, architecture, *, steps=100, seconds=5.0, seeds=(1,)):
    path = folder / task / architecture / "training.json"
    path.parent.mkdir(parents=True)
    content = {"task": task, "architecture": architecture, "steps": steps, "seconds": seconds}
    path.write_text(json.dumps(content | {"seeds_together": list(seeds)}))
    return path


@pytest.fixture
def comparison(tmp_path, this_work):
    folder = tmp_path / "evaluation"
    for seed, energy in ((1, 0.0014), (2, 0.0018)):
        write_evaluation(folder, "water", seed, energy=energy, parameters=1234)
    write_evaluation(folder, "water", None, energy=0.0006, architecture="cace", weights="published")
    reason = {"task": "water", "architecture": "carnet", "reason": "job train failed"}
    (folder / "reason.json").write_text(json.dumps(reason))
    tensors = {"dipole_mae": 0.02, "dipole_rmse": 0.03}
    write_evaluation(folder, "ethanol", 1, targets=["dipole"], metrics=tensors)
    trainings = [write_training(tmp_path, "water", "camp", seeds=(1, 2))]
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


def test_parts_of_tensors_stand_beside_their_zero_of_the_scale(tmp_path, this_work):
    metrics = {"dipole_mae": 0.02, "dipole_rmse": 0.03}
    metrics |= {"dipole_relative_mae": 0.25, "dipole_norm_mae": 0.01}
    write_evaluation(tmp_path, "ethanol", 1, targets=["dipole"], metrics=metrics)
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
