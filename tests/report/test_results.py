"""Collecting evaluations: means, spreads, reasons, refusals."""

import json
from dataclasses import replace

import pytest

from camp.errors import InputError
from camp.report.answers import answers
from camp.report.metrics import METRICS
from camp.report.paper import PaperNumber, read_paper_numbers
from camp.report.provenance import Origin
from camp.report.results import collect, mean_std

from .conftest import PAPERS, write_analysis, write_evaluation

NUMBERS = PAPERS / "camp" / "numbers.csv"


def number(identifier: str, model: str = "CAMP") -> PaperNumber:
    rows = read_paper_numbers(NUMBERS)
    return next(row for row in rows if (row.id, row.model) == (identifier, model))


def test_mean_and_std_by_hand():
    # deviations −2, 0, 2: sum of squares 8, over n − 1 = 2
    assert mean_std([3.0, 5.0, 7.0]) == (5.0, 2.0)
    assert mean_std([3.0]) == (3.0, None)


def test_paper_numbers_keep_what_was_printed():
    energy = number("t1-lips-10-energy")
    assert (energy.value, energy.std, energy.train_size, energy.unit) == (
        1.63,
        0.16,
        10,
        "meV/atom",
    )
    assert energy.shown == "1.63 (0.16)"
    assert energy.rounding == pytest.approx(0.005)
    # Table 1 prints 0.12 (0.00), Table 3 prints 34 (0.1), Table 2 prints 50(0)
    assert number("t1-lips-1000-energy").shown == "0.12 (0.00)"
    assert number("t3-water-forces").shown == "34 (0.1)"
    assert number("t2-lips-19000-stability").shown == "50 (0)"
    assert number("t1-lips-10-energy", "NequIP").shown == "2.03"


def test_answer_over_seeds_in_units_of_the_paper(tmp_path):
    files = [
        write_evaluation(tmp_path, "lips-10", seed, energy=energy, forces=0.08)
        for seed, energy in ((2, 0.0014), (1, 0.0016), (3, 0.0018))
    ]
    results = collect(files, "quick")
    assert results.groups[Origin("lips-10", "camp", "own")].seeds == (1, 2, 3)
    (answer,) = answers(number("t1-lips-10-energy"), results)
    assert answer.value == pytest.approx(1.6)
    assert answer.std == pytest.approx(0.2)
    assert answer.seeds == 3
    assert (answer.weights, answer.data) == ("own", "real (subset)")


def test_own_and_published_weights_answer_separately(tmp_path):
    write_evaluation(tmp_path, "water", 1, forces=0.036)
    write_evaluation(tmp_path, "water", None, forces=0.034, weights="published", data="real")
    given = answers(number("t3-water-forces"), collect([tmp_path], "quick"))
    assert [(a.weights, a.data, a.std) for a in given] == [
        ("own", "real (subset)", None),
        ("published", "real", None),
    ]
    assert [a.value for a in given] == pytest.approx([36.0, 34.0])


def test_another_architecture_answers_nothing_of_this_paper(tmp_path):
    write_evaluation(tmp_path, "water", 1, architecture="cace")
    results = collect([tmp_path], "quick")
    (answer,) = answers(number("t3-water-forces"), results)
    assert answer.missing.startswith("no evaluation of task water with ")
    write_evaluation(tmp_path, "water", 1, forces=0.036)
    results = collect([tmp_path], "quick")
    assert len(results.of_task("water")) == 2
    (answer,) = answers(number("t3-water-forces"), results)
    assert answer.value == pytest.approx(36.0)


def test_other_training_size_is_said(tmp_path):
    write_evaluation(tmp_path, "water", 1, train_size=441)
    (answer,) = answers(number("t3-water-forces"), collect([tmp_path], "quick"))
    assert answer.note == "trained on 441 structures, the paper's model on 1433"


@pytest.mark.parametrize(
    ("identifier", "reason"),
    [
        ("t2-lips-19000-stability", "simulation lips is not run at scale quick"),
        ("ts1-water-speed", "needs a speed measurement on the authors' device (V100)"),
        ("t1-lips-1000-energy", "no evaluation of task lips-1000 at scale quick"),
        ("t2-lips-19000-forces", "file not available: weights"),
        ("t4-ethanol-energy", "energies of this set are interpolated"),
    ],
)
def test_reasons_for_missing_numbers(tmp_path, identifier, reason):
    folder = tmp_path / "evaluation"
    write_evaluation(
        folder,
        "md17-ethanol",
        1,
        energy=None,
        unavailable={"energy": "energies of this set are interpolated"},
    )
    unavailable = folder / "lips-19000" / "unavailable.json"
    unavailable.parent.mkdir()
    content = {"task": "lips-19000", "architecture": "camp"}
    unavailable.write_text(json.dumps(content | {"reason": "file not available: weights"}))
    (answer,) = answers(number(identifier), collect([folder], "quick"))
    assert answer.value is None
    assert answer.missing == reason


def test_number_that_nothing_answers():
    energy = replace(number("t5-graphene-energy"), answered_by_task="")
    stability = replace(number("t2-lips-19000-stability"), answered_by_simulation="")
    results = collect([], "quick")
    assert answers(energy, results)[0].missing == "no task answers this number"
    assert answers(stability, results)[0].missing == "no simulation answers this number"


def test_a_drift_counts_by_its_size(tmp_path):
    """Two runs that lose 3 neV per atom and ps each."""
    printed = replace(
        number("t2-lips-19000-stability"), metric=METRICS["energy_drift"], unit="µeV/atom/ps"
    )
    file = write_analysis(tmp_path, printed.answered_by_simulation, ensemble="nve", drift=-3e-9)
    (answer,) = answers(printed, collect([], "quick", [file]))
    assert answer.value == pytest.approx(3e-3)
    assert (answer.runs, answer.std) == (2, 0.0)


def test_targets_of_any_name_are_collected(tmp_path):
    metrics = {"dipole_mae": 0.02, "dipole_rmse": 0.03}
    file = write_evaluation(tmp_path, "water", 1, targets={"dipole": "e·Å"}, metrics=metrics)
    (group,) = collect([file], "quick").of_task("water")
    assert [*group.targets] == ["dipole"]
    assert group.values("dipole_mae") == [0.02]
    write_evaluation(tmp_path, "water", 1, targets={"wings": "m"})
    with pytest.raises(InputError, match=r"seed-1\.json: no target 'wings'"):
        collect([file], "quick")


def test_refusals(tmp_path):
    first = write_evaluation(tmp_path, "lips-10", 1)
    with pytest.raises(InputError, match="of scale quick, not paper"):
        collect([first], "paper")
    with pytest.raises(InputError, match=r"seed 1 of lips-10 is given twice"):
        collect([first, first], "quick")
    other = write_evaluation(tmp_path, "lips-10", 2, data="generated (GFN-xTB)")
    with pytest.raises(InputError, match="other data or model than"):
        collect([first, other], "quick")
    broken = tmp_path / "broken.json"
    broken.write_text('{"task": "lips-10", "metrics": {}}')
    with pytest.raises(InputError, match=r"broken\.json: not an evaluation \(no 'architecture'\)"):
        collect([broken], "quick")
    broken.write_text("[1, 2]")
    with pytest.raises(InputError, match=r"broken\.json: not an evaluation"):
        collect([broken], "quick")
    with pytest.raises(InputError, match=r"nothing\.json: no such file"):
        collect([tmp_path / "nothing.json"], "quick")


def test_paper_numbers_with_an_error_are_refused(tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text("id,where\n")
    with pytest.raises(InputError, match=r"numbers\.csv: no column .*metric, "):
        read_paper_numbers(path)
    header = NUMBERS.read_text().splitlines()[0]
    path.write_text(f"{header}\na,Table 1,LiPS,LiPS,,,10,CAMP,energy_mae,meV,many,,,,,,\n")
    with pytest.raises(InputError, match=r"numbers\.csv, line 2: .*many"):
        read_paper_numbers(path)
