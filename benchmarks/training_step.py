"""Training step of CAMP against the literal implementation of its equations.

For every v_max: energies, forces and gradients of both in float64 (the largest difference), then
time and peak memory of one training step (energy, forces, gradient of the loss) in float32 on one
batch, each in a process of its own. Prints a table of ratios; times are for one step of one seed.

    python benchmarks/training_step.py [--atoms 83] [--max-ranks 2 3 4] [--compiled] [--grid]
        [--seeds 5]

The batch is random structures of three species with the density of LiPS, unless --structures names
a file of labelled ones. With --grid, radial functions are taken from a grid as well, as in
trainings with many edges; with --seeds, so many seeds are also trained together.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from camp.data.dataset import GraphDataset
from camp.data.labelled import LabelledBatch, collate
from camp.data.readers import read_structures
from camp.data.statistics import statistics_of
from camp.memory import peak_memory
from camp.models.camp.settings import CampSettings
from camp.potential.potential import Potential
from camp.process import reuse_freed_memory
from camp.settings import TrainingSettings
from camp.training.compiled import TracedLoss
from camp.training.module import TrainingModule

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.literal_camp import energy_and_forces


def random_structures(count: int, atoms: int) -> list[Atoms]:
    """Random atoms at the density of LiPS (83 atoms in 1700 Å³), with random labels."""
    rng = np.random.default_rng(0)
    length = (atoms * 1700 / 83) ** (1 / 3)
    structures = []
    for _ in range(count):
        grid = int(np.ceil(atoms ** (1 / 3)))
        sites = np.stack(np.meshgrid(*[np.arange(grid)] * 3), -1).reshape(-1, 3)[:atoms]
        positions = (sites + rng.uniform(-0.2, 0.2, sites.shape)) * length / grid
        structure = Atoms(rng.choice([3, 15, 16], atoms), positions, cell=[length] * 3, pbc=True)
        labels = {"energy": 0.0, "forces": rng.normal(size=(atoms, 3))}
        structure.calc = SinglePointCalculator(structure, **labels)
        structures.append(structure)
    return structures


def literal_loss(potential: Potential, batch: LabelledBatch) -> torch.Tensor:
    """The loss of the literal implementation, one structure after the other."""
    energy, forces = energy_and_forces(potential, batch.graph)
    # One summed energy serves: all structures have as many atoms.
    loss = ((energy - batch.labels["energy"].sum()) / batch.sizes.sum()) ** 2
    return loss + ((forces - batch.labels["forces"]) ** 2).sum() / (3 * batch.sizes[0])


def measure(arguments: argparse.Namespace) -> None:
    """One variant in this process; prints one line of JSON."""
    reuse_freed_memory()
    seeds = arguments.seeds if "together" in arguments.variant else 1
    potentials, batches = zip(*(make(arguments) for _ in range(seeds)), strict=True)
    device = torch.device(arguments.device)
    batches = [batch.to(device) for batch in batches]
    on_grid = "grid" in arguments.variant
    module = TrainingModule(potentials, TrainingSettings(), interpolated=on_grid).to(device)
    trained = [p for p in module.potentials.parameters() if p.requires_grad]
    backend = "inductor" if "compiled" in arguments.variant else None
    traced = TracedLoss(module.loss, potentials, backend=backend)

    def step() -> None:
        if arguments.variant == "literal":
            loss = literal_loss(potentials[0], batches[0])
        elif arguments.variant in ("packed", "grid"):
            loss = module.loss(potentials[0], batches[0])
        else:
            loss = traced(batches).sum()
        torch.autograd.grad(loss, trained, materialize_grads=True)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    pages = int(Path("/proc/self/statm").read_text().split()[1])
    before = pages * resource.getpagesize() / 2**20
    step()
    seconds = []
    for _ in range(arguments.repeats):
        start = time.perf_counter()
        step()
        seconds.append((time.perf_counter() - start) / seeds)
    peak = peak_memory("cpu").bytes / 2**20
    print(json.dumps({"seconds": float(np.median(seconds)), "memory_mib": peak - before}))


def make(arguments: argparse.Namespace) -> tuple[Potential, LabelledBatch]:
    if arguments.structures:
        structures = read_structures(arguments.structures, first=arguments.batch)
    else:
        structures = random_structures(arguments.batch, arguments.atoms)
    dataset = GraphDataset(structures, arguments.cutoff)
    torch.manual_seed(0)
    potential = Potential(
        CampSettings(
            cutoff=arguments.cutoff,
            channels=arguments.channels,
            max_rank=arguments.max_rank,
            layers=arguments.layers,
            average_neighbours=statistics_of(dataset).average_neighbours,
        ),
        species=statistics_of(dataset).species,
        energy_scale=0.6,
    )
    return potential, collate([dataset[k] for k in range(arguments.batch)])


def difference(arguments: argparse.Namespace) -> float:
    """Largest relative difference of forces and of their parameter gradients, in float64."""
    potential, batch = make(arguments)
    potential = potential.double()
    trained = [p for p in potential.parameters() if p.requires_grad]
    forces = potential(batch.graph).forces
    _, reference = energy_and_forces(potential, batch.graph)
    pairs = [(forces, reference)]
    gradients = [
        torch.autograd.grad(f.square().sum(), trained, materialize_grads=True)
        for f in (forces, reference)
    ]
    pairs += zip(*gradients, strict=True)
    largest = max(float(b.abs().max()) for _, b in pairs[1:])
    worst = float((forces - reference).detach().abs().max() / reference.detach().abs().max())
    return max(worst, *(float((a - b).abs().max()) / largest for a, b in pairs[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--atoms", type=int, default=83)
    parser.add_argument("--structures", type=Path)
    parser.add_argument("--batch", type=int, default=2, help="structures")
    parser.add_argument("--max-ranks", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--channels", type=int, default=17)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--cutoff", type=float, default=6.0, help="Å")
    parser.add_argument("--compiled", action="store_true", help="also the compiled step")
    parser.add_argument("--grid", action="store_true", help="also with radial functions on a grid")
    parser.add_argument("--seeds", type=int, default=1, help="so many trained together as well")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu", help="memory is that of the process")
    parser.add_argument("--max-rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--variant", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.variant:
        measure(arguments)
        return
    variants = ["literal", "packed", *(["compiled"] if arguments.compiled else [])]
    if arguments.grid:
        variants += ["grid", *(["grid, compiled"] if arguments.compiled else [])]
    if arguments.seeds > 1:
        variants += ["together", *(["together, compiled"] if arguments.compiled else [])]
    print(f"threads: {torch.get_num_threads()}; {arguments.batch} structures a batch; float32")
    print(
        "v_max  variant              s/step  MiB above start  times faster  times less memory  "
        "difference"
    )
    for max_rank in arguments.max_ranks:
        arguments.max_rank = max_rank
        results = {}
        for variant in variants:
            command = [sys.executable, __file__, *sys.argv[1:]]
            command += ["--variant", variant, "--max-rank", str(max_rank)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            results[variant] = json.loads(output.splitlines()[-1])
        slow = results["literal"]
        for variant, result in results.items():
            note = f"{difference(arguments):.0e}" if variant == "packed" else ""
            print(
                f"{max_rank:5}  {variant:18}  {result['seconds']:6.3f}  "
                f"{result['memory_mib']:15.0f}  {slow['seconds'] / result['seconds']:12.1f}  "
                f"{slow['memory_mib'] / result['memory_mib']:17.1f}  {note:>10}"
            )


if __name__ == "__main__":
    main()
