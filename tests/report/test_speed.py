"""Measured speeds stand beside the paper's and are never mixed with them."""

import csv
import io
import json

import pytest

from camp.cli import main
from camp.errors import InputError
from camp.report.inputs import read_inputs
from camp.report.scoreboard import make_scoreboard
from camp.report.speed import SpeedTable, collect_speeds
from camp.report.tables import make_table

from .conftest import PAPERS, draw, write_speeds

CONTESTANTS = ["CAMP", "CAMP, plain", "CAMP, literal", "MACE", "NequIP"]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def made(tmp_path, camp):
    """A table of the paper, or the scoreboard, with the speeds in a folder."""
    (tmp_path / "speed").mkdir()

    def make(name: str):
        inputs = read_inputs(camp, "quick", speeds=[tmp_path / "speed"])
        if name == "scoreboard":
            return make_scoreboard(camp, inputs.results)
        return make_table(name, inputs)

    return make


def test_table_has_a_row_for_every_contestant(tmp_path):
    write_speeds(tmp_path, "water-300K", unavailable={"MACE": "no network"})
    table = SpeedTable(tuple(collect_speeds([tmp_path], "quick").measured.values()))
    found = {row["contestant"]: row for row in rows(table.to_csv())}
    assert list(found) == CONTESTANTS
    ours = found["CAMP"]
    assert float(ours["md_steps_per_second"]) == pytest.approx(40)
    assert float(ours["times_literal"]) == pytest.approx(20)
    assert ours["machine"] == "cpu: Some Processor, 2 threads, float32, torch 2.13.0"
    assert found["MACE"]["note"] == "not measured: no network"
    assert found["NequIP"]["note"] == "not measured: not asked for"
    assert found["NequIP"]["md_steps_per_second"] == ""
    for text in (table.to_html(), table.to_markdown()):
        assert "cpu: Some Processor, 2 threads, float32" in text
        assert "data: real (subset); weights: published" in text
        assert text.count("not measured") == 2
        assert "80%" in text  # of the rate of evaluations


@pytest.mark.parametrize("name", ["table-3", "table-s1", "table-s2"])
def test_values_of_the_v100_are_untouched(tmp_path, made, name):
    def reported(table):
        return [row for row in rows(table.to_csv()) if row["source"] == "reported"]

    before, without = reported(made(name)), made(name)
    for simulation in ("water-300K", "aspirin"):
        write_speeds(tmp_path / "speed", simulation)
    table = made(name)
    assert reported(table) == before
    # the same columns and rows as without; the measured speeds come after
    assert table.labels == without.labels
    measured = [row for row in rows(table.to_csv()) if row["source"].startswith("measured")]
    assert [row["model"] for row in measured] == CONTESTANTS
    assert {row["source"] for row in measured} == {"measured on this machine"}
    assert {row["metric"] for row in measured} == {"md_steps_per_s"}
    assert [row["device"] for row in measured] == 3 * ["cpu: Some Processor"] + 2 * [""]
    assert {row["device"] for row in before if row["metric"] == "md_steps_per_s"} == {"V100"}
    assert "cpu: Some Processor" in measured[0]["note"]
    assert "not measured" in measured[-1]["note"]
    for text, alone in (
        (table.to_html(), without.to_html()),
        (table.to_markdown(), without.to_markdown()),
    ):
        assert text.index("NVIDIA V100") < text.index("Speed on this machine")
        assert "Speed on this machine" not in alone


def test_scoreboard_names_this_machine_but_gives_no_verdict(tmp_path, made):
    write_speeds(tmp_path / "speed", "water-300K")
    speeds = [r for r in rows(made("scoreboard").to_csv()) if r["metric"] == "md_steps_per_s"]
    assert len(speeds) == 4
    assert {row["device"] for row in speeds} == {"V100"}
    assert "<td>MD speed, V100 (s⁻¹)</td>" in made("scoreboard").to_html()
    assert all("needs a speed measurement" in row["verdict"] for row in speeds)
    assert all(row["ours"] == "" for row in speeds)
    notes = {row["id"]: row["note"] for row in speeds}
    for name in ("t3-water-speed", "ts1-water-speed"):
        assert "40.0 MD steps/s: water-300K: H128O64, 192 atoms" in notes[name]
        assert "cpu: Some Processor" in notes[name]
    assert notes["ts2-aspirin-speed"] == ""


def test_speed_on_the_gpu_of_the_paper_is_judged(tmp_path, made):
    write_speeds(tmp_path / "speed", "water-300K", device="cuda: Tesla V100-SXM2-32GB", data="real")
    write_speeds(tmp_path / "speed", "aspirin", device="cuda: Tesla V100", generated=True)
    found = {row["id"]: row for row in rows(made("scoreboard").to_csv())}
    assert float(found["t3-water-speed"]["ours"]) == pytest.approx(40)
    assert found["t3-water-speed"]["verdict"] == "better"  # than 14.2
    assert found["ts2-aspirin-speed"]["verdict"] == "not comparable (generated data)"
    assert found["ts2-ethanol-speed"]["verdict"].startswith("missing")


def test_figure_5_shows_all_contestants_hatched(tmp_path, camp):
    write_speeds(tmp_path, "ethanol", unavailable={"MACE": "no network"})
    figure = draw(camp, "figure-5", speeds=[tmp_path])
    aspirin, ethanol = figure.axes[2], figure.axes[5]
    names = [text.get_text() for text in ethanol.get_yticklabels()]
    assert names[-6:] == ["CAMP (reported)", *(f"{name} (here)" for name in CONTESTANTS)]
    assert [bool(bar.get_hatch()) for bar in ethanol.patches] == 9 * [False] + 3 * [True]
    assert [bar.get_width() for bar in ethanol.patches][-3:] == pytest.approx([40, 8, 2])
    assert sum("not measured" in text.get_text() for text in ethanol.texts) == 2
    assert len(aspirin.patches) == 9
    assert "cpu: Some Processor, 2 threads" in " ".join(text.get_text() for text in figure.texts)


@pytest.mark.parametrize(
    "content, message",
    [
        ({}, "not measured speeds"),
        ([], "not measured speeds"),
        ([{"contestant": "CAMP"}], "not measured speeds"),
        ([{"contestant": "CAMP", "kind": "best"}], "not measured speeds \\(no kind 'best'\\)"),
        (
            [{"contestant": "CAMP", "kind": "accelerated", "unavailable": "x"}],
            "not measured speeds",
        ),
    ],
)
def test_foreign_file_is_refused(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"a\.json: {message}"):
        collect_speeds([path], "quick")


def test_scales_and_simulations_are_not_mixed(tmp_path):
    path = write_speeds(tmp_path, "ethanol", scale="paper")
    with pytest.raises(InputError, match="of scale paper, not quick"):
        collect_speeds([path], "quick")
    with pytest.raises(InputError, match="ethanol is given twice"):
        collect_speeds([path, path], "paper")


def test_verb(tmp_path):
    path = write_speeds(tmp_path, "ethanol")
    common = ["--speeds", str(path), "--paper", str(PAPERS / "this-work")]
    outputs = ["--out-csv", str(tmp_path / "s.csv"), "--out-html", str(tmp_path / "s.html")]
    assert main(["table", "speed", *common, "--scale", "quick", *outputs]) == 0
    assert "Speed on this machine" in (tmp_path / "s.html").read_text(encoding="utf-8")
    assert main(["table", "speed", *common, "--scale", "paper", *outputs]) == 2
