"""ASE calculator."""

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator as AseCalculator
from ase.calculators.calculator import all_changes
from torch import Tensor

from camp.graph.skin import SKIN, SkinList
from camp.potential.accelerated import accelerated
from camp.potential.derivatives import Results
from camp.potential.ensemble import Ensemble
from camp.potential.prediction import DEVIATIONS, Predictor
from camp.potential.saving import Files, load

# Å; wide, because on the CPU a new list takes longer than leaving out what an old one has too many.
CPU_SKIN = 1.0

# xx, yy, zz, yz, xz, xy of a symmetric 3 × 3 matrix in one row.
VOIGT = (0, 4, 8, 5, 2, 1)

OF_ENERGY = ("energy", "free_energy", "energies", "forces", "stress")
DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Calculator(AseCalculator):
    """A model as an ASE calculator: energy, energies, forces, stress (Voigt, ASE's sign), and
    other targets where the model predicts them: those that ASE knows, such as the dipole, also as
    its properties, all of them as ``results[name]``. Of an ensemble they are means, and
    ``energy_deviation`` (eV) and ``forces_deviation`` (n,), eV/Å, say how far its members lie
    apart, see :class:`camp.potential.derivatives.Deviations`.

    :param model: a potential or an ensemble, as from :func:`camp.load`, or its file or files.
    :param device: "cpu", "cuda", …
    :param dtype: precision of the network, "float32" or "float64"; energies are summed in
        float64 in both.
    :param accelerate: tabulate the radial functions (seconds, once), with forces that agree to
        10⁻⁶ with the plain ones, and keep neighbour lists from step to step. A line on stderr
        says when a model cannot be accelerated.
    :param compiled: let the accelerated potential use compiled code on the CPU (a second, once
        on each machine). A line on stderr says when there is no C++ compiler.
    :raises ValueError: another dtype.
    """

    def __init__(
        self,
        model: Predictor | str | Path | Files,
        device: str = "cpu",
        dtype: str = "float32",
        accelerate: bool = True,
        compiled: bool = True,
    ):
        if dtype not in DTYPES:
            raise ValueError(f"dtype is {dtype!r}; choose one of {', '.join(DTYPES)}")
        super().__init__()
        if not isinstance(model, Predictor):
            model = load(model)
        of_energy = OF_ENERGY if model.predicts_energy else ()
        apart = DEVIATIONS if model.predicts_energy and isinstance(model, Ensemble) else ()
        self.implemented_properties = [*of_energy, *apart, *model.other_targets]
        # A copy: the caller's potential keeps its device and precision.
        self.model: Predictor = copy.deepcopy(model).to(device=device, dtype=DTYPES[dtype])
        self._checked: Atoms | None = None
        self._volume = 0.0
        self._neighbours: SkinList | None = None
        if accelerate:
            self.model = accelerated(self.model, compiled=compiled)
        if self.model.is_accelerated:
            on_cpu = self.model.device.type == "cpu"
            self._neighbours = SkinList(model.cutoff, skin=CPU_SKIN if on_cpu else SKIN)

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:
        """What has changed of all that the results depend on; quicker than ASE's comparison."""
        if self.atoms is None:
            return list(all_changes)
        changing = ("positions", "numbers", "cell", "pbc")
        return [
            name
            for name in changing
            if not np.array_equal(getattr(atoms, name), getattr(self.atoms, name))
        ]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute all properties of ``atoms``.

        :raises camp.errors.InputError: an unknown species, coinciding atoms, or a bad cell.
        """
        if atoms and self._checked and list(system_changes) == ["positions"]:
            # As in every step of a simulation; to copy all of it would take longer.
            self._checked.positions[:] = atoms.positions
            self.atoms = self._checked
        else:
            self._checked = None
            super().calculate(atoms, properties or ["energy"], system_changes)
            self.model.check(self.atoms)
            self._checked, self._volume = self.atoms, self.atoms.cell.volume
        if self._neighbours is None:
            graph = self.model.graph(self.atoms).to(self.model.device)
        elif self.model.skips_distant:
            graph = self._neighbours.candidates(self.atoms)
        else:
            graph = self._neighbours.graph(self.atoms).to(self.model.device)
        with torch.no_grad():
            result = self.model(graph)
        self.results = {name: value.cpu().numpy() for name, value in self._properties(result)}
        if not self.model.predicts_energy:
            return
        energy = result.energies.item()
        self.results |= {
            "energy": energy,
            "free_energy": energy,
            "energies": result.atomic_energies.cpu().numpy(),
            "forces": result.forces.cpu().double().numpy(),
        }
        if result.deviations is not None:
            energies, forces = result.deviations
            values = (energies.item(), forces.cpu().numpy())
            self.results |= dict(zip(DEVIATIONS, values, strict=True))
        if self._volume:
            virial = result.virials[0].cpu().double().numpy()
            self.results["stress"] = virial.take(VOIGT) / self._volume

    def _properties(self, result: Results) -> Iterator[tuple[str, Tensor]]:
        """The other targets of the one structure."""
        for name, values in result.properties.items():
            yield name, values if self.model.targets[name].of_atoms else values[0]
