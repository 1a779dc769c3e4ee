"""The identity of a step: what its rule compares to know whether it must be run again.

A rule has it as a parameter, beside what its command is told; labels are neither. Snakemake looks
at the inputs itself.
"""

from collections.abc import Mapping
from typing import Any

from camp.identity import identity
from camp.md.code import simulation_code
from camp.settings import Scale
from camp.settings.architectures import code_of

_READING = ("camp.data.readers",)
_SPLITTING = (*_READING, "camp.data.splits")
# The modules in which the code of each step begins; the command line only calls them.
STEPS: dict[str, tuple[str, ...]] = {
    "generate": ("camp.data.generate",),
    "convert": _READING,
    "split": _SPLITTING,
    "train": (*_SPLITTING, "camp.training.train"),
    "import": ("camp.potential.saving",),
    "evaluate": (*_SPLITTING, "camp.potential.saving", "camp.training.evaluation"),
    "start": _SPLITTING,
    "simulate": (*_READING, "camp.potential.saving", "camp.md.simulate"),
    "analyse": (*_READING, "camp.md.analysis"),
    "scan": (*_READING, "camp.potential.saving", "camp.md.scans"),
    "speed": (*_READING, "camp.potential.saving", "camp.md.benchmark"),
    "table": ("camp.report.tables",),
    "scoreboard": ("camp.report.scoreboard",),
    "figure": ("camp.report.figures",),
    "notebook": (
        "camp.report.inspection",
        "camp.report.figures",
        "camp.md.analysis",
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


def architecture_of(scale: Scale, task: str) -> str:
    return scale.tasks[task]["model"]["architecture"]


def of_task(step: str, scale: Scale, task: str, *, reading: bool = False) -> str:
    """The identity of what a model of a task makes.

    :param reading: whether it reads published weights.
    """
    return of_step(step, code=code_of(architecture_of(scale, task), reading=reading))


def of_training(scale: Scale, task: str) -> str:
    settings = scale.tasks[task]
    return of_step(
        "train",
        {"model": settings["model"], "training": settings["training"]},
        code=code_of(architecture_of(scale, task)),
    )


def of_simulation(scale: Scale, simulation: str, part: str) -> str:
    """The identity of one job of a simulation, which simulates some of its replicas."""
    settings = scale.simulations[simulation]
    md = settings["md"]
    one = {} if part == "all" else {"replicas": 1}
    code = simulation_code(md["engine"], architecture_of(scale, settings["task"]))
    return of_step("simulate", {**md, **one}, code=code)


def of_speed(scale: Scale, simulation: str) -> str:
    architecture = architecture_of(scale, scale.simulations[simulation]["task"])
    return of_step("speed", code=code_of(architecture, accelerated=True))
