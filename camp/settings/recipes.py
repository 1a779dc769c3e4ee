"""Recipes of training by name: values of the training settings that a file need not repeat."""

from collections.abc import Mapping
from typing import Any, Final, Literal

RecipeName = Literal["paper", "fast"]

# The defaults of the training settings are the paper's recipe. The other is for a workstation:
# SOAP (arXiv:2409.11321) along a cosine, an average of the weights that fits short trainings, and
# validation by steps. docs/training.md has the search that chose it.
RECIPES: Final[Mapping[str, Mapping[str, Any]]] = {
    "paper": {},
    "fast": {
        "optimizer": "soap",
        "learning_rate": 0.005,
        "schedule": "cosine",
        "warmup_steps": 100,
        "gradient_clip": 10.0,
        "baseline": "least-squares",
        "ema_decay": 0.99,
        "ema_start": 100,
        "ema_every": 1,
        "validate_every": 250,
        "accelerated_validation": True,
        "max_steps": 20000,
        "interpolate": True,
        "compile_after": 500,
    },
}
