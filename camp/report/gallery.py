"""What a scale has so far, to show outside of it: a page of figures, and its numbers with all that
they were made of.
"""

import csv
import io
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from matplotlib.figure import Figure

from camp.errors import InputError
from camp.report.declarations import FigureDeclaration, Paper, by_name, resolve
from camp.report.inputs import Inputs
from camp.report.metrics import OF_TENSORS, STATISTICS, Shown, capitalised, shown_error
from camp.report.pages import markdown_row
from camp.report.paper import PaperNumber, significant
from camp.report.provenance import architecture_label, ours_first, with_weights
from camp.report.results import Results, TaskResult, collect, mean_std
from camp.report.simulations import Analysis
from camp.report.trainings import read_trainings

# Rows above the quantities, by fields of a number.
_ORIGIN = {"From": "made_from", "Training": "training", "Device": "device", "Date": "date"}
_FOLDERS = {"evaluations": "evaluation", "analyses": "md", "speeds": "speed"}


@dataclass(frozen=True)
class Number:
    """A number of ours with its origin; ``value`` and ``std`` as they are shown, in ``unit``.

    ``paper`` is what the model's paper prints for it, ``made_from`` the seeds or the simulated
    time, ``training`` the steps and the time of one training, ``date`` the day of the result.
    """

    of: str
    model: str
    weights: str
    quantity: str
    unit: str
    value: str
    paper: str
    made_from: str
    training: str
    device: str
    date: str
    data: str
    note: str


@dataclass(frozen=True)
class Picture:
    """A figure by the name of its file, with the text below it."""

    name: str
    heading: str
    caption: str
    figure: Figure


@dataclass(frozen=True)
class Gallery:
    """Figures and numbers of one scale."""

    scale: str
    machine: str
    pictures: tuple[Picture, ...]
    numbers: tuple[Number, ...]

    def to_csv(self) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([field.name for field in fields(Number)])
        writer.writerows(astuple(number) for number in self.numbers)
        return text.getvalue()

    def to_markdown(self) -> str:
        """A page beside whose file the pictures lie, as ``<name>.png``."""
        lines = [f"# Results at the scale {self.scale}", ""]
        lines.append(
            f"Made by `camp gallery` from what the scale has so far. Machine: {self.machine}. "
            "In parentheses: standard deviations over seeds or runs. Training: steps and time of "
            f"one model. The same numbers as a table: [{self.scale}.csv]({self.scale}.csv)."
        )
        for picture in self.pictures:
            lines += ["", f"## {picture.heading}", "", f"![{picture.heading}]({picture.name}.png)"]
            lines += ["", picture.caption]
        lines += ["", "## Numbers"]
        for of, numbers in self._tables():
            lines += ["", f"### {of}", "", *_table(numbers)]
        return "\n".join(lines) + "\n"

    def _tables(self) -> list[tuple[str, list[Number]]]:
        names = dict.fromkeys(number.of for number in self.numbers)
        return [(name, [n for n in self.numbers if n.of == name]) for name in names]


def _table(numbers: Sequence[Number]) -> Iterator[str]:
    """The numbers of one task or simulation in Markdown: a column for each model, a row for each
    quantity.
    """
    yield from (f"Data: {data}." for data in dict.fromkeys(n.data for n in numbers))
    yield from (f"Note: {note}." for note in dict.fromkeys(n.note for n in numbers) if note)
    models = {(n.model, n.weights): n for n in numbers}
    yield ""
    yield markdown_row(["", *(with_weights(*model) for model in models)])
    yield markdown_row(["---"] * (1 + len(models)))
    for title, name in _ORIGIN.items():
        texts = [getattr(first, name) for first in models.values()]
        if any(texts):
            yield markdown_row([title, *texts])
    for quantity, unit in dict.fromkeys((n.quantity, n.unit) for n in numbers):
        own = {(n.model, n.weights): n for n in numbers if n.quantity == quantity}
        texts = [_with_paper(own[model]) if model in own else "" for model in models]
        yield markdown_row([f"{quantity} ({unit})" if unit else quantity, *texts])


def _with_paper(number: Number) -> str:
    return f"{number.value}, paper: {number.paper}" if number.paper else number.value


def make_gallery(
    folder: Path,
    papers: Mapping[str, Paper],
    figures: Sequence[str],
    *,
    machine: str,
    references: Mapping[str, Path] | None = None,
) -> Gallery:
    """The gallery of a scale from whatever is there; nothing is computed.

    :param folder: of the scale, ``results/<scale>``.
    :param figures: as their files are called: ``figure-2``, or of a task ``parity-lips-100``.
    :param references: files of references by name, as for ``camp figure``.
    :raises InputError: an unknown figure, no number at all, or a bad file.
    """
    found = {kind: [path] for kind, name in _FOLDERS.items() if (path := folder / name).is_dir()}
    results = collect(found.pop("evaluations", []), folder.name, **found)
    # Not deeper, where all lies that peers wrote in their trainings.
    rivals = collect(sorted(folder.glob("rivals/*/*.json")), folder.name)
    groups = [*results.groups.values(), *rivals.groups.values()]
    own = [number for paper in papers.values() for number in paper.own_numbers]
    numbers = [*_errors(folder, groups, own), *_simulated(results, own)]
    if not numbers:
        raise InputError(f"{folder}: no evaluation and no analysis; run something first")
    pictures = [_picture(folder, name, papers, results, references or {}) for name in figures]
    return Gallery(folder.name, machine, tuple(pictures), tuple(numbers))


def _errors(
    folder: Path, groups: Iterable[TaskResult], own: Sequence[PaperNumber]
) -> Iterator[Number]:
    """All errors on test sets."""
    titles = STATISTICS | OF_TENSORS
    for group in sorted(groups, key=_order):
        training, device, files = _training(folder, group)
        for target in group.targets.values():
            for statistic, title in titles.items():
                shown = shown_error(target, statistic)
                if values := group.values(shown.key):
                    yield Number(
                        of=group.task,
                        model=architecture_label(group.architecture),
                        weights=group.weights,
                        quantity=f"{capitalised(target.name)} {title}",
                        unit="" if shown.unit == "1" else shown.unit,
                        value=significant(*mean_std([shown.factor * value for value in values])),
                        paper=_printed(own, group, target.name, statistic, shown),
                        made_from=group.count_label,
                        training=training,
                        device=device,
                        date=_date(files),
                        data=group.data,
                        note=group.note,
                    )


def _order(group: TaskResult) -> tuple[tuple[str, bool, str], str]:
    return ours_first(group.task, group.architecture), group.weights


def _training(folder: Path, group: TaskResult) -> tuple[str, str, Sequence[Path]]:
    """'3,850 steps, 6 min', the device, and the files whose dates count."""
    place = folder / "training" / group.task
    summaries = [place / file.stem / "training.json" for file in group.files]
    found = [path for path in summaries if group.weights == "own" and path.exists()]
    trainings = [one for of in read_trainings(found).values() for one in of]
    trainings = trainings or [*group.trainings]
    if not trainings:
        return "", "", group.files
    steps = statistics.fmean(one.steps for one in trainings)
    minutes = statistics.fmean(one.seconds for one in trainings) / 60
    devices = dict.fromkeys(one.device for one in trainings)
    said = f"{steps:,.0f} steps, {significant(minutes, None)} min"
    return said, "; ".join(devices), found or group.files


def _printed(
    own: Sequence[PaperNumber], group: TaskResult, target: str, statistic: str, shown: Shown
) -> str:
    """What the paper of a model prints for an error in the same unit."""
    wanted = (group.task, group.architecture, f"{target}_{statistic}", shown.unit)
    known = (
        number.shown
        for number in own
        if (number.answered_by_task, number.architecture, number.metric.name, number.shown_unit)
        == wanted
    )
    return next(known, "")


def _simulated(results: Results, own: Sequence[PaperNumber]) -> Iterator[Number]:
    """Stability and diffusivity of all simulations."""
    for _, analysis in sorted(results.simulations.analyses.items()):
        measured = [("Stability", "ps", analysis.stable, 0.0)]
        for one in analysis.msd.values():
            values = tuple(1e5 * value for value in one.diffusion)
            uncertainty = 1e5 * one.uncertainty
            measured.append((f"Diffusivity of {one.species}", "10⁻⁵ cm²/s", values, uncertainty))
        for quantity, unit, values, uncertainty in measured:
            if not values:
                continue
            mean, std = mean_std(values)
            yield Number(
                of=analysis.title,
                model=architecture_label(analysis.architecture),
                weights=analysis.weights,
                quantity=quantity,
                unit=unit,
                value=significant(mean, std, max(std or 0.0, uncertainty)),
                paper=_printed_of(own, analysis, quantity, unit),
                made_from=analysis.count_label,
                training="",
                device=analysis.device,
                date=_date([analysis.file]),
                data=analysis.data,
                note=analysis.note,
            )


def _printed_of(own: Sequence[PaperNumber], analysis: Analysis, quantity: str, unit: str) -> str:
    known = (
        number.shown
        for number in own
        if number.answered_by_simulation == analysis.simulation
        and number.architecture == analysis.architecture
        and quantity.startswith(number.metric.title)
        and number.shown_unit == unit
    )
    return next(known, "")


def _picture(
    folder: Path,
    name: str,
    papers: Mapping[str, Paper],
    results: Results,
    references: Mapping[str, Path],
) -> Picture:
    """:raises InputError: no such figure."""
    declared = by_name(papers.values(), "figures")
    kind, task = _split(name, declared)
    paper, figure = declared[kind]
    groups = results.of_task(task) if task else []
    inputs = Inputs(
        paper,
        results,
        task=task,
        metrics=sorted(folder.glob(f"training/{task}/*/metrics.csv")) if task else (),
        scans=_scans(folder, figure),
        references={one: references[one] for one in figure.references if one in references},
        data=groups[0].data if groups else "",
    )
    drawn = resolve(figure.draw)(figure, inputs)
    # The last text is the line of provenance.
    provenance = drawn.texts[-1].get_text().replace("\n", " ")
    heading = f"{figure.heading}: {task}" if task else figure.heading
    return Picture(
        f"{folder.name}-{name}", heading, f"{figure.caption.strip()} {provenance}", drawn
    )


def _split(name: str, declared: Mapping[str, tuple[Paper, FigureDeclaration]]) -> tuple[str, str]:
    """The figure and the task of a name: ('parity', 'lips-100')."""
    if name in declared and declared[name][1].covers != "task":
        return name, ""
    for kind, (_, figure) in declared.items():
        if figure.covers == "task" and name.startswith(f"{kind}-"):
            return kind, name.removeprefix(f"{kind}-")
    known = (f"{k}-TASK" if f.covers == "task" else k for k, (_, f) in declared.items())
    raise InputError(f"no figure {name!r}; choose of {', '.join(known)}")


def _scans(folder: Path, figure: FigureDeclaration) -> list[Path]:
    layers = (f"scans/interlayer/{task}/*.json" for task in figure.interlayer_scans)
    pairs = (f"scans/dimer/{name}.json" for name in figure.dimer_scans)
    return [file for pattern in (*layers, *pairs) for file in sorted(folder.glob(pattern))]


def _date(files: Iterable[Path]) -> str:
    """The day on which the newest of some files was written."""
    newest = max(file.stat().st_mtime for file in files)
    return datetime.fromtimestamp(newest, UTC).date().isoformat()
