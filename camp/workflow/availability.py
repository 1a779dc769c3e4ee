"""What of a scale can be made, as far as public files could be had, and the inputs that follow."""

from collections.abc import Callable, Iterable
from pathlib import Path

from camp.files import read_json
from camp.settings import Scale
from camp.workflow import fetching, paths


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

    def why_no_evaluation(self, task: str) -> str | None:
        """The reason why a task cannot be evaluated, or None."""
        return self.why_missing(f"data-{self.scale.tasks[task]['dataset']}", f"weights-{task}")

    def evaluations(self, task: str) -> list[str]:
        """The evaluations of a task, or the file that says why there are none."""
        if self.why_no_evaluation(task):
            return [f"{paths.folder(self.scale)}/evaluation/{task}/unavailable.json"]
        return [paths.evaluation_file(self.scale, task, run) for run in self.scale.runs(task)]

    def all_evaluations(self) -> list[str]:
        return [file for task in self.scale.tasks for file in self.evaluations(task)]

    def results_of(self, task: str, figures: Iterable[str]) -> list[str]:
        """Evaluations and figures of one task.

        :param figures: their kinds, beside that of its training.
        """
        if self.why_no_evaluation(task):
            return self.evaluations(task)
        kinds = [*figures, *(["training"] if paths.metrics_files(self.scale, task) else [])]
        drawn = [f"{paths.folder(self.scale)}/figures/{kind}-{task}.png" for kind in kinds]
        return [*self.evaluations(task), *drawn]

    # --- simulations -----------------------------------------------------------------------------

    def why_no_simulation(self, simulation: str) -> str | None:
        """The reason why a simulation cannot be made, or None."""
        settings = self.scale.simulations[simulation]
        items = [f"weights-{settings['task']}", f"start-{simulation}"]
        if "dataset" in settings["start"]:
            items.append(f"data-{settings['start']['dataset']}")
        return self.why_missing(*items)

    def can_simulate(self, simulation: str) -> bool:
        """Whether the scale has a simulation, and it can be made."""
        return simulation in self.scale.simulations and not self.why_no_simulation(simulation)

    def starting_structures(self, simulation: str) -> list[str]:
        """The file from which starting structures are drawn."""
        start = self.scale.simulations[simulation]["start"]
        if "fetch" in start:
            return self.fetched(f"start-{simulation}")
        return [paths.dataset_file(self.scale, start["dataset"])]

    def analysis(self, simulation: str) -> str:
        """The analysis of a simulation, or the file that says why there is none."""
        kind = "unavailable" if self.why_no_simulation(simulation) else "analysis"
        return f"{paths.simulation_folder(self.scale, simulation)}/{kind}.json"

    def all_analyses(self) -> list[str]:
        return [self.analysis(simulation) for simulation in self.scale.simulations]

    def speeds(self, simulations: Iterable[str]) -> list[str]:
        """The measured speeds of those simulations that can be made."""
        asked = set(simulations)
        measured = [name for name in self.scale.speed["simulations"] if name in asked]
        own = f"{paths.folder(self.scale)}/speed"
        return [f"{own}/{name}.json" for name in measured if not self.why_no_simulation(name)]

    def all_speeds(self) -> list[str]:
        return self.speeds(self.scale.simulations)

    # --- notebooks -------------------------------------------------------------------------------

    def notebook(self, name: str) -> list[str]:
        """An executed notebook, if what it looks at exists."""
        topic = self.scale.notebooks[name]
        why_not = self.why_no_simulation if name == "trajectory" else self.why_no_evaluation
        return [] if why_not(topic) else [f"{paths.folder(self.scale)}/notebooks/{name}.html"]
