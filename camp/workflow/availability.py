"""What of a scale can be made, as far as public files could be had, and the inputs that follow."""

from collections.abc import Callable, Iterable
from pathlib import Path

from camp.files import read_json
from camp.settings import Run, Scale
from camp.workflow import fetching, notebooks, paths


class Availability:
    """What can be made of a scale.

    :param record: the record of fetching an item; only asked for what the scale can do without. It
        raises what makes Snakemake fetch it first.
    """

    def __init__(self, scale: Scale, record: Callable[[str], str | Path]):
        self.scale = scale
        self.record = record
        self.items = fetching.items(scale)

    def why_missing(self, *items: str) -> str | None:
        """The reason why something could not be fetched, or None."""
        optional = [
            item for item in items if item in self.items and fetching.is_optional(self.scale, item)
        ]
        reasons = (read_json(self.record(item)).get("reason") for item in optional)
        return next(filter(None, reasons), None)

    def fetched(self, item: str) -> list[str]:
        """The public files of an item, if it is one that is fetched and can be had."""
        if item not in self.items or self.why_missing(item):
            return []
        return fetching.files_of(self.items[item])

    # --- tasks -----------------------------------------------------------------------------------

    def why_no_evaluation(self, task: str, run: Run) -> str | None:
        """The reason why a model of a task cannot be evaluated, or None."""
        return self.why_missing(
            *fetching.data_items(self.scale.tasks[task].dataset),
            fetching.weights_item(task, run.architecture),
        )

    def runs(self, task: str) -> list[Run]:
        """The models of a task that can be evaluated."""
        return [run for run in self.scale.runs(task) if not self.why_no_evaluation(task, run)]

    def evaluation(self, task: str, run: Run) -> str:
        """The evaluation of a model, or the file that says why there is none."""
        if self.why_no_evaluation(task, run):
            return f"{paths.folder(self.scale)}/evaluation/{task}/unavailable/{run.name}.json"
        return paths.evaluation_file(self.scale, task, run)

    def evaluations(self, task: str) -> list[str]:
        return [self.evaluation(task, run) for run in self.scale.runs(task)]

    def predictions(self, task: str) -> list[str]:
        return [paths.predictions_file(self.scale, task, run) for run in self.runs(task)]

    def all_evaluations(self) -> list[str]:
        return [file for task in self.scale.tasks for file in self.evaluations(task)]

    def missing_evaluation(self, task: str, run: Run) -> dict[str, str]:
        """What is written in the place of an evaluation."""
        return no_evaluation(task, run.architecture, self.why_no_evaluation(task, run) or "")

    # --- simulations -----------------------------------------------------------------------------

    def why_no_simulation(self, simulation: str) -> str | None:
        """The reason why a simulation cannot be made, or None."""
        settings = self.scale.simulations[simulation]
        weights = fetching.weights_item(settings.task, settings.model)
        start = settings.start.dataset
        data = [] if start is None else fetching.data_items(start)
        return self.why_missing(weights, fetching.start_item(simulation), *data)

    def can_simulate(self, simulation: str) -> bool:
        """Whether the scale has a simulation, and it can be made."""
        return simulation in self.scale.simulations and not self.why_no_simulation(simulation)

    def starting_structures(self, simulation: str) -> list[str]:
        """The file from which starting structures are drawn."""
        dataset = self.scale.simulations[simulation].start.dataset
        if dataset is None:
            return self.fetched(fetching.start_item(simulation))
        return [paths.dataset_file(self.scale, dataset)]

    def analysis(self, simulation: str) -> str:
        """The analysis of a simulation, or the file that says why there is none."""
        if self.why_no_simulation(simulation):
            return f"{paths.simulation_folder(self.scale, simulation)}/unavailable.json"
        return paths.analysis_file(self.scale, simulation)

    def all_analyses(self) -> list[str]:
        return [self.analysis(simulation) for simulation in self.scale.simulations]

    def missing_analysis(self, simulation: str) -> dict[str, str]:
        """What is written in the place of an analysis."""
        return no_analysis(self.scale, simulation, self.why_no_simulation(simulation) or "")

    def speeds(self, simulations: Iterable[str]) -> list[str]:
        """The measured speeds of those simulations that can be made."""
        asked = set(simulations)
        measured = [name for name in self.scale.speed.simulations if name in asked]
        return [
            paths.speed_file(self.scale, name)
            for name in measured
            if not self.why_no_simulation(name)
        ]

    def all_speeds(self) -> list[str]:
        return self.speeds(self.scale.simulations)

    # --- notebooks -------------------------------------------------------------------------------

    def all_notebooks(self) -> list[str]:
        """Executed notebooks, as far as what they look at exists."""
        return [
            paths.notebook_file(self.scale, name)
            for name, topic in notebooks.topics(self.scale).items()
            if not self._why_no_notebook(name, topic)
        ]

    def _why_no_notebook(self, name: str, topic: str) -> str | None:
        if name == notebooks.TRAJECTORY:
            return self.why_no_simulation(topic)
        return self.why_no_evaluation(topic, self.scale.runs(topic)[0])


def no_evaluation(task: str, architecture: str, reason: str) -> dict[str, str]:
    """What tables are told of an evaluation that does not exist."""
    return {"task": task, "architecture": architecture, "reason": reason}


def no_analysis(scale: Scale, simulation: str, reason: str) -> dict[str, str]:
    """The same of an analysis."""
    settings = scale.simulations[simulation]
    return {
        "simulation": simulation,
        "task": settings.task,
        "architecture": settings.model,
        "scale": scale.name,
        "unavailable": reason,
    }
