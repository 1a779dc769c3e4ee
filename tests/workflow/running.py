"""The workflow as a process, with its results in a folder of the test."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = REPOSITORY / "config"


def snakemake(
    folder: Path,
    *arguments: str | Path,
    cores: str = "1",
    profile: str = "default",
    variables: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake with its results in a folder.

    :param variables: of the environment, beside those of this process.
    """
    command = [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile"]
    command += ["--workflow-profile", REPOSITORY / "profiles" / profile, "--cores", cores]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SNAKEMAKE")}
    return subprocess.run(
        [*command, "--directory", folder, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**inherited, **(variables or {})},
        check=False,
    )


def planned(folder: Path, *arguments: str | Path, **options: str) -> dict[str, int]:
    """Number of jobs of each rule that a dry run would make."""
    done = snakemake(folder, "--dry-run", *arguments, **options)
    assert done.returncode == 0, done.stderr
    table = done.stderr + done.stdout
    found = {rule: int(n) for rule, n in re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE)}
    return {rule: number for rule, number in found.items() if rule != "total"}
