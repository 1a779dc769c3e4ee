"""Settings, and what several rules need: paths of models and data, hashes of code, resources."""

import hashlib
import json
import sys
from pathlib import Path

import yaml

from camp.data.sources import find
from camp.errors import InputError
from camp.settings import Run, load_scale
from camp.settings.commands import to_yaml

BASE = Path(workflow.basedir)
TASKS_FILE = BASE / "config" / "tasks.yaml"
SIMULATIONS_FILE = BASE / "config" / "simulations.yaml"
PAPER_NUMBERS = BASE / "config" / "paper-numbers.csv"
# The same for every scale.
FETCHED = "cache/public"
GRAPH_CACHE = "cache/graphs"
CONTESTANTS = BASE / "benchmarks" / "contestants"
# Which parts of the package the outputs of a step depend on. The command line holds no science.
POTENTIAL = ["cartesian", "graph", "models", "potential"]
READERS = ["data/readers.py", "data/formats"]
SOURCES = {
    "generate": ["data/generate", *READERS],
    "fetch": ["data/sources.py"],
    "convert": [*READERS, "data/sources.py", "data/units.py"],
    "split": ["data/splits.py", "data/bilayers.py", *READERS],
    "train": [*POTENTIAL, "data/graphs.py", *READERS, "training"],
    "import": POTENTIAL,
    "simulate": [*POTENTIAL, *READERS, "md"],
    "speed": [*POTENTIAL, *READERS, "md"],
    "analyse": ["md", *READERS],
    "scan": [*POTENTIAL, *READERS, "data/bilayers.py", "md/scans.py"],
    "select": [*READERS, "data/splits.py"],
    "evaluate": [*POTENTIAL, *READERS, "training/evaluation.py"],
    "report": ["report", "data/bilayers.py", *READERS],
    "notebook": [*POTENTIAL, *READERS, "training", "report", "md"],
}

# Every rule finds the commands of the environment that runs snakemake.
shell.prefix(f'set -euo pipefail; export PATH="{Path(sys.executable).parent}:$PATH"; ')


def load_settings():
    """The settings; a mistake in them ends snakemake with one line instead of a traceback."""
    # Not 'configfile:': that would merge the default scale into any other.
    given = workflow.config_settings
    files = list(given.configfiles) or [BASE / "config" / "quick.yaml"]
    # Snakemake itself would read the numbers in 'seeds=[1,2]' as texts.
    entries = [entry.partition("=") for entry in given.config_args or []]
    overrides = {key: yaml.safe_load(value) for key, _, value in entries}
    shown = [f.relative_to(Path.cwd()) if f.is_relative_to(Path.cwd()) else f for f in files]
    try:
        return load_scale(shown, overrides, folder=BASE / "config")
    except InputError as error:
        print(f"snakemake: error: {error}", file=sys.stderr)
        sys.exit(2)


SCALE = load_settings()
# Tasks of which one job trains all seeds.
TOGETHER = [name for name, task in SCALE.tasks.items() if task.seeds_together]
# For the captions of the report.
config.update(scale=SCALE.name, data=SCALE.data)


def code(step):
    """Hash of the sources that a step depends on: reacts to content, not to dates."""
    digest = hashlib.sha256()
    for name in SOURCES[step]:
        path = BASE / "camp" / name
        files = [f for kind in ("py", "cpp", "hpp") for f in path.rglob(f"*.{kind}")] or [path]
        for file in sorted(files):
            digest.update(file.relative_to(BASE).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def one_of(names):
    """A pattern for a wildcard that takes these values only."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def resource(name):
    """The resource of a task, for training and evaluation."""
    return lambda wildcards: getattr(SCALE.tasks[wildcards.task].resources, name)


def training_device(wildcards):
    """Options of ``camp train``: where, and on how many GPUs."""
    gpus = resource("gpu")(wildcards)
    return ["--devices", gpus] if gpus else ["--device", "cpu"]


# --- what has to be fetched, and whether it could be ----------------------------------------
# Names in the registry by record: data-<dataset>, weights-<task>-<architecture>,
# start-<simulation> and reference-<name>.
TO_FETCH = {f"data-{n}": d.fetch for n, d in SCALE.datasets.items() if d.fetch}
if SCALE.weights == "published":
    TO_FETCH |= {
        f"weights-{n}-{architecture}": [model.checkpoint]
        for n, task in SCALE.tasks.items()
        for architecture, model in task.models.items()
    }
TO_FETCH |= {f"start-{n}": [s.start.fetch] for n, s in SCALE.simulations.items() if s.start.fetch}
TO_FETCH |= {f"reference-{n}": [r.fetch] for n, r in SCALE.references.items() if r.fetch}


def may_be_missing(item):
    """Published weights and references: what cannot be had is left out. A training cannot do
    without its data."""
    return SCALE.weights == "published" or item.startswith("reference-")


def fetched_files(item):
    return [f"{FETCHED}/{find(name).file_name}" for name in TO_FETCH.get(item, [])]


def records(item):
    """The record of fetching, for what is fetched at all."""
    if item not in TO_FETCH:
        return []
    if may_be_missing(item):
        return [checkpoints.fetch.get(scale=SCALE.name, item=item).output.record]
    return [f"results/{SCALE.name}/fetched/{item}.json"]


def why_unavailable(task, run):
    """The reason why a model cannot be evaluated, or None; known when its files were fetched."""
    return why_missing(
        f"data-{SCALE.tasks[task].dataset}", f"weights-{task}-{run.architecture}"
    )


def why_missing(*items):
    """The reason why something could not be fetched, or None."""
    for item in filter(may_be_missing, items):
        for record in records(item):
            content = json.loads(Path(record).read_text(encoding="utf-8"))
            if "reason" in content:
                return content["reason"]
    return None


def available_runs(task):
    return [run for run in SCALE.runs(task) if why_unavailable(task, run) is None]


# --- files of a task ------------------------------------------------------------------------


def data_file(task):
    return f"results/{SCALE.name}/data/{SCALE.tasks[task].dataset}.xyz.gz"


def split_files(task):
    """The split of a task; published weights are evaluated on the whole dataset."""
    return [] if SCALE.weights == "published" else [f"results/{SCALE.name}/splits/{task}.json"]


def model_file(task, run):
    kind = "published" if run.weights == "published" else "training"
    return f"results/{SCALE.name}/{kind}/{task}/{run.name}/model.safetensors"


def metrics_files(task):
    return [
        f"results/{SCALE.name}/training/{task}/{run.name}/metrics.csv"
        for run in SCALE.runs(task)
        if run.weights == "own"
    ]


def evaluation_files(task):
    """The evaluations of a task, each or why there is none."""
    folder, available = f"results/{SCALE.name}/evaluation/{task}", available_runs(task)
    return [
        f"{folder}/{run.name}.json" if run in available else f"{folder}/unavailable/{run.name}.json"
        for run in SCALE.runs(task)
    ]


def all_evaluation_files(wildcards):
    return [file for task in SCALE.tasks for file in evaluation_files(task)]


def prediction_files(task):
    folder = f"results/{SCALE.name}/evaluation/{task}"
    return [f"{folder}/{run.name}.npz" for run in available_runs(task)]


# --- everything -----------------------------------------------------------------------------
TABLES = {
    "table-1": "Table 1",
    "table-2": "Table 2",
    "table-3": "Table 3",
    "table-4": "Table 4",
    "table-5": "Table 5",
    "table-s1": "Table S1",
    "table-s2": "Table S2",
    "table-s3": "Table S3",
    "ablation": "SI section 6",
}
if SCALE.speed.simulations:
    TABLES["speed"] = "Speed on this machine"
TASK_FIGURES = {"parity": "Parity", "errors": "Distribution of errors"}


def results_of(task):
    """Input function: evaluations and figures of one task."""

    def files(wildcards):
        if not available_runs(task):
            return evaluation_files(task)
        kinds = [*TASK_FIGURES, *(["training"] if metrics_files(task) else [])]
        figures = [f"results/{SCALE.name}/figures/{kind}-{task}.png" for kind in kinds]
        return [*evaluation_files(task), *figures]

    return files


# What each notebook looks at.
NOTEBOOKS = {name: topic for name, topic in SCALE.notebooks if topic}


def executed_notebook(name):
    """Input function: one notebook, if what it looks at exists."""

    def files(wildcards):
        topic = NOTEBOOKS[name]
        if name == "trajectory":
            available = not why_not_simulated(topic)
        else:
            available = SCALE.runs(topic)[0] in available_runs(topic)
        return [f"results/{SCALE.name}/notebooks/{name}.html"] if available else []

    return files


# --- arguments of commands ------------------------------------------------------------------


def convert_arguments(dataset):
    keys = ("kcal_per_mol", "every", "molecule")
    given = [(key, getattr(SCALE.datasets[dataset], key)) for key in keys]
    return [x for k, v in given if v is not None for x in (f"--{k.replace('_', '-')}", str(v))]


def split_arguments(task):
    split = SCALE.tasks[task].split
    arguments = ["--seed", str(split.seed)]
    for part in ("train", "validation", "test"):
        arguments += [f"--{part}", str(getattr(split, part))]
        if source := split.sources.get(part):
            arguments += [f"--{part}-source", source]
    for kind in split.exclude:
        arguments += ["--exclude", kind]
    return arguments


def evaluation_arguments(task, run):
    """The test set, and what an evaluation keeps about where its numbers come from."""
    settings = SCALE.tasks[task]
    arguments = ["--task", task, "--data-label", settings.data, "--weights", run.weights]
    if run.weights == "own":
        arguments += ["--split", *split_files(task), "--part", "test", "--seed", str(run.seed)]
    if note := SCALE.note_of(task, run.architecture):
        arguments += ["--note", note]
    for target, reason in settings.unavailable.items():
        arguments += ["--unavailable", f"{target}={reason}"]
    if settings.resources.gpu:
        arguments += ["--device", "cuda"]
    return arguments


def notebook_inputs(wildcards):
    """The files of the first model of the notebook's task, or of the notebook's simulation."""
    if wildcards.name == "trajectory":
        simulation = NOTEBOOKS[wildcards.name]
        files = {
            "model": simulated_model(simulation),
            "analysis": analysis_file(simulation),
            "summary": simulation_files(simulation)[0],
        }
        if bonds := bond_reference(simulation):
            files["bonds"] = bonds[0]
        return files
    task = NOTEBOOKS[wildcards.name]
    run = SCALE.runs(task)[0]
    files = {
        "model": model_file(task, run),
        "data": data_file(task),
        "evaluation": f"results/{SCALE.name}/evaluation/{task}/{run.name}.json",
        "predictions": f"results/{SCALE.name}/evaluation/{task}/{run.name}.npz",
    }
    if splits := split_files(task):
        files["split"] = splits[0]
    if metrics := metrics_files(task):
        files["metrics"] = metrics[0]
    return files


def notebook_environment(wildcards, input):
    """CAMP_TASK or CAMP_SIMULATION, CAMP_SCALE, CAMP_DATA_LABEL, and a path for every input, such
    as CAMP_MODEL."""
    topic = NOTEBOOKS[wildcards.name]
    if wildcards.name == "trajectory":
        values = {"SIMULATION": topic, "DATA_LABEL": SCALE.simulations[topic].data}
        values["TRAJECTORY"] = str(Path(input.summary).absolute().with_name("replica-1.traj"))
    else:
        values = {"TASK": topic, "DATA_LABEL": SCALE.tasks[topic].data}
    values["SCALE"] = SCALE.name
    values |= {name.upper(): str(Path(path).absolute()) for name, path in input.items()}
    return [f"CAMP_{name}={value}" for name, value in values.items()]
