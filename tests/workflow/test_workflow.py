"""The workflow: its graph for every scale, and the smallest scale from end to end."""

import csv
import json
import re
import shutil

import pytest
import yaml

from camp.report.declarations import by_name, load_papers
from tests.browser import find_browser, show
from tests.workflow.running import CONFIG, planned, snakemake

SCALES = ["quick", "test", "subset", "published", "published-subset", "paper"]
PAPERS = load_papers(CONFIG / "papers")
TABLES = {name: table for name, (_, table) in by_name(PAPERS.values(), "tables").items()}
DRAWN = {name: figure for name, (_, figure) in by_name(PAPERS.values(), "figures").items()}
FIGURES = {name: figure for name, figure in DRAWN.items() if figure.covers != "task"}
TASK_FIGURES = {name: figure for name, figure in DRAWN.items() if figure.covers == "task"}
OF_ARCHITECTURE = {
    name: paper.architecture for name, (paper, _) in by_name(PAPERS.values(), "figures").items()
}
# Rules whose results get labels.
LABELLED = (
    "evaluate",
    "analyse",
    "speed",
    "reference_analysis",
    "interlayer_scan",
    "dimer_scan",
)
SCOREBOARDS = [name for name, paper in PAPERS.items() if paper.own_numbers]


def read(scale):
    return yaml.safe_load((CONFIG / f"{scale}.yaml").read_text(encoding="utf-8"))


def dry_run(folder, scale, *arguments):
    """Number of jobs of each rule."""
    return planned(folder, *arguments, "--configfile", CONFIG / f"{scale}.yaml")


@pytest.fixture
def data_folder(tmp_path):
    """A folder with the (empty) files that the scales of subsets expect."""
    folder = tmp_path / "data"
    for scale in SCALES:
        content = read(scale)
        files = [f for dataset in content["datasets"].values() for f in dataset.get("files", [])]
        files += [r["msd"] for r in content.get("references", {}).values() if "msd" in r]
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).touch()
    return folder


def models_of(content, task):
    """The architectures of a task."""
    return content["tasks"][task].get("models", content.get("models", ["camp"]))


def trainings(scale, *, together):
    """How many trainings a scale has, together with others in one job or not."""
    content = read(scale)
    return sum(
        len(task.get("seeds", content["seeds"])) * len(models_of(content, name))
        for name, task in content["tasks"].items()
        if task.get("seeds_together", False) == together
    )


def figures_of(content):
    """The figures that a scale has: of curves, where it has one of their tasks."""
    return [
        name
        for name, figure in FIGURES.items()
        if not figure.curves or {*figure.curve_tasks} & {*content["tasks"]}
    ]


def task_figures(content, task, *, trained=True):
    """The figures that a task has: those of its targets, and of so many seeds."""
    entry = content["tasks"][task]
    seeds = len(entry.get("seeds", content["seeds"])) if trained else 1
    shared = yaml.safe_load((CONFIG / "tasks.yaml").read_text(encoding="utf-8"))[task]
    targets = {**shared, **entry}.get("targets", ["energy", "forces"])
    models = {"", *models_of(content, task)}
    return [
        name
        for name, figure in TASK_FIGURES.items()
        if {*figure.targets} <= {*targets}
        and figure.seeds <= seeds
        and OF_ARCHITECTURE[name] in models
        and (trained or "trainings" not in figure.takes)
    ]


@pytest.mark.parametrize("scale", ["quick", "test", "subset", "paper"])
def test_graph_with_own_training(tmp_path, data_folder, scale):
    jobs = dry_run(tmp_path, scale, "--config", f"data_folder={data_folder}")
    tasks = len(read(scale)["tasks"])
    alone, together = (trainings(scale, together=each) for each in (False, True))
    assert jobs["train"] == alone
    assert jobs.get("train_together", 0) == together / len(read(scale)["seeds"])
    assert jobs["evaluate"] == alone + together
    assert jobs["split"] == tasks
    content = read(scale)
    assert jobs["task_figure"] == sum(len(task_figures(content, t)) for t in content["tasks"])
    assert jobs["table"] == len(TABLES)
    assert jobs["figure"] == len(figures_of(content))
    assert jobs["speed"] == len(read(scale)["speed"]["simulations"])
    assert "peer_environment" not in jobs
    assert jobs["scoreboard"] == len(SCOREBOARDS)
    assert jobs["all"] == 1
    assert jobs["notebook"] == len(read(scale)["notebooks"])
    assert jobs["label"] == sum(jobs.get(rule, 0) for rule in LABELLED)
    simulations = read(scale)["simulations"]
    assert jobs["analyse"] == jobs["start"] == len(simulations)
    assert jobs["simulate"] >= len(simulations)
    assert jobs.get("generate", 0) + jobs.get("convert", 0) == len(read(scale)["datasets"])


@pytest.mark.parametrize("scale", ["published", "published-subset"])
def test_graph_with_published_weights(tmp_path, data_folder, scale):
    """A file that cannot be had is a reason in the tables; everything else goes on."""
    options = ["--config", f"data_folder={data_folder}"]
    content = read(scale)
    fetched = [f"data-{n}" for n, d in content["datasets"].items() if "fetch" in d]
    fetched += [f"without-{n}" for n, d in content["datasets"].items() if "without" in d]
    models = [(task, name) for task in content["tasks"] for name in models_of(content, task)]
    fetched += [f"weights-{task}-{name}" for task, name in models]
    starts = {n: s["start"] for n, s in content["simulations"].items()}
    fetched += [f"start-{n}" for n, start in starts.items() if "fetch" in start]
    fetched += [f"reference-{n}" for n, r in content["references"].items() if "fetch" in r]
    jobs = dry_run(tmp_path, scale, *options)
    assert jobs["fetch"] == len(fetched) and "download" not in jobs

    folder = tmp_path / "results" / scale / "fetched"
    folder.mkdir(parents=True)
    for item in fetched:
        lost = ("weights-graphene-camp", "start-water-300K", "reference-neutron")
        record = {"reason": "file not available: x"} if item in lost else {}
        (folder / f"{item}.json").write_text(json.dumps(record), encoding="utf-8")
    jobs = dry_run(tmp_path, scale, *options)
    assert jobs["evaluate"] == jobs["import_published"] == len(models) - 1
    assert jobs["unavailable"] == 1
    judged = [task for task in content["tasks"] if task != "graphene"]
    figures = [task_figures(content, task, trained=False) for task in judged]
    assert jobs["task_figure"] == sum(map(len, figures))
    assert jobs["not_simulated"] == 1
    assert jobs["analyse"] == len(content["simulations"]) - 1
    assert jobs["figure"] == len(figures_of(content))
    # that of water has no structure to start from
    assert jobs["speed"] == len(content["speed"]["simulations"]) - 1
    assert "train" not in jobs and "split" not in jobs


def test_default_scale_is_quick(tmp_path):
    done = snakemake(tmp_path, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "results/quick/scoreboard-camp.csv" in done.stdout + done.stderr


def test_seeds_on_the_command_line(tmp_path):
    assert (
        dry_run(tmp_path, "test", "--config", "seeds=[1,2,3]")["train"]
        == 3 * len(models_of(read("test"), "md17-ethanol")) + 1
    )


def test_peers_have_environments_of_their_own(tmp_path):
    jobs = dry_run(tmp_path, "test", "--config", "speed={peers: [mace, nequip]}")
    assert (jobs["peer_environment"], jobs["speed"]) == (2, 1)


def test_peers_are_trained_where_a_task_asks_for_them(tmp_path, data_folder):
    """One training for each seed; nothing is installed for tasks that do not."""
    options = ["--configfile", CONFIG / "subset.yaml", CONFIG / "fast.yaml", "--config"]
    options += [f"data_folder={data_folder}"]
    both = "tasks={lips-10: {seeds: [1]}, lips-100: {seeds: [1, 2]}}"
    jobs = planned(tmp_path, "results/fast/tables/comparison.html", *options, both)
    assert (jobs["peer"], jobs["peer_environment"]) == (6, 2)
    one = "tasks={lips-10: {peers: []}, lips-100: {peers: [mace], seeds: [1, 2]}}"
    jobs = planned(tmp_path, "results/fast/tables/comparison.html", *options, one)
    assert (jobs["peer"], jobs["peer_environment"]) == (2, 1)


@pytest.mark.parametrize(
    "change, message",
    [
        ("seeds=[1,1]", "snakemake: error: --config: seeds holds 1 more than once"),
        ("sedes=[1]", "--config: sedes is not a known key; did you mean 'seeds'?"),
        ("mirror=/no/such", "--config: mirror is '/no/such', which is not a folder"),
    ],
)
def test_mistake_stops_with_one_line(tmp_path, change, message):
    done = snakemake(tmp_path, "--dry-run", "--config", change)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "Error in" not in done.stderr


def test_subset_says_what_to_set(tmp_path):
    done = snakemake(tmp_path, "--configfile", CONFIG / "subset.yaml", "--dry-run")
    assert done.returncode != 0
    assert "set data_folder, for example --config data_folder=" in done.stderr


def rows_of(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_inputs_of_a_table_are_what_answers_its_numbers(tmp_path):
    """So that a failed job cannot stop a table that does not need it."""
    wanted = "results/quick/tables/table-5.html"
    jobs = dry_run(tmp_path, "quick", wanted)
    # Of the one task, and nothing of lips, water or MD17.
    assert jobs["evaluate"] == jobs["train"] == len(read("quick")["seeds"])
    assert jobs["generate"] == 1
    assert "simulate" not in jobs and "speed" not in jobs


OPTIONS = ("--configfile", CONFIG / "test.yaml")
# In the way of a training's lock.
OBSTACLE = "training/md17-ethanol/camp-seed-2/.lock"


@pytest.fixture(scope="module")
def with_a_failure(tmp_path_factory):
    """The smallest scale, in which one training failed: its folder, and how it ended."""
    folder = tmp_path_factory.mktemp("workflow")
    (folder / "results/test" / OBSTACLE).mkdir(parents=True)
    return folder, snakemake(folder, *OPTIONS, cores="2")


@pytest.fixture
def mended(with_a_failure, tmp_path):
    """A copy of that folder in which nothing is in the way any more."""
    folder = tmp_path / "mended"
    shutil.copytree(with_a_failure[0], folder)
    shutil.rmtree((folder / "results/test" / OBSTACLE).parent)
    return folder


@pytest.mark.slow
def test_a_failed_job_leaves_everything_with_the_reason(with_a_failure, mended):
    """One failed training: its other seed counts, all tables, figures and scoreboards are there and
    say why the rest is missing, and the report can be made.
    """
    workflow, done = with_a_failure
    folder = workflow / "results" / "test"
    assert done.returncode != 0
    assert "What failed, and why, is in " in done.stderr
    assert "results/test/scoreboard-camp.html" in done.stderr
    said = "job train md17-ethanol camp 2 failed: cannot write"
    compared = rows_of(folder / "tables/comparison.csv")
    shown = {row["architecture"] for row in compared if not row["note"].startswith("missing")}
    assert shown >= {"cace", "carnet"}
    rows = {row["id"]: row for row in rows_of(folder / "scoreboard-camp.csv")}
    forces = rows["t4-ethanol-forces"]
    assert float(forces["ours"]) > 0 and forces["seeds"] == "1"
    assert said in forces["note"]
    for name in TABLES:
        assert (folder / f"tables/{name}.html").stat().st_size > 0
    assert said in (folder / "tables/table-4.html").read_text(encoding="utf-8")
    assert said not in (folder / "tables/table-5.html").read_text(encoding="utf-8")
    of_task = task_figures(read("test"), "md17-ethanol")
    names = [*figures_of(read("test")), *(f"{name}-md17-ethanol" for name in of_task)]
    for name in names:
        for kind in ("png", "pdf"):
            assert (folder / f"figures/{name}.{kind}").stat().st_size > 0
    # That of the other seed.
    assert said not in (folder / "notebooks/training.html").read_text(encoding="utf-8")
    report = snakemake(workflow, *OPTIONS, "--report", folder / "report.html")
    assert report.returncode == 0, report.stderr

    # What lacked an input is made again when that is there.
    jobs = dry_run(mended, "test")
    assert jobs["train"] == jobs["evaluate"] == 1
    assert jobs["task_figure"] == len(of_task)
    assert jobs["scoreboard"] > 0 and "notebook" not in jobs
    assert 0 < jobs["table"] < len(TABLES)


@pytest.mark.slow
def test_everything_at_the_smallest_scale(mended):
    done = snakemake(mended, *OPTIONS, cores="2")
    assert done.returncode == 0, done.stderr[-4000:]
    results = mended / "results" / "test"

    evaluation = json.loads((results / "evaluation/md17-ethanol/camp-seed-2.json").read_text())
    assert (evaluation["seed"], evaluation["frames"]) == (2, 8)
    assert evaluation["data"] == "generated (GFN-xTB)"
    assert evaluation["metrics"]["forces_mae"] > 0
    assert evaluation["architecture"] == "camp" and evaluation["generated"] is True
    scoreboard = {row["id"]: row for row in rows_of(results / "scoreboard-camp.csv")}
    assert scoreboard["t4-ethanol-forces"]["verdict"] == "not comparable (generated data)"
    # What this scale does not have.
    assert scoreboard["t3-water-forces"]["verdict"].startswith("missing because: no evaluation")
    assert {name for name in SCOREBOARDS if (results / f"scoreboard-{name}.html").exists()} == {
        *SCOREBOARDS
    }
    simulation = json.loads((results / "md/ethanol/replica-1/simulation.json").read_text())
    assert simulation["replicas"][0]["end"] == "completed"
    speeds = json.loads((results / "speed/ethanol.json").read_text())
    ours = [one for one in speeds if one["kind"] != "peer"]
    assert [one["kind"] for one in ours] == ["accelerated", "plain", "literal"]
    assert all(one["seconds_per_energy_forces"] > 0 for one in ours)
    assert len({one["edges"] for one in ours}) == 1
    assert {one["unavailable"] for one in speeds if one["kind"] == "peer"} == {"not asked for"}
    for name in (
        *figures_of(read("test")),
        *(f"{name}-graphene" for name in task_figures(read("test"), "graphene")),
    ):
        for kind in ("png", "pdf"):
            assert (results / "figures" / f"{name}.{kind}").stat().st_size > 0
    assert {path.stem for path in (results / "tables").glob("*.html")} == set(TABLES)
    comparison = rows_of(results / "tables/comparison.csv")
    shown = {row["architecture"] for row in comparison if row["task"] == "md17-ethanol"}
    assert shown == {"camp", "cace", "carnet"}
    assert all(float(row["seconds_per_training_step"]) > 0 for row in comparison)
    assert all(int(row["parameters"]) > 0 for row in comparison)
    assert all(int(row["training_memory_bytes"]) > 0 for row in comparison)
    assert {row["budget"] for row in comparison} == {"at most 6 steps; 4 structures a step"}
    speeds = [row for row in comparison if row["metric"] == "md_steps_per_s"]
    measured = {row["architecture"] for row in speeds if row["simulation"] == "ethanol"}
    assert measured == {"camp"}
    assert all(row["value"] or row["note"].startswith("missing: ") for row in speeds)
    assert {p.stem for p in (results / "notebooks").glob("*.html")} == {
        "training",
        "model",
        "trajectory",
    }

    report = snakemake(mended, *OPTIONS, "--report", results / "report.html")
    assert report.returncode == 0, report.stderr
    # It opens on the scoreboards.
    text = (results / "report.html").read_text(encoding="utf-8")
    assert "Results at the scale test" in text and "<iframe title=" in text
    assert "Table S3" in text
    # Its program comes along, and the boards stand in it.
    assert not re.findall(r"<(?:script|img|link)[^>]*(?:src|href)=\"?https?:", text)
    if find_browser():
        shown, errors = show([results / "report.html"], mended)
        assert not errors
        (page,) = shown.values()
        assert page.overflow == 0 and not page.broken
        assert "Results at the scale test" in page.text and "not comparable" in page.text

    # Nothing is left to do, and a lost result brings back only what depends on it.
    assert dry_run(mended, "test") == {}
    shutil.rmtree(results / "evaluation" / "graphene")
    jobs = dry_run(mended, "test")
    assert jobs["evaluate"] == 1
    assert "train" not in jobs and "generate" not in jobs
