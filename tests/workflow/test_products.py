"""What tables, figures and scoreboards are made from."""

import json
from pathlib import Path

import pytest

from camp.data.splits import random_split
from camp.report.declarations import (
    FigureDeclaration,
    Paper,
    TableDeclaration,
    load_papers,
)
from camp.settings import SplitSettings, load_scale, read_yaml
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


# --- what the papers declare ---------------------------------------------------------------------


def of_scale(name, folder, *lost):
    """All products of a scale of the repository, where these items could not be had."""
    scale = load_scale([CONFIG / f"{name}.yaml"], {}, folder=CONFIG)
    available = Availability(scale, lambda item: folder / f"{item}.json")
    for item in available.items:
        record = {"reason": "lost"} if item in lost else {}
        (folder / f"{item}.json").write_text(json.dumps(record), encoding="utf-8")
    return Products(available, load_papers(CONFIG / "papers"))


def tasks_of(files):
    return list(dict.fromkeys(Path(file).parent.name for file in files))


def test_a_table_has_the_results_that_answer_its_numbers_and_no_others(tmp_path):
    quick = of_scale("quick", tmp_path)
    water = quick.inputs_of_table("table-3")
    assert tasks_of(water["evaluations"]) == ["water"]
    assert water["analyses"] == [] and "trainings" not in water
    assert water["speeds"] == ["results/quick/speed/water-300K.json"]
    # Of the sizes of Table 1, those that the scale has.
    sizes = quick.inputs_of_table("table-1")["evaluations"]
    assert tasks_of(sizes) == ["lips-10", "lips-100", "lips-1000"]


def test_a_table_over_the_scale_has_all_that_it_takes(tmp_path):
    quick = of_scale("quick", tmp_path)
    inputs = quick.inputs_of_table("comparison")
    assert inputs["evaluations"] == quick.available.all_evaluations()
    assert "results/quick/training/water/camp-seed-1/training.json" in inputs["trainings"]
    assert inputs["analyses"] == quick.available.all_analyses()
    assert inputs["speeds"] == quick.available.all_speeds()


def test_figures_have_the_simulations_references_and_scans_that_they_declare(tmp_path):
    quick = of_scale("quick", tmp_path)
    lips = quick.inputs_of_figure("figure-3")
    assert lips["analyses"] == ["results/quick/md/lips/analysis.json"]
    assert lips["references"] == ["results/quick/references/aimd.json"]
    names = ("nve-smooth", "nve-published")
    assert quick.figure_arguments("figure-drift") == [
        *("--paper", str(quick.papers["camp"].folder)),
        *("--analyses", *(f"results/quick/md/{name}/analysis.json" for name in names)),
        *("--scans", *(f"results/quick/scans/dimer/{name}.json" for name in names)),
    ]
    seeds = quick.inputs_of_figure("figure-6")["scans"]
    assert seeds[0] == "results/quick/scans/interlayer/graphene/camp-seed-1.json"
    assert len(seeds) == len(quick.scale.seeds)


def test_a_structure_comes_with_the_label_of_its_data(tmp_path):
    assert of_scale("quick", tmp_path).figure_arguments("figure-s1")[2:] == [
        *("--structure", "results/quick/md/lips/start.xyz"),
        *("--data", "generated (GFN-xTB)"),
    ]


def test_what_could_not_be_had_is_left_out(tmp_path):
    lost = ("reference-neutron", "weights-graphene-camp", "weights-lips-19000-camp")
    known = of_scale("published", tmp_path, *lost)
    _, water = known.figures["figure-4"]
    assert list(known.references(water)) == ["xray-2014", "xray-2013", "revpbe0"]
    assert known.inputs_of_figure("figure-6")["scans"] == []
    # Both of its simulations have that model.
    assert known.inputs_of_figure("figure-s1")["structure"] == []


def test_a_figure_shows_the_next_structure_where_the_first_is_lost(published):
    # Of its names, the scale has the second only.
    assert published().inputs_of_figure("one")["structure"] == [
        "results/known/md/water-300K/start.xyz"
    ]


def test_figures_of_trainings_are_for_scales_with_trainings(tmp_path):
    assert "training" in of_scale("test", tmp_path).task_figures
    assert "training" not in of_scale("published", tmp_path).task_figures


def test_a_figure_of_several_seeds_needs_them(tmp_path):
    products = of_scale("quick", tmp_path)
    drawn = {
        task: any("/calibration-" in file for file in products.results_of(task))
        for task in products.scale.tasks
    }
    seeds = {
        task: max(sum(run.architecture == one.architecture for run in runs) for one in runs)
        for task in products.scale.tasks
        if (runs := products.available.runs(task))
    }
    assert drawn == {task: count > 1 for task, count in seeds.items()}
    assert len(set(drawn.values())) == 2


def test_curves_have_the_evaluations_that_there_are(tmp_path):
    quick, curves = of_scale("quick", tmp_path), "dipole-learning-curve"
    _, figure = quick.figures[curves]
    known = [task for task in figure.curve_tasks if task in quick.scale.tasks]
    assert known and tasks_of(quick.inputs_of_figure(curves)["evaluations"]) == known
    assert curves not in of_scale("published", tmp_path).figures


def test_curves_have_one_test_set_and_training_sets_that_begin_alike(tmp_path):
    scale = of_scale("quick", tmp_path).scale
    tasks = load_papers(CONFIG / "papers")["carnet"].figure("dipole-learning-curve").curve_tasks
    splits = [scale.tasks[name].split for name in tasks if name in scale.tasks]
    frames = {scale.dataset_of(name).frames for name in tasks if name in scale.tasks}
    declared = read_yaml(CONFIG / "tasks.yaml")
    for counts, chosen in (
        (frames, splits),
        ({1000}, [SplitSettings(**declared[name]["split"]) for name in tasks]),
    ):
        (count,) = counts
        drawn = [random_split(count, s.train, s.validation, s.test, s.seed) for s in chosen]
        assert len({tuple(split.test) for split in drawn}) == 1 and drawn[0].test
        largest = max((split.train for split in drawn), key=len)
        assert all(split.train == largest[: len(split.train)] for split in drawn)
        assert len({len(split.train) for split in drawn}) > 1


def test_every_paper_with_numbers_of_ours_has_a_scoreboard(tmp_path):
    quick = of_scale("quick", tmp_path)
    papers = quick.papers.items()
    assert set(quick.scoreboards) == {name for name, one in papers if one.own_numbers}
    for name, paper in quick.scoreboards.items():
        inputs = quick.inputs_of_scoreboard(name)
        needed = set(paper.all_needs().tasks) & quick.scale.tasks.keys()
        assert set(tasks_of(inputs["evaluations"])) == needed
        assert inputs["declared"] and all(Path(file).is_file() for file in inputs["declared"])


def test_captions_are_plain_texts_of_everything_declared(tmp_path):
    quick = of_scale("quick", tmp_path)
    captions = quick.captions()
    assert set(captions["products"]) == {*quick.tables, *quick.figures, *quick.task_figures}
    assert captions["products"]["table-1"]["heading"].startswith("Table 1: ")
    assert captions["papers"]["camp"] == "CAMP"
