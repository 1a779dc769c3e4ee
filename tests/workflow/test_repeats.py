"""What the workflow makes again after a change, on results that were touched and not made."""

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

import camp
from tests.workflow.running import REPOSITORY, planned, snakemake
from tests.workflow.scales import OWN, TINY, changed

MODELS = {"train", "evaluate"}
REPORT = {"table", "scoreboard", "figure", "task_figure", "all"}


@pytest.fixture(scope="module")
def touched(tmp_path_factory) -> Path:
    """Empty files in the place of all results, which Snakemake takes for made."""
    folder = tmp_path_factory.mktemp("touched")
    (folder / "small.yaml").write_text(yaml.safe_dump(OWN), encoding="utf-8")
    options = ["--configfile", folder / "small.yaml"]
    done = snakemake(folder, "--dry-run", *options)
    assert done.returncode == 0, done.stderr
    for outputs in re.findall(r"^ +(?:input|output): (.*)$", done.stdout + done.stderr, re.M):
        for name in outputs.split(", "):
            if not os.path.isabs(name):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).touch()
    done = snakemake(folder, "--touch", *options)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(touched, tmp_path) -> Path:
    shutil.copytree(touched, tmp_path / "results", copy_function=shutil.copy2)
    return tmp_path / "results"


def jobs(folder: Path, *changes: tuple[str, object], target: str = "all", **options):
    """What would be made for a target, by rule, after values of the scale have changed.

    :param changes: see :func:`tests.workflow.scales.changed`.
    """
    content = yaml.safe_dump(changed(OWN, *changes))
    (folder / "small.yaml").write_text(content, encoding="utf-8")
    return planned(folder, target, "--configfile", folder / "small.yaml", **options)


def test_nothing_is_made_again_without_a_change(folder):
    assert jobs(folder) == {}


@pytest.mark.parametrize("key", ["title", "note"])
def test_labels_of_a_task_repeat_nothing_but_what_shows_them(folder, key):
    made = jobs(folder, (f"tasks/md17-ethanol/{key}", "Told anew"))
    assert made.keys() <= REPORT | {"label"}
    if key == "note":
        assert made["label"] == 1 and made["table"] > 0


@pytest.mark.parametrize("key", ["title", "note", "data"])
def test_labels_of_a_simulation_repeat_nothing_but_what_shows_them(folder, key):
    made = jobs(folder, (f"simulations/ethanol/{key}", "Told anew"))
    assert made.keys() <= REPORT | {"label"}
    assert made["label"] == 1 and made["table"] > 0


def test_a_cutoff_repeats_what_is_made_with_the_model(folder):
    made = jobs(folder, ("tasks/md17-ethanol/models/camp/model", {**TINY, "cutoff": 4.5}))
    expected = MODELS | REPORT | {"label", "start", "simulate", "analyse"}
    assert made.keys() <= expected and made["train"] == made["evaluate"] == 1
    assert made["simulate"] == 2


@pytest.mark.parametrize(
    ("simulation", "key", "value", "simulated"),
    [
        ("ethanol", "timestep", 0.25, 2),
        ("ethanol", "thermostat_time", 50.0, 2),
        ("aspirin", "length", 0.2, 1),
        ("ethanol", "replicas", 3, 1),  # the new one
        ("aspirin", "replicas", 3, 1),  # the one job, which leaves the finished ones alone
    ],
)
def test_conditions_repeat_their_simulation(folder, simulation, key, value, simulated):
    settings = {**OWN["simulations"][simulation]["md"], key: value}
    made = jobs(folder, (f"simulations/{simulation}/md", settings))
    assert made["simulate"] == simulated
    assert made.keys() <= REPORT | {"simulate", "analyse", "label"}


def test_a_scheduler_repeats_the_training(folder):
    made = jobs(folder, ("tasks/md17-ethanol/models/camp/training", {"scheduler_patience": 7}))
    assert made["train"] == made["evaluate"] == 1


def test_a_file_alone_is_made_again_with_all_that_it_needs(folder):
    """Also where what it is made of has changed and is lost."""
    target = "results/small/evaluation/md17-ethanol/camp-seed-1.json"
    change = ("tasks/md17-ethanol/models/camp/training", {"scheduler_patience": 7})
    for _ in range(2):
        assert jobs(folder, change, target=target) == {"train": 1, "evaluate": 1, "label": 1}
        shutil.rmtree(folder / "results/small/training/md17-ethanol/camp-seed-1", True)
    analysis = "results/small/md/ethanol/analysis.json"
    settings = {**OWN["simulations"]["ethanol"]["md"], "timestep": 0.25}
    made = jobs(folder, ("simulations/ethanol/md", settings), target=analysis)
    assert made["simulate"] == 2


def test_resources_repeat_nothing(folder):
    change = ("tasks/md17-ethanol/resources", {"mem_mb": 9000, "runtime": 999, "threads": 2})
    assert jobs(folder, change) == {}


def test_a_lost_cache_of_public_files_is_filled_before_they_are_converted(folder):
    """Fetched files are outputs: without them the data cannot be made, and the graph knows it."""
    shutil.rmtree(folder / "cache")
    assert jobs(folder) == {}
    (folder / "results/small/data/aspirin.xyz.gz").unlink()
    for path in (folder / "results/small").glob("*/md17-aspirin*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    made = jobs(folder)
    assert made["download"] == made["convert"] == made["train"] == 1


def test_a_changed_thermostat_repeats_simulations_and_no_training(folder, tmp_path):
    package = Path(camp.__file__).parent
    shutil.copytree(package, tmp_path / "camp", ignore=shutil.ignore_patterns("__pycache__"))
    engine = tmp_path / "camp" / "md" / "ase_engine.py"
    text = engine.read_text(encoding="utf-8")
    variables = {"PYTHONPATH": str(tmp_path)}
    engine.write_text(f"{text}\n# A remark.\n", encoding="utf-8")
    assert jobs(folder, variables=variables) == {}
    engine.write_text(text.replace("CHAIN_LENGTH = 3", "CHAIN_LENGTH = 5"), encoding="utf-8")
    made = jobs(folder, variables=variables)
    assert made["simulate"] == 3 and made["analyse"] == 2
    assert not made.keys() & {"train", "evaluate", "split", "generate", "convert"}


# --- what else the graph must know ----------------------------------------------------------------


def test_results_of_another_scale_are_refused_in_one_line(tmp_path):
    done = snakemake(tmp_path, "--dry-run", "results/paper/scoreboard-camp.html")
    assert done.returncode != 0
    (line,) = [text for text in done.stderr.splitlines() if "error" in text]
    assert line == (
        "snakemake: error: results/paper/scoreboard-camp.html is of the scale 'paper', but "
        "'quick' is loaded; give --configfile config/paper.yaml"
    )
    assert "Traceback" not in done.stderr


def test_what_takes_a_second_is_no_job_of_its_own_on_a_cluster():
    """Snakemake makes labels, tables and figures itself, and so fetches over its network."""
    texts = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "rules").glob("*.smk")]
    blocks = [
        block
        for text in texts
        for block in re.findall(r"^localrules:\n((?: +\w+,\n)+)", text, re.M)
    ]
    local = {rule for block in blocks for rule in re.findall(r"\w+", block)}
    assert local >= {"label", "fetch", "download", *(REPORT - {"all"})}
    assert not local & {"train", "simulate", "evaluate", "generate", "convert", "split", "speed"}


def test_a_job_that_had_too_little_memory_gets_more(tmp_path):
    folder = tmp_path / "attempts"
    folder.mkdir()
    snakefile = folder / "Snakefile"
    snakefile.write_text(
        "from camp.workflow.resources import growing\n"
        "rule all:\n"
        "    output: 'done'\n"
        "    resources: mem_mb=growing(lambda w: 100)\n"
        "    shell: 'echo {resources.mem_mb} >> attempts; [ {resources.mem_mb} -ge 300 ]"
        " && touch {output}'\n"
    )
    done = snakemake(folder, "--snakefile", snakefile, "--retries", "3")
    assert done.returncode == 0, done.stderr
    assert (folder / "attempts").read_text().split() == ["100", "200", "300"]
