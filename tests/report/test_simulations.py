"""Collecting analyses of simulations, and the numbers of the paper that they answer."""

import csv
import io
import json

import numpy as np
import pytest

from camp.errors import InputError
from camp.report.answers import Answer, answers
from camp.report.inputs import read_inputs
from camp.report.provenance import provenance
from camp.report.results import collect
from camp.report.scoreboard import make_scoreboard
from camp.report.simulations import collect_simulations, read_reference
from camp.report.tables import make_table

from .conftest import write_analysis, write_evaluation


@pytest.fixture
def answered(tmp_path, camp):
    """The single answer to a number, from the analyses in a folder."""

    def answer(identifier: str, folder=tmp_path) -> Answer:
        number = next(n for n in camp.own_numbers if n.id == identifier)
        (only,) = answers(number, collect([], "quick", [folder]))
        return only

    return answer


def test_analysis_is_read(tmp_path):
    write_analysis(tmp_path, "lips", stable=(20.0, 12.5), train_size=100)
    analysis = collect_simulations([tmp_path], "quick").only("lips", "camp")
    assert analysis.count_label == "2 runs of 20 ps, 520 K, 0.25 fs"
    assert (
        analysis.provenance
        == provenance("camp", "real (subset)", "own") + " (100 training structures)"
    )
    assert (analysis.stable, analysis.speeds) == ((20.0, 12.5), (30.0, 32.0))
    assert analysis.device == "cpu, 2 threads"
    assert analysis.adf["S-P-S"].peak[0] == 110.5
    assert not analysis.rdf["O-O"].std.any()
    displacement = analysis.only_displacement
    assert (displacement.species, displacement.fit) == ("Li", (2.0, 10.0))
    # 6 D t = 6 · 1e-5 cm²/s · 20 ps = 6 · 0.1 Å²/ps · 20 ps
    assert displacement.runs[0][-1] == pytest.approx(12.0)


def test_diffusivity_over_runs_in_units_of_the_paper(tmp_path, answered):
    write_analysis(tmp_path, "lips", diffusion=(1.0e-5, 1.2e-5, 1.4e-5), stable=(20.0,) * 3)
    answer = answered("text-lips-diffusivity")
    assert answer.value == pytest.approx(1.2)
    assert answer.std == pytest.approx(0.2)
    assert (answer.runs, answer.simulated, answer.seeds) == (3, 20.0, 0)
    assert answer.count_label == "3 runs of 20 ps"


def test_a_run_that_has_not_begun_to_diffuse_has_no_diffusivity(tmp_path, answered):
    """x = v t: the slope of the MSD grows all the time."""
    file = write_analysis(tmp_path, "lips")
    content = json.loads(file.read_text())
    times = np.array(content["msd"]["time_ps"])
    content["msd"]["species"]["Li"]["replicas_A2"] = [(0.5 * times**2).tolist()] * 2
    file.write_text(json.dumps(content))
    answer = answered("text-lips-diffusivity")
    assert answer.value is None
    assert answer.missing == "the runs are too short to tell"


def test_diffusivities_of_the_halves_of_the_window(tmp_path):
    """6 D t with D = 1 up to the middle of the window and 1.2 beyond, in 1e-5 cm²/s."""
    file = write_analysis(tmp_path, "lips")
    content = json.loads(file.read_text())
    times = np.array(content["msd"]["time_ps"])
    bent = 0.6 * times + 0.12 * np.maximum(times - 6.0, 0)
    content["msd"]["species"]["Li"]["replicas_A2"] = [bent.tolist()] * 2
    file.write_text(json.dumps(content))
    analysis = collect_simulations([tmp_path], "quick").only("lips", "camp")
    assert analysis.only_displacement.uncertainty == pytest.approx(0.2e-5)


def test_error_of_the_diffusivity_is_counted_from_the_reference_of_table_2(tmp_path, answered):
    write_analysis(tmp_path, "lips", diffusion=(1.0e-5, 1.2e-5))
    answer = answered("t2-lips-19000-diffusivity")
    # mean 1.1 against 1.35
    assert answer.value == pytest.approx(0.25)
    assert answer.std is None
    assert "|D − 1.35·10⁻⁵ cm²/s|, the reference that Table 2 states" in answer.note
    assert "D = 1.10 (0.14)" in answer.note


def test_stability_keeps_the_length_of_the_runs(tmp_path, answered):
    write_analysis(tmp_path, "lips", stable=(20.0, 10.0))
    answer = answered("t2-lips-19000-stability")
    assert (answer.value, answer.runs, answer.simulated) == (15.0, 2, 20.0)


def test_stability_of_longer_runs_counts_up_to_the_paper_s_length(tmp_path, answered):
    write_analysis(tmp_path, "lips", stable=(80.0, 40.0), length=80.0)
    answer = answered("t2-lips-19000-stability")
    assert answer.value == 45.0
    assert answer.note == "times are counted up to 50 ps, the length of the paper's runs"


def test_explosion_training_size_and_note_are_said(tmp_path, answered):
    path = write_analysis(tmp_path, "lips", train_size=100, note="small cell")
    content = json.loads(path.read_text())
    content["replicas"][1] |= {"end": "exploded", "reason": "not a number", "time_ps": 3.2}
    content["stability"]["reason"] = "shorter than one window"
    path.write_text(json.dumps(content))
    assert answered("t2-lips-19000-stability").note == (
        "trained on 100 structures, the paper's model on 19000; "
        "small cell; run 2 exploded at 3.2 ps; shorter than one window"
    )


@pytest.mark.parametrize(
    ("identifier", "reason"),
    [
        ("text-lips-diffusivity", "not stable to the end of the fit"),
        ("text-lips-diffusivity-1fs", "simulation lips-1fs is not run at scale quick"),
        ("text-water-diffusivity", "the analysis has the MSD of O, H; ask for one species"),
        ("ts2-aspirin-stability", "file not available: weights"),
        ("ts2-ethanol-stability", "the analysis of ethanol has no stability"),
    ],
)
def test_reasons_for_missing_numbers(tmp_path, answered, identifier, reason):
    def change(simulation: str, **sections) -> None:
        path = write_analysis(tmp_path, simulation)
        path.write_text(json.dumps(json.loads(path.read_text()) | sections))

    def species(**diffusion) -> dict:
        return {"replicas_A2": [[0.0, 1.0]], "fit_ps": None, "diffusion_cm2_per_s": diffusion}

    none = {"values": [None], "mean": None, "reason": "not stable to the end of the fit"}
    change("lips", msd={"time_ps": [0, 1], "species": {"Li": species(**none)}})
    water = {"O": species(values=[1e-5]), "H": species(values=[1e-5])}
    change("water-300K", msd={"time_ps": [0, 1], "species": water})
    change("ethanol", stability=None)
    unavailable = tmp_path / "aspirin" / "unavailable.json"
    unavailable.parent.mkdir()
    unavailable.write_text(
        json.dumps(
            {
                "simulation": "aspirin",
                "architecture": "camp",
                "scale": "quick",
                "unavailable": "file not available: weights",
            }
        )
    )
    answer = answered(identifier)
    assert answer.value is None
    assert answer.missing == reason


def test_sections_that_could_not_be_computed(tmp_path):
    path = write_analysis(tmp_path, "lips")
    content = json.loads(path.read_text())
    content["rdf"] = {"reason": "no replica has a stable part"}
    content["adf"]["triples"]["S-P-S"] = {"mean": None, "std": None, "reason": "no such angle"}
    content["msd"]["species"]["Li"]["replicas_A2"][0][-1] = None
    path.write_text(json.dumps(content))
    analysis = collect_simulations([path], "quick").only("lips", "camp")
    assert not analysis.rdf and analysis.why_not("rdf", "all") == "no replica has a stable part"
    assert not analysis.adf and analysis.why_not("adf", "S-P-S") == "no such angle"
    assert np.isnan(analysis.only_displacement.runs[0][-1])


def test_table_2_and_the_scoreboard_are_filled(tmp_path, camp):
    write_analysis(tmp_path / "md", "lips", weights="published", diffusion=(1.0e-5, 1.2e-5))
    write_analysis(tmp_path / "md", "water-300K", generated=True, species="O")
    evaluation = write_evaluation(tmp_path / "e", "lips-19000", None, weights="published")
    inputs = read_inputs(camp, "quick", evaluations=[evaluation], analyses=[tmp_path / "md"])
    table = make_table("table-2", inputs)
    assert [row[-1].text for row in table.cells] == ["50.0", "0.25", "20 (0)"]
    assert table.cells[2][-1].detail == "real (subset), 2 runs of 20 ps"
    assert "the reference that Table 2 states" in table.to_html()
    board = make_scoreboard(camp, inputs.results)
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(board.to_csv()))}
    stability = rows["t2-lips-19000-stability"]
    assert stability["verdict"] == "stable to the end of 20 ps (paper: 50 ps)"
    assert (stability["runs"], stability["simulated_ps"]) == ("2", "20.0")
    assert rows["text-lips-diffusivity"]["verdict"] == "reproduced"
    assert rows["text-water-diffusivity"]["verdict"] == "not comparable (generated data)"
    assert "1 stable in shorter runs" in board.summary()
    page = board.to_html()
    assert "○ stable to the end of 20 ps (paper: 50 ps)" in page
    assert "2 runs of 20 ps" in page


def test_simulation_of_another_architecture_answers_nothing_of_this_paper(tmp_path, answered):
    write_analysis(tmp_path, "lips", architecture="cace")
    found = collect_simulations([tmp_path], "quick")
    assert found.only("lips", "cace") and not found.only("lips", "camp")
    assert answered("text-lips-diffusivity").missing == "simulation lips is not run at scale quick"


def test_refusals(tmp_path):
    path = write_analysis(tmp_path, "lips")
    with pytest.raises(InputError, match=r"analysis\.json: of scale quick, not paper"):
        collect_simulations([path], "paper")
    with pytest.raises(InputError, match="lips with own weights is given twice"):
        collect_simulations([path, path], "quick")
    other = write_analysis(tmp_path / "published", "lips", weights="published")
    found = collect_simulations([path, other], "quick")
    assert len(found.of("lips", "camp")) == 2
    with pytest.raises(InputError, match="lips is given with weights own, published"):
        found.only("lips", "camp")
    with pytest.raises(InputError, match="not the analysis of a reference"):
        read_reference(path)
    content = json.loads(path.read_text())
    del content["settings"]["length"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"analysis\.json: not an analysis \('length'\)"):
        collect_simulations([path], "quick")
    content["settings"]["length"] = 20.0
    content["rdf"]["r_A"].pop()
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"not an analysis \(rdf all: 120 values for 119 bins\)"):
        collect_simulations([path], "quick")
    path.write_text("[]")
    with pytest.raises(InputError, match=r"analysis\.json: not an analysis"):
        collect_simulations([path], "quick")
