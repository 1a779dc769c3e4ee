"""Verdicts on cases made by hand, and the completeness of the scoreboard."""

import csv
import io

import pytest

from camp.report.answers import Answer
from camp.report.declarations import load_paper
from camp.report.metrics import METRICS
from camp.report.paper import PaperNumber
from camp.report.results import collect
from camp.report.scoreboard import Row, judge, make_scoreboard

from .conftest import PAPERS, write_evaluation


def printed(value: float, std: float | None, decimals: int, metric="energy_mae") -> PaperNumber:
    return PaperNumber(
        "id", "Table", "CAMP", METRICS[metric], "meV", value, std, decimals, decimals
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
        (printed(14.2, None, 1, "md_steps_per_s"), 20.0, "better"),
        (printed(14.2, None, 1, "md_steps_per_s"), 10.0, "worse"),
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
    answer = Answer(value=20.0, runs=2, simulated=20.0, data="GFN-xTB", generated=True)
    verdict = judge(printed(50, 0.0, 0, "stability"), answer)
    assert verdict == "not comparable (generated data)"


@pytest.mark.parametrize("ours", [1.63, 0.1, 99.0])
def test_generated_data_get_no_verdict(ours):
    answer = Answer(value=ours, seeds=5, weights="own", data="GFN-xTB", generated=True)
    assert judge(printed(1.63, 0.16, 2), answer) == "not comparable (generated data)"


@pytest.fixture
def scoreboard(tmp_path, camp):
    folder = tmp_path / "evaluation"
    for seed in (1, 2):
        write_evaluation(folder, "lips-10", seed, energy=0.0016, forces=0.060)
        write_evaluation(folder, "lips-100", seed, data="GFN-xTB", generated=True)
        write_evaluation(folder, "water", seed, energy=0.0009, forces=0.0341)
    write_evaluation(folder, "water", None, energy=0.000588, weights="published", data="real")
    return make_scoreboard(camp, collect([folder], "quick"))


def test_every_number_of_the_paper_is_listed(scoreboard):
    with (PAPERS / "camp" / "numbers.csv").open(encoding="utf-8") as stream:
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
    assert missing["verdict"] == "missing because: simulation lips is not run at scale quick"
    assert missing["ours"] == ""


def test_summary_counts_and_page(scoreboard, camp):
    # reproduced: lips-10 energy, water own forces, water published energy;
    # better: lips-10 forces; worse: water own energy, water published forces (50)
    numbers = len(camp.own_numbers)
    assert scoreboard.summary() == (
        f"{numbers} numbers in {numbers + 2} rows at scale quick: 3 reproduced, 1 better, 2 worse, "
        f"2 not comparable (generated data), {numbers - 6} missing."
    )
    page = scoreboard.to_html()
    assert scoreboard.summary() in page
    assert "Paper (reported)" in page
    assert "neither confirm nor contradict" in page
    assert "✓ reproduced" in page and "▼ worse" in page


def test_a_label_that_says_generated_decides_nothing():
    """Only the field does."""
    answer = Answer(value=1.63, seeds=5, weights="own", data="generated by somebody")
    assert judge(printed(1.63, 0.16, 2), answer) == "reproduced"


def test_each_paper_is_answered_by_its_own_model(tmp_path, camp):
    """The CACE paper's water is compared with CACE, that of the CAMP paper with CAMP."""
    cace = load_paper(PAPERS / "cace")
    write_evaluation(tmp_path, "water", 1, energy=0.00059, forces=0.047, architecture="cace")
    write_evaluation(tmp_path, "water", 1, energy=0.00059, forces=0.034)
    results = collect([tmp_path], "quick")
    for paper, identifier in ((cace, "cace-water-cace-forces"), (camp, "t3-water-forces")):
        text = make_scoreboard(paper, results).to_csv()
        rows = {row["id"]: row for row in csv.DictReader(io.StringIO(text))}
        assert rows[identifier]["verdict"] == "reproduced"
        assert {row["architecture"] for row in rows.values()} == {paper.architecture}
