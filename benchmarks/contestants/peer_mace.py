"""MACE (package mace-torch) with random weights, in its fastest mode here.

python benchmarks/contestants/peer_mace.py STRUCTURE --json OUT
"""

import argparse
import math
import warnings
from importlib.metadata import version
from importlib.util import find_spec

import mace  # before e3nn: it permits e3nn to read its constants
import numpy as np
import torch
from ase import Atoms
from contest import Contestant, run
from e3nn import o3
from mace.calculators import MACECalculator
from mace.modules import ScaleShiftMACE, interaction_classes

CUTOFF = 5.0
# Room for edges that come nearer, less than the calculator itself would leave.
EDGES_TO_SPARE = 1.05
INTERACTION = interaction_classes["RealAgnosticResidualInteractionBlock"]


def model(atoms: Atoms) -> torch.nn.Module:
    numbers = sorted(set(atoms.numbers.tolist()))
    torch.manual_seed(0)
    return ScaleShiftMACE(
        r_max=CUTOFF,
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=3,
        interaction_cls=INTERACTION,
        interaction_cls_first=INTERACTION,
        num_interactions=2,
        num_elements=len(numbers),
        hidden_irreps=o3.Irreps("64x0e"),
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=np.zeros(len(numbers)),
        avg_num_neighbors=50.0,
        atomic_numbers=numbers,
        correlation=3,
        gate=torch.nn.functional.silu,
        # Random forces must not tear the structure apart.
        atomic_inter_scale=1e-6,
        atomic_inter_shift=0.0,
    )


def contestant(arguments: argparse.Namespace, atoms: Atoms, **options) -> Contestant:
    calculator = MACECalculator(
        models=model(atoms), device=arguments.device, default_dtype="float32", **options
    )
    if calculator.use_compile:
        edges = calculator._atoms_to_batch(atoms).edge_index.shape[1]
        calculator.pad_num_atoms = len(atoms) + 1
        calculator.pad_num_edges = 64 * math.ceil(EDGES_TO_SPARE * edges / 64)
    batch = calculator._atoms_to_batch(atoms)

    def evaluate() -> object:
        # As the calculator calls it, so that one compilation serves both.
        return calculator.models[0](
            calculator._clone_batch(batch).to_dict(),
            compute_stress=True,
            training=calculator.use_compile,
            compute_edge_forces=False,
            compute_atomic_stresses=False,
        )

    return Contestant(calculator, evaluate, CUTOFF)


def plain(arguments: argparse.Namespace, atoms: Atoms) -> Contestant:
    return contestant(arguments, atoms)


def compiled(arguments: argparse.Namespace, atoms: Atoms) -> Contestant:
    return contestant(arguments, atoms, compile_mode="default")


def cuequivariance(arguments: argparse.Namespace, atoms: Atoms) -> Contestant:
    return contestant(arguments, atoms, enable_cueq=True)


MODES = {"plain torch": plain, "torch.compile": compiled}
if find_spec("cuequivariance_torch") and torch.cuda.is_available():
    MODES["cuEquivariance"] = cuequivariance

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_default_dtype(torch.float32)
    run(
        "MACE",
        MODES,
        {"mace-torch": mace.__version__, "e3nn": version("e3nn")},
        configuration="hidden_irreps 64x0e (64 scalar channels), cutoff 5 Å, 2 layers, "
        "correlation 3, l_max 3, 8 Bessel functions",
        weights="random (speed does not depend on them)",
    )
