"""CAMP as its equations are written, on full 3^v tensors: stands in for the original code.

python benchmarks/contestants/literal.py STRUCTURE --model MODEL --json OUT
"""

import argparse

import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from contest import Contestant, run

import camp
from camp.graph import AtomicGraph
from tests.literal_camp import energy_and_forces


class LiteralCalculator(Calculator):
    """The test oracle as an ASE calculator.

    :param model: with its parameters.
    :param device: where to compute.
    """

    implemented_properties = ["energy", "forces"]  # noqa: RUF012, as ASE declares it

    def __init__(self, model: camp.Potential, device: str):
        super().__init__()
        self.model = model.float().to(device).requires_grad_(False)
        self.device = device

    def graph(self, atoms: Atoms) -> AtomicGraph:
        return self.model.graph(atoms).to(self.device)

    def evaluate(self, graph: AtomicGraph) -> tuple[torch.Tensor, torch.Tensor]:
        # The oracle makes tensors where torch makes them by default.
        with torch.device(self.device):
            return energy_and_forces(self.model, graph)

    def calculate(self, atoms=None, properties=None, system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        energy, forces = self.evaluate(self.graph(self.atoms))
        self.results = {
            "energy": float(energy.detach()),
            "forces": forces.detach().cpu().double().numpy(),
        }


def plain_torch(arguments: argparse.Namespace, atoms: Atoms) -> Contestant:
    calculator = LiteralCalculator(camp.load(arguments.model), arguments.device)
    graph = calculator.graph(atoms)
    return Contestant(calculator, lambda: calculator.evaluate(graph), calculator.model.cutoff)


if __name__ == "__main__":
    run(
        "CAMP, literal",
        {"plain torch": plain_torch},
        {"camp": camp.__version__},
        configuration="Eqs. 1–11 on full 3^v tensors, every path on its own; the same weights",
    )
