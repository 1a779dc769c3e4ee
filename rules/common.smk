"""The scale, and what several rules need; the functions behind it are those of camp.workflow."""

import shlex
import sys
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

from camp.errors import InputError
from camp.workflow import (
    arguments,
    failures,
    fetching,
    identity,
    loading,
    notebooks,
    paths,
    resources,
)
from camp.workflow.availability import Availability
from camp.workflow.figures import FigureInputs

BASE = Path(workflow.basedir)
TASKS_FILE = BASE / "config" / "tasks.yaml"
SIMULATIONS_FILE = BASE / "config" / "simulations.yaml"
PAPER_NUMBERS = BASE / "config" / "paper-numbers.csv"
CONTESTANTS = BASE / "benchmarks" / "contestants"

# A mistake ends snakemake with one line instead of a traceback. Not 'configfile:', which would merge
# the default scale into any other.
try:
    SCALE = loading.load(
        BASE / "config",
        workflow.config_settings.configfiles or [],
        workflow.config_settings.config_args or [],
    )
    loading.check_targets(SCALE, sys.argv[1:])
except InputError as error:
    print(f"snakemake: error: {error}", file=sys.stderr)
    sys.exit(2)

AVAILABLE = Availability(
    SCALE, lambda item: checkpoints.fetch.get(scale=SCALE.name, item=item).output.record
)
MIRROR = f"--mirror {shlex.quote(SCALE.mirror)}" if SCALE.mirror else ""
# For the captions of the report.
config.update(scale=SCALE.name, data=SCALE.data)
WITH_CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
shell.prefix(loading.shell_prefix(Path(sys.executable), WITH_CONDA))

# --- tables and figures of the paper --------------------------------------------------------------
TABLES = {
    "table-1": "Table 1",
    "table-2": "Table 2",
    "table-3": "Table 3",
    "table-4": "Table 4",
    "table-5": "Table 5",
    "table-s1": "Table S1",
    "table-s2": "Table S2",
    "table-s3": "Table S3",
    "ablation": "SI section 6",
}
if SCALE.speed["simulations"]:
    TABLES["speed"] = "Speed on this machine"
TASK_FIGURES = {"parity": "Parity", "errors": "Distribution of errors"}
FIGURES = {
    "figure-2": {"title": "Figure 2", "evaluations": True},
    "figure-3": {"title": "Figure 3", "simulations": ["lips"], "references": ["aimd"]},
    "figure-4": {
        "title": "Figure 4",
        "simulations": ["water-300K"],
        "references": ["xray-2014", "xray-2013", "neutron", "revpbe0"],
    },
    "figure-5": {
        "title": "Figure 5",
        "simulations": ["aspirin", "ethanol"],
        "evaluations": True,
        "speeds": True,
    },
    "figure-6": {"title": "Figure 6", "scans": ("interlayer", ["graphene"])},
    "figure-s1": {"title": "Figure S1", "structure": ["lips", "lips-1fs"]},
    "figure-s2": {"title": "Figure S2", "simulations": ["lips-1fs"]},
    "figure-s3": {
        "title": "Figure S3",
        "simulations": [f"water-{kelvin}K" for kelvin in (300, 600, 900, 1200, 1500)],
    },
    "figure-drift": {
        "title": "Energy conservation",
        "simulations": ["nve-smooth", "nve-published"],
        "scans": ("dimer", ["nve-smooth", "nve-published"]),
    },
}
FIGURE_INPUTS = {name: FigureInputs(declared, AVAILABLE) for name, declared in FIGURES.items()}
