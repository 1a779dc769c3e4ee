"""How fast a potential is on this machine: bare energies and forces, and molecular dynamics.

For any potential, ours or another's, so nothing of ours but the engines is imported here.
"""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms

from camp.md.states import Dynamics, Engine
from camp.memory import peak_memory

# Both quantities are measured in turn, so that a disturbance of the machine meets both.
ROUNDS = 10
FEWEST_ROUNDS = 3
# Compilers, recorded kernels and caches come to rest within so many calls.
WARM_UP = 5
# How the structure is simulated, at constant energy.
DYNAMICS = Dynamics(temperature=300.0, timestep=1.0)


def measure(
    evaluate: Callable[[], object],
    start_engine: Callable[[], Engine],
    *,
    seconds: float,
    device: str = "cpu",
    structures: int = 1,
) -> dict[str, Any]:
    """Rates of evaluations and of MD steps, medians over repeats; work on a GPU is waited for.

    :param evaluate: energies and forces of a batch whose neighbour lists exist.
    :param start_engine: makes an engine at the start of a simulation of the same structures.
    :param seconds: how long to measure each of the two; slow ones take ``FEWEST_ROUNDS`` calls.
    :param structures: how many there are in the batch; all rates are those of one structure, so
        that steps of all replicas count.
    :return: ``seconds_per_energy_forces``, ``md_steps_per_second`` (None if the simulation
        exploded at once, ``md_note`` says why), ``spread`` (10th and 90th percentile of both),
        ``repeats`` and ``peak_memory_bytes``.
    """

    def timed(work: Callable[[], object]) -> float:
        _synchronise(device)
        start = time.perf_counter()
        work()
        _synchronise(device)
        return time.perf_counter() - start

    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    engine = start_engine()
    for _ in range(WARM_UP):
        call = timed(evaluate)
        step = timed(partial(engine.advance, 1))
    # A step that takes less than its evaluation has exploded.
    calls, steps = (max(1, round(seconds / ROUNDS / one)) for one in (call, max(call, step)))
    evaluations: list[float] = []
    simulations: list[float] = []
    explosion, rounds = "", 0
    while rounds < FEWEST_ROUNDS or (rounds < ROUNDS and sum(evaluations) < seconds):
        rounds += 1
        evaluations += [timed(evaluate) for _ in range(calls)]
        duration = timed(partial(engine.advance, steps))
        failed = [sample.failed for sample in engine.samples() if sample.failed]
        if failed:
            explosion, engine = failed[0], start_engine()
            engine.advance(WARM_UP)
        else:
            simulations.append(duration / steps)
    calls_spread = _spread([duration / structures for duration in evaluations])
    steps_spread = _spread([structures / duration for duration in simulations])
    return {
        "seconds_per_energy_forces": calls_spread["median"],
        "md_steps_per_second": steps_spread["median"],
        "md_note": f"exploded and was started again: {explosion}" if explosion else "",
        "spread": {
            "seconds_per_energy_forces": calls_spread["percentiles"],
            "md_steps_per_second": steps_spread["percentiles"],
        },
        "repeats": {"energy_forces": len(evaluations), "md_steps": steps * len(simulations)},
        "ensemble": "nve",
        "timestep_fs": DYNAMICS.timestep,
        **peak_memory(device).record(),
    }


def _synchronise(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def _spread(values: Sequence[float]) -> dict[str, Any]:
    if not values:
        return {"median": None, "percentiles": None}
    low, median, high = np.percentile(values, [10, 50, 90]).tolist()
    return {"median": median, "percentiles": [low, high]}


def describe_structure(atoms: Atoms, cutoff: float, edges: int) -> dict[str, Any]:
    """What was evaluated.

    :param cutoff: Å.
    :param edges: directed pairs within the cutoff.
    """
    return {
        "structure": atoms.get_chemical_formula(),
        "atoms": len(atoms),
        "edges": edges,
        "cutoff_A": cutoff,
    }


def describe_machine(device: str, dtype: str, versions: Mapping[str, str]) -> dict[str, Any]:
    """What the numbers depend on: device with its name, precision, threads, versions."""
    if torch.device(device).type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = _cpu_model()
    return {
        "device": f"{torch.device(device).type}: {name}",
        "dtype": dtype,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "versions": {"torch": torch.__version__, **versions},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
