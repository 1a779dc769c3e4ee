"""What a paper has: its printed numbers, and its tables and figures, each declared once.

A folder ``config/papers/<paper>/`` holds ``numbers.csv`` (see :mod:`camp.report.paper`) and
``tables.yaml``, whose keys are the classes below. Read whenever the workflow's graph is built, so
nothing that draws is imported here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from camp.errors import InputError
from camp.report.paper import PaperNumber, read_paper_numbers
from camp.settings.base import Settings
from camp.settings.layers import Layer, Layers, read_yaml
from camp.settings.sections import TargetName
from camp.settings.words import refused

NUMBERS, TABLES = "numbers.csv", "tables.yaml"

Declared = dict[str, tuple["Paper", Any]]
# YAML has lists only.
Names = Annotated[tuple[str, ...], Field(strict=False)]
RowLabel = Literal["train_size", "system", "setting", "setting_value", "quantity"]
Kind = Literal["evaluations", "analyses", "speeds", "trainings", "rivals"]


class Product(Settings):
    """What tables and figures have in common."""

    name: str = Field(description="as the report lists it, such as Table 1")
    title: str = Field(default="", description="what it shows, behind the name")
    caption: str = Field(description="one paragraph of reStructuredText below the title")
    where: str = Field(
        default="",
        description="the column 'where' of the printed numbers; what answers them is its input",
    )
    covers: Literal["numbers", "scale", "task"] = Field(
        default="numbers",
        description="its numbers, everything of a scale, or one task (a product for each)",
    )
    takes: Annotated[tuple[Kind, ...], Field(strict=False)] = Field(
        default=(), description="what it is made from, where it covers a scale or a task"
    )

    @property
    def heading(self) -> str:
        return f"{self.name}: {self.title}" if self.title else self.name


class TableDeclaration(Product):
    """One table: name, where in the paper, title, rows, caption."""

    rows: dict[str, RowLabel] = Field(
        default_factory=dict, description="headings of the row labels: what stands under each"
    )
    make: str = Field(
        default="camp.report.tables:paper_table",
        description="function (declaration, inputs) → document",
    )


class FigureDeclaration(Product):
    """One figure: name, title, drawing function, what it needs, caption."""

    draw: str = Field(description="function (declaration, inputs) → figure")
    targets: Annotated[tuple[TargetName, ...], Field(strict=False)] = Field(
        default=(),
        description="of a figure of one task: only tasks that have all of these; of curves: whose "
        "errors, a panel for each",
    )
    seeds: int = Field(
        default=1, ge=1, description="of a task: only where a model has so many that are evaluated"
    )
    curves: dict[str, Names] = Field(
        default_factory=dict,
        description="tasks whose evaluations are the points of a curve, by label",
    )
    simulations: Names = Field(default=(), description="whose analyses it shows")
    references: Names = Field(default=(), description="what it compares simulations with")
    interlayer_scans: Names = Field(default=(), description="tasks whose models it scans")
    dimer_scans: Names = Field(default=(), description="simulations whose models it scans")
    structure: Names = Field(
        default=(), description="simulations; it shows where the first of them starts"
    )

    @model_validator(mode="after")
    def _curves_are_of_targets(self) -> Self:
        if self.curves and not self.targets:
            raise refused("needs 'targets', whose errors its points are", "curves")
        return self

    @property
    def curve_tasks(self) -> tuple[str, ...]:
        """The tasks of all curves, each once."""
        return tuple(dict.fromkeys(task for tasks in self.curves.values() for task in tasks))

    def exactly(self, count: int, key: Literal["simulations", "references"]) -> tuple[str, ...]:
        """The names under a key, for a figure that draws so many.

        :raises InputError: there are more or fewer.
        """
        names: tuple[str, ...] = getattr(self, key)
        if len(names) != count:
            raise InputError(f"{self.name} draws {count} {key}, and {len(names)} are declared")
        return names


class _TablesFile(Settings):
    """The content of a file tables.yaml."""

    label: str
    architecture: str = ""
    tables: dict[str, TableDeclaration] = Field(default_factory=dict)
    figures: dict[str, FigureDeclaration] = Field(default_factory=dict)


@dataclass(frozen=True)
class Needs:
    """What one product is made from, whether a scale has it or not."""

    tasks: tuple[str, ...]  # whose evaluations
    simulations: tuple[str, ...]  # whose analyses
    speeds: tuple[str, ...]  # simulations whose speeds


@dataclass(frozen=True)
class Paper:
    """One paper, or what no paper prints: its numbers, tables and figures by name.

    ``architecture`` is the model that the paper is about, whose simulations its figures show.
    """

    name: str
    folder: Path
    label: str
    architecture: str
    numbers: tuple[PaperNumber, ...]
    tables: Mapping[str, TableDeclaration]
    figures: Mapping[str, FigureDeclaration]

    @property
    def files(self) -> list[str]:
        """The files that say all this."""
        found = (self.folder / name for name in (TABLES, NUMBERS))
        return [str(file) for file in found if file.is_file()]

    @property
    def own_numbers(self) -> list[PaperNumber]:
        """The numbers that something here can answer."""
        return [number for number in self.numbers if number.architecture]

    def printed(self, where: str) -> list[PaperNumber]:
        return [number for number in self.numbers if number.where == where]

    def table(self, name: str) -> TableDeclaration:
        """:raises InputError: there is none of this name."""
        return _named("table", name, self.tables)

    def figure(self, name: str) -> FigureDeclaration:
        """:raises InputError: there is none of this name."""
        return _named("figure", name, self.figures)

    def needs(self, product: Product) -> Needs:
        """The tasks and simulations that answer its numbers, and those that it names."""
        own = [n for n in self.printed(product.where) if n.architecture] if product.where else []
        if isinstance(product, FigureDeclaration):
            return _needs(own, product.curve_tasks, product.simulations)
        return _needs(own)

    def all_needs(self) -> Needs:
        """What answers any number of the paper, for its scoreboard."""
        return _needs(self.own_numbers)


def _needs(
    numbers: Iterable[PaperNumber], tasks: Iterable[str] = (), simulations: Iterable[str] = ()
) -> Needs:
    def of(kind: str, column: str) -> list[str]:
        found = (getattr(n, column) for n in numbers if n.metric.answered_by == kind)
        return [name for name in dict.fromkeys(found) if name]

    evaluated = dict.fromkeys([*of("evaluation", "answered_by_task"), *tasks])
    analysed = dict.fromkeys([*of("simulation", "answered_by_simulation"), *simulations])
    return Needs(
        tasks=tuple(evaluated),
        simulations=tuple(analysed),
        speeds=tuple(of("speed", "answered_by_simulation")),
    )


def load_paper(folder: str | Path) -> Paper:
    """The paper that a folder describes; one without numbers.csv prints none.

    :raises InputError: no such folder, or a mistake in its files; one line.
    """
    folder = Path(folder)
    path = folder / TABLES
    content = Layers([Layer(str(path), read_yaml(path))]).validate(_TablesFile)
    numbers = folder / NUMBERS
    return Paper(
        name=folder.resolve().name,
        folder=folder,
        numbers=tuple(read_paper_numbers(numbers)) if numbers.is_file() else (),
        **{name: getattr(content, name) for name in _TablesFile.model_fields},
    )


def load_papers(folder: str | Path) -> dict[str, Paper]:
    """All papers in a folder, by name.

    :raises InputError: a mistake in one of them, or two tables or figures with one name.
    """
    papers = [load_paper(file.parent) for file in sorted(Path(folder).glob(f"*/{TABLES}"))]
    for kind in ("tables", "figures"):
        owners: dict[str, Paper] = {}
        for paper in papers:
            for name in getattr(paper, kind):
                if name in owners:
                    raise InputError(
                        f"{paper.folder / TABLES}: {kind}.{name} is also declared in "
                        f"{owners[name].folder / TABLES}; choose another name"
                    )
                owners[name] = paper
    return {paper.name: paper for paper in papers}


def by_name(papers: Iterable[Paper], kind: Literal["tables", "figures"]) -> Declared:
    """The tables or figures of several papers, each with its paper."""
    return {
        name: (paper, product) for paper in papers for name, product in getattr(paper, kind).items()
    }


def resolve(place: str) -> Any:
    """The function at a place such as ``camp.report.lips:lips_simulation``.

    :raises InputError: there is none.
    """
    module, _, name = place.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"{place!r} is no function ({error}); write module:function") from None


def _named(kind: str, name: str, known: Mapping[str, Any]) -> Any:
    if name not in known:
        raise InputError(f"no {kind} {name!r}; choose one of {', '.join(known) or 'none'}")
    return known[name]
