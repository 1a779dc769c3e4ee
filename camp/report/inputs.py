"""What a table, a figure or a scoreboard is made from; all of one scale."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from camp.report.declarations import FigureDeclaration, Paper
from camp.report.paper import PaperNumber
from camp.report.results import Results, collect
from camp.report.simulations import Analysis

Files = Iterable[str | Path]


@dataclass(frozen=True)
class Inputs:
    """A paper with our results; what is not there was not given, or could not be made.

    ``trainings`` are summaries training.json, ``metrics`` tables metrics.csv of trainings;
    ``scans`` energies of bilayers or of pairs; ``references`` files by name. ``structure`` is a
    file of structures, of which the first is drawn, ``data`` the label of their data.
    """

    paper: Paper
    results: Results
    task: str = ""  # of which a figure of one task is drawn
    trainings: Sequence[Path] = ()
    metrics: Sequence[Path] = ()
    scans: Sequence[Path] = ()
    references: Mapping[str, Path] = field(default_factory=dict)
    structure: Path | None = None
    data: str = ""

    @property
    def scale(self) -> str:
        return self.results.scale

    def simulated(self, simulation: str) -> Analysis | None:
        """The simulation with the model that the paper is about, None without one.

        :raises InputError: it is given with several kinds of weights.
        """
        return self.results.simulations.only(simulation, self.paper.architecture)

    def why_not_simulated(self, simulation: str) -> str:
        simulations = self.results.simulations
        return simulations.why_not(simulation, self.paper.architecture, self.scale)

    def simulated_of(self, figure: FigureDeclaration) -> list[Analysis]:
        """Those of a figure's simulations that there are."""
        return [found for name in figure.simulations if (found := self.simulated(name))]

    def reported_diffusivity(self, simulation: str) -> PaperNumber | None:
        """The paper's diffusivity that a simulation answers, None where it prints none."""
        found = (n for n in self.paper.own_numbers if n.metric.name == "diffusivity")
        return next((n for n in found if n.answered_by_simulation == simulation), None)


def read_inputs(
    paper: Paper,
    scale: str,
    *,
    evaluations: Files = (),
    analyses: Files = (),
    speeds: Files = (),
    **more: object,
) -> Inputs:
    """Inputs with the results in files, or folders of them.

    :param more: the other fields of :class:`Inputs`.
    :raises InputError: see :func:`camp.report.results.collect`.
    """
    results = collect(evaluations, scale, analyses, speeds)
    return Inputs(paper=paper, results=results, **more)  # type: ignore[arg-type]
