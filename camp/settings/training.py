"""How a model is trained, and the defaults of that."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from camp.settings.base import Element, Settings
from camp.settings.budget import Budget
from camp.settings.recipes import RECIPES, RecipeName
from camp.settings.sections import TargetName
from camp.settings.words import refused

# Hours of a training that is worth compiling its steps beside them.
WORTH_COMPILING = 0.2


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
