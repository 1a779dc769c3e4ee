"""What Snakemake was told, and where its commands run."""

import subprocess
import sys
from pathlib import Path

import pytest

from camp.errors import InputError
from camp.workflow.loading import check_targets, load, shell_prefix
from tests.workflow.running import CONFIG, REPOSITORY
from tests.workflow.scales import OWN, scale_of

PACKAGE = REPOSITORY / "camp" / "workflow"


def test_the_default_scale_and_values_of_the_command_line():
    assert load(CONFIG, [], ["seeds=[3,4]"]).seeds == [3, 4]
    with pytest.raises(InputError, match="--config: sedes is not a known key"):
        load(CONFIG, [], ["sedes=[1]"])


def test_targets_of_another_scale_are_refused(tmp_path):
    scale = scale_of(tmp_path, OWN)
    check_targets(scale, ["results/small/scoreboard-camp.html", "--cores", "results", "all"])
    with pytest.raises(InputError, match=r"results/paper/a\.html is of the scale 'paper'"):
        check_targets(scale, ["-n", "results/paper/a.html"])


def commands_of(folder: Path, *, conda: bool) -> str:
    """What 'camp x' calls, where the environment of the job has a python of its own."""
    for place in ("own", "job"):
        (folder / place).mkdir()
        for name in ("python", "camp"):
            script = folder / place / name
            script.write_text(f'#!/bin/sh\necho {place}/{name} "$@" "$PYTHONPATH"\n')
            script.chmod(0o755)
    command = f"{shell_prefix(folder / 'own' / 'python', conda)} camp x"
    path = f"{folder / 'job'}:/usr/bin:/bin"
    environment = {"PATH": path}
    done = subprocess.run(
        ["bash", "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_jobs_run_in_the_environment_of_snakemake(tmp_path):
    assert commands_of(tmp_path, conda=False) == "own/camp x"


def test_jobs_run_in_their_own_environment_with_conda(tmp_path):
    """This package is not installed there."""
    assert commands_of(tmp_path, conda=True) == f"job/python -m camp x {REPOSITORY}"


def test_the_workflow_is_read_without_heavy_libraries():
    """The graph is built for every command, and once more in every job."""
    modules = [f"camp.workflow.{p.stem}" for p in sorted(PACKAGE.glob("*.py")) if p.stem[0] != "_"]
    heavy = ["torch", "pandas", "numpy", "ase", "matplotlib", "pytorch_lightning"]
    command = f"import sys, {', '.join(modules)}; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.strip() == "[]"
