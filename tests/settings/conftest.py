"""Small settings, and an architecture of somebody else."""

from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest
import yaml
from pydantic import Field, model_validator

from camp.settings import load_scale, merge
from camp.settings.architectures import Architecture, architectures
from camp.settings.base import ModelSettings

REPOSITORY = Path(__file__).resolve().parents[2]


CONFIG = REPOSITORY / "config"


SMALL = """
scale: small
data: generated (GFN-xTB)
weights: own
seeds: [1, 2]
datasets:
  ethanol: {generate: "molecule:ethanol", frames: 30, seed: 1}
tasks:
  md17-ethanol:
    dataset: ethanol
    split: {train: 10, validation: 5, test: rest}
    models:
      camp:
        model: {channels: 4, max_rank: 1}
        training: {max_steps: 7}
"""


PUBLISHED = """
scale: checked
data: real
weights: published
datasets:
  water: {fetch: [dataset/water/test_water.json]}
tasks:
  water: {dataset: water}
"""


class SplineSettings(ModelSettings):
    """Of an architecture of somebody else, with a check in its own words."""

    architecture: Literal["spline"] = "spline"
    knots: int = Field(6, ge=2)
    average_neighbours: float = 1.0

    @model_validator(mode="after")
    def _is_even(self):
        if self.knots % 2:
            raise ValueError("has an odd number of knots")
        return self


@pytest.fixture
def spline(monkeypatch):
    """An architecture that another package registers, without a file in the configuration."""
    entry = SimpleNamespace(
        load=lambda: Architecture("spline", "Spline", SplineSettings, network="nowhere:Nothing")
    )
    monkeypatch.setattr("camp.settings.architectures.entry_points", lambda group: [entry])
    architectures.cache_clear()
    yield
    architectures.cache_clear()


@pytest.fixture
def load(tmp_path):
    """Loads the settings in a text, changed by other settings laid over it."""

    def load(text=SMALL, change=None, overrides=None, name="small.yaml"):
        path = tmp_path / name
        content = merge(yaml.safe_load(text), change or {})
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return load_scale([path], overrides or {}, folder=CONFIG)

    return load


def names(scale, task):
    return [run.name for run in scale.runs(task)]


def of_task(**change):
    return {"tasks": {"md17-ethanol": change}}
