"""Figures by name: figure-2 … figure-6, figure-s1 … figure-s3, figure-drift, KIND-<task>."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from camp.errors import InputError
from camp.report.crystal import crystal
from camp.report.drift import energy_drift
from camp.report.interlayer import interlayer
from camp.report.learning_curve import learning_curve
from camp.report.lips import LARGE_TIMESTEP, SIMULATION, lips_large_timestep, lips_simulation
from camp.report.molecules import compare_molecules
from camp.report.paper import PaperNumber, read_answering, read_paper_numbers
from camp.report.predictions import errors, parity
from camp.report.results import collect
from camp.report.simulations import Simulations, collect_simulations
from camp.report.style import missing_figure
from camp.report.training_curves import training_curves
from camp.report.water import water_structure, water_temperatures
from camp.report.water_references import LABELS

AIMD = "aimd"
REFERENCES = (AIMD, *LABELS)
_BY_TASK = {"parity": parity, "errors": errors}


@dataclass(frozen=True)
class _Inputs:
    """The arguments of :func:`draw_figure`."""

    scale: str
    evaluations: Sequence[Path]
    analyses: Sequence[Path]
    speeds: Sequence[Path]
    metrics: Sequence[Path]
    scans: Sequence[Path]
    references: Mapping[str, Path]
    structure: Path | None
    data: str | None
    tasks: Path | None
    simulations: Path | None
    paper: Path | None

    @property
    def simulated(self) -> Simulations:
        return collect_simulations(self.analyses, self.scale)

    def reported_diffusivity(self, simulation: str) -> PaperNumber | None:
        """The paper's diffusivity that a simulation answers, None where it is not known."""
        if self.paper is None or self.simulations is None:
            return None
        answering = read_answering(self.simulations)
        diffusivities = (
            number
            for number in read_paper_numbers(self.paper)
            if (number.model, number.metric) == ("CAMP", "diffusivity")
        )
        return next((n for n in diffusivities if answering.get(n.id) == simulation), None)


def draw_figure(
    name: str,
    *,
    scale: str,
    evaluations: Sequence[Path] = (),
    analyses: Sequence[Path] = (),
    speeds: Sequence[Path] = (),
    metrics: Sequence[Path] = (),
    scans: Sequence[Path] = (),
    references: Mapping[str, Path] | None = None,
    structure: Path | None = None,
    data: str | None = None,
    tasks: Path | None = None,
    simulations: Path | None = None,
    paper: Path | None = None,
) -> Figure:
    """The figure of this name; each kind needs its own inputs.

    Figures of simulations are drawn whatever is missing: a panel without its input says why.

    :param evaluations: files or folders; for figure-2, figure-5, parity and errors.
    :param analyses: files or folders; for figure-3, 4, 5, s2, s3 and figure-drift.
    :param speeds: files or folders; for figure-5.
    :param metrics: tables metrics.csv; for training.
    :param scans: energies of bilayers for figure-6, of a pair across the cutoff for figure-drift.
    :param references: files by a name of REFERENCES; 'aimd' (the analysis of a reference) for
        figure-3, the others for figure-4.
    :param structure: file of structures, of which the first is drawn; for figure-s1.
    :param data: label of the data; for training and figure-s1.
    :param tasks: the list of tasks (YAML); for figure-2 and figure-5.
    :param simulations: the list of simulations (YAML); for figure-5, and with ``paper`` for the
        reported diffusivity in figure-3 and figure-s2.
    :param paper: the paper's numbers (CSV); wherever tasks or simulations are used.
    :return: where an 'unavailable' file stands for the evaluations, a figure that says why.
    :raises InputError: unknown name, an input that the figure needs is missing or bad.
    """
    references = references or {}
    if unknown := sorted(references.keys() - set(REFERENCES)):
        raise InputError(f"no reference {unknown[0]!r}; choose one of {', '.join(REFERENCES)}")
    inputs = _Inputs(
        scale=scale,
        evaluations=evaluations,
        analyses=analyses,
        speeds=speeds,
        metrics=metrics,
        scans=scans,
        references=references,
        structure=structure,
        data=data,
        tasks=tasks,
        simulations=simulations,
        paper=paper,
    )
    if name in FIGURES:
        return FIGURES[name](inputs)
    kind, _, task = name.partition("-")
    if kind in _KINDS and task:
        return _KINDS[kind](name, task, inputs)
    kinds = ", ".join(f"{kind}-TASK" for kind in _KINDS)
    raise InputError(f"no figure {name!r}; choose one of {', '.join(FIGURES)}, {kinds}")


def _figure_2(inputs: _Inputs) -> Figure:
    if inputs.tasks is None or inputs.paper is None:
        raise InputError("figure-2 needs --tasks and --paper; give both files")
    numbers, answering = read_paper_numbers(inputs.paper), read_answering(inputs.tasks)
    return learning_curve(numbers, answering, collect(inputs.evaluations, inputs.scale))


def _figure_3(inputs: _Inputs) -> Figure:
    return lips_simulation(
        inputs.simulated,
        inputs.scale,
        aimd=inputs.references.get(AIMD),
        reported=inputs.reported_diffusivity(SIMULATION),
    )


def _figure_4(inputs: _Inputs) -> Figure:
    return water_structure(inputs.simulated, inputs.scale, inputs.references)


def _figure_5(inputs: _Inputs) -> Figure:
    if inputs.tasks is None or inputs.simulations is None or inputs.paper is None:
        raise InputError("figure-5 needs --tasks, --simulations and --paper; give all three")
    return compare_molecules(
        read_paper_numbers(inputs.paper),
        read_answering(inputs.tasks, inputs.simulations),
        collect(inputs.evaluations, inputs.scale, inputs.analyses, inputs.speeds),
    )


def _figure_6(inputs: _Inputs) -> Figure:
    return interlayer(inputs.scans, inputs.scale)


def _figure_s1(inputs: _Inputs) -> Figure:
    if inputs.structure is not None and inputs.data is None:
        raise InputError("figure-s1 needs --data with --structure; give the label of its data")
    return crystal(inputs.structure, inputs.scale, inputs.data or "")


def _figure_s2(inputs: _Inputs) -> Figure:
    reported = inputs.reported_diffusivity(LARGE_TIMESTEP)
    return lips_large_timestep(inputs.simulated, inputs.scale, reported=reported)


def _figure_s3(inputs: _Inputs) -> Figure:
    return water_temperatures(inputs.simulated, inputs.scale)


def _figure_drift(inputs: _Inputs) -> Figure:
    return energy_drift(inputs.simulated, inputs.scale, inputs.scans)


def _training(name: str, task: str, inputs: _Inputs) -> Figure:
    if not inputs.metrics or not inputs.data:
        raise InputError(f"{name} needs --metrics and --data; give both")
    return training_curves(task, inputs.metrics, inputs.scale, inputs.data)


def _predictions(name: str, task: str, inputs: _Inputs) -> Figure:
    results = collect(inputs.evaluations, inputs.scale)
    groups = results.of_task(task)
    if not groups and task in results.unavailable:
        return missing_figure(name, inputs.scale, results.unavailable[task])
    if len(groups) != 1:
        weights = ", ".join(group.weights for group in groups) or "none"
        raise InputError(
            f"{name} needs evaluations of {task} with one kind of weights (given: {weights})"
        )
    return _BY_TASK[name.partition("-")[0]](groups[0], inputs.scale)


FIGURES: dict[str, Callable[[_Inputs], Figure]] = {
    "figure-2": _figure_2,
    "figure-3": _figure_3,
    "figure-4": _figure_4,
    "figure-5": _figure_5,
    "figure-6": _figure_6,
    "figure-s1": _figure_s1,
    "figure-s2": _figure_s2,
    "figure-s3": _figure_s3,
    "figure-drift": _figure_drift,
}
_KINDS: dict[str, Callable[[str, str, _Inputs], Figure]] = {
    "training": _training,
    "parity": _predictions,
    "errors": _predictions,
}
