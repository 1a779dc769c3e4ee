"""Sections of a scale with their defaults; what a key means, its description says."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from camp.settings.base import Different, Element, File, PublicFile, Settings
from camp.settings.words import refused
from camp.targets import TARGETS, Sign

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
SIGNS = (
    "`{piezoelectric: free}` where labels may be the negative of the tensor: losses and errors "
    "take the sign that fits better, structure by structure"
)
Targets = Annotated[list[TargetName], Field(min_length=1), Different]
Peer = Literal["mace", "nequip"]
ReferenceName = Literal["aimd", "xray-2013", "xray-2014", "neutron", "revpbe0"]


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
    units: dict[TensorName, str] = Field(
        {}, description="units of tensors where they are others than usual; nothing is converted"
    )
    signs: dict[TensorName, Sign] = Field({}, description=SIGNS)
