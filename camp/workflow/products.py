"""Tables, figures and scoreboards of the papers: which a scale can have, and their inputs."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from camp.report.declarations import (
    FigureDeclaration,
    Kind,
    Needs,
    Paper,
    Product,
    TableDeclaration,
    by_name,
)
from camp.settings import Run
from camp.settings.sections import ReferenceSettings
from camp.workflow import fetching, paths
from camp.workflow.arguments import options
from camp.workflow.availability import Availability

# The inputs of one product by the option of its command, or by another name.
Files = dict[str, list[str]]
RESULTS: tuple[Kind, ...] = ("evaluations", "analyses", "speeds", "trainings", "rivals")


class Products:
    """What is declared by name, each with its paper, as far as a scale can have it."""

    def __init__(self, available: Availability, papers: Mapping[str, Paper]):
        self.available = available
        self.scale = available.scale
        self.papers = papers
        # What there is of the kinds of results that products of a whole scale are made from.
        self._of_scale: dict[Kind, list[str]] = {
            "evaluations": [*self.scale.tasks],
            "analyses": [*self.scale.simulations],
            "speeds": self.scale.speed.simulations,
            "trainings": [*self.scale.tasks] if self.scale.weights == "own" else [],
            "rivals": [name for name in self.scale.tasks if self._has_rivals(name)],
        }
        declared = papers.values()
        self.tables: dict[str, tuple[Paper, TableDeclaration]] = {
            name: one for name, one in by_name(declared, "tables").items() if self._has(one[1])
        }
        drawn: dict[str, tuple[Paper, FigureDeclaration]] = {
            name: one for name, one in by_name(declared, "figures").items() if self._has(one[1])
        }
        self.figures = {name: one for name, one in drawn.items() if one[1].covers != "task"}
        self.task_figures = {
            name: one
            for name, one in drawn.items()
            if one[1].covers == "task"
            and any(self.can_show(*one, task) for task in self.scale.tasks)
        }
        self.scoreboards = {name: paper for name, paper in papers.items() if paper.own_numbers}

    def _has(self, product: Product) -> bool:
        """Whether the scale has anything of what it takes, and any task of its curves."""
        if isinstance(product, FigureDeclaration) and product.curves:
            return not {*product.curve_tasks}.isdisjoint(self.scale.tasks)
        return not product.takes or any(self._of_scale[kind] for kind in product.takes)

    def _has_rivals(self, task: str) -> bool:
        rivals = self.scale.weights == "own" and paths.rival_files(self.scale, task)
        return bool(rivals and self.available.runs(task))

    def can_show(self, paper: Paper, figure: FigureDeclaration, task: str) -> bool:
        """Whether a figure of one task is drawn of this one."""
        settings = self.scale.tasks[task]
        modelled = paper.architecture in ("", *settings.models)
        return modelled and {*figure.targets} <= {*settings.targets}

    def captions(self) -> dict[str, Any]:
        """What the texts of the report say of them."""
        declared = {**self.tables, **self.figures, **self.task_figures}
        return {
            "scale": self.scale.name,
            "data": self.scale.data,
            "products": {
                name: {
                    "caption": product.caption,
                    "where": product.where,
                    "heading": product.heading,
                }
                for name, (_, product) in declared.items()
            },
            "papers": {name: paper.label for name, paper in self.papers.items()},
        }

    # --- inputs ----------------------------------------------------------------------------------

    def inputs_of_table(self, name: str) -> Files:
        paper, table = self.tables[name]
        return {**self._results(paper, table), "declared": paper.files}

    def inputs_of_scoreboard(self, name: str) -> Files:
        paper = self.papers[name]
        return {**self._answers(paper.all_needs()), "declared": paper.files}

    def inputs_of_figure(self, name: str) -> Files:
        paper, figure = self.figures[name]
        return {
            **self._results(paper, figure),
            "references": [*self.references(figure).values()],
            "scans": self._scans(paper, figure),
            "structure": self._structure(figure),
            "declared": paper.files,
        }

    def inputs_of_task_figure(self, name: str, task: str) -> Files:
        paper, figure = self.task_figures[name]
        judged, trained = "evaluations" in figure.takes, "trainings" in figure.takes
        return {
            "evaluations": self.available.evaluations(task) if judged else [],
            "predictions": self.available.predictions(task) if judged else [],
            "metrics": paths.metrics_files(self.scale, task) if trained else [],
            "declared": paper.files,
        }

    def results_of(self, task: str) -> list[str]:
        """Evaluations and figures of one task."""
        evaluations = self.available.evaluations(task)
        if not self.available.runs(task):
            return evaluations
        trained = paths.metrics_files(self.scale, task)
        models = Counter((run.architecture, run.weights) for run in self.available.runs(task))
        seeds = max(models.values())
        figures = [
            paths.figure_file(self.scale, f"{name}-{task}")
            for name, (paper, figure) in self.task_figures.items()
            if self.can_show(paper, figure, task)
            and (trained or "trainings" not in figure.takes)
            and figure.seeds <= seeds
        ]
        return [*evaluations, *figures]

    def _results(self, paper: Paper, product: Product) -> Files:
        """What answers the numbers of a product, or the results of its kinds that there are."""
        if product.covers == "scale":
            return {kind: self._files(kind, self._of_scale[kind]) for kind in product.takes}
        return self._answers(paper.needs(product))

    def _answers(self, needs: Needs) -> Files:
        return {
            "evaluations": self._files("evaluations", needs.tasks),
            "analyses": self._files("analyses", needs.simulations),
            "speeds": self._files("speeds", needs.speeds),
        }

    def _files(self, kind: Kind, names: Iterable[str]) -> list[str]:
        """Of those names that the scale has; the others are missing in tables and figures."""
        known = [name for name in names if name in self._of_scale[kind]]
        if kind == "speeds":
            return self.available.speeds(known)
        if kind == "analyses":
            return [self.available.analysis(name) for name in known]
        if kind == "evaluations":
            return [file for task in known for file in self.available.evaluations(task)]
        files = paths.rival_files if kind == "rivals" else paths.summaries_of_training
        return [file for task in known for file in files(self.scale, task)]

    def references(self, figure: FigureDeclaration) -> dict[str, str]:
        """{name: file} of the references that could be had; one alone makes no figure."""
        if not any(name in self.scale.simulations for name in figure.simulations):
            return {}
        sources = dict[str, ReferenceSettings](self.scale.references.items())
        found = {
            name: self._reference(name, sources[name])
            for name in figure.references
            if name in sources
        }
        return {name: files[0] for name, files in found.items() if files}

    def _reference(self, name: str, source: ReferenceSettings) -> list[str]:
        if source.dataset is None:
            return self.available.fetched(fetching.reference_item(name))
        lost = self.available.why_missing(*fetching.data_items(source.dataset))
        return [] if lost else [paths.reference_file(self.scale)]

    def _scans(self, paper: Paper, figure: FigureDeclaration) -> list[str]:
        """The bilayers of every model of tasks, and a pair for each of some simulations."""
        layers = [
            paths.interlayer_scan_file(self.scale, task, run)
            for task, run in self.scanned_models(paper, figure)
            if not self.available.why_no_evaluation(task, run)
        ]
        pairs = [
            paths.dimer_scan_file(self.scale, name)
            for name in figure.dimer_scans
            if self.available.can_simulate(name)
        ]
        return [*layers, *pairs]

    def scanned_models(self, paper: Paper, figure: FigureDeclaration) -> list[tuple[str, Run]]:
        """Tasks and runs whose bilayers a figure shows: those of the model that its paper is about,
        or of all.
        """
        return [
            (task, run)
            for task in figure.interlayer_scans
            if task in self.scale.tasks
            for run in self.scale.runs(task)
            if paper.architecture in ("", run.architecture)
        ]

    def _shown_start(self, figure: FigureDeclaration) -> str | None:
        """The first of its simulations that can be made, of which it shows where it starts."""
        return next(filter(self.available.can_simulate, figure.structure), None)

    def _structure(self, figure: FigureDeclaration) -> list[str]:
        shown = self._shown_start(figure)
        return [paths.start_file(self.scale, shown)] if shown else []

    # --- arguments of commands -------------------------------------------------------------------

    def table_arguments(self, name: str) -> list[str]:
        paper, _ = self.tables[name]
        return [*_of(paper), *options(self.inputs_of_table(name), *RESULTS)]

    def scoreboard_arguments(self, name: str) -> list[str]:
        return [*_of(self.papers[name]), *options(self.inputs_of_scoreboard(name), *RESULTS)]

    def figure_arguments(self, name: str) -> list[str]:
        paper, figure = self.figures[name]
        files = self.inputs_of_figure(name)
        arguments = [*_of(paper), *options(files, *RESULTS, "scans", "structure")]
        if shown := self._shown_start(figure):
            arguments += ["--data", self.scale.simulations[shown].data]
        for reference, file in self.references(figure).items():
            arguments += ["--reference", f"{reference}={file}"]
        return arguments

    def task_figure_arguments(self, name: str, task: str) -> list[str]:
        paper, _ = self.task_figures[name]
        files = self.inputs_of_task_figure(name, task)
        return [*_of(paper), *self.task_labels(task), *options(files, "evaluations", "metrics")]

    def task_labels(self, task: str) -> list[str]:
        """What a figure of one task says of it."""
        return ["--task", task, "--data", self.scale.tasks[task].data]


def _of(paper: Paper) -> list[str]:
    return ["--paper", str(paper.folder)]
