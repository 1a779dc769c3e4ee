"""The paper's tables: complete, laid out as printed, honest about what is missing."""

import csv
import io
import json
import re

import pytest

from camp.cli import main
from camp.errors import InputError
from camp.report.declarations import load_paper
from camp.report.inputs import read_inputs
from camp.report.tables import CSV_COLUMNS, Table, make_table

from .conftest import PAPERS, write_evaluation

# The models of Tables 2 and S2.
FORCE_FIELDS = [
    "DeepPot-SE",
    "SchNet",
    "DimeNet",
    "PaiNN",
    "SphereNet",
    "ForceNet",
    "GemNet-T",
    "NequIP",
    "CAMP",
]


@pytest.fixture
def tables(tmp_path, camp):
    folder = tmp_path / "evaluation"
    for seed, energy in ((1, 0.0014), (2, 0.0018)):
        write_evaluation(
            folder,
            "lips-10",
            seed,
            energy=energy,
            data="generated (GFN-xTB)",
            generated=True,
            note="a <small> cell",
        )
    write_evaluation(folder, "water", 1, energy=0.0006, forces=0.0345, train_size=441)
    write_evaluation(
        folder, "water", None, energy=0.000588, forces=0.0341, weights="published", data="real"
    )
    inputs = read_inputs(camp, "quick", evaluations=[folder])
    return {name: make_table(name, inputs) for name in camp.tables}


def raw(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.to_csv())))


def test_tables_hold_every_number_that_stands_in_one(tables, camp):
    places = {table.where for table in camp.tables.values()}
    with (PAPERS / "camp" / "numbers.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["where"] in places]
    expected = sorted((row["id"], row["model"]) for row in rows)
    found = [row for table in tables.values() for row in raw(table)]
    assert list(found[0]) == list(CSV_COLUMNS)
    reported = [row for row in found if row["source"] == "reported"]
    assert sorted((row["id"], row["model"]) for row in reported) == expected
    ours = {row["id"] for row in found if row["source"] == "this work"}
    assert ours == {row["id"] for row in rows if row["model"] == "CAMP"}


def test_raw_rows_of_this_work(tables):
    rows = [r for r in raw(tables["table-1"]) if r["source"] == "this work"]
    energy = next(r for r in rows if r["id"] == "t1-lips-10-energy")
    assert float(energy["value"]) == pytest.approx(1.6)
    # 1.4 and 1.8: deviations ±0.2, √(0.08 / 1)
    assert float(energy["std"]) == pytest.approx(0.08**0.5)
    assert (energy["seeds"], energy["weights"], energy["scale"]) == ("2", "own", "quick")
    assert energy["data"] == "generated (GFN-xTB)"
    missing = next(r for r in rows if r["id"] == "t1-lips-1000-forces")
    assert missing["value"] == ""
    assert missing["note"] == "missing: no evaluation of task lips-1000 at scale quick"


@pytest.mark.parametrize(
    ("name", "models", "labels"),
    [
        ("table-1", ["NequIP", "CAMP"], ["10", "100", "1000", "2500"]),
        (
            "table-2",
            FORCE_FIELDS,
            ["Forces (meV/Å)", "Diffusivity (10⁻⁵ cm²/s)", "Stability (ps)"],
        ),
        (
            "table-3",
            ["BPNN", "ACE", "REANN", "DeePMD", "NequIP", "MACE", "CACE", "CAMP"],
            ["Energy (meV/atom)", "Forces (meV/Å)", "Speed (s⁻¹)"],
        ),
        (
            "table-4",
            ["SchNet", "DimeNet", "sGDML", "PaiNN", "NewtonNet", "NequIP", "CAMP"],
            [
                "Aspirin",
                "Ethanol",
                "Malonaldehyde",
                "Naphthalene",
                "Salicylic acid",
                "Toluene",
                "Uracil",
            ],
        ),
        (
            "table-5",
            ["AIREBO", "AIREBO-M", "LCBOP", "hNN", "CAMP"],
            ["Energy (meV/atom)", "Forces (meV/Å)"],
        ),
        (
            "table-s1",
            [
                "DeepPot-SE",
                "SchNet",
                "DimeNet",
                "PaiNN",
                "SphereNet",
                "ForceNet",
                "GemNet-T",
                "GemNet-dT",
                "NequIP",
                "CACE",
                "CAMP",
            ],
            ["Speed (s⁻¹)"],
        ),
        (
            "table-s2",
            FORCE_FIELDS,
            ["Aspirin", "Ethanol"],
        ),
        (
            "table-s3",
            ["GAP", "FCHL", "ACE", "PaiNN", "NequIP", "Allegro", "MACE", "CAMP"],
            ["Aspirin", "Ethanol"],
        ),
        ("ablation", ["CAMP"], ["Maximum rank", "Number of layers", "Cutoff (Å)"]),
    ],
)
def test_rows_and_columns_as_the_paper_prints_them(tables, name, models, labels):
    table = tables[name]
    assert [column.heading for column in table.columns if not column.ours] == models
    assert list(dict.fromkeys(label[0] for label in table.labels)) == labels
    # rows of one group stand together
    assert len({label[0] for label in table.labels}) == len(labels)
    page = table.to_html()
    assert page.count("<small>reported</small>") == len(models)
    assert all(len(row) == len(table.columns) for row in table.cells)


def test_page_of_table_1(tables):
    page = tables["table-1"].to_html()
    assert "1.63 (0.16)" in page
    assert "1.60 (0.28)<small>generated (GFN-xTB), 2 seeds</small>" in page
    assert "missing: no evaluation of task lips-100 at scale quick" in page
    assert "neither confirm nor contradict" in page
    assert "a &lt;small&gt; cell" in page
    # each row: training size (covering two rows) or none, quantity, two models, ours
    rows = re.findall(r"<tr>\n(.*?)</tr>", page, flags=re.S)[-8:]
    assert [row.count("<th") + row.count("<td") for row in rows] == [5, 4] * 4


def test_own_and_published_weights_have_a_column_each(tables):
    table = tables["table-3"]
    ours = [column.detail for column in table.columns if column.ours]
    assert ours == ["own weights, scale quick", "published weights, scale quick"]
    energy, _, speed = table.cells
    assert [cell.text for cell in energy[-2:]] == ["0.600", "0.588"]
    assert [cell.detail for cell in energy[-2:]] == ["real (subset), 1 seed", "real, one model"]
    reason = "missing: needs a speed measurement on the authors' device (V100)"
    assert [cell.text for cell in speed[-2:]] == [reason, reason]
    assert "Energy (meV/atom); Forces (meV/Å): trained on 441 structures" in table.to_html()


def test_markdown_is_one_table(tables):
    lines = tables["table-s2"].to_markdown().splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + 8
    assert len({row.count("|") for row in rows}) == 1
    assert "CAMP (reported)" in rows[0]
    assert "missing: simulation aspirin is not run at scale quick" in "".join(rows)


def test_unknown_table_is_refused(camp):
    with pytest.raises(InputError, match="no table 'table-9'; choose one of table-1"):
        make_table("table-9", read_inputs(camp, "quick"))


def test_rows_are_found_by_their_labels_not_by_their_ids(tmp_path):
    """The CACE paper's numbers have an id for each model."""
    cace = load_paper(PAPERS / "cace")
    folder = tmp_path / "evaluation"
    write_evaluation(folder, "water", 1, energy=0.00054, forces=0.0371, architecture="cace")
    table = make_table("cace-water", read_inputs(cace, "quick", evaluations=[folder]))
    assert [label[0] for label in table.labels] == ["Energy (meV/atom)", "Forces (meV/Å)"]
    assert [column.heading for column in table.columns][-2:] == ["CACE", "CACE, this work"]
    energy, forces = table.cells
    assert [cell.text for cell in energy] == [
        "2.3",
        "1.7",
        "0.8",
        "2.1",
        "0.94",
        "0.63",
        "0.59",
        "0.54",
    ]
    assert [cell.text for cell in forces][-2:] == ["47", "37"]


def test_absent_result_is_a_cell_with_the_reason(tmp_path, camp):
    """One failed job leaves its own cells empty, and no others."""
    folder = tmp_path / "evaluation"
    write_evaluation(folder, "lips-10", 1)
    reason = {"task": "lips-100", "architecture": "camp", "reason": "job train lips-100 1 failed"}
    (folder / "reason.json").write_text(json.dumps(reason))
    table = make_table("table-1", read_inputs(camp, "quick", evaluations=[folder]))
    texts = [row[-1].text for row in table.cells]
    assert texts[:2] == ["1.00", "50.0"]
    assert texts[2:4] == ["missing: job train lips-100 1 failed"] * 2
    assert texts[4] == "missing: no evaluation of task lips-1000 at scale quick"


def test_verbs_write_tables_and_scoreboard(tmp_path, camp, capsys):
    evaluation = write_evaluation(tmp_path / "evaluation", "lips-10", 1)
    common = ["--evaluations", str(evaluation)]
    common += ["--paper", str(PAPERS / "camp"), "--scale", "quick"]
    out = tmp_path / "tables"
    table = ["table", "table-1", *common, "--out-csv", str(out / "1.csv")]
    table += ["--out-html", str(out / "1.html"), "--out-markdown", str(out / "1.md")]
    assert main(table) == 0
    assert "reported" in (out / "1.html").read_text(encoding="utf-8")
    assert "reported" in (out / "1.md").read_text(encoding="utf-8")
    board = ["scoreboard", *common, "--out-csv", str(out / "s.csv")]
    assert main([*board, "--out-html", str(out / "s.html")]) == 0
    numbers = len(camp.own_numbers)
    said = f"{numbers} numbers at scale quick: 2 better, {numbers - 2} missing."
    assert capsys.readouterr().out.startswith(said)
    assert sorted(path.name for path in out.iterdir()) == [
        "1.csv",
        "1.html",
        "1.md",
        "s.csv",
        "s.html",
    ]
    assert main([*board[:-4], "--scale", "paper", "--out-csv", str(out / "t.csv")]) == 2
    assert "of scale quick, not paper" in capsys.readouterr().err
    assert not (out / "t.csv").exists()
