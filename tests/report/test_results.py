"""Collecting evaluations: means, spreads, reasons, refusals."""

import json

import pytest

from camp.errors import InputError
from camp.report.paper import PaperNumber, read_answering, read_paper_numbers
from camp.report.results import answers, collect, mean_std

from .conftest import NUMBERS, write_evaluation


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


def test_answer_over_seeds_in_units_of_the_paper(tmp_path, tasks_file):
    files = [
        write_evaluation(tmp_path, "lips-10", seed, energy=energy, forces=0.08)
        for seed, energy in ((2, 0.0014), (1, 0.0016), (3, 0.0018))
    ]
    results = collect(files, "quick")
    assert results.groups["lips-10", "own"].seeds == (1, 2, 3)
    (answer,) = answers(number("t1-lips-10-energy"), read_answering(tasks_file), results)
    assert answer.value == pytest.approx(1.6)
    assert answer.std == pytest.approx(0.2)
    assert answer.seeds == 3
    assert (answer.weights, answer.data) == ("own", "real (subset)")


def test_own_and_published_weights_answer_separately(tmp_path, tasks_file):
    write_evaluation(tmp_path, "water", 1, forces=0.036)
    write_evaluation(tmp_path, "water", None, forces=0.034, weights="published", data="real")
    given = answers(
        number("t3-water-forces"), read_answering(tasks_file), collect([tmp_path], "quick")
    )
    assert [(a.weights, a.data, a.std) for a in given] == [
        ("own", "real (subset)", None),
        ("published", "real", None),
    ]
    assert [a.value for a in given] == pytest.approx([36.0, 34.0])


def test_other_training_size_is_said(tmp_path, tasks_file):
    write_evaluation(tmp_path, "water", 1, train_size=441)
    (answer,) = answers(
        number("t3-water-forces"), read_answering(tasks_file), collect([tmp_path], "quick")
    )
    assert answer.note == "trained on 441 structures, the paper's model on 1433"


@pytest.mark.parametrize(
    ("identifier", "reason"),
    [
        ("t2-lips-19000-stability", "no simulation answers this number"),
        ("ts1-water-speed", "needs a speed measurement on the authors' GPU (NVIDIA V100)"),
        ("t1-lips-1000-energy", "no evaluation of task lips-1000 at scale quick"),
        ("t2-lips-19000-forces", "file not available: weights"),
        ("t4-ethanol-energy", "energies of this set are interpolated"),
        ("t5-graphene-energy", "no task answers this number"),
    ],
)
def test_reasons_for_missing_numbers(tmp_path, tasks_file, identifier, reason):
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
    content = {"task": "lips-19000", "reason": "file not available: weights"}
    unavailable.write_text(json.dumps(content))
    tasks = read_answering(tasks_file)
    (answer,) = answers(number(identifier), tasks, collect([folder], "quick"))
    assert answer.value is None
    assert answer.missing == reason


def test_refusals(tmp_path, tasks_file):
    first = write_evaluation(tmp_path, "lips-10", 1)
    with pytest.raises(InputError, match="of scale quick, not paper"):
        collect([first], "paper")
    with pytest.raises(InputError, match=r"seed 1 of lips-10 is given twice"):
        collect([first, first], "quick")
    other = write_evaluation(tmp_path, "lips-10", 2, data="generated (GFN-xTB)")
    with pytest.raises(InputError, match="other data than"):
        collect([first, other], "quick")
    broken = tmp_path / "broken.json"
    broken.write_text('{"task": "lips-10", "metrics": {}}')
    with pytest.raises(InputError, match=r"broken\.json: not an evaluation \(no 'weights'\)"):
        collect([broken], "quick")
    broken.write_text("[1, 2]")
    with pytest.raises(InputError, match=r"broken\.json: not an evaluation"):
        collect([broken], "quick")
    with pytest.raises(InputError, match=r"nothing\.json: no such file"):
        collect([tmp_path / "nothing.json"], "quick")
    tasks_file.write_text("a: {paper: {energy: x}}\nb: {paper: {energy: x}}\n")
    with pytest.raises(InputError, match="x is answered by both a and b"):
        read_answering(tasks_file)


def test_paper_numbers_with_an_error_are_refused(tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text("id,where\n")
    with pytest.raises(InputError, match=r"numbers\.csv: no column metric"):
        read_paper_numbers(path)
    header = NUMBERS.read_text().splitlines()[0]
    path.write_text(f"{header}\na,Table 1,LiPS,10,CAMP,energy_mae,meV,many,\n")
    with pytest.raises(InputError, match=r"numbers\.csv, line 2: .*many"):
        read_paper_numbers(path)
