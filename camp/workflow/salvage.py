"""After a failed run: scoreboards, and tables, figures and notebooks that lack an input, with what
was computed and the reasons why the rest is missing.
"""

import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from camp.files import write_json, write_text
from camp.report.declarations import FigureDeclaration, Paper
from camp.report.pages import page, paragraph
from camp.workflow import failures, notebooks, paths
from camp.workflow.arguments import options
from camp.workflow.availability import no_analysis, no_evaluation
from camp.workflow.failures import Rules
from camp.workflow.products import Products


class Salvage:
    """The report of what there is.

    :param rules: outputs and logs of all rules.
    :param folder: where files with reasons are written.
    """

    def __init__(self, products: Products, rules: Rules, folder: Path):
        self.products = products
        self.scale = products.scale
        self.rules = rules
        self.folder = folder
        self.reasons = failures.reasons_so_far(self.scale, rules)

    def write(self, blocked: Collection[str]) -> list[str]:
        """Write all scoreboards, and what else is blocked.

        :param blocked: outputs that could not be begun, since something before them failed.
        :return: the scoreboards.
        """
        found, products = self._results(), self.products
        scoreboards = []
        for name, paper in products.scoreboards.items():
            scoreboards.append(paths.scoreboard_file(self.scale, name))
            _camp("scoreboard", *_written(scoreboards[-1]), *found, paper=paper)
        for name, (paper, _) in products.tables.items():
            out = paths.table_file(self.scale, name)
            if out in blocked:
                made = {"trainings": self._trainings("training.json"), "rivals": self._rivals()}
                given = options(made, *made)
                _camp("table", name, *given, *_written(out), *found, paper=paper)
        for name, (paper, figure) in products.figures.items():
            out = paths.figure_file(self.scale, name)
            if out in blocked:
                scans = options({"scans": [*self._scans(paper, figure)]}, "scans")
                _camp("figure", name, *scans, "--out", out, *found, paper=paper)
        for name, (paper, _) in products.task_figures.items():
            for task in self.scale.tasks:
                out = paths.figure_file(self.scale, f"{name}-{task}")
                if out in blocked:
                    metrics = options({"metrics": self._trainings("metrics.csv", task)}, "metrics")
                    labels = products.task_labels(task)
                    _camp("figure", name, *labels, *metrics, "--out", out, *found, paper=paper)
        for name, topic in notebooks.topics(self.scale).items():
            out = paths.notebook_file(self.scale, name)
            if out in blocked:
                text = paragraph(f"missing because {self._why_no_notebook(name, topic)}")
                write_text(out, page(f"Notebook: {name}", text))
        return scoreboards

    def _results(self) -> list[str]:
        """Options of commands: the results that there are, and files with the other reasons."""
        scale, reasons = self.scale, self.reasons
        files = {
            "evaluations": [
                paths.evaluation_file(scale, *model)
                for model, reason in reasons.evaluations.items()
                if not reason
            ],
            "analyses": [
                paths.analysis_file(scale, name)
                for name, reason in reasons.analyses.items()
                if not reason
            ],
            "speeds": [
                paths.speed_file(scale, name)
                for name, reason in reasons.speeds.items()
                if not reason
            ],
        }
        for task, settings in scale.tasks.items():
            for architecture in settings.models:
                if reason := reasons.of_architecture(task, architecture):
                    content = no_evaluation(task, architecture, reason)
                    files["evaluations"].append(self._noted(content))
        for name, reason in reasons.analyses.items():
            if reason:
                files["analyses"].append(self._noted(no_analysis(scale, name, reason)))
        return ["--scale", scale.name, *options(files, *files)]

    def _noted(self, content: dict[str, str]) -> str:
        """A new file with a reason."""
        file = self.folder / f"missing-{len([*self.folder.iterdir()])}.json"
        write_json(file, content)
        return str(file)

    def _trainings(self, name: str, *tasks: str) -> list[str]:
        """A file of each training that has it, of these tasks or of all."""
        wanted = tasks or self.scale.tasks
        files = [file for task in wanted for file in paths.training_files(self.scale, task, name)]
        return [file for file in files if Path(file).exists()]

    def _rivals(self) -> list[str]:
        """Of all tasks, as far as there are any."""
        tasks = self.scale.tasks if self.scale.weights == "own" else ()
        files = [file for task in tasks for file in paths.rival_files(self.scale, task)]
        return [file for file in files if Path(file).exists()]

    def _scans(self, paper: Paper, figure: FigureDeclaration) -> Iterator[str]:
        """The scans of a figure, those that are missing as files with the reason."""
        scale = self.scale
        for model in self.products.scanned_models(paper, figure):
            jobs = failures.jobs_of_interlayer_scan(scale, *model)
            yield self._scan(paths.interlayer_scan_file(scale, *model), jobs)
        for name in figure.dimer_scans:
            if name in scale.simulations:
                jobs = failures.jobs_of_dimer_scan(scale, name)
                yield self._scan(paths.dimer_scan_file(scale, name), jobs)

    def _scan(self, file: str, jobs: Iterable[failures.Job]) -> str:
        reason = failures.why_not_done(self.scale, jobs, self.rules)
        noted = {"scale": self.scale.name, "unavailable": reason}
        return self._noted(noted) if reason else file

    def _why_no_notebook(self, name: str, topic: str) -> str:
        if name == notebooks.TRAJECTORY:
            return self.reasons.analyses[topic]
        return self.reasons.evaluations[topic, self.scale.runs(topic)[0]]


def _written(html: str) -> list[str]:
    """Where a table or scoreboard goes."""
    return ["--out-csv", str(Path(html).with_suffix(".csv")), "--out-html", html]


def _camp(verb: str, *arguments: str, paper: Paper) -> None:
    """A command whose failure must not keep others from being run."""
    command = [sys.executable, "-m", "camp", verb, *arguments, "--paper", str(paper.folder)]
    subprocess.run(command, check=False)
