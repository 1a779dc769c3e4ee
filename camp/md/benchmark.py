"""The speed of one of our potentials on one structure, with everything it depends on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from ase import Atoms

from camp import __version__
from camp.errors import InputError
from camp.graph import batch_graphs
from camp.md.ase_engine import AseEngine
from camp.md.simulate import initial_state
from camp.md.states import Engine
from camp.md.timing import DYNAMICS, describe_machine, describe_structure, measure
from camp.potential.calculator import Calculator
from camp.potential.potential import Potential
from camp.potential.prediction import Predictor
from camp.potential.saving import model_hash
from camp.settings.architectures import find_architecture

ENGINES = ("ase", "torchsim")
# Steps with which a structure is brought to the temperature.
EQUILIBRATION = 1000


@dataclass(frozen=True)
class _Subject:
    """A potential as an engine runs it, and such an engine at the start of its simulation."""

    model: Predictor
    start_engine: Callable[[], Engine]


def benchmark(
    potential: Potential,
    atoms: Atoms,
    *,
    device: str = "cpu",
    dtype: str = "float32",
    accelerate: bool = True,
    engine: str = "ase",
    replicas: int = 1,
    seconds: float = 5.0,
) -> dict[str, Any]:
    """Measure energy and forces of a graph that exists, and NVE dynamics with neighbour lists.

    :param device: "cpu", "cuda", …
    :param dtype: "float32" or "float64".
    :param accelerate: as for :class:`camp.Calculator`.
    :param engine: one of ENGINES; with torchsim, replicas share a batch.
    :param replicas: copies of the structure, each with velocities of its own.
    :param seconds: how long to measure each quantity.
    :return: JSON numbers: those of :func:`camp.md.timing.measure` with all that they depend on.
    :raises InputError: a model without energies, a structure that the model was not made for,
        several replicas without torchsim, no TorchSim, or see :func:`camp.graph.build_graph`.
    """
    potential.require_energy("a benchmark")
    if engine not in ENGINES:
        raise InputError(f"no engine {engine!r}; choose one of {', '.join(ENGINES)}")
    if replicas > 1 and engine != "torchsim":
        raise InputError("several replicas at once need the engine torchsim")
    graph = potential.graph(atoms)
    subject = _subject(potential, atoms, engine, replicas, device, dtype, accelerate)
    model = subject.model
    batch = batch_graphs([graph] * replicas).to(device)

    def evaluate() -> object:
        with torch.no_grad():
            return model(batch)

    measured = measure(
        evaluate, subject.start_engine, seconds=seconds, device=device, structures=replicas
    )
    name = find_architecture(potential.architecture).label
    fast = model.is_accelerated
    # Whether it still is, after all that may have failed.
    compiled = fast and bool(model.graphed if batch.mask.is_cuda else model.compiled)
    return {
        "contestant": name if fast else f"{name}, plain",
        **describe_structure(atoms, potential.cutoff, graph.number_of_edges),
        **describe_machine(device, dtype, {"camp": __version__}),
        **measured,
        "accelerated": fast,
        "compiled": compiled,
        "mode": fast * "tables, " + ("compiled code" if compiled else "plain torch"),
        "engine": engine,
        "replicas": replicas,
        "model_sha256": model_hash(potential),
    }


def equilibrated(potential: Potential, atoms: Atoms) -> Atoms:
    """The structure after a picosecond at the temperature of the measurement. Structures of a
    dataset may be far hotter, and neighbour lists then wear out faster than in use.

    :raises InputError: it explodes, or see :func:`benchmark`.
    """
    potential.check(atoms)
    start = initial_state(atoms, DYNAMICS.temperature, seed=1)
    engine = AseEngine(lambda: Calculator(potential), [start], DYNAMICS, ensemble="nvt")
    engine.advance(EQUILIBRATION)
    (sample,) = engine.samples()
    if sample.failed:
        raise InputError(f"the simulation of the structure exploded: {sample.failed}")
    return sample.state.atoms


def _subject(
    potential: Potential,
    atoms: Atoms,
    engine: str,
    replicas: int,
    device: str,
    dtype: str,
    accelerate: bool,
) -> _Subject:
    starts = [initial_state(atoms, DYNAMICS.temperature, seed) for seed in range(1, replicas + 1)]
    if engine == "torchsim":
        # In this order: the model says what to install where TorchSim is missing.
        from camp.potential.torchsim import TorchSimModel  # isort: split
        from camp.md.torchsim_engine import TorchSimEngine

        batched = TorchSimModel(potential, device=device, dtype=dtype, accelerate=accelerate)
        return _Subject(
            batched.potential, lambda: TorchSimEngine(batched, starts, DYNAMICS, ensemble="nve")
        )
    calculator = Calculator(potential, device=device, dtype=dtype, accelerate=accelerate)
    return _Subject(
        calculator.model,
        lambda: AseEngine(lambda: calculator, starts, DYNAMICS, ensemble="nve"),
    )


def describe(record: dict[str, Any]) -> str:
    """A few lines for the terminal."""
    speed, memory = record["md_steps_per_second"], record["peak_memory_bytes"] / 2**20
    plural = "" if record["replicas"] == 1 else f", {record['replicas']} replicas"
    rate = "exploded" if speed is None else f"{speed:.4g} steps/s"
    lines = [
        f"{record['contestant']}: {record['structure']}, {record['atoms']} atoms, "
        f"{record['edges']} edges; {record['device']}, {record['threads']} thread(s), "
        f"{record['dtype']}",
        f"  energy and forces: {1000 * record['seconds_per_energy_forces']:.4g} ms",
        f"  MD (NVE, {record['timestep_fs']:g} fs, {record['engine']}{plural}): {rate}",
        f"  peak memory ({record['peak_memory_of']}): {memory:.0f} MiB",
    ]
    return "\n".join(lines)
