"""CPU time and memory from the file of structures to the first batch of a training.

    python benchmarks/large_data.py 1000 100000

Ethanol with atoms moved at random and labels of springs, which are read, checked, made graphs in a
cache that is empty first and full the second time, and batched. Anonymous memory is what the
process needs; pages of mapped files come on top of it, and the system takes them back when others
need the room.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator

VALIDATION = 200
CUTOFF = 5.0
BATCH = 4


def frames(count: int, seed: int) -> Iterator[Atoms]:
    chance, still = np.random.default_rng(seed), molecule("CH3CH2OH")
    for _ in range(count):
        moved = 0.1 * chance.standard_normal((len(still), 3))
        atoms = Atoms(still.numbers, still.positions + moved)
        energy = -4000.0 + 5.0 * float((moved**2).sum())
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=-10.0 * moved)
        yield atoms


def measure(folder: Path) -> str:
    """One row of the table, of a process that has done nothing else."""
    from camp.data.dataset import GraphDataset
    from camp.data.statistics import statistics_of
    from camp.settings import load_training
    from camp.training.sets import read_sets

    peak = Peak()
    begin, start = time.process_time(), peak.now()
    sets = read_sets(load_training(folder / "training.yaml"))
    training, validation = (
        GraphDataset(part, CUTOFF, targets=sets.settings.learnt, cache=folder / "cache")
        for part in (sets.training, sets.validation)
    )
    statistics_of(training)
    training.batch(range(BATCH))
    validation.batch(range(BATCH))
    seconds = time.process_time() - begin
    return (
        f"| {len(training):,} | {seconds:.1f} s | {peak.end() - start:.0f} MB "
        f"| {status('VmHWM'):.0f} MB |"
    )


class Peak:
    """The largest anonymous memory, looked at every hundredth of a second."""

    def __init__(self) -> None:
        self.largest = 0.0
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def now(self) -> float:
        self.largest = max(self.largest, found := status("RssAnon"))
        return found

    def end(self) -> float:
        self._over.set()
        self._watcher.join()
        return self.largest

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            self.now()


def status(key: str) -> float:
    """MB, from what Linux says of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(key))


def main() -> None:
    from camp.data.readers import write_structures

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", nargs="*", type=int, default=[1000])
    parser.add_argument("--in", dest="folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder:
        print(measure(arguments.folder), flush=True)
        return
    print("| structures | CPU time to the first batch | anonymous memory | with mapped files |")
    for count in arguments.counts:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_structures(folder / "train.xyz", frames(count, 1))
            write_structures(folder / "validation.xyz", frames(VALIDATION, 2))
            files = "".join(f"{part}: {folder / part}.xyz\n" for part in ("train", "validation"))
            (folder / "training.yaml").write_text(files)
            for _ in ("empty cache", "full cache"):
                subprocess.run([sys.executable, __file__, "--in", name], check=True)


if __name__ == "__main__":
    main()
