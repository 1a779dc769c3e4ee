"""The package away from its repository: a wheel, installed elsewhere, used from another folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

from camp.runtime import library

REPOSITORY = Path(__file__).resolve().parents[1]
TRAINING = """train: train.xyz
validation: validation.xyz
model: {channels: 4, layers: 1, cutoff: 5.0}
training: {max_steps: 4, batch_size: 2, compile: false}
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with the package alone; what it needs is that of the running environment."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    quiet = ["--quiet", "--no-deps"]
    # Building leaves files beside the sources.
    sources = folder / "sources"
    shutil.copytree(
        REPOSITORY / "camp", sources / "camp", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, sources)
    build = [*pip, "wheel", *quiet, "--wheel-dir", folder, sources]
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("*.whl")
    target = folder / "site"
    subprocess.run([*pip, "install", *quiet, "--target", target, wheel], check=True)
    return target


def python(installed: Path, folder: Path, *arguments: object) -> str:
    """What Python says in another folder, where the installed package comes first."""
    variables = {**os.environ, "PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_it_trains_and_evaluates_with_its_own_kernels(installed, tmp_path):
    where = python(installed, tmp_path, "-c", "import camp; print(camp.__file__)")
    assert Path(where).is_relative_to(installed)
    rng = np.random.default_rng(0)
    for name, count in (("train", 4), ("validation", 2)):
        frames = []
        for _ in range(count):
            atoms = Atoms("Ar4", rng.uniform(0, 1, (4, 3)) + 3.5 * np.eye(4, 3))
            atoms.calc = LennardJones(sigma=3.0, epsilon=0.01, rc=9.0)
            labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
            atoms.calc = SinglePointCalculator(atoms, **labels)
            frames.append(atoms)
        ase.io.write(tmp_path / f"{name}.xyz", frames)
    (tmp_path / "mine.yaml").write_text(TRAINING)
    train = ("train", "mine.yaml", "--seed", "1", "--out", "run", "--device", "cpu")
    python(installed, tmp_path, "-m", "camp", *train)
    accelerated = ["--accelerate"] if library.compiler() else []
    evaluate = ("evaluate", "run/model.safetensors", "validation.xyz", *accelerated)
    assert "forces" in python(installed, tmp_path, "-m", "camp", *evaluate)


def test_it_reads_published_weights(installed, tmp_path, shared_data):
    model = shared_data / "mirror/camp_run/models/water/checkpoint.ckpt"
    if not model.is_file():
        pytest.skip("needs the published weights (../shared/data/mirror/camp_run)")
    assert "H, O" in python(installed, tmp_path, "-m", "camp", "info", model)
