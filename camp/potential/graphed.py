"""Energies, forces and virials on a GPU: compiled, and replayed as a CUDA graph.

A step of a small system is hundreds of kernels so short that the GPU waits for the host to launch
them. Here the evaluation is one traced function, which the compiler fuses into fewer kernels, and
for each shape of a batch these are recorded once and from then on launched together.
"""

import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from itertools import cycle, islice

import numpy as np
import torch
from ase import Atoms
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from camp.graph import AtomicGraph, batch_graphs, build_graph
from camp.graph.edges import Edges
from camp.graph.rows import empty_rows
from camp.graph.skin import SKIN
from camp.potential.derivatives import Results, evaluate_graph
from camp.potential.potential import Potential

# Axes are filled up to multiples of this, so that a new neighbour list seldom has a new shape.
MULTIPLE = 8
MOST_SHAPES = 4
# The use of a shape at which it is recorded: one that comes once or twice is not worth it.
RECORDED_AT = 3
# Neighbour slots with which the GPU is busy anyway, and memory better not set aside.
MOST_RECORDED_SLOTS = 500_000
WARM_UPS = 3
# Relative to the root mean square of what is compared; beside it ten times the plain rounding.
TOLERANCES = {torch.float32: 1e-4, torch.float64: 1e-9}

Function = Callable[..., Sequence[Tensor]]
# (function, its arguments) → what computes the function's results again, from what these tensors
# then hold, always into the same results.
Record = Callable[[Function, Sequence[Tensor]], Callable[[], Sequence[Tensor]]]


class GraphedEvaluation:
    """The same as a potential's ``forward``, faster on a GPU, for neighbour lists with a skin too.

    Numbers, neighbours and shifts are copied only if they are other tensors than at the last call,
    and must not be changed in place. Within a call nothing is read back from the device. To trace
    and compile takes a minute.

    :param potential: is not to change any more.
    :param backend: of ``torch.compile``.
    :param record: how to record a shape; None for never.
    """

    def __init__(
        self, potential: Potential, *, backend: str = "inductor", record: Record | None = None
    ):
        self._filler = potential.species[0]
        self._device = potential.device
        self._record = record
        # All axes of different lengths, three of x, y, z included, or they would be taken for one.
        example = self._empty(2 * MULTIPLE, MULTIPLE, 5).tensors()
        self._function = torch.compile(_traced(potential, example), dynamic=True, backend=backend)
        with torch.no_grad():
            self._function(*example)
        self._buffers: dict[tuple[int, ...], _Buffers] = {}

    def __call__(self, graph: AtomicGraph) -> Results:
        """Energies, forces and virials of a batch, without gradients.

        :param graph: on any device; pairs beyond the cutoff are left out.
        """
        n, width = graph.mask.shape
        systems = graph.number_of_systems
        # One system more for the atoms that fill up.
        shape = (_round_up(n), _round_up(width), systems + 1)
        buffers = self._buffers.pop(shape, None)
        if buffers is None:
            buffers = _Buffers(self._empty(*shape))
        self._buffers[shape] = buffers
        if len(self._buffers) > MOST_SHAPES:
            del self._buffers[next(iter(self._buffers))]
        buffers.fill(graph, self._empty)
        with torch.no_grad():
            if (
                self._record is not None
                and buffers.uses == RECORDED_AT
                and n * width <= MOST_RECORDED_SLOTS
            ):
                buffers.replay = self._record(self._function, buffers.graph.tensors())
            results = (
                buffers.replay() if buffers.replay else self._function(*buffers.graph.tensors())
            )
        lengths = (systems, n, n, systems)
        energies, atomic, forces, virials = (
            result[:length].clone() for result, length in zip(results, lengths, strict=True)
        )
        return Results(energies, atomic, forces, virials)

    def _empty(self, n: int, width: int, systems: int) -> AtomicGraph:
        """Atoms without neighbours, all in the last system."""
        device = self._device
        return AtomicGraph(
            torch.zeros(n, 3, dtype=torch.float64, device=device),
            torch.full((n,), self._filler, device=device),
            *empty_rows(n, width, device),
            system=torch.full((n,), systems - 1, device=device),
            cells=torch.zeros(systems, 3, 3, dtype=torch.float64, device=device),
        )


class _Buffers:
    """The tensors that a recorded function reads, for batches up to their size."""

    def __init__(self, graph: AtomicGraph):
        self.graph = graph
        self.uses = 0
        self.replay: Callable[[], Sequence[Tensor]] | None = None
        self._source: AtomicGraph | None = None

    def fill(self, graph: AtomicGraph, empty: Callable[..., AtomicGraph]) -> None:
        """Put a batch in the place of the last one."""
        self.uses += 1
        source = self._source
        if source is not None and source.mask.shape != graph.mask.shape:
            shape = (*self.graph.mask.shape, self.graph.number_of_systems)
            for old, new in zip(self.graph.tensors(), empty(*shape).tensors(), strict=True):
                old.copy_(new)
            source = None
        for field in fields(graph):
            new = getattr(graph, field.name)
            if (
                field.name == "positions"
                or source is None
                or getattr(source, field.name) is not new
            ):
                getattr(self.graph, field.name)[tuple(map(slice, new.shape))].copy_(new)
        # The tensors are kept, so that no other can be taken for one of them.
        self._source = graph


def _round_up(number: int) -> int:
    return MULTIPLE * -(-number // MULTIPLE)


def within_cutoff(graph: AtomicGraph, cutoff: float) -> AtomicGraph:
    """The graph with slots beyond the cutoff (Å) masked."""
    lengths = torch.linalg.vector_norm(graph.edge_vectors(), dim=-1)
    return replace(graph, mask=graph.mask & (lengths < cutoff))


def _traced(potential: Potential, example: Sequence[Tensor]) -> Function:
    """Tensors of a graph → tensors of :class:`Results`, both in their order."""

    # As a tensor without axes the compiled code would read it from the device in every call.
    scale = potential.energy_scale
    factor = scale if scale.dim() else float(scale)

    def atomic_values(edges: Edges) -> dict[str, Tensor]:
        values = potential.model(edges)
        energies = values["energy"].double()
        scaled = (factor[edges.species] if isinstance(factor, Tensor) else factor) * energies
        energies = scaled + potential.energy_shift[edges.species]
        if "repulsion" in values:
            energies = energies + values["repulsion"].double()
        return {"energy": energies}

    def evaluate(*tensors: Tensor) -> list[Tensor]:
        graph = within_cutoff(AtomicGraph(*tensors), potential.cutoff)
        species = potential.species_index[graph.numbers]
        results, _ = evaluate_graph(atomic_values, species, graph, potential.dtype)
        return list(results[:4])

    with torch.no_grad():
        trace = make_fx(evaluate, tracing_mode="symbolic", _allow_non_fake_inputs=True)
        return trace(*example)


def cuda_graph(function: Function, inputs: Sequence[Tensor]) -> Callable[[], Sequence[Tensor]]:
    """Record a function as a CUDA graph: a :data:`Record`."""
    with torch.cuda.device(inputs[0].device):
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                function(*inputs)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            results = function(*inputs)

    def replay() -> Sequence[Tensor]:
        graph.replay()
        return results

    return replay


class FusedFunction:
    """A function of tensors in float64, compiled because its operations are many and short.

    Results of the first call are compared with those of the function itself. Where compilation
    fails a line on stderr says so, and the function is called as it is.

    :param backend: of ``torch.compile``.
    """

    def __init__(self, function: Function, *, backend: str = "inductor"):
        self._plain = function
        self._compiled: Function | None = torch.compile(function, dynamic=True, backend=backend)
        self._checked = False

    def __call__(self, *tensors: Tensor) -> Sequence[Tensor]:
        if self._compiled is not None:
            try:
                results = self._compiled(*tensors)
                if not self._checked:
                    for one, other in zip(results, self._plain(*tensors), strict=True):
                        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
                    self._checked = True
                return results
            except Exception as error:
                say_why_plain(tensors[0].device, error)
                self._compiled = None
        return self._plain(*tensors)


def say_why_plain(device: torch.device, error: Exception) -> None:
    """The line on stderr for what could not be compiled or recorded."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    print(f"{device}: {reason}: evaluation with plain torch", file=sys.stderr)


# The kinds of devices on which launching kernels takes long, and how to record there.
RECORDS: dict[str, Record] = {"cuda": cuda_graph}


def check(evaluation: GraphedEvaluation, potential: Potential) -> None:
    """Compare with the potential itself on a small batch, also after it has been recorded.

    :raises RuntimeError: the results differ by more than rounding.
    """
    exact = copy.deepcopy(potential).double()
    wide = None
    for structures in islice(_samples(potential), RECORDED_AT + 1):
        batch = _batch(structures, potential.cutoff).to(potential.device)
        wide = wide or _batch(structures, potential.cutoff + SKIN)
        shift = potential.energy_shift[potential.species_index[batch.numbers]]
        found = evaluation(replace(wide, positions=batch.positions))
        plain, reference = (Potential.forward(p, batch) for p in (potential, exact))
        for name in ("atomic_energies", "forces", "virials"):
            one, other, best = (getattr(result, name) for result in (found, plain, reference))
            scale = best - shift if name == "atomic_energies" else best
            rounding = (other - best).abs().max()
            allowed = TOLERANCES[potential.dtype] * scale.square().mean().sqrt() + 10 * rounding
            error = (one - best).abs().max()
            if not error <= allowed:
                raise RuntimeError(f"wrong {name}, by {float(error):.0e}")


def _batch(structures: Sequence[Atoms], cutoff: float) -> AtomicGraph:
    return batch_graphs([build_graph(atoms, cutoff) for atoms in structures])


def _samples(potential: Potential) -> Iterator[list[Atoms]]:
    """A crystal with all species and a part of it as a molecule; atoms move, by less than a
    neighbour list with a skin allows.
    """
    rng = np.random.default_rng(0)
    # So far apart that models are not far from what they know, with pairs around the cutoff.
    spacing = 0.8 * potential.cutoff
    grid = spacing * np.array(list(np.ndindex(2, 2, -(-max(8, len(potential.species)) // 4))))
    cell = grid.max(0) + spacing
    grid += rng.uniform(-0.1, 0.1, grid.shape) * spacing
    numbers = list(islice(cycle(potential.species), len(grid)))
    while True:
        places = grid + rng.uniform(-0.05, 0.05, grid.shape)
        yield [Atoms(numbers, places, cell=cell, pbc=True), Atoms(numbers[:5], places[:5])]
