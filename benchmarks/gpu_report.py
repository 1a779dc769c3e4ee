"""Everything that is fast on a GPU, measured in one go of under nine minutes.

The GPU tests, MD of one replica and of batches, system size, the training step of one seed and of
five. Needs no files: the model has random weights and the hyperparameters of the paper's water
model, unless --model and --structure give others. Writes report.json, with the machine and every
record, and report.md, the table.

    python benchmarks/gpu_report.py [--out FOLDER] [--model MODEL --structure FILE]

Every part is a process of its own; one that fails or finds no time left says so in the table. On
the CPU, --device cpu --quick tries within a minute that all parts run; its numbers mean nothing.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import torch
from ase import Atoms
from ase.build import bulk

from camp import __version__
from camp.files import read_json, write_json, write_text
from camp.md.timing import describe_machine
from camp.models.camp.settings import CampSettings
from camp.potential.potential import Potential
from camp.potential.saving import save

HERE = Path(__file__).resolve().parent
OWN_TESTS = HERE.parent / "tests"
TESTS = [
    *(OWN_TESTS / "potential" / f"test_{name}.py" for name in ("graphed", "torchsim")),
    f"{OWN_TESTS}/training/test_training.py::test_the_whole_validation_set_is_looked_at_on_a_gpu",
]
# Of all parts, so that the command stays under nine minutes, and of one of them.
SECONDS, SECONDS_OF_A_PART = 500.0, 240.0
NO_GPU = "gpu-report: torch finds no GPU here; nothing was measured"


@dataclass(frozen=True)
class Part:
    """One measurement: what the table calls it, and the command whose last line, or whose file of
    JSON, is its record.
    """

    name: str
    command: tuple[object, ...]
    unit: str
    key: str  # of the record, what the table shows
    record: Path | None = None  # written by the command
    atoms: int = 1  # by which the value is divided

    def run(self, seconds: float) -> dict[str, Any]:
        """The record, or why there is none.

        :param seconds: that are left.
        """
        if seconds <= 0:
            return {"failed": "no time left"}
        start = time.perf_counter()
        try:
            done = subprocess.run(
                [*map(str, self.command)], timeout=seconds, capture_output=True, text=True
            )
        except subprocess.TimeoutExpired:
            return {"failed": f"not done after {seconds:.0f} s"}
        lasted = {"wall_seconds": round(time.perf_counter() - start, 1)}
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            return {"failed": said[-1] if said else f"exit code {done.returncode}", **lasted}
        if self.record:
            return {**read_json(self.record), **lasted}
        last = done.stdout.strip().splitlines()[-1]
        return {**(json.loads(last) if last.startswith("{") else {self.key: last}), **lasted}

    def value(self, record: dict[str, Any]) -> str:
        """What the table says."""
        if "failed" in record:
            return record["failed"]
        found = record[self.key]
        if found is None:
            # A simulation that exploded has no rate.
            return record["md_note"]
        return found if isinstance(found, str) else f"{found / self.atoms:.4g}"


def water_on_a_lattice(molecules: int) -> Atoms:
    """A cube of molecules with the density of water, side by side.

    :param molecules: along each axis.
    """
    oxygen = bulk("O", "sc", a=3.1).repeat((molecules,) * 3)
    first, second = oxygen.copy(), oxygen.copy()
    for hydrogen, place in ((first, [0.96, 0.0, 0.0]), (second, [-0.24, 0.93, 0.0])):
        hydrogen.numbers[:] = 1
        hydrogen.positions += place
    atoms = oxygen + first + second
    atoms.rattle(0.05, seed=0)
    return atoms


def write_model(file: Path, *, quick: bool) -> None:
    """A model of water with random weights, soft enough to be simulated."""
    torch.manual_seed(0)
    size = (
        {"channels": 4, "max_rank": 1, "layers": 2}
        if quick
        else {"channels": 32, "max_rank": 2, "layers": 3}
    )
    settings = CampSettings(cutoff=5.0, average_neighbours=50.0, **size)
    save(Potential(settings, species=(1, 8), energy_scale=0.01).eval(), file)


def parts(arguments: argparse.Namespace, folder: Path) -> list[Part]:
    """What is measured, the most important first.

    :param folder: for models, structures and records.
    """
    quick, device, python = arguments.quick, arguments.device, sys.executable
    model = arguments.model or folder / "model.safetensors"
    if arguments.model is None:
        write_model(model, quick=quick)
    smallest = (
        ase.io.read(arguments.structure)
        if arguments.structure
        else water_on_a_lattice(2 if quick else 4)
    )

    def simulation(name: str, copies: int, engine: str, replicas: int, key: str, unit: str) -> Part:
        atoms = smallest.repeat((copies,) * 3)
        file = folder / f"{len(atoms)}-atoms.xyz"
        ase.io.write(file, atoms, format="extxyz")
        record = folder / f"{engine}-{len(atoms)}-{replicas}.json"
        options = ["--device", device, "--engine", engine, "--replicas", replicas]
        options += ["--seconds", 0.05 if quick else 2.0, "--json", record]
        command = (python, "-m", "camp", "benchmark", model, file, *options)
        count = len(atoms) if key == "seconds_per_energy_forces" else 1
        return Part(f"{name}, {len(atoms):,} atoms", command, unit, key, record, count)

    def step(name: str, variant: str, seeds: int) -> Part:
        atoms, rank = (8, 1) if quick else (83, 2)
        options = ["--variant", variant, "--seeds", seeds, "--max-rank", rank, "--device", device]
        command = (python, HERE / "training_step.py", "--atoms", atoms, *options)
        return Part(name, command, "s for each seed", "seconds")

    compiled = "" if quick else ", compiled"
    rate, seeds = "steps/s of all replicas", 2 if quick else 5
    pytest = (python, "-m", "pytest", "-q", "-n", 0, "-p", "no:cacheprovider", *TESTS)
    return [
        Part("GPU tests", (*pytest, *(["-k", "on_a_gpu"] if quick else [])), "", "summary"),
        simulation("MD through ASE", 1, "ase", 1, "md_steps_per_second", rate),
        *(
            simulation(
                f"MD through TorchSim, {replicas} replicas",
                1,
                "torchsim",
                replicas,
                "md_steps_per_second",
                rate,
            )
            for replicas in ((2,) if quick else (1, 8, 64))
        ),
        *(
            simulation(
                "energy and forces", copies, "torchsim", 1, "seconds_per_energy_forces", "s/atom"
            )
            for copies in ((1,) if quick else (2, 4, 8))
        ),
        step("training step, one seed", "packed" if quick else "compiled", 1),
        step(f"training step, {seeds} seeds together", f"together{compiled}", seeds),
    ]


def table(records: Sequence[tuple[Part, dict[str, Any]]], machine: dict[str, Any]) -> str:
    """Markdown: a row for each part, with the time that its process took."""
    lines = [
        f"{machine['device']}, torch {machine['versions']['torch']}, camp "
        f"{machine['versions']['camp']}, float32",
        "",
        "| part | value | unit | the process took |",
        "|---|---|---|---|",
    ]
    for part, record in records:
        took = f"{record['wall_seconds']:.0f} s" if "wall_seconds" in record else ""
        unit = "" if "failed" in record else part.unit
        lines.append(f"| {part.name} | {part.value(record)} | {unit} | {took} |")
    return "\n".join(lines) + "\n"


def main(given: Sequence[str] | None = None) -> int | str:
    """Measure and write; 0 if every part has a record, 1 if not, a line where there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/gpu-report"), metavar="FOLDER")
    parser.add_argument("--model", type=Path, help="instead of one with random weights")
    parser.add_argument("--structure", type=Path, help="periodic, some 200 atoms")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny and short: whether it runs")
    arguments = parser.parse_args(given)
    if torch.device(arguments.device).type == "cuda" and not torch.cuda.is_available():
        return NO_GPU
    folder = arguments.out / "parts"
    folder.mkdir(parents=True, exist_ok=True)
    end = time.perf_counter() + SECONDS
    machine = describe_machine(arguments.device, "float32", {"camp": __version__})
    records = []
    for part in parts(arguments, folder):
        left = end - time.perf_counter()
        records.append((part, part.run(min(left, SECONDS_OF_A_PART))))
        print(f"{part.name}: {part.value(records[-1][1])}", file=sys.stderr, flush=True)
        content = [{"part": one.name, "unit": one.unit, **found} for one, found in records]
        write_json(arguments.out / "report.json", {"machine": machine, "parts": content})
        write_text(arguments.out / "report.md", table(records, machine))
    print(table(records, machine))
    return int(any("failed" in record for _, record in records))


if __name__ == "__main__":
    sys.exit(main())
