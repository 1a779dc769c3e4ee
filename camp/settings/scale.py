"""One scale: everything that the workflow makes, complete with what is said elsewhere."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from camp.settings.architectures import default_architecture
from camp.settings.base import Different, Folder, Name, PublicFile, Settings, text
from camp.settings.commands import OwnTraining
from camp.settings.model import ArchitectureName, Model
from camp.settings.recipes import RecipeName
from camp.settings.runs import Run, Weights
from camp.settings.sections import (
    DatasetSettings,
    NotebookSettings,
    Peer,
    ReferenceName,
    ReferenceSettings,
    ResourceSettings,
    Seeds,
    SpeedSettings,
    StartSettings,
    TargetName,
    TaskData,
)
from camp.settings.simulation import SimulationConditions
from camp.settings.training import TrainingSettings
from camp.settings.words import refused, suggestion

ScaleName = Annotated[
    str, text("a name of small letters, digits, '_' and '-'", r"^[a-z0-9][a-z0-9_-]*$")
]


class TaskModel(Settings):
    """One architecture of a task."""

    model: Model = Field(
        {}, validate_default=True, description="hyperparameters, where they are not the defaults"
    )
    training: TrainingSettings = Field(
        TrainingSettings(), description="how it is trained, where not by the defaults"
    )
    checkpoint: PublicFile | None = Field(
        None, description="its published weights, for scales with `weights: published`"
    )
    note: str = Field("", description="remark shown below tables")


class TaskModelByRecipe(TaskModel):
    """An architecture in a task of a paper."""

    recipe: str | None = Field(None, description="a recipe of this file, changed by `training`")


class ArchitectureFile(Settings):
    """``models/<architecture>.yaml``: an architecture in the tasks of the papers."""

    recipes: dict[Name, TrainingSettings] = Field({}, description="by name, keys of `training`")
    tasks: dict[Name, TaskModelByRecipe] = Field({}, description="by name of the task")

    @model_validator(mode="after")
    def _knows_its_recipes(self) -> Self:
        for name, task in self.tasks.items():
            if task.recipe is not None and task.recipe not in self.recipes:
                hint = suggestion(task.recipe, [*self.recipes])
                said = f"is '{task.recipe}', no recipe of this file{hint}"
                raise refused(said, "tasks", name, "recipe")
        return self


class Task(TaskData):
    """A task of a scale. What is not given is taken from ``tasks.yaml``."""

    dataset: str = Field(description="a dataset of the scale")
    models: dict[ArchitectureName, TaskModel] = Field(
        {},
        description="its architectures instead of the scale's, by name, each with changes to its "
        "`models/<architecture>.yaml`: `{camp: {}}` for none",
    )
    seeds: Seeds = Field([], description="instead of those of the scale")
    data: str = Field("", description="label instead of the dataset's")
    note: str = Field("", description="remark shown below tables instead of the dataset's")
    unavailable: dict[TargetName, str] = Field(
        {},
        description="why errors of a target mean nothing on this test set, such as `{energy: …}`; "
        "shown instead of them",
    )
    resources: ResourceSettings = Field(
        ResourceSettings(), description="of trainings and evaluations, instead of the scale's"
    )
    peers: Annotated[list[Peer], Different] = Field(
        [],
        description="others, trained by their own command lines on the same structures for as long "
        "as the first model may be (its `max_time`), each in an environment as for `speed.peers`",
    )
    seeds_together: bool = Field(
        False,
        description="one job trains all seeds of the scale side by side on one device; for "
        "structures with the same number of atoms. Worth it where one training leaves a GPU idle",
    )

    def reduced(self, only: Collection[str]) -> Self:
        """With these architectures only, and without peers if their time is that of another."""
        models = {name: model for name, model in self.models.items() if name in only}
        timed = next(iter(self.models)) in only
        return self.model_copy(update={"models": models, "peers": self.peers if timed else []})


class Simulation(SimulationConditions):
    """A simulation of a scale. What is not given is taken from ``simulations.yaml``."""

    task: str = Field(description="a task of this scale, whose first model simulates")
    model: ArchitectureName = Field("", description="its architecture; the task's first by default")
    start: StartSettings = Field(description="where the starting structures are from")
    data: str = Field("", description="label instead of the task's")
    note: str = Field(
        "",
        description="remark shown in figures and tables; say so when the model is not the paper's",
    )
    # Replicas side by side are faster than many threads on one.
    resources: ResourceSettings = Field(
        ResourceSettings(),
        description="of each job, instead of the scale's; `threads` is 1 unless given here",
    )

    @property
    def parts(self) -> list[str]:
        """Its jobs: one for each replica, or one for all where they share a batch."""
        if self.md.engine == "torchsim":
            return ["all"]
        return [f"replica-{k}" for k in range(1, self.md.replicas + 1)]


class Scale(Settings):
    """A scale. Its datasets, tasks, … are entries under names of their own."""

    name: ScaleName = Field(alias="scale", description="results go to `results/<scale>/`")
    data: str = Field(description="label beside every number")
    weights: Weights = Field(description="train (`own`), or evaluate what authors published")
    models: Annotated[list[ArchitectureName], Field(min_length=1), Different] = Field(
        default_factory=lambda: [default_architecture()],
        description="architectures of every task that does not name its own",
    )
    only: Annotated[list[ArchitectureName], Field(min_length=1), Different] | None = Field(
        None,
        description="of the architectures of all tasks those that are made, with tasks and "
        "simulations that have one of them: `--config only=[camp]`; null: all",
    )
    seeds: Seeds = Field([], description="one training for each (with `weights: own`)")
    recipe: RecipeName | None = Field(
        None,
        description="of all trainings, instead of what `models/<architecture>.yaml` says of them; "
        "tasks can change it",
    )
    mirror: Folder | None = Field(
        None,
        description="where `camp fetch` looks before it asks the network; as published, "
        "`<repository>/<name>`",
    )
    data_folder: Folder | None = Field(None, description="where own `files` of datasets lie")
    resources: ResourceSettings = Field(
        ResourceSettings(), description="of trainings, evaluations and simulations"
    )
    notebooks: NotebookSettings = Field(NotebookSettings(), description="what they look at")
    datasets: dict[Name, DatasetSettings] = Field(description="by name")
    tasks: dict[Name, Task] = Field(description="by name of a task in `tasks.yaml`")
    simulations: dict[Name, Simulation] = Field(
        {}, description="by name of a simulation in `simulations.yaml`"
    )
    references: dict[ReferenceName, ReferenceSettings] = Field({}, description="by name")
    speed: SpeedSettings = Field(SpeedSettings(), description="whose speed is measured")

    def reduced(self) -> Self:
        """What is left of it with the architectures of ``only``."""
        if self.only is None:
            return self
        tasks = {
            name: reduced
            for name, task in self.tasks.items()
            if (reduced := task.reduced(self.only)).models
        }
        simulations = {
            name: simulation
            for name, simulation in self.simulations.items()
            if simulation.model in self.only
        }
        references = self.references if simulations else {}
        of_tasks = [task.dataset for task in tasks.values()]
        starts = [simulation.start.dataset for simulation in simulations.values()]
        compared = [reference.dataset for reference in references.values()]
        used = {*of_tasks, *starts, *compared}
        speed = [name for name in self.speed.simulations if name in simulations]
        topics = {
            kind: topic if topic in {*tasks, *simulations} else None
            for kind, topic in self.notebooks
        }
        return self.model_copy(
            update={
                "datasets": {name: one for name, one in self.datasets.items() if name in used},
                "tasks": tasks,
                "simulations": simulations,
                "references": references,
                "speed": self.speed.model_copy(update={"simulations": speed}),
                "notebooks": NotebookSettings(**topics),
            }
        )

    def runs(self, task: str) -> list[Run]:
        """The models of a task: of its first architecture, of its second, …"""
        settings = self.tasks[task]
        if self.weights == "published":
            return [Run(architecture, "published") for architecture in settings.models]
        return [
            Run(architecture, "own", seed)
            for architecture in settings.models
            for seed in settings.seeds
        ]

    def simulating_run(self, simulation: str) -> Run:
        """The model that makes a simulation: the first of its architecture."""
        settings = self.simulations[simulation]
        return next(run for run in self.runs(settings.task) if run.architecture == settings.model)

    def dataset_of(self, task: str) -> DatasetSettings:
        return self.datasets[self.tasks[task].dataset]

    def files_of(self, dataset: str) -> list[str]:
        """Paths of a dataset's own files (not the fetched ones)."""
        return [self.path(file) for file in self.datasets[dataset].files or []]

    def note_of(self, task: str, architecture: str) -> str:
        """Remarks on the data and on the model."""
        settings = self.tasks[task]
        return "; ".join(filter(None, (settings.note, settings.models[architecture].note)))

    def path(self, file: str) -> str:
        """Of a file at hand."""
        return str(Path(self.data_folder or "") / file)

    def training_settings(
        self, task: str, architecture: str, *, data: str, split: str
    ) -> OwnTraining:
        """What ``camp train`` reads: one self-contained file for a model of a task."""
        settings = self.tasks[task]
        chosen = settings.models[architecture]
        labels = {"scale": self.name, "data": settings.data}
        return OwnTraining(
            task=task,
            title=settings.title,
            data=data,
            split=split,
            targets=settings.targets,
            keys=settings.keys,
            units=settings.units,
            signs=settings.signs,
            model=chosen.model,
            training=chosen.training,
            labels={**labels, "note": self.note_of(task, architecture)},
        )
