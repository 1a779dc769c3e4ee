"""The inputs of the paper's figures, as far as a scale has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from camp.settings import Scale
from camp.workflow import paths
from camp.workflow.availability import Availability

# The reference that is analysed from a dataset; the others are public files.
DYNAMICS = "aimd"


@dataclass(frozen=True)
class FigureInputs:
    """What one figure is made from.

    :param declared: what it shows: ``simulations``, ``references``, ``scans`` (kind, names) and
        ``structure``, each a list of names, ``evaluations`` and ``speeds`` true or false.
    """

    declared: Mapping[str, Any]
    available: Availability

    @property
    def scale(self) -> Scale:
        return self.available.scale

    @property
    def evaluations(self) -> list[str]:
        return self.available.all_evaluations() if self.declared.get("evaluations") else []

    @property
    def simulations(self) -> list[str]:
        """The simulations that it shows, as far as the scale has them."""
        known = self.scale.simulations
        return [name for name in self.declared.get("simulations", []) if name in known]

    @property
    def analyses(self) -> list[str]:
        return [self.available.analysis(name) for name in self.simulations]

    @property
    def speeds(self) -> list[str]:
        return self.available.speeds(self.simulations) if self.declared.get("speeds") else []

    @property
    def references(self) -> dict[str, str]:
        """{name: file} of the references that could be had; one alone makes no figure."""
        names = self.declared.get("references", []) if self.simulations else []
        files = {}
        for name in names:
            source = self.scale.references.get(name)
            if source is None:
                continue
            if name == DYNAMICS and not self.available.why_missing(f"data-{source['dataset']}"):
                files[name] = f"{paths.folder(self.scale)}/references/{name}.json"
            elif found := self.available.fetched(f"reference-{name}"):
                files[name] = found[0]
        return files

    @property
    def scans(self) -> list[str]:
        """The bilayers of every model of these tasks, or a pair for each of these simulations."""
        kind, names = self.declared.get("scans", ("", []))
        own = f"{paths.folder(self.scale)}/scans/{kind}"
        if kind == "interlayer":
            known = [name for name in names if name in self.scale.tasks]
            tasks = [task for task in known if not self.available.why_no_evaluation(task)]
            return [f"{own}/{task}/{run}.json" for task in tasks for run in self.scale.runs(task)]
        return [f"{own}/{name}.json" for name in names if self.available.can_simulate(name)]

    @property
    def structure(self) -> list[str]:
        """The starting structures of the first simulation that can be made."""
        return [
            f"{paths.simulation_folder(self.scale, name)}/start.xyz"
            for name in self.declared.get("structure", [])
            if self.available.can_simulate(name)
        ][:1]

    def arguments(self) -> list[str]:
        """Options of ``camp figure`` for what there is."""
        options: Mapping[str, Sequence[str]] = {
            "evaluations": self.evaluations,
            "analyses": self.analyses,
            "speeds": self.speeds,
            "scans": self.scans,
            "structure": self.structure,
        }
        arguments = [
            text for name, files in options.items() if files for text in (f"--{name}", *files)
        ]
        if self.structure:
            known = self.scale.simulations
            shown = next(name for name in self.declared["structure"] if name in known)
            arguments += ["--data", known[shown]["data"]]
        for name, file in self.references.items():
            arguments += ["--reference", f"{name}={file}"]
        return arguments
