"""What a file says of a model, whoever wrote it: enough to build the potential again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from camp.settings.base import ModelSettings
from camp.targets import ENERGY, Target


@dataclass(frozen=True)
class Normalisation:
    """From the natural parts X_l that a network predicts to those of the target:
    scale_l · X_l, and the shift on rank 0. Units are the target's.
    """

    scale: Mapping[int, float]  # by rank l
    # One number, or for targets of atoms one for each species.
    shift: tuple[float, ...] = (0.0,)


@dataclass(frozen=True)
class Description:
    """A model as a file has it."""

    settings: ModelSettings
    species: tuple[int, ...]  # atomic numbers, ascending
    parameters: Mapping[str, Tensor]  # of the network, by the names of its state
    targets: tuple[Target, ...] = (ENERGY,)
    # e_i = scale · network + shift, in eV: one number or one for each species.
    energy_scale: tuple[float, ...] = (1.0,)
    energy_shift: tuple[float, ...] = (0.0,)
    normalisation: Mapping[str, Normalisation] = field(default_factory=dict)  # of other targets
    origin: Mapping[str, Any] = field(default_factory=dict)
