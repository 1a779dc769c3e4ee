"""The scale, and what several rules need; the functions behind it are those of camp.workflow."""

import json
import shlex
import sys
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

from camp.errors import InputError
from camp.report.declarations import load_papers
from camp.settings import Run
from camp.settings.commands import to_yaml
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
from camp.workflow.products import Products
from camp.workflow.salvage import Salvage

BASE = Path(workflow.basedir)
CONTESTANTS = BASE / "benchmarks" / "contestants"

# A mistake ends snakemake with one line instead of a traceback. Not 'configfile:', which would merge
# the default scale into any other.
try:
    SCALE = loading.load(
        BASE / "config",
        workflow.config_settings.configfiles or [],
        workflow.config_settings.config_args or [],
    )
    PAPERS = load_papers(BASE / "config" / "papers")
    loading.check_targets(SCALE, sys.argv[1:])
except InputError as error:
    print(f"snakemake: error: {error}", file=sys.stderr)
    sys.exit(2)

AVAILABLE = Availability(
    SCALE, lambda item: checkpoints.fetch.get(scale=SCALE.name, item=item).output.record
)
PRODUCTS = Products(AVAILABLE, PAPERS)
MIRROR = f"--mirror {shlex.quote(SCALE.mirror)}" if SCALE.mirror else ""
# For the captions of the report.
config.update(PRODUCTS.captions())
WITH_CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
shell.prefix(loading.shell_prefix(Path(sys.executable), WITH_CONDA))
