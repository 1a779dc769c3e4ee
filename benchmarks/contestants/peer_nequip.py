"""NequIP (package nequip) with random weights, in its fastest mode here.

python benchmarks/contestants/peer_nequip.py STRUCTURE --json OUT
"""

import argparse
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import torch
from ase import Atoms
from contest import Contestant, run
from nequip.integrations.ase import NequIPCalculator
from nequip.integrations.utils import basic_transforms
from nequip.model import NequIPGNNModel
from nequip.nn.compile import DictInputOutputWrapper
from nequip.scripts._compile_utils import ASE_TARGET
from nequip.utils.aot import aot_export_model
from nequip.utils.global_state import set_global_state

CUTOFF = 5.0


def model(atoms: Atoms) -> torch.nn.Module:
    return NequIPGNNModel(
        seed=0,
        model_dtype="float32",
        type_names=sorted(set(atoms.get_chemical_symbols())),
        r_max=CUTOFF,
        num_layers=4,
        l_max=2,
        parity=True,
        num_features=32,
        avg_num_neighbors=50.0,
        # Random forces must not tear the structure apart.
        per_type_energy_scales=1e-6,
        per_type_energy_shifts=0.0,
    ).eval()


def contestant(arguments: argparse.Namespace, atoms: Atoms, network: torch.nn.Module) -> Contestant:
    names = sorted(set(atoms.get_chemical_symbols()))
    transforms = basic_transforms({}, CUTOFF, names, {name: name for name in names})
    calculator = NequIPCalculator(network, arguments.device, transforms=transforms)
    data = calculator.atoms_to_data(atoms)
    return Contestant(calculator, lambda: network(data.copy()), CUTOFF)


def plain(arguments: argparse.Namespace, atoms: Atoms) -> Contestant:
    return contestant(arguments, atoms, model(atoms))


def compiled(arguments: argparse.Namespace, atoms: Atoms) -> Contestant:
    """What ``nequip-compile --mode aotinductor --target ase`` makes."""
    network = model(atoms).to(arguments.device)
    inputs, outputs = ASE_TARGET["input"], ASE_TARGET["output"]
    data = contestant(arguments, atoms, network).calculator.atoms_to_data(atoms)
    sizes = {
        "graph": torch.export.Dim.STATIC,
        "node": torch.export.Dim("num_nodes", min=2, max=torch.inf),
        "edge": torch.export.Dim("num_edges", min=2, max=torch.inf),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.nequip.pt2")
        aot_export_model(
            network, arguments.device, inputs, outputs, data, sizes, path, inductor_configs={}
        )
        loaded = torch._inductor.aoti_load_package(path)
    network = DictInputOutputWrapper(loaded, inputs, outputs).eval()
    return contestant(arguments, atoms, network)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    set_global_state(allow_tf32=False)
    run(
        "NequIP",
        {"plain torch": plain, "AOTInductor": compiled},
        {"nequip": version("nequip"), "e3nn": version("e3nn")},
        configuration="l_max 2, 4 layers, 32 features of both parities, cutoff 5 Å",
        weights="random (speed does not depend on them)",
    )
