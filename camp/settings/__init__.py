"""Settings: the YAML files of the workflow and of commands, merged, checked and typed.

Read whenever the workflow's graph is built, so nothing heavy is imported here. Every complaint is
one line that names the file, the key and what is allowed.
"""

from camp.settings.commands import (
    OwnTraining,
    TrainingJob,
    load_analysis,
    load_simulation,
    load_training,
)
from camp.settings.layers import merge, read_yaml
from camp.settings.loading import load_scale
from camp.settings.runs import Run
from camp.settings.scale import Scale
from camp.settings.sections import SplitSettings
from camp.settings.simulation import AnalysisSettings, MdSettings
from camp.settings.training import Stage, TrainingSettings

__all__ = [
    "AnalysisSettings",
    "MdSettings",
    "OwnTraining",
    "Run",
    "Scale",
    "SplitSettings",
    "Stage",
    "TrainingJob",
    "TrainingSettings",
    "load_analysis",
    "load_scale",
    "load_simulation",
    "load_training",
    "merge",
    "read_yaml",
]
