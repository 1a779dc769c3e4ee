"""ASE calculator."""

import copy

import torch
from ase import Atoms
from ase.calculators.calculator import Calculator as AseCalculator
from ase.calculators.calculator import all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from camp.potential.potential import Potential

DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Calculator(AseCalculator):
    """A potential as an ASE calculator: energy, energies, forces, stress (Voigt, ASE's sign).

    :param model: a potential, as from :func:`camp.load`.
    :param device: "cpu", "cuda", …
    :param dtype: precision of the network, "float32" or "float64"; energies are summed in
        float64 in both.
    :raises ValueError: another dtype.
    """

    implemented_properties: list[str] = [  # noqa: RUF012, as ASE declares it
        "energy",
        "free_energy",
        "energies",
        "forces",
        "stress",
    ]

    def __init__(self, model: Potential, device: str = "cpu", dtype: str = "float32"):
        if dtype not in DTYPES:
            raise ValueError(f"dtype is {dtype!r}; choose one of {', '.join(DTYPES)}")
        super().__init__()
        # A copy: the caller's potential keeps its device and precision.
        self.model = copy.deepcopy(model).to(device=device, dtype=DTYPES[dtype])

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute all properties of ``atoms``.

        :raises camp.errors.InputError: an unknown species, coinciding atoms, or a bad cell.
        """
        super().calculate(atoms, properties or ["energy"], system_changes)
        result = self.model.evaluate(self.atoms)
        self.results = {
            "energy": float(result.energies[0]),
            "free_energy": float(result.energies[0]),
            "energies": result.atomic_energies[0],
            "forces": result.forces[0],
        }
        if self.atoms.cell.rank == 3:
            self.results["stress"] = full_3x3_to_voigt_6_stress(result.stresses[0])
