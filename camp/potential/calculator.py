"""ASE calculator."""

import copy

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator as AseCalculator
from ase.calculators.calculator import all_changes

from camp.graph.skin import SKIN, SkinList
from camp.potential.accelerated import AcceleratedPotential, accelerated
from camp.potential.potential import Potential

# Å; wide, because on the CPU a new list takes longer than leaving out what an old one has too many.
CPU_SKIN = 1.0

# xx, yy, zz, yz, xz, xy of a symmetric 3 × 3 matrix in one row.
VOIGT = (0, 4, 8, 5, 2, 1)

DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Calculator(AseCalculator):
    """A potential as an ASE calculator: energy, energies, forces, stress (Voigt, ASE's sign).

    :param model: a potential, as from :func:`camp.load`.
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

    implemented_properties: list[str] = [  # noqa: RUF012, as ASE declares it
        "energy",
        "free_energy",
        "energies",
        "forces",
        "stress",
    ]

    def __init__(
        self,
        model: Potential,
        device: str = "cpu",
        dtype: str = "float32",
        accelerate: bool = True,
        compiled: bool = True,
    ):
        if dtype not in DTYPES:
            raise ValueError(f"dtype is {dtype!r}; choose one of {', '.join(DTYPES)}")
        super().__init__()
        # A copy: the caller's potential keeps its device and precision.
        self.model = copy.deepcopy(model).to(device=device, dtype=DTYPES[dtype])
        self._checked: Atoms | None = None
        self._volume = 0.0
        self._neighbours: SkinList | None = None
        if accelerate:
            self.model = accelerated(self.model, compiled=compiled)
        if isinstance(self.model, AcceleratedPotential):
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
            self._checked = self.atoms
        if self._neighbours is None:
            graph = self.model.graph(self.atoms).to(self.model.device)
        elif self.model.skips_distant:
            graph = self._neighbours.candidates(self.atoms)
        else:
            graph = self._neighbours.graph(self.atoms).to(self.model.device)
        with torch.no_grad():
            result = self.model(graph)
        energy = result.energies.item()
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "energies": result.atomic_energies.cpu().numpy(),
            "forces": result.forces.cpu().double().numpy(),
        }
        if "cell" in system_changes:
            self._volume = self.atoms.cell.volume
        if self._volume:
            virial = result.virials[0].cpu().double().numpy()
            self.results["stress"] = virial.take(VOIGT) / self._volume
