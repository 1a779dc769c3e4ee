"""What tables, figures and scoreboards are made from."""

import json
from pathlib import Path

import pytest

from camp.report.declarations import (
    FigureDeclaration,
    Paper,
    TableDeclaration,
    load_papers,
)
from camp.workflow.availability import Availability
from camp.workflow.products import Products
from tests.workflow.running import CONFIG
from tests.workflow.scales import OTHER, OWN, PUBLISHED, changed, scale_of

FOLDER = Path("papers/toy")
FIGURE = FigureDeclaration(
    name="Figure 1",
    caption="",
    draw="camp.report.water:water_structure",
    simulations=("water-300K", "no such"),
    references=("xray-2014", "neutron"),
    dimer_scans=("water-300K",),
    structure=("no such", "water-300K"),
)
ALL = TableDeclaration(
    name="Everything", caption="", covers="scale", takes=("evaluations", "speeds", "trainings")
)
PARITY = FigureDeclaration(
    name="Parity", caption="", covers="task", takes=("evaluations",), draw="camp.report:x"
)
CURVES = PARITY.model_copy(update={"takes": ("trainings",)})
SCANS = FigureDeclaration(
    name="Scans", caption="", draw="camp.report:x", interlayer_scans=("water", "md17-ethanol")
)


def paper(architecture="camp"):
    return Paper(
        name="toy",
        folder=FOLDER,
        label="Toy",
        architecture=architecture,
        numbers=(),
        tables={"all": ALL},
        figures={"one": FIGURE, "parity": PARITY, "curves": CURVES, "scans": SCANS},
    )


@pytest.fixture
def published(tmp_path):
    """Products of published weights, from files that say what could not be had."""

    def with_lost(*items, declared=None):
        scale = scale_of(tmp_path, PUBLISHED)
        available = Availability(scale, lambda item: tmp_path / f"{item}.json")
        for item in available.items:
            record = {"reason": f"no {item}"} if item in items else {}
            (tmp_path / f"{item}.json").write_text(json.dumps(record), encoding="utf-8")
        return Products(available, declared or {"toy": paper()})

    return with_lost


def own(folder, *changes, declared):
    scale = scale_of(folder, changed(OWN, *changes))
    return Products(Availability(scale, pytest.fail), declared)


def test_a_figure_has_what_could_be_had(published):
    known = published()
    inputs = known.inputs_of_figure("one")
    assert inputs["references"] == ["cache/public/water_rdf/exp-gor-water.txt"]
    assert known.figure_arguments("one") == [
        *("--paper", str(FOLDER)),
        *("--analyses", "results/known/md/water-300K/analysis.json"),
        *("--scans", "results/known/scans/dimer/water-300K.json"),
        *("--structure", "results/known/md/water-300K/start.xyz", "--data", "real"),
        *("--reference", "xray-2014=cache/public/water_rdf/exp-gor-water.txt"),
    ]
    without = published("start-water-300K", "reference-xray-2014").inputs_of_figure("one")
    assert without["analyses"] == ["results/known/md/water-300K/unavailable.json"]
    assert not (without["references"] or without["structure"] or without["scans"])


def test_a_reference_alone_makes_no_figure(published):
    alone = FIGURE.model_copy(update={"simulations": ()})
    assert published().references(FIGURE) and published().references(alone) == {}


def test_a_table_of_the_whole_scale_has_what_there_is(tmp_path):
    known = own(tmp_path, declared={"toy": paper()})
    inputs = known.inputs_of_table("all")
    tasks = ("md17-ethanol", "md17-aspirin")
    folder = "results/small"
    assert inputs["evaluations"] == [f"{folder}/evaluation/{t}/camp-seed-1.json" for t in tasks]
    assert inputs["trainings"] == [
        f"{folder}/training/{t}/camp-seed-1/training.json" for t in tasks
    ]
    assert inputs["speeds"] == []


def test_what_a_scale_cannot_have_is_not_made(published):
    """A figure of trainings where nothing is trained, a table of speeds where none is measured."""
    assert [*published().task_figures] == ["parity"]


def test_figures_of_a_task_are_of_the_models_that_can_be_evaluated(published):
    folder = "results/known/evaluation/water"
    inputs = published("weights-water-camp").inputs_of_task_figure("parity", "water")
    assert inputs["evaluations"] == [
        f"{folder}/unavailable/camp-published.json",
        f"{folder}/cace-published.json",
    ]
    assert inputs["predictions"] == [f"{folder}/cace-published.npz"]
    lost = published("data-water")
    assert lost.results_of("water") == lost.available.evaluations("water")
    assert published().results_of("water")[-1] == "results/known/figures/parity-water.png"


def test_bilayers_are_of_the_model_that_the_paper_is_about(tmp_path):
    change = ("tasks/md17-ethanol/models/cace", {"model": OTHER})
    folder = "results/small/scans/interlayer/md17-ethanol"
    for about, names in (("cace", ["cace-seed-1"]), ("", ["camp-seed-1", "cace-seed-1"])):
        known = own(tmp_path, change, declared={"toy": paper(about)})
        scans = known.inputs_of_figure("scans")["scans"]
        assert scans == [f"{folder}/{name}.json" for name in names]


def test_tables_of_the_paper_have_what_answers_their_numbers(tmp_path):
    """Every declared product has its inputs, and none of another task."""
    known = own(tmp_path, declared=load_papers(CONFIG / "papers"))
    table = known.inputs_of_table("table-4")
    assert {Path(file).parent.name for file in table["evaluations"]} == {*known.scale.tasks}
    assert known.inputs_of_table("table-5")["evaluations"] == []
    everything = known.inputs_of_scoreboard("camp")
    assert everything["evaluations"] == table["evaluations"]
    assert all(Path(file).is_file() for file in everything["declared"])
