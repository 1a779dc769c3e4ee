"""The workflow: its graph for every scale, and the smallest scale from end to end."""

import csv
import json
import shutil

import pytest
import yaml

from tests.workflow.running import CONFIG, planned, snakemake

SCALES = ["quick", "test", "subset", "published", "published-subset", "paper"]


def read(scale):
    return yaml.safe_load((CONFIG / f"{scale}.yaml").read_text(encoding="utf-8"))


def dry_run(folder, scale, *arguments):
    """Number of jobs of each rule."""
    return planned(folder, "--configfile", CONFIG / f"{scale}.yaml", *arguments)


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


def trainings(scale, *, together):
    """How many trainings a scale has, together with others in one job or not."""
    content = read(scale)
    return sum(
        len(task.get("seeds", content["seeds"]))
        for task in content["tasks"].values()
        if task.get("seeds_together", False) == together
    )


@pytest.mark.parametrize("scale", ["quick", "test", "subset", "paper"])
def test_graph_with_own_training(tmp_path, data_folder, scale):
    jobs = dry_run(tmp_path, scale, "--config", f"data_folder={data_folder}")
    tasks = len(read(scale)["tasks"])
    alone, together = (trainings(scale, together=each) for each in (False, True))
    assert jobs["train"] == alone
    assert jobs.get("train_together", 0) == together / len(read(scale)["seeds"])
    assert jobs["evaluate"] == alone + together
    assert jobs["split"] == jobs["training_figure"] == tasks
    assert jobs["table"] == 10
    assert jobs["paper_figure"] == 9
    assert jobs["speed"] == len(read(scale)["speed"]["simulations"])
    assert "peer_environment" not in jobs
    assert jobs["scoreboard"] == jobs["all"] == 1
    assert jobs["notebook"] == len(read(scale)["notebooks"])
    simulations = read(scale)["simulations"]
    assert jobs["analyse"] == jobs["start"] == len(simulations)
    assert jobs["simulate"] >= len(simulations)
    assert jobs.get("generate", 0) + jobs.get("convert", 0) == len(read(scale)["datasets"])
    # One for every evaluation, analysis, speed, scan and reference.
    made = ("evaluate", "analyse", "speed", "interlayer_scan", "dimer_scan", "reference_analysis")
    assert jobs["label"] == sum(jobs.get(rule, 0) for rule in made)
    fetched = [name for d in read(scale)["datasets"].values() for name in d.get("fetch", [])]
    fetched += [s["start"]["fetch"] for s in simulations.values() if "fetch" in s["start"]]
    assert jobs.get("download", 0) == len(set(fetched))
    references = read(scale).get("references", {}).values()
    assert jobs.get("fetch", 0) == sum("fetch" in reference for reference in references)


@pytest.mark.parametrize("scale", ["published", "published-subset"])
def test_graph_with_published_weights(tmp_path, data_folder, scale):
    """A file that cannot be had is a reason in the tables; everything else goes on."""
    options = ["--config", f"data_folder={data_folder}"]
    content = read(scale)
    fetched = [f"data-{n}" for n, d in content["datasets"].items() if "fetch" in d]
    fetched += [f"weights-{task}" for task in content["tasks"]]
    starts = {n: s["start"] for n, s in content["simulations"].items()}
    fetched += [f"start-{n}" for n, start in starts.items() if "fetch" in start]
    fetched += [f"reference-{n}" for n, r in content["references"].items() if "fetch" in r]
    jobs = dry_run(tmp_path, scale, *options)
    assert jobs["fetch"] == len(fetched) and "download" not in jobs

    folder = tmp_path / "results" / scale / "fetched"
    folder.mkdir(parents=True)
    for item in fetched:
        lost = ("weights-graphene", "start-water-300K", "reference-neutron")
        record = {"reason": "file not available: x"} if item in lost else {}
        (folder / f"{item}.json").write_text(json.dumps(record), encoding="utf-8")
    jobs = dry_run(tmp_path, scale, *options)
    available = len(content["tasks"]) - 1
    assert jobs["evaluate"] == jobs["import_published"] == available
    assert jobs["unavailable"] == 1
    assert jobs["predictions_figure"] == 2 * available
    assert jobs["not_simulated"] == 1
    assert jobs["analyse"] == len(content["simulations"]) - 1
    assert jobs["paper_figure"] == 9
    # that of water has no structure to start from
    assert jobs["speed"] == len(content["speed"]["simulations"]) - 1
    assert "train" not in jobs and "split" not in jobs


def test_default_scale_is_quick(tmp_path):
    done = snakemake(tmp_path, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "results/quick/scoreboard.csv" in done.stdout + done.stderr


def test_seeds_on_the_command_line(tmp_path):
    assert dry_run(tmp_path, "test", "--config", "seeds=[1,2,3]")["train"] == 3 + 1


def test_peers_have_environments_of_their_own(tmp_path):
    jobs = dry_run(tmp_path, "test", "--config", "speed={peers: [mace, nequip]}")
    assert (jobs["peer_environment"], jobs["speed"]) == (2, 1)


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


def test_scoreboard_after_a_failure_says_which_job_failed(tmp_path):
    """The other seed goes on, and its number stands with the reason why it is the only one."""
    folder = tmp_path / "results" / "test"
    # In the way of the training's lock.
    (folder / "training/md17-ethanol/seed-2/.lock").mkdir(parents=True)
    wanted = [f"results/test/evaluation/md17-ethanol/seed-{seed}.json" for seed in (1, 2)]
    done = snakemake(tmp_path, *wanted, "--configfile", CONFIG / "test.yaml", cores="2")
    assert done.returncode != 0
    assert "What failed, and why, is in results/test/scoreboard.html" in done.stderr
    with (folder / "scoreboard.csv").open(encoding="utf-8") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    forces = rows["t4-ethanol-forces"]
    assert float(forces["ours"]) > 0 and forces["seeds"] == "1"
    assert "job train md17-ethanol 2 failed: cannot write" in forces["note"]
    assert rows["ts2-ethanol-stability"]["verdict"] == (
        "missing because: job start ethanol was not run"
    )


@pytest.mark.slow
def test_everything_at_the_smallest_scale(tmp_path):
    options = ["--configfile", CONFIG / "test.yaml"]
    done = snakemake(tmp_path, *options, cores="2")
    assert done.returncode == 0, done.stderr[-4000:]
    results = tmp_path / "results" / "test"

    evaluation = json.loads((results / "evaluation/md17-ethanol/seed-2.json").read_text())
    assert (evaluation["seed"], evaluation["frames"]) == (2, 8)
    assert evaluation["data"] == "generated (GFN-xTB)"
    assert evaluation["metrics"]["forces_mae"] > 0
    scoreboard = (results / "scoreboard.csv").read_text(encoding="utf-8")
    assert "t4-ethanol-forces" in scoreboard
    assert "missing" in scoreboard  # what this scale does not have
    simulation = json.loads((results / "md/ethanol/replica-1/simulation.json").read_text())
    assert simulation["replicas"][0]["end"] == "completed"
    speeds = json.loads((results / "speed/ethanol.json").read_text())
    assert [one["contestant"] for one in speeds] == ["CAMP", "CAMP, plain", "CAMP, literal"]
    assert all(one["seconds_per_energy_forces"] > 0 for one in speeds)
    assert len({one["edges"] for one in speeds}) == 1
    figures = [f"figure-{name}" for name in ("2", "3", "4", "5", "6", "s1", "s2", "s3", "drift")]
    for name in (*figures, "parity-graphene", "errors-graphene", "training-md17-ethanol"):
        for kind in ("png", "pdf"):
            assert (results / "figures" / f"{name}.{kind}").stat().st_size > 0
    assert len(list((results / "tables").glob("*.html"))) == 10
    assert {p.stem for p in (results / "notebooks").glob("*.html")} == {
        "training",
        "model",
        "trajectory",
    }

    report = snakemake(tmp_path, *options, "--report", results / "report.html")
    assert report.returncode == 0, report.stderr
    assert "Table S3" in (results / "report.html").read_text(encoding="utf-8")

    # Nothing is left to do, and a lost result brings back only what depends on it.
    assert dry_run(tmp_path, "test") == {}
    shutil.rmtree(results / "evaluation" / "graphene")
    jobs = dry_run(tmp_path, "test")
    assert jobs["evaluate"] == 1
    assert "train" not in jobs and "generate" not in jobs
