"""The files that the commands read: ``camp train``, ``camp md`` and ``camp analyse``."""

from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import Field, model_validator

from camp.settings.base import FITTED, NAME, File, Settings, text
from camp.settings.layers import Layer, Layers, read_yaml
from camp.settings.model import Model
from camp.settings.sections import SIGNS, TargetName, Targets, TensorName
from camp.settings.simulation import AnalysisSettings, MdSettings
from camp.settings.training import TrainingSettings
from camp.settings.words import refused
from camp.targets import Sign, Target, resolve


class TrainingJob(Settings):
    """Which model learns what, and how."""

    targets: Targets = Field(["energy", "forces"], description="what the model learns")
    keys: dict[TargetName, str] = Field(
        {}, description="under which names the files have targets: `{dipole: dipole_au}`"
    )
    units: dict[TensorName, str] = Field(
        {}, description="units of tensors where they are others than usual; nothing is converted"
    )
    signs: dict[TensorName, Sign] = Field({}, description=SIGNS)
    model: Model = Field({}, validate_default=True, description="see above")
    training: TrainingSettings = Field(TrainingSettings(), description="see above")
    labels: dict[str, str] = Field({}, description="texts kept with the model")

    @property
    def learnt(self) -> tuple[Target, ...]:
        """The targets with the names, units and signs that the files have."""
        return resolve(self.targets, self.keys, self.units, self.signs)

    def to_yaml(self) -> str:
        """The file that says the same."""
        content = self.model_dump(exclude_none=True, exclude={"model": set(FITTED)})
        # With what is null in spite of the recipe.
        return to_yaml({**content, "training": self.training.model_dump()})


class OwnTraining(TrainingJob):
    """One training of your own. Paths are relative to the current folder."""

    task: Annotated[str, text(NAME)] = Field("", description="name; that of the file by default")
    title: str = Field("", description="shown to people")
    data: File | None = Field(None, description="structures, any supported format")
    split: File | None = Field(None, description="which of them: a file of `camp split`")
    train: File | None = Field(None, description="instead of both: structures to train on")
    validation: File | None = Field(None, description="and structures to validate with")
    test: File | None = Field(None, description="kept with the settings only")

    @model_validator(mode="before")
    @classmethod
    def _is_fast(cls, given: Any) -> Any:
        """Own trainings have the recipe for a workstation unless they name another."""
        if isinstance(given, dict) and isinstance(training := given.get("training", {}), dict):
            return {**given, "training": {"recipe": "fast", **training}}
        return given

    @model_validator(mode="after")
    def _has_structures(self) -> Self:
        pairs = ((self.data, self.split), (self.train, self.validation))
        complete = [pair for pair in pairs if None not in pair]
        started = [pair for pair in pairs if pair != (None, None)]
        if len(complete) != 1 or len(started) != 1:
            raise refused(
                "give the structures either as 'data' and 'split', or as 'train' and "
                "'validation' (and 'test')"
            )
        return self


def to_yaml(content: object) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def load_training(path: str | Path) -> OwnTraining:
    """The file that ``camp train`` reads.

    :raises InputError: unknown key, wrong type, impossible value; one line.
    """
    settings = _given(path).validate(OwnTraining)
    return settings if settings.task else settings.model_copy(update={"task": Path(path).stem})


def load_simulation(path: str | Path) -> MdSettings:
    """The file that ``camp md`` reads; raises as :func:`load_training`."""
    given = _given(path)
    settings = given.validate(MdSettings)
    for key, complaint in settings.impossible_times():
        raise given.error([key], complaint)
    return settings


def load_analysis(path: str | Path) -> AnalysisSettings:
    """The file that ``camp analyse`` reads; raises as :func:`load_training`."""
    return _given(path).validate(AnalysisSettings)


def _given(path: str | Path) -> Layers:
    return Layers([Layer(str(path), read_yaml(path))])
