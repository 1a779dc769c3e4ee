"""The identity of a step: what its rule compares to know whether it must be run again.

A rule has it as a parameter, beside what its command is told; labels are neither. Snakemake looks
at the inputs itself.
"""

from collections.abc import Mapping
from typing import Any

from camp.identity import identity
from camp.md.code import simulation_code
from camp.report.declarations import FigureDeclaration, TableDeclaration
from camp.settings import Scale
from camp.settings.architectures import code_of
from camp.settings.scale import Task

_READING = ("camp.data.readers",)
_SPLITTING = (*_READING, "camp.data.splits")
# The modules in which the code of each step begins; the command line only calls them.
STEPS: dict[str, tuple[str, ...]] = {
    "generate": ("camp.data.generate",),
    "convert": _READING,
    "split": _SPLITTING,
    "train": (*_SPLITTING, "camp.training.train"),
    "import": ("camp.potential.saving",),
    "evaluate": (*_SPLITTING, "camp.potential.saving", "camp.evaluation.comparison"),
    "rival": (*_SPLITTING, "camp.evaluation.rivals"),
    # Beside the scripts, which its rule has as inputs.
    "peer": (*_SPLITTING, "camp.training.sets", "camp.evaluation.comparison"),
    "start": _SPLITTING,
    "simulate": (*_READING, "camp.potential.saving", "camp.md.simulate"),
    "analyse": (*_READING, "camp.md.analysis"),
    "scan": (*_READING, "camp.potential.saving", "camp.md.scans"),
    "speed": (*_READING, "camp.potential.saving", "camp.md.benchmark"),
    "table": ("camp.report.tables",),
    "scoreboard": ("camp.report.scoreboard",),
    "figure": ("camp.report.figures", "camp.report.style"),
    # What the notebooks import.
    "notebook": (
        "camp.cartesian.natural",
        "camp.cartesian.paths",
        "camp.cartesian.voigt",
        *_SPLITTING,
        "camp.report.inspection",
        "camp.report.panels",
        "camp.report.predictions",
        "camp.md.analysis",
        "camp.md.simulate",
        "camp.potential.saving",
    ),
}


def of_step(
    step: str, settings: Mapping[str, Any] | None = None, *, code: tuple[str, ...] = ()
) -> str:
    """The identity of a step, whatever its inputs.

    :param step: a key of :data:`STEPS`.
    :param settings: what it depends on beside the arguments of its command.
    :param code: names of modules that it runs beside its own, such as those of an architecture.
    """
    return identity(settings or {}, code=[*STEPS[step], *code])


def of_model(step: str, architecture: str, *, reading: bool = False) -> str:
    """The identity of what a model of an architecture makes.

    :param reading: whether it reads published weights.
    """
    return of_step(step, code=code_of(architecture, reading=reading))


def of_training(scale: Scale, task: str, architecture: str) -> str:
    settings = scale.tasks[task]
    chosen = settings.models[architecture]
    return of_step(
        "train",
        {
            **_of_labels(settings),
            "model": chosen.model.model_dump(),
            "training": chosen.training.model_dump(),
        },
        code=code_of(architecture, accelerated=chosen.training.runs_accelerated),
    )


def _of_labels(task: Task) -> dict[str, Any]:
    """What is learnt, and how the files have it."""
    said = {"keys": task.keys, "units": task.units, "signs": task.signs}
    return {"targets": task.targets, **{key: value for key, value in said.items() if value}}


def of_peer(scale: Scale, task: str) -> str:
    """The identity of the training of a peer: its time is that of the first model."""
    settings = scale.tasks[task]
    training = next(iter(settings.models.values())).training
    return of_step(
        "peer",
        {
            **_of_labels(settings),
            "batch_size": training.batch_size,
            "max_time": training.max_time,
        },
    )


def of_simulation(scale: Scale, simulation: str, part: str) -> str:
    """The identity of one job of a simulation, which simulates some of its replicas."""
    settings = scale.simulations[simulation]
    one = {} if part == "all" else {"replicas": 1}
    code = simulation_code(settings.md.engine, settings.model)
    return of_step("simulate", {**settings.md.model_dump(), **one}, code=code)


def of_dimer_scan(scale: Scale, simulation: str) -> str:
    return of_model("scan", scale.simulations[simulation].model)


def of_speed(scale: Scale, simulation: str) -> str:
    architecture = scale.simulations[simulation].model
    return of_step("speed", code=code_of(architecture, accelerated=True))


def of_table(table: TableDeclaration) -> str:
    return of_step("table", code=_module(table.make))


def of_figure(figure: FigureDeclaration) -> str:
    return of_step("figure", code=_module(figure.draw))


def _module(place: str) -> tuple[str]:
    """The module of a function that a paper's tables.yaml names."""
    return (place.partition(":")[0],)
