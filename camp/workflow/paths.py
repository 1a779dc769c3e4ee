"""Where the results of a scale lie."""

import re
from collections.abc import Iterable

from camp.settings import Scale

GRAPH_CACHE = "cache/graphs"
RUN = r"published|seed-\d+"
# What stands under results/<scale>/ with labels, and without them under unlabelled/.
LABELLED = rf"evaluation/[^/]+/({RUN})|md/[^/]+/analysis|speed/[^/]+|scans/.+|references/[^/]+"


def one_of(names: Iterable[str]) -> str:
    """A pattern for a wildcard that takes these values only."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def folder(scale: Scale) -> str:
    return f"results/{scale.name}"


def seed_of(run: str) -> int | None:
    """The seed of a training; None for published weights."""
    return None if run == "published" else int(run.removeprefix("seed-"))


# --- of a task ----------------------------------------------------------------------------------


def dataset_file(scale: Scale, dataset: str) -> str:
    return f"{folder(scale)}/data/{dataset}.xyz.gz"


def data_file(scale: Scale, task: str) -> str:
    return dataset_file(scale, scale.tasks[task]["dataset"])


def split_files(scale: Scale, task: str) -> list[str]:
    """The split of a task; published weights are evaluated on the whole dataset."""
    return [] if scale.weights == "published" else [f"{folder(scale)}/splits/{task}.json"]


def model_file(scale: Scale, task: str, run: str) -> str:
    if run == "published":
        return f"{folder(scale)}/published/{task}/model.safetensors"
    return f"{folder(scale)}/training/{task}/{run}/model.safetensors"


def metrics_files(scale: Scale, task: str) -> list[str]:
    """Metrics of the trainings of a task, which published weights have none of."""
    runs = [run for run in scale.runs(task) if run != "published"]
    return [f"{folder(scale)}/training/{task}/{run}/metrics.csv" for run in runs]


def evaluation_file(scale: Scale, task: str, run: str) -> str:
    return f"{folder(scale)}/evaluation/{task}/{run}.json"


def predictions_file(scale: Scale, task: str, run: str) -> str:
    return f"{folder(scale)}/evaluation/{task}/{run}.npz"


def prediction_files(scale: Scale, task: str) -> list[str]:
    return [predictions_file(scale, task, run) for run in scale.runs(task)]


def together(scale: Scale) -> list[str]:
    """Tasks of which one job trains all seeds."""
    return [name for name, task in scale.tasks.items() if task["seeds_together"]]


# --- of a simulation ----------------------------------------------------------------------------


def simulation_folder(scale: Scale, simulation: str) -> str:
    return f"{folder(scale)}/md/{simulation}"


def simulated_model(scale: Scale, simulation: str) -> str:
    """The model of a simulation: the first of its task."""
    task = scale.simulations[simulation]["task"]
    return model_file(scale, task, scale.runs(task)[0])


def summary_files(scale: Scale, simulation: str) -> list[str]:
    """What the jobs of a simulation say of it."""
    own = simulation_folder(scale, simulation)
    return [f"{own}/{part}/simulation.json" for part in scale.parts(simulation)]


def bond_files(scale: Scale, simulation: str) -> list[str]:
    """The structures whose mean bond lengths the stability of molecules is measured against."""
    settings = scale.simulations[simulation]
    own = settings["analysis"]["stability"] == "bonds"
    return [data_file(scale, settings["task"])] if own else []
