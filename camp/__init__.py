"""CAMP-repro: Cartesian atomic moment potentials, and the reproduction of their benchmark.

The names below are imported on first use, so that ``import camp`` stays cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from camp.potential.calculator import Calculator
    from camp.potential.ensemble import Ensemble
    from camp.potential.potential import Potential
    from camp.potential.prediction import Evaluation
    from camp.potential.saving import load
    from camp.potential.torchsim import TorchSimModel

__version__ = "0.1.0"
__all__ = ["Calculator", "Ensemble", "Evaluation", "Potential", "TorchSimModel", "load", "testing"]

_HOMES = {
    "Calculator": "camp.potential.calculator",
    "Ensemble": "camp.potential.ensemble",
    "Evaluation": "camp.potential.prediction",
    "Potential": "camp.potential.potential",
    "TorchSimModel": "camp.potential.torchsim",
    "load": "camp.potential.saving",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name == "testing":
        return import_module("camp.testing")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'camp' has no attribute {name!r}")
