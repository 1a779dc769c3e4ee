"""Which trained model a notebook looks at, and the files that belong to it."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ase import Atoms

from camp.data.readers import iterate_structures
from camp.errors import InputError
from camp.files import read_json

DEFAULT_SCALE = "quick"


@dataclass(frozen=True)
class Run:
    """One model with its files; those that its kind of run does not have are None."""

    task: str
    scale: str
    data_label: str
    model: Path
    data: Path
    split: Path | None = None
    metrics: Path | None = None
    evaluation: Path | None = None
    predictions: Path | None = None

    def path(self, name: str) -> Path:
        """A file that the notebook cannot do without.

        :raises InputError: the run has none.
        """
        path = getattr(self, name)
        if path is None:
            raise InputError(
                f"{self.model}: this notebook needs the {name}; set CAMP_{name.upper()}"
            )
        return path

    def provenance(self) -> str:
        """One line for the top of a notebook."""
        return (
            f"Task {self.task}, scale {self.scale}; data: {self.data_label}; "
            f"model: {'/'.join(self.model.parts[-3:])}"
        )


def find_run(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Run:
    """The run that the variables CAMP_* name, else the first finished one of the scale quick.

    :param environment: default: the process's. CAMP_MODEL and CAMP_DATA together name a run;
        labels that are not given are those of the evaluation.
    :param folder: where to begin looking upwards for the repository; default: the current one.
    :raises InputError: an incomplete set of variables, or nothing has been run yet.
    """
    environment = os.environ if environment is None else environment
    if "CAMP_MODEL" in environment:
        return _named_run(environment)
    here = Path.cwd() if folder is None else Path(folder)
    roots = [parent for parent in (here, *here.parents) if (parent / "Snakefile").is_file()]
    if not roots:
        raise InputError(f"{here}: not inside the repository; set CAMP_MODEL and CAMP_DATA")
    results = roots[0] / "results" / DEFAULT_SCALE
    for model in sorted(results.glob("training/*/*/model.safetensors")):
        if run := _run_of_training(results, model):
            return run
    raise InputError(
        f"{results}: no training has been run and evaluated yet; run 'make reproduce' first, "
        "or set CAMP_MODEL and CAMP_DATA"
    )


def _named_run(environment: Mapping[str, str]) -> Run:
    names = [field.name for field in fields(Run)]
    given: dict[str, Any] = {
        name: value for name in names if (value := environment.get(f"CAMP_{name.upper()}"))
    }
    if not {"model", "data"} <= given.keys():
        raise InputError("CAMP_MODEL and CAMP_DATA belong together; set both")
    labels = {"task": "unnamed", "scale": "none", "data_label": Path(given["data"]).name}
    paths = {name: Path(value) for name, value in given.items() if name not in labels}
    for name, path in paths.items():
        if not path.is_file():
            raise InputError(f"{path}: no such file (CAMP_{name.upper()})")
    if "evaluation" in paths:
        record = read_json(paths["evaluation"])
        known = {"task": record["task"], "scale": record["scale"], "data_label": record["data"]}
        labels |= {name: value for name, value in known.items() if value}
    return Run(**{**labels, **given, **paths})


def _run_of_training(results: Path, model: Path) -> Run | None:
    """The files around a trained model, or None as long as some are missing."""
    task, run = model.parts[-3:-1]
    split = results / "splits" / f"{task}.json"
    metrics = model.with_name("metrics.csv")
    evaluation = results / "evaluation" / task / f"{run}.json"
    predictions = evaluation.with_suffix(".npz")
    if not all(path.is_file() for path in (split, metrics, evaluation, predictions)):
        return None
    return Run(
        task=task,
        scale=results.name,
        data_label=read_json(evaluation)["data"],
        model=model,
        data=results / "data" / read_json(split)["dataset"],
        split=split,
        metrics=metrics,
        evaluation=evaluation,
        predictions=predictions,
    )


def read_frames(path: str | Path, indices: Iterable[int]) -> dict[int, Atoms]:
    """Some frames of a file by index; the others are not kept in memory.

    :raises InputError: the file has no such frame, or see
        :func:`camp.data.readers.iterate_structures`.
    """
    wanted = set(indices)
    if not wanted:
        return {}
    found = {
        index: atoms
        for index, atoms in enumerate(iterate_structures(path, first=max(wanted) + 1))
        if index in wanted
    }
    if missing := wanted - found.keys():
        raise InputError(f"{path}: no frame {min(missing)}; evaluate again")
    return found
