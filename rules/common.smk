"""Settings, and what several rules need: paths of models and data, hashes of code, resources."""

import hashlib
import json
import sys
from pathlib import Path

import yaml

from camp.data.sources import find
from camp.errors import InputError
from camp.report.declarations import by_name, load_papers
from camp.settings import load_scale

BASE = Path(workflow.basedir)
TASKS_FILE = BASE / "config" / "tasks.yaml"
SIMULATIONS_FILE = BASE / "config" / "simulations.yaml"
PAPERS_FOLDER = BASE / "config" / "papers"
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
    "evaluate": [*POTENTIAL, *READERS, "evaluation"],
    "report": ["report", "data/bilayers.py", *READERS],
    "notebook": [*POTENTIAL, *READERS, "training", "report", "md"],
}

# Every rule finds the commands of the environment that runs snakemake.
shell.prefix(f'set -euo pipefail; export PATH="{Path(sys.executable).parent}:$PATH"; ')


def load_settings():
    """The settings and the papers; a mistake ends snakemake with one line, not a traceback."""
    # Not 'configfile:': that would merge the default scale into any other.
    given = workflow.config_settings
    files = list(given.configfiles) or [BASE / "config" / "quick.yaml"]
    # Snakemake itself would read the numbers in 'seeds=[1,2]' as texts.
    entries = [entry.partition("=") for entry in given.config_args or []]
    overrides = {key: yaml.safe_load(value) for key, _, value in entries}
    shown = [f.relative_to(Path.cwd()) if f.is_relative_to(Path.cwd()) else f for f in files]
    try:
        scale = load_scale(
            shown, overrides, tasks_file=TASKS_FILE, simulations_file=SIMULATIONS_FILE
        )
        return scale, load_papers(PAPERS_FOLDER)
    except InputError as error:
        print(f"snakemake: error: {error}", file=sys.stderr)
        sys.exit(2)


SCALE, PAPERS = load_settings()
# Tasks of which one job trains all seeds.
TOGETHER = [name for name, task in SCALE.tasks.items() if task["seeds_together"]]


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
    return lambda wildcards: SCALE.tasks[wildcards.task]["resources"][name]


def training_device(wildcards):
    """Options of ``camp train``: where, and on how many GPUs."""
    gpus = resource("gpu")(wildcards)
    return ["--devices", gpus] if gpus else ["--device", "cpu"]


# --- what has to be fetched, and whether it could be ----------------------------------------
# Names in the registry by record: data-<dataset>, weights-<task>, start-<simulation> and
# reference-<name>.
TO_FETCH = {f"data-{n}": d["fetch"] for n, d in SCALE.datasets.items() if "fetch" in d}
TO_FETCH |= {f"weights-{n}": [t["checkpoint"]] for n, t in SCALE.tasks.items() if "checkpoint" in t}
TO_FETCH |= {
    f"start-{n}": [s["start"]["fetch"]]
    for n, s in SCALE.simulations.items()
    if "fetch" in s["start"]
}
TO_FETCH |= {f"reference-{n}": [r["fetch"]] for n, r in SCALE.references.items() if "fetch" in r}


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


def why_unavailable(task):
    """The reason why a task cannot be evaluated, or None; known when its files were fetched."""
    return why_missing(f"data-{SCALE.tasks[task]['dataset']}", f"weights-{task}")


def why_missing(*items):
    """The reason why something could not be fetched, or None."""
    for item in filter(may_be_missing, items):
        for record in records(item):
            content = json.loads(Path(record).read_text(encoding="utf-8"))
            if "reason" in content:
                return content["reason"]
    return None


def is_available(task):
    return why_unavailable(task) is None


# --- files of a task ------------------------------------------------------------------------


def architecture(task):
    return SCALE.tasks[task]["model"]["architecture"]


def generated(dataset):
    """An option for what is made here instead of taken from a paper."""
    return ["--generated"] if "generate" in SCALE.datasets[dataset] else []


def data_file(task):
    return f"results/{SCALE.name}/data/{SCALE.tasks[task]['dataset']}.xyz.gz"


def split_files(task):
    """The split of a task; published weights are evaluated on the whole dataset."""
    return [] if SCALE.weights == "published" else [f"results/{SCALE.name}/splits/{task}.json"]


def model_file(task, run):
    if run == "published":
        return f"results/{SCALE.name}/published/{task}/model.safetensors"
    return f"results/{SCALE.name}/training/{task}/{run}/model.safetensors"


def metrics_files(task):
    return [
        f"results/{SCALE.name}/training/{task}/{run}/metrics.csv"
        for run in SCALE.runs(task)
        if run != "published"
    ]


def evaluation_files(task):
    """The evaluations of a task, or why there are none."""
    folder = f"results/{SCALE.name}/evaluation/{task}"
    if not is_available(task):
        return [f"{folder}/unavailable.json"]
    return [f"{folder}/{run}.json" for run in SCALE.runs(task)]


def prediction_files(task):
    return [f"results/{SCALE.name}/evaluation/{task}/{run}.npz" for run in SCALE.runs(task)]


# --- everything -----------------------------------------------------------------------------
def results_of(task):
    """Input function: evaluations and figures of one task."""

    def files(wildcards):
        if not is_available(task):
            return evaluation_files(task)
        return [*evaluation_files(task), *task_figures(task)]

    return files


def executed_notebook(name):
    """Input function: one notebook, if what it looks at exists."""

    def files(wildcards):
        topic = SCALE.notebooks[name]
        available = not why_not_simulated(topic) if name == "trajectory" else is_available(topic)
        return [f"results/{SCALE.name}/notebooks/{name}.html"] if available else []

    return files


# --- arguments of commands ------------------------------------------------------------------


def convert_arguments(dataset):
    keys = ("kcal_per_mol", "every", "molecule")
    given = {key: SCALE.datasets[dataset][key] for key in keys if key in SCALE.datasets[dataset]}
    return [text for k, v in given.items() for text in (f"--{k.replace('_', '-')}", str(v))]


def split_arguments(task):
    split = SCALE.tasks[task]["split"]
    arguments = ["--seed", str(split["seed"])]
    for part in ("train", "validation", "test"):
        arguments += [f"--{part}", str(split[part])]
        if source := split.get("sources", {}).get(part):
            arguments += [f"--{part}-source", source]
    for kind in split.get("exclude", []):
        arguments += ["--exclude", kind]
    return arguments


def evaluation_arguments(task, run):
    """The test set, and what an evaluation keeps about where its numbers come from."""
    settings = SCALE.tasks[task]
    weights = ["--weights", "published" if run == "published" else "own"]
    seed = [] if run == "published" else ["--seed", run.removeprefix("seed-")]
    part = [] if run == "published" else ["--split", *split_files(task), "--part", "test"]
    arguments = [*part, "--task", task, "--data-label", settings["data"], *weights, *seed]
    arguments += generated(settings["dataset"])
    if settings["note"]:
        arguments += ["--note", settings["note"]]
    if "energy_unavailable" in settings:
        arguments += ["--unavailable", f"energy={settings['energy_unavailable']}"]
    if settings["resources"]["gpu"]:
        arguments += ["--device", "cuda"]
    return arguments


def notebook_inputs(wildcards):
    """The files of the first model of the notebook's task, or of the notebook's simulation."""
    if wildcards.name == "trajectory":
        simulation = SCALE.notebooks[wildcards.name]
        files = {
            "model": simulated_model(simulation),
            "analysis": analysis_file(simulation),
            "summary": simulation_files(simulation)[0],
        }
        if bonds := bond_reference(simulation):
            files["bonds"] = bonds[0]
        return files
    task = SCALE.notebooks[wildcards.name]
    run = SCALE.runs(task)[0]
    files = {
        "model": model_file(task, run),
        "data": data_file(task),
        "evaluation": f"results/{SCALE.name}/evaluation/{task}/{run}.json",
        "predictions": f"results/{SCALE.name}/evaluation/{task}/{run}.npz",
    }
    if splits := split_files(task):
        files["split"] = splits[0]
    if metrics := metrics_files(task):
        files["metrics"] = metrics[0]
    return files


def notebook_environment(wildcards, input):
    """CAMP_TASK or CAMP_SIMULATION, CAMP_SCALE, CAMP_DATA_LABEL, and a path for every input, such
    as CAMP_MODEL."""
    topic = SCALE.notebooks[wildcards.name]
    if wildcards.name == "trajectory":
        values = {"SIMULATION": topic, "DATA_LABEL": SCALE.simulations[topic]["data"]}
        values["TRAJECTORY"] = str(Path(input.summary).absolute().with_name("replica-1.traj"))
    else:
        values = {"TASK": topic, "DATA_LABEL": SCALE.tasks[topic]["data"]}
    values["SCALE"] = SCALE.name
    values |= {name.upper(): str(Path(path).absolute()) for name, path in input.items()}
    return [f"CAMP_{name}={value}" for name, value in values.items()]
