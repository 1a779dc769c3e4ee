"""What the notebooks look at: the first model of a task, or the first replica of a simulation."""

from collections.abc import Mapping
from pathlib import Path

from camp.settings import Scale
from camp.workflow import paths

TRAJECTORY = "trajectory"


def topics(scale: Scale) -> dict[str, str]:
    """The task or simulation of each notebook that has one."""
    return {name: topic for name, topic in scale.notebooks if topic}


def inputs(scale: Scale, notebook: str) -> dict[str, str]:
    """The files that a notebook reads, by name."""
    topic = topics(scale)[notebook]
    if notebook == TRAJECTORY:
        files = {
            "model": paths.simulated_model(scale, topic),
            "analysis": paths.analysis_file(scale, topic),
            "summary": paths.summary_files(scale, topic)[0],
        }
        optional = {"bonds": paths.bond_files(scale, topic)}
    else:
        run = scale.runs(topic)[0]
        files = {
            "model": paths.model_file(scale, topic, run),
            "data": paths.data_file(scale, topic),
            "evaluation": paths.evaluation_file(scale, topic, run),
            "predictions": paths.predictions_file(scale, topic, run),
        }
        optional = {
            "split": paths.split_files(scale, topic),
            "metrics": paths.metrics_files(scale, topic),
        }
    return files | {name: found[0] for name, found in optional.items() if found}


def environment(scale: Scale, notebook: str, files: Mapping[str, str]) -> list[str]:
    """CAMP_TASK or CAMP_SIMULATION, CAMP_SCALE, CAMP_DATA_LABEL, and a path for every file, such as
    CAMP_MODEL.
    """
    topic = topics(scale)[notebook]
    if notebook == TRAJECTORY:
        values = {"SIMULATION": topic, "DATA_LABEL": scale.simulations[topic].data}
        values["TRAJECTORY"] = str(Path(files["summary"]).absolute().with_name("replica-1.traj"))
    else:
        values = {"TASK": topic, "DATA_LABEL": scale.tasks[topic].data}
    values["SCALE"] = scale.name
    values |= {name.upper(): str(Path(path).absolute()) for name, path in files.items()}
    return [f"CAMP_{name}={value}" for name, value in values.items()]
