"""Verdicts on cases made by hand, and the completeness of the scoreboard."""

import csv
import io

import pytest

from camp.report.paper import PaperNumber, read_answering, read_paper_numbers
from camp.report.results import Answer, collect
from camp.report.scoreboard import Row, judge, make_scoreboard

from .conftest import NUMBERS, write_evaluation


def printed(value: float, std: float | None, decimals: int, metric="energy_mae") -> PaperNumber:
    return PaperNumber(
        "id", "Table", "task", 10, "CAMP", metric, "meV", value, std, decimals, decimals
    )


@pytest.mark.parametrize(
    ("number", "ours", "verdict"),
    [
        # within 2σ, at the edge, and outside on either side
        (printed(1.63, 0.16, 2), 1.80, "reproduced"),
        (printed(0.44, 0.02, 2), 0.48, "reproduced"),
        (printed(1.63, 0.16, 2), 1.96, "worse"),
        (printed(1.63, 0.16, 2), 1.30, "better"),
        # 10 % where nothing is printed
        (printed(5.0, None, 1), 5.5, "reproduced"),
        (printed(5.0, None, 1), 5.6, "worse"),
        (printed(5.0, None, 1), 4.4, "better"),
        # σ printed as 0.00: 0.12 may be 0.12 ± 0.005, twice that is 0.11 … 0.13
        (printed(0.12, 0.0, 2), 0.13, "reproduced"),
        (printed(0.12, 0.0, 2), 0.131, "worse"),
        (printed(0.12, 0.0, 2), 0.109, "better"),
        # σ finer than the printed digits: 34.4 and 33.6 print as 34
        (printed(34, 0.1, 0), 34.4, "reproduced"),
        (printed(34, 0.1, 0), 34.6, "worse"),
        (printed(34, 0.1, 0), 33.4, "better"),
        # larger is better
        (printed(50, 0.0, 0, "stability"), 50.0, "reproduced"),
        (printed(50, 0.0, 0, "stability"), 30.0, "worse"),
        (printed(14.2, None, 1, "md_steps_per_s_V100"), 20.0, "better"),
        (printed(14.2, None, 1, "md_steps_per_s_V100"), 10.0, "worse"),
        # a target
        (printed(1.08, 0.08, 2, "diffusivity"), 1.20, "reproduced"),
        (printed(1.08, 0.08, 2, "diffusivity"), 1.30, "differs"),
        (printed(1.08, 0.08, 2, "diffusivity"), 0.80, "differs"),
        # an error of a diffusivity is an error
        (printed(0.18, None, 2, "diffusivity_mae"), 0.10, "better"),
    ],
)
def test_verdict(number, ours, verdict):
    answer = Answer(value=ours, seeds=5, weights="own", data="real (subset)")
    assert judge(number, answer) == verdict


@pytest.mark.parametrize(
    ("ours", "simulated", "verdict"),
    [
        # as long as the paper's runs of 50 ps: within 1 ps, or not
        (50.0, 50.0, "reproduced"),
        (49.5, 50.0, "reproduced"),
        (30.0, 50.0, "worse"),
        # longer; times are counted up to 50 ps before they come here
        (50.0, 100.0, "reproduced"),
        (40.0, 100.0, "worse"),
        # shorter: to the end of all runs, or not
        (20.0, 20.0, "stable in shorter runs"),
        (19.0, 20.0, "worse"),
    ],
)
def test_stability_is_judged_by_the_length_of_the_simulation(ours, simulated, verdict):
    number = printed(50, 0.0, 0, "stability")
    answer = Answer(value=ours, runs=2, simulated=simulated, weights="own", data="real (subset)")
    assert judge(number, answer) == verdict
    said = Row(number, answer, verdict).verdict
    if verdict == "stable in shorter runs":
        assert said == "stable to the end of 20 ps (paper: 50 ps)"
    else:
        assert said == verdict


def test_stability_on_generated_data_gets_no_verdict():
    answer = Answer(value=20.0, runs=2, simulated=20.0, data="generated (GFN-xTB)")
    verdict = judge(printed(50, 0.0, 0, "stability"), answer)
    assert verdict == "not comparable (generated data)"


@pytest.mark.parametrize("ours", [1.63, 0.1, 99.0])
def test_generated_data_get_no_verdict(ours):
    answer = Answer(value=ours, seeds=5, weights="own", data="generated (GFN-xTB)")
    assert judge(printed(1.63, 0.16, 2), answer) == "not comparable (generated data)"


@pytest.fixture
def scoreboard(tmp_path, tasks_file):
    folder = tmp_path / "evaluation"
    for seed in (1, 2):
        write_evaluation(folder, "lips-10", seed, energy=0.0016, forces=0.060)
        write_evaluation(folder, "lips-100", seed, data="generated (GFN-xTB)")
        write_evaluation(folder, "water", seed, energy=0.0009, forces=0.0341)
    write_evaluation(folder, "water", None, energy=0.000588, weights="published", data="real")
    return make_scoreboard(
        read_paper_numbers(NUMBERS), read_answering(tasks_file), collect([folder], "quick")
    )


def test_every_number_of_the_paper_is_listed(scoreboard):
    with NUMBERS.open() as stream:
        expected = [row["id"] for row in csv.DictReader(stream) if row["model"] == "CAMP"]
    rows = list(csv.DictReader(io.StringIO(scoreboard.to_csv())))
    assert list(dict.fromkeys(row["id"] for row in rows)) == expected
    # water has own and published weights, in energy and forces
    assert len(rows) == len(expected) + 2
    assert all(row["verdict"] and row["scale"] == "quick" for row in rows)
    assert all(bool(row["ours"]) != row["verdict"].startswith("missing because") for row in rows)


def test_rows_of_the_scoreboard(scoreboard):
    rows = {
        (row["id"], row["weights"]): row for row in csv.DictReader(io.StringIO(scoreboard.to_csv()))
    }
    row = rows["t1-lips-10-energy", "own"]
    assert float(row["ours"]) == pytest.approx(1.6)
    assert (row["verdict"], row["seeds"], row["data"]) == ("reproduced", "2", "real (subset)")
    assert rows["t1-lips-10-forces", "own"]["verdict"] == "better"
    assert rows["t1-lips-100-energy", "own"]["verdict"] == "not comparable (generated data)"
    assert rows["t3-water-energy", "own"]["verdict"] == "worse"
    assert rows["t3-water-energy", "published"]["verdict"] == "reproduced"
    missing = rows["text-lips-diffusivity", ""]
    assert missing["verdict"].startswith("missing because: no simulation answers")
    assert missing["ours"] == ""


def test_summary_counts_and_page(scoreboard):
    # reproduced: lips-10 energy, water own forces, water published energy;
    # better: lips-10 forces; worse: water own energy, water published forces (50)
    assert scoreboard.summary() == (
        "56 numbers in 58 rows at scale quick: 3 reproduced, 1 better, 2 worse, "
        "2 not comparable (generated data), 50 missing."
    )
    page = scoreboard.to_html()
    assert scoreboard.summary() in page
    assert "Paper (reported)" in page
    assert "neither confirm nor contradict" in page
    assert "✓ reproduced" in page and "▼ worse" in page
