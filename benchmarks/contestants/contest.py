"""What the contestants share: arguments, the fastest of their modes, one record.

Each runs in a process of its own, those from the package index with the Python of their own
environment: of ours only what needs no more than torch and ASE is used, the engine and the clock.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.neighborlist import neighbor_list

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from camp.md.ase_engine import AseEngine
from camp.md.states import State
from camp.md.timing import DYNAMICS, describe_machine, describe_structure, measure
from camp.process import reuse_freed_memory


@dataclass(frozen=True)
class Contestant:
    """A potential in one of its modes, ready to be measured."""

    calculator: Calculator
    evaluate: Callable[[], object]  # energy and forces, neighbour list at hand
    cutoff: float  # Å


Mode = Callable[[argparse.Namespace, Atoms], Contestant]


def run(name: str, modes: Mapping[str, Mode], versions: Mapping[str, str], **details: Any) -> None:
    """Measure the fastest mode on a structure and write the record.

    :param name: of the contestant.
    :param modes: makes the contestant, by name of the mode; one that fails is left out.
    :param versions: of what the contestant is made of.
    :param details: what else the record says, such as the configuration.
    """
    arguments = _parser(name).parse_args()
    # As our own commands do; without it all take about a third longer.
    reuse_freed_memory()
    atoms = ase.io.read(arguments.structure, index=0)
    ready, failed = {}, {}
    for mode, make in modes.items():
        try:
            contestant = make(arguments, atoms)
            ready[mode] = (_seconds(contestant.evaluate), contestant)
        except Exception as error:  # whatever another's package may raise
            failed[mode] = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
    if not ready:
        sys.exit("; ".join(f"{mode}: {reason}" for mode, reason in failed.items()))
    fastest = min(ready, key=lambda mode: ready[mode][0])
    contestant = ready[fastest][1]
    start = State(0, atoms)
    record = {
        "contestant": name,
        **details,
        "mode": fastest,
        "seconds_of_modes": {mode: seconds for mode, (seconds, _) in ready.items()},
        "failed_modes": failed,
        **describe_structure(
            atoms, contestant.cutoff, len(neighbor_list("i", atoms, contestant.cutoff))
        ),
        **describe_machine(arguments.device, "float32", versions),
        **measure(
            contestant.evaluate,
            lambda: AseEngine(lambda: contestant.calculator, [start], DYNAMICS, ensemble="nve"),
            seconds=arguments.seconds,
            device=arguments.device,
        ),
        "engine": "ase",
        "replicas": 1,
    }
    arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=f"Measure {name} on a structure.")
    parser.add_argument("structure", type=Path)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", type=Path, help="model of ours (for the literal equations)")
    return parser


def _seconds(evaluate: Callable[[], object]) -> float:
    """The fastest of some evaluations, of which the first may compile."""
    durations = []
    for _ in range(5):
        start = time.perf_counter()
        evaluate()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        durations.append(time.perf_counter() - start)
    return min(durations)
