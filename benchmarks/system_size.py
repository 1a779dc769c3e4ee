"""Time and memory per atom of energies, forces and stress of ever larger systems on the CPU.

Every size is the given periodic structure repeated, evaluated through the ASE calculator in a
process of its own. Prints the time of the first evaluation, which makes the neighbour list, that
of a later one, which keeps it, and the peak memory above what the process had before them.

    python benchmarks/system_size.py MODEL STRUCTURE [--sizes 192 1536 20736] [--plain]
"""

import argparse
import ctypes
import json
import subprocess
import sys
import time
from itertools import combinations_with_replacement
from math import prod
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.io import read

import camp
from camp.process import reuse_freed_memory

MIB = 2**20


def repeated(structure: Atoms, atoms: int) -> Atoms:
    """The structure repeated to about this number of atoms, as evenly as possible."""
    wanted = atoms / len(structure)
    most = int(np.ceil(wanted ** (1 / 3))) + 1
    counts = combinations_with_replacement(range(1, most + 1), 3)
    nearest = min(counts, key=lambda n: (abs(prod(n) - wanted), max(n)))
    larger = structure.repeat(nearest)
    # No two cells alike, so that no error in the images goes unseen.
    larger.rattle(0.01, seed=0)
    return larger


def memory(kind: str) -> float:
    """Resident memory of this process in MiB: VmRSS, or VmHWM, the peak since the last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / MIB for line in lines if line.startswith(kind))


def measure(arguments: argparse.Namespace) -> None:
    """One size in this process; prints one line of JSON."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    structure = read(arguments.structure)
    calculator = camp.Calculator(
        camp.load(arguments.model), dtype=arguments.dtype, accelerate=not arguments.plain
    )
    atoms = repeated(structure, arguments.sizes[0])
    # What was freed goes back to the system, and the peak is reset.
    ctypes.CDLL(None).malloc_trim(0)
    reuse_freed_memory()
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    atoms.calc = calculator
    seconds = []
    for _ in range(3):
        atoms.positions += 1e-3
        start = time.perf_counter(), time.process_time()
        atoms.get_forces()
        seconds.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    (first, _), (later, later_cpu) = seconds[0], min(seconds[1:])
    result = {
        "atoms": len(atoms),
        "first": first,
        "later": later,
        "later_cpu": later_cpu,
        "memory_mib": memory("VmHWM") - before,
        "process_mib": memory("VmHWM"),
    }
    print(json.dumps(result))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("structure", type=Path, help="a periodic structure, any format of ASE")
    parser.add_argument("--sizes", type=int, nargs="+", default=[192, 1536, 5184, 20736])
    parser.add_argument("--plain", action="store_true", help="without acceleration")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure(arguments)
        return
    print(f"threads: {arguments.threads or torch.get_num_threads()}; {arguments.dtype}")
    print("  atoms  µs/atom: first   later  CPU  KiB/atom  MiB peak  MiB of the process")
    for size in arguments.sizes:
        command = [sys.executable, __file__, *sys.argv[1:], "--sizes", str(size), "--one"]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        result = json.loads(output.splitlines()[-1])
        atoms = result["atoms"]
        first, later, cpu = (1e6 * result[key] / atoms for key in ("first", "later", "later_cpu"))
        print(
            f"{atoms:7}  {first:14.0f}  {later:6.0f}  {cpu:3.0f}  "
            f"{1024 * result['memory_mib'] / atoms:8.1f}  {result['memory_mib']:8.0f}  "
            f"{result['process_mib']:18.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
