"""A model outside of the package: one folder, registered by an entry point, and nothing else."""

import csv
import json
import sys
from textwrap import dedent

import pytest
from ase.io import read

import camp
from camp.cli import main
from camp.data.readers import write_structures
from camp.settings import architectures
from camp.testing import check_model
from tests.training.small_training import clusters

PAPER = "config/papers/this-work"
FOLDER = {
    "toy/__init__.py": """
        from typing import Literal

        from pydantic import Field

        from camp.settings.architectures import Architecture
        from camp.settings.base import ModelSettings


        class ToySettings(ModelSettings):
            architecture: Literal["toy"] = "toy"
            width: int = Field(4, ge=1, description="functions of a distance")


        ARCHITECTURE = Architecture("toy", "Toy", ToySettings, "toy.network:Toy")
    """,
    "toy/network.py": """
        import torch
        from torch import nn


        class Toy(nn.Module):
            '''Pair energies: Gaussians of the distance, smooth at the cutoff.'''

            def __init__(self, settings, species, targets):
                super().__init__()
                self.cutoff = settings.cutoff
                self.weights = nn.Parameter(torch.randn(settings.width))
                centres = torch.linspace(1.0, settings.cutoff, settings.width)
                self.register_buffer("centres", centres, persistent=False)

            def forward(self, edges):
                lengths = edges.vectors.norm(dim=-1)
                cut = edges.mask * (1 - lengths / self.cutoff).clamp(min=0) ** 3
                functions = torch.exp(-((lengths[..., None] - self.centres) ** 2))
                return {"energy": ((functions @ self.weights) * cut).sum(1)}
    """,
    "toy-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n",
    "toy-1.0.dist-info/entry_points.txt": "[camp.architectures]\ntoy = toy:ARCHITECTURE\n",
}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The folder in a place where Python looks for packages."""
    for name, text in FOLDER.items():
        path = tmp_path / "packages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip())
    monkeypatch.syspath_prepend(tmp_path / "packages")
    architectures.architectures.cache_clear()
    yield
    architectures.architectures.cache_clear()
    for name in ("toy", "toy.network"):
        sys.modules.pop(name, None)


def run(*arguments):
    assert main(list(map(str, arguments))) == 0


def test_it_is_trained_saved_loaded_judged_and_simulated(toy, tmp_path, monkeypatch):
    write_structures(tmp_path / "train.xyz", clusters(6))
    write_structures(tmp_path / "test.xyz", clusters(3, seed=9))
    (tmp_path / "toy.yaml").write_text(
        f"train: {tmp_path}/train.xyz\nvalidation: {tmp_path}/test.xyz\n"
        "model: {architecture: toy, cutoff: 5.0, width: 6}\n"
        "training: {max_steps: 20, batch_size: 2, ema_start: 5, ema_every: 1, compile: false}\n"
    )
    run("train", tmp_path / "toy.yaml", "--seed", 1, "--out", tmp_path / "run", "--device", "cpu")
    model = tmp_path / "run" / "model.safetensors"
    potential = camp.load(model)
    check_model(potential)
    # A network that knows nothing of chunks is never asked for them.
    whole = potential.evaluate(clusters(2))
    monkeypatch.setattr("camp.potential.potential.SLOTS_PER_CHUNK", 1)
    assert potential.evaluate(clusters(2)).energies == pytest.approx(whole.energies)

    evaluation = tmp_path / "evaluation" / "clusters" / "toy-seed-1.json"
    labels = ["--task", "clusters", "--seed", 1, "--scale", "quick", "--weights", "own"]
    data = ["--data-label", "made up", "--generated"]
    run("evaluate", model, tmp_path / "test.xyz", "--json", evaluation, *labels, *data)
    assert json.loads(evaluation.read_text())["architecture"] == "toy"
    table = tmp_path / "comparison.csv"
    asked = ["comparison", "--paper", PAPER, "--scale", "quick"]
    run("table", *asked, "--evaluations", tmp_path / "evaluation", "--out-csv", table)
    with table.open() as file:
        assert {row["architecture"] for row in csv.DictReader(file)} == {"toy"}

    (tmp_path / "md.yaml").write_text("{temperature: 10, timestep: 2, length: 0.02}")
    start = ["--config", tmp_path / "md.yaml", "--out", tmp_path / "md"]
    run("md", model, tmp_path / "train.xyz", *start)
    summary = json.loads((tmp_path / "md" / "simulation.json").read_text())
    assert summary["replicas"][0]["end"] == "completed"
    run("predict", model, tmp_path / "test.xyz", tmp_path / "predicted.xyz")
    predicted = read(tmp_path / "predicted.xyz", ":")
    expected = camp.load(model).evaluate(read(tmp_path / "test.xyz", ":"))
    assert [atoms.get_potential_energy() for atoms in predicted] == pytest.approx(
        list(expected.energies)
    )
