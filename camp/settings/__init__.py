"""Settings: the YAML files of the workflow and of ``camp train``, merged and validated.

Read whenever the workflow's graph is built, so nothing heavy is imported here. Every complaint is
one line that names the file, the key and what is allowed.
"""

from camp.settings.layers import merge, read_yaml
from camp.settings.scale import Scale, load_scale
from camp.settings.schema import DEFAULT_MODEL, DEFAULT_TRAINING
from camp.settings.simulation import load_analysis, load_simulation
from camp.settings.training import load_training

__all__ = [
    "DEFAULT_MODEL",
    "DEFAULT_TRAINING",
    "Scale",
    "load_analysis",
    "load_scale",
    "load_simulation",
    "load_training",
    "merge",
    "read_yaml",
]
