"""The sections of settings files with their defaults; what a key means, its description says."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from camp.settings.base import Different, File, PublicFile, Settings, text
from camp.settings.budget import Budget
from camp.settings.recipes import RECIPES, RecipeName
from camp.settings.words import refused
from camp.targets import TARGETS, Sign

Element = Annotated[str, text("the symbol of an element", r"^[A-Z][a-z]?$")]
Pair = Annotated[str, text("a pair such as O-O", r"^[A-Z][a-z]?-[A-Z][a-z]?$")]
Triple = Annotated[str, text("a triple such as S-P-S", r"^[A-Z][a-z]?-[A-Z][a-z]?-[A-Z][a-z]?$")]
Count = Annotated[int, Field(ge=1)]
Seeds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1), Different]
Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
if TYPE_CHECKING:
    TargetName = str
    TensorName = str
else:
    TargetName = Literal[tuple(TARGETS)]
    TensorName = Literal[
        tuple(name for name, target in TARGETS.items() if target.rank and not target.derivative_of)
    ]
# Hours of a training that is worth compiling its steps beside them.
WORTH_COMPILING = 0.2
SIGNS = (
    "`{piezoelectric: free}` where labels may be the negative of the tensor: losses and errors "
    "take the sign that fits better, structure by structure"
)
Targets = Annotated[list[TargetName], Field(min_length=1), Different]
Peer = Literal["mace", "nequip"]
ReferenceName = Literal["aimd", "xray-2013", "xray-2014", "neutron", "revpbe0"]


class Stage(Settings):
    """A part of a training with settings of its own."""

    epochs: int = Field(ge=1, description="how long it lasts")
    restart: bool = Field(
        False, description="begin with a fresh optimizer, learning rate, warm-up and average"
    )
    energy_weight: float | None = Field(None, ge=0, description="instead of the training's")
    forces_weight: float | None = Field(None, ge=0, description="instead of the training's")
    learning_rate: float | None = Field(None, gt=0, le=1, description="instead of the training's")


class TrainingSettings(Settings):
    """How a model is trained. What a file does not say is as its recipe has it."""

    recipe: RecipeName = Field(
        "paper",
        description="`paper`: the defaults below; `fast`: good models in a tenth of the time, and "
        "what files of `camp train` have that name none",
    )
    batch_size: int = Field(4, ge=1, description="structures in a step")
    validate_every: int | None = Field(
        None,
        ge=1,
        description="steps between two validations; an *epoch* is then so many steps, no longer a "
        "pass over the training set",
    )
    validate_part: int | None = Field(
        None,
        ge=1,
        description="validate with so many structures only, evenly spaced in the validation set; "
        "by these the best weights are chosen, whose errors on the whole set are in training.json",
    )
    accelerated_validation: bool = Field(
        False,
        description="validate by tables and compiled code on the CPU, where the architecture has "
        "them and the set is large enough; errors differ in the last digits",
    )
    max_epochs: int = Field(10000, ge=1, description="passes over the training set, at most")
    max_steps: int | None = Field(None, ge=1, description="also stop after so many steps")
    patience: int = Field(
        400,
        ge=1,
        description="stop after so many epochs without a better force error of the validation set",
    )
    max_time: float | None = Field(
        None, gt=0, description="hours; the schedule comes to its end by then"
    )
    stages: list[Stage] = Field(
        [], description="parts one after the other instead of `max_epochs`, each with its changes"
    )
    optimizer: Literal["amsgrad", "adam", "adamw", "soap", "muon"] = Field(
        "amsgrad",
        description="Adam with or without AMSGrad, AdamW, SOAP, or Muon for matrices and AdamW "
        "for all else",
    )
    weight_decay: float = Field(0.0, ge=0, description="of the optimizer")
    precondition_every: int = Field(10, ge=1, description="steps between two eigenbases of `soap`")
    learning_rate: float = Field(0.01, gt=0, le=1, description="at first, or after the warm-up")
    betas: Annotated[
        list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)
    ] = Field([0.9, 0.999], description="decays of the averages of all but `soap`")
    schedule: Literal["plateau", "steps", "cosine", "linear", "constant"] = Field(
        "plateau",
        description="lower the learning rate where the error stays, at equal intervals, or down to "
        "`final_rate` at the end of the training",
    )
    warmup_steps: int = Field(0, ge=0, description="steps in which the learning rate rises")
    final_rate: float = Field(
        0.01, ge=0, le=1, description="learning rate at the end, relative, of `cosine`, `linear`"
    )
    scheduler_factor: float = Field(
        0.8,
        gt=0,
        le=1,
        description="`plateau`: learning rate times this after `scheduler_patience` epochs without "
        "a better error; `steps`: after every so many epochs",
    )
    scheduler_patience: int = Field(100, ge=0, description="epochs")
    gradient_clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    energy_weight: float = Field(1.0, ge=0, description="w_E of Eq. 13")
    energy_loss: Literal["per-atom", "total"] = Field(
        "per-atom", description="square of the error of the energy per atom (Eq. 13), or in total"
    )
    loss: Literal["mse", "huber"] = Field(
        "mse", description="of every error its square, or linear beyond `huber_delta`"
    )
    huber_delta: float = Field(
        0.01,
        gt=0,
        description="eV for energies, eV/Å for forces, standard deviations for other targets",
    )
    baseline: Literal["mean", "least-squares"] = Field(
        "mean",
        description="energies of lone atoms that the model starts from: the mean energy per atom, "
        "or one for each species by least squares",
    )
    atomic_energies: dict[Element, float] = Field(
        {}, description="eV, instead of a baseline: `{H: -13.6, O: -432.0}`"
    )
    forces_weight: float = Field(1.0, ge=0, description="w_F of Eq. 13")
    weights: dict[TargetName, Annotated[float, Field(ge=0)]] = Field(
        {}, description="of the other targets, 1 where not given: `{stress: 0.1}`"
    )
    config_weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {},
        description="of structures in the loss by their `config_type`: `{surface: 2}`; times a "
        "structure's own `config_weight`",
    )
    ema_decay: float = Field(
        0.999,
        ge=0,
        le=1,
        description="average of the weights: none up to step `ema_start`, then decay "
        "min(`ema_decay`, 1 − (1 + s)^−`ema_power`) with s the steps since",
    )
    ema_start: int = Field(1000, ge=0, description="steps before averaging begins")
    ema_power: float = Field(0.6667, gt=0, description="see `ema_decay`")
    ema_every: int = Field(10, ge=1, description="steps between two updates of the average")
    frozen: list[str] = Field(
        [],
        description="of `camp fine-tune`: patterns of names of parameters that stay as they are, "
        "such as `layers.0.*`",
    )
    compile: bool = Field(
        True, description="compile the training step; not worth it for short trainings"
    )
    interpolate: bool = Field(
        False,
        description="interpolate radial functions from a grid in training steps, where there are "
        "more edges than grid points; exact to some 1e-6",
    )
    compile_after: int = Field(
        0,
        ge=0,
        description="plain steps at first, while the step is compiled in the background; all of "
        f"them where `max_time` is below {WORTH_COMPILING:g}, since that takes minutes",
    )

    @model_validator(mode="before")
    @classmethod
    def _by_recipe(cls, given: Any) -> Any:
        """What the recipe says, where nothing else is given."""
        if not isinstance(given, dict):
            return given
        return {**RECIPES.get(str(given.get("recipe")), {}), **given}

    def weight(self, target: str, stage: Stage | None = None) -> float:
        """Of one target in the loss."""
        own = {"energy": self.energy_weight, "forces": self.forces_weight}
        if stage is not None:
            changed = {"energy": stage.energy_weight, "forces": stage.forces_weight}
            own |= {name: weight for name, weight in changed.items() if weight is not None}
        return own.get(target, self.weights.get(target, 1.0))

    def budget(self, devices: int = 1) -> Budget:
        """What a training may take that shares every step between so many devices."""
        return Budget(
            structures_per_step=self.batch_size * devices,
            epochs=self.epochs,
            steps=self.max_steps,
            hours=self.max_time,
        )

    @property
    def compiles(self) -> bool:
        """Whether some steps are compiled: not where the training ends before, or soon after."""
        is_long = self.max_steps is None or self.max_steps > self.compile_after
        is_short = self.max_time is not None and self.max_time < WORTH_COMPILING
        return self.compile and is_long and not (self.compile_after and is_short)

    @property
    def runs_accelerated(self) -> bool:
        """Whether the architecture's faster forms have a part in the training."""
        return self.interpolate or self.accelerated_validation

    @property
    def epochs(self) -> int:
        """So many at most."""
        return sum(stage.epochs for stage in self.stages) or self.max_epochs

    def last_restart(self, epoch: int) -> int:
        """The epoch with which the last optimizer began."""
        first, last = 0, 0
        for stage in self.stages:
            if stage.restart and first <= epoch:
                last = first
            first += stage.epochs
        return last

    def stage(self, epoch: int) -> tuple[int, Stage | None]:
        """The stage of an epoch, counted from 0, and the epoch with which it began; None without
        stages.
        """
        first = 0
        for stage in self.stages:
            if epoch < first + stage.epochs:
                return first, stage
            first += stage.epochs
        return first, None

    @model_validator(mode="after")
    def _learns(self) -> Self:
        if self.energy_weight == self.forces_weight == 0:
            said = "and forces_weight are both 0; nothing could be learnt"
            raise refused(said, "energy_weight")
        return self


class SplitSettings(Settings):
    """Which structures of a dataset a task trains on, and which it is tested on."""

    train: int = Field(ge=1, description="how many structures, drawn at random")
    validation: int = Field(ge=1, description="the same")
    test: Count | Literal["rest"] = Field(description="the same, or all that are left")
    seed: int = Field(0, ge=0, description="of the draw")
    sources: dict[Part, File] = Field(
        {}, description="`{train: FILE, …}` draws a part from one file of the dataset"
    )
    exclude: Annotated[list[Literal["rigid-bilayers"]], Different] = Field(
        [],
        description="`[rigid-bilayers]` keeps such frames out of training and validation",
    )


class MdSettings(Settings):
    """One simulation: its conditions, its length, and how it is made."""

    temperature: float = Field(
        gt=0, description="K; of the velocities at the start, and of the thermostat"
    )
    timestep: float = Field(gt=0, le=20, description="fs")
    # The paper's thermostat is not printed; this is a usual one.
    thermostat_time: float = Field(100.0, gt=0, description="fs")
    length: float = Field(gt=0, description="ps, of each replica; a multiple of `sample_every`")
    equilibration: float = Field(
        0.0, ge=0, description="ps before that, always NVT, not analysed; a multiple likewise"
    )
    sample_every: float = Field(
        10.0, gt=0, description="fs between saved frames; a multiple of `timestep`"
    )
    ensemble: Literal["nvt", "nve"] = Field("nvt", description="`nvt` (Nosé–Hoover chain) or `nve`")
    replicas: int = Field(1, ge=1, description="independent runs")
    seed: int = Field(1, ge=0, description="of the velocities; replica k has `seed` + k − 1")
    save_forces: bool = Field(False, description="forces in the trajectories too")
    engine: Literal["ase", "torchsim"] = Field(
        "ase",
        description="`ase`: one job for each replica; `torchsim`: all replicas in one batch, for "
        "GPUs",
    )
    compile: bool = Field(
        True, description="use compiled code on the CPU, where there is a C++ compiler"
    )
    uncertainty_threshold: float | None = Field(
        None,
        gt=0,
        description="eV/Å; of several models: a replica ends with the sample in which they "
        "disagree by more in the force on an atom",
    )

    def impossible_times(self) -> Iterator[tuple[str, str]]:
        """Times that do not fit each other: (key, complaint)."""
        timestep, sample = self.timestep, self.sample_every
        if not _is_multiple(sample, timestep):
            yield (
                "sample_every",
                f"is {sample:g} fs, no multiple of the timestep of {timestep:g} fs",
            )
        for key in ("length", "equilibration"):
            if (time := getattr(self, key)) and not _is_multiple(1000 * time, sample):
                yield key, f"is {time:g} ps, no multiple of sample_every ({sample:g} fs)"


def _is_multiple(time: float, unit: float) -> bool:
    count = time / unit
    return 0.5 < count < 2**53 and abs(count - round(count)) < 1e-6 * max(1.0, count)


class AnalysisSettings(Settings):
    """What is computed from the trajectories of a simulation."""

    rdf: list[Pair] = Field(
        [],
        description="pairs such as `O-H`; the total g(r) of a periodic system is always there",
    )
    rdf_bin: float = Field(0.05, gt=0, le=1, description="width of a bin, Å")
    rdf_max: float | None = Field(
        None, gt=0, description="largest distance, Å; null: half the height of the cell"
    )
    adf: dict[Triple, Annotated[float, Field(gt=0)]] = Field(
        {}, description="angles with the longest side, Å: `{S-P-S: 2.6}`"
    )
    msd: list[Element] = Field([], description="species whose diffusion is computed")
    fit: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2)] | None = Field(
        None,
        description="first and last time of the linear fit, ps; null: a tenth and half of the "
        "length",
    )
    stability: Literal["rdf", "bonds", "end"] = Field(
        "end",
        description="`rdf` (Eq. 16, periodic systems), `bonds` (Eq. 17, molecules), `end` (only "
        "an explosion counts)",
    )
    threshold: float = Field(1.0, gt=0, description="Δ of both equations, Å")
    window: float = Field(1.0, gt=0, description="τ of Eq. 16, ps")


class ResourceSettings(Settings):
    """What a job asks of the machine."""

    threads: int = Field(1, ge=1, description="CPU cores")
    gpu: int = Field(0, ge=0, description="GPUs")
    mem_mb: int = Field(4000, ge=100, description="memory, MB")
    runtime: int = Field(60, ge=1, description="minutes")


# Keys of a dataset that does not generate its frames.
_OF_FILES = (
    "fetch",
    "files",
    "molecule",
    "every",
    "kcal_per_mol",
    "keep_below",
    "keep_above",
    "only_of",
)


class DatasetSettings(Settings):
    """Where frames are from."""

    generate: str | None = Field(
        None,
        description="`molecule:ethanol`, `molecule:malonaldehyde`, `water`, `lips` or `graphene`, "
        "made with GFN-xTB",
    )
    frames: int | None = Field(None, ge=1, description="how many to generate")
    seed: int | None = Field(None, ge=0, description="of the generated frames; null: 0")
    fetch: Annotated[list[PublicFile], Field(min_length=1), Different] | None = Field(
        None, description="names of public files, as `camp fetch --list` shows them"
    )
    files: Annotated[list[File], Field(min_length=1), Different] | None = Field(
        None,
        description="own files in any format that `camp convert` reads; joined with the fetched "
        "ones, in front of them",
    )
    every: int | None = Field(None, ge=1, description="take frames 0, N, 2N, … only")
    part: Annotated[list[int], Field(min_length=2, max_length=2)] | None = Field(
        None, description="`[A, B]` takes only frames from number A to before B of each file"
    )
    without: Annotated[list[PublicFile], Different] = Field(
        [], description="leave out frames that are in these public files too"
    )
    keep_below: dict[str, float] = Field(
        {},
        description="`{symmetry_error: 0.05}` takes only frames with a number of this name below "
        "the limit",
    )
    keep_above: dict[str, float] = Field({}, description="the same, above it")
    only_of: dict[str, Element] = Field(
        {},
        description="`{wannier_displacement: O}` takes these numbers of atoms of one species only, "
        "whatever others have",
    )
    molecule: str | None = Field(None, description="which molecule of the rMD17 archive")
    kcal_per_mol: float | None = Field(
        None, gt=0, description="value of 1 kcal/mol for MD17 files, eV; null: CODATA"
    )
    data: str | None = Field(None, description="label of this dataset instead of the scale's")
    note: str = Field("", description="remark shown below tables")

    @model_validator(mode="after")
    def _has_one_origin(self) -> Self:
        if self.generate is not None:
            for key in _OF_FILES:
                if getattr(self, key) not in (None, {}):
                    raise refused("does not go together with 'generate'", key)
            if self.frames is None:
                raise refused("is missing; say how many frames to generate", "frames")
        elif self.fetch is None and self.files is None:
            raise refused("needs one of 'generate', 'fetch' and 'files'")
        else:
            for key in ("frames", "seed"):
                if getattr(self, key) is not None:
                    raise refused("goes with 'generate' only", key)
        return self


class Source(Settings):
    """A dataset of the scale, or a public file."""

    dataset: str | None = None
    fetch: PublicFile | None = None

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        if (self.dataset is None) == (self.fetch is None):
            raise refused("needs one of 'dataset' and 'fetch'")
        return self


class StartSettings(Source):
    """Where the starting structures of a simulation are from."""

    dataset: str | None = Field(
        None, description="a dataset of the scale; of the task's own, only its test set"
    )
    fetch: PublicFile | None = Field(None, description="or a public file")
    frames: int = Field(1, ge=1, description="structures drawn from it at random")
    seed: int = Field(0, ge=0, description="of the draw")
    repeat: Annotated[list[Count], Field(min_length=3)] = Field(
        [1, 1, 1], description="supercells along the three vectors"
    )


class ReferenceSettings(Source):
    """What figures of simulations are compared with."""

    dataset: str | None = Field(
        None,
        description="`aimd`: frames of an ab initio trajectory, analysed as the simulation `lips` "
        "is (Fig. 3)",
    )
    msd: File | None = Field(
        None,
        description="`aimd`: file of mean-squared displacements in `data_folder`, CSV with the "
        "columns `lag_fs` and `msd_<species>_A2`",
    )
    fetch: PublicFile | None = Field(
        None,
        description="the others: a public file of measured or ab initio g(r) of water (Fig. 4)",
    )


class SpeedSettings(Settings):
    """Whose speed of MD is measured on this machine, one job for each structure."""

    simulations: Annotated[list[str], Different] = Field(
        [], description="simulations of this scale: their model and first starting structure"
    )
    seconds: float = Field(5.0, gt=0, description="how long each quantity is measured")
    threads: int = Field(2, ge=1, description="of every contestant")
    peers: Annotated[list[Peer], Different] = Field(
        [],
        description="others beside us, with random weights, each installed from the package index "
        "into an environment of its own (`cache/peers/`, some GB)",
    )


class NotebookSettings(Settings):
    """What the notebooks look at: the first model of a task, the first replica of a simulation."""

    training: str | None = Field(None, description="task whose training is shown")
    model: str | None = Field(None, description="task whose model is shown")
    trajectory: str | None = Field(None, description="simulation whose trajectory is shown")


class TaskData(Settings):
    """A task as ``tasks.yaml`` has it: data that all models share."""

    title: str = Field(description="shown in figures; say so when a size is not the paper's")
    split: SplitSettings
    targets: Targets = Field(
        ["energy", "forces"], description="what the models learn and are judged by"
    )
    keys: dict[TargetName, str] = Field(
        {}, description="under which names the files have targets: `{dipole: dipole_au}`"
    )
    units: dict[TargetName, str] = Field(
        {}, description="units of targets where they are others than usual; nothing is converted"
    )
    signs: dict[TensorName, Sign] = Field({}, description=SIGNS)


class SimulationConditions(Settings):
    """A simulation as ``simulations.yaml`` has it."""

    title: str
    md: MdSettings
    analysis: AnalysisSettings
