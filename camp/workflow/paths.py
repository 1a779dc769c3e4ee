"""Where the results of a scale lie."""

import re
from collections.abc import Iterable
from typing import Final

from camp.settings import Run, Scale
from camp.targets import TARGETS

GRAPH_CACHE = "cache/graphs"
# The one reference that is analysed from a dataset, as the simulation of this name is.
DYNAMICS: Final = "aimd"
DYNAMICS_LIKE = "lips"
# What stands under results/<scale>/ with labels, and without them under unlabelled/.
LABELLED = (
    r"evaluation/[^/]+/[^/]+|rivals/[^/]+/[^/]+-seed-\d+|md/[^/]+/analysis|speed/[^/]+|scans/.+"
    r"|references/[^/]+"
)


def one_of(names: Iterable[str]) -> str:
    """A pattern for a wildcard that takes these values only."""
    return "|".join(re.escape(name) for name in dict.fromkeys(names)) or "(?!)"


def folder(scale: Scale) -> str:
    return f"results/{scale.name}"


def run_names(scale: Scale) -> list[str]:
    """Of the models of all tasks."""
    return [run.name for task in scale.tasks for run in scale.runs(task)]


def architecture_names(scale: Scale) -> list[str]:
    """Of all tasks."""
    return [name for task in scale.tasks.values() for name in task.models]


# --- of a task ----------------------------------------------------------------------------------


def dataset_file(scale: Scale, dataset: str) -> str:
    return f"{folder(scale)}/data/{dataset}.xyz.gz"


def data_file(scale: Scale, task: str) -> str:
    return dataset_file(scale, scale.tasks[task].dataset)


def split_files(scale: Scale, task: str) -> list[str]:
    """The split of a task; published weights are evaluated on the whole dataset."""
    return [] if scale.weights == "published" else [f"{folder(scale)}/splits/{task}.json"]


def training_folder(scale: Scale, task: str, run: Run) -> str:
    return f"{folder(scale)}/training/{task}/{run.name}"


def model_file(scale: Scale, task: str, run: Run) -> str:
    if run.weights == "published":
        return f"{folder(scale)}/published/{task}/{run.name}/model.safetensors"
    return f"{training_folder(scale, task, run)}/model.safetensors"


def training_files(scale: Scale, task: str, name: str) -> list[str]:
    """A file of every training of a task, such as metrics.csv; published weights have none."""
    runs = [run for run in scale.runs(task) if run.weights == "own"]
    return [f"{training_folder(scale, task, run)}/{name}" for run in runs]


def metrics_files(scale: Scale, task: str) -> list[str]:
    return training_files(scale, task, "metrics.csv")


def summaries_of_training(scale: Scale, task: str) -> list[str]:
    return training_files(scale, task, "training.json")


def evaluation_file(scale: Scale, task: str, run: Run) -> str:
    return f"{folder(scale)}/evaluation/{task}/{run.name}.json"


def predictions_file(scale: Scale, task: str, run: Run) -> str:
    return f"{folder(scale)}/evaluation/{task}/{run.name}.npz"


def rival_files(scale: Scale, task: str) -> list[str]:
    """What a simple method makes of a task's tensors, and the errors of its peers."""
    settings = scale.tasks[task]
    targets = [TARGETS[name] for name in settings.targets]
    tensors = any(target.rank and not target.derivative_of for target in targets)
    peers = [Run(peer, "own", seed).name for peer in settings.peers for seed in settings.seeds]
    names = [*(("kernel-ridge", "mean") if tensors else ()), *peers]
    return [f"{folder(scale)}/rivals/{task}/{name}.json" for name in names]


def trained_peers(scale: Scale) -> list[str]:
    """Those that some task asks for."""
    return [*dict.fromkeys(peer for task in scale.tasks.values() for peer in task.peers)]


def interlayer_scan_file(scale: Scale, task: str, run: Run) -> str:
    return f"{folder(scale)}/scans/interlayer/{task}/{run.name}.json"


def together(scale: Scale) -> list[str]:
    """Tasks of which one job trains all seeds of an architecture, if there are several."""
    tasks = scale.tasks.items()
    return [name for name, task in tasks if task.seeds_together and len(task.seeds) > 1]


# --- of a simulation ----------------------------------------------------------------------------


def simulation_folder(scale: Scale, simulation: str) -> str:
    return f"{folder(scale)}/md/{simulation}"


def simulated_model(scale: Scale, simulation: str) -> str:
    """The model that makes a simulation."""
    task = scale.simulations[simulation].task
    return model_file(scale, task, scale.simulating_run(simulation))


def start_file(scale: Scale, simulation: str) -> str:
    return f"{simulation_folder(scale, simulation)}/start.xyz"


def summary_files(scale: Scale, simulation: str) -> list[str]:
    """What the jobs of a simulation say of it."""
    own = simulation_folder(scale, simulation)
    return [f"{own}/{part}/simulation.json" for part in scale.simulations[simulation].parts]


def bond_files(scale: Scale, simulation: str) -> list[str]:
    """The structures whose mean bond lengths the stability of molecules is measured against."""
    settings = scale.simulations[simulation]
    return [data_file(scale, settings.task)] if settings.analysis.stability == "bonds" else []


def analysis_file(scale: Scale, simulation: str) -> str:
    return f"{simulation_folder(scale, simulation)}/analysis.json"


def speed_file(scale: Scale, simulation: str) -> str:
    return f"{folder(scale)}/speed/{simulation}.json"


def dimer_scan_file(scale: Scale, simulation: str) -> str:
    return f"{folder(scale)}/scans/dimer/{simulation}.json"


# --- of a reference -----------------------------------------------------------------------------


def reference_dataset(scale: Scale) -> str:
    """The dataset from which :data:`DYNAMICS` is analysed."""
    dataset = scale.references[DYNAMICS].dataset
    assert dataset is not None, "settings ask for it"
    return dataset


def displacement_files(scale: Scale) -> list[str]:
    """The mean-squared displacements of :data:`DYNAMICS`, where they are given."""
    file = scale.references[DYNAMICS].msd
    return [scale.path(file)] if file else []


def reference_file(scale: Scale) -> str:
    """The analysis of :data:`DYNAMICS`."""
    return f"{folder(scale)}/references/{DYNAMICS}.json"


# --- of the report ------------------------------------------------------------------------------


def table_file(scale: Scale, name: str) -> str:
    return f"{folder(scale)}/tables/{name}.html"


def figure_file(scale: Scale, name: str) -> str:
    return f"{folder(scale)}/figures/{name}.png"


def scoreboard_file(scale: Scale, paper: str) -> str:
    return f"{folder(scale)}/scoreboard-{paper}.html"


def notebook_file(scale: Scale, name: str) -> str:
    return f"{folder(scale)}/notebooks/{name}.html"
