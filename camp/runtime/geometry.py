"""Edges and forces for a graph on the CPU, from geometry.cpp."""

import ctypes
from collections.abc import Mapping

import torch
from torch import Tensor

from camp.graph import AtomicGraph
from camp.graph.edges import AtomicValues, Edges
from camp.graph.skin import refuse_coincidence
from camp.runtime.library import HEADERS, addresses
from camp.runtime.team import Copies, Steps, threads_for

# Of more atoms than these, not everything fits into the cache, and neighbours should be near.
MOST_UNSORTED_ATOMS = 4_000
BOX = 4.0  # Å


def evaluate_compiled(
    atomic_values: AtomicValues,
    species: Tensor,
    graph: AtomicGraph,
    dtype: torch.dtype,
    cutoff: float,
) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor], Mapping[str, Tensor]]:
    """Energies (s,) and those of atoms (n,), forces (n, 3) and virials (s, 3, 3), and all that the
    model says of atoms: for results only, and for a model that needs no reverse edges. The graph
    may have pairs beyond the cutoff (Å), as from :meth:`camp.graph.skin.SkinList.candidates`.

    :raises camp.graph.neighbours.CoincidingAtomsError: with the indices in the batch.
    """
    edges, add_forces = addresses(("camp_edges", "camp_forces"), HEADERS / "geometry.cpp", dtype)
    n, width = graph.mask.shape
    given = (graph.positions, graph.neighbours, graph.shifts, graph.mask, graph.system)
    listed = [tensor.contiguous() for tensor in given]
    atom = _along_a_curve(graph) if n > MOST_UNSORTED_ATOMS else torch.arange(n)
    row = torch.empty_like(atom).index_copy(0, atom, torch.arange(n))
    neighbours, mask = torch.empty_like(listed[1]), torch.empty_like(listed[3])
    vectors = torch.empty(n, width, 3, dtype=dtype)
    tensors = (*listed, atom, row, neighbours, mask, vectors)
    slots = _Slots(width, cutoff, *(tensor.data_ptr() for tensor in tensors))
    threads = threads_for(n, n * width)
    squares, places = torch.empty(threads, dtype=torch.float64), torch.empty(threads).long()
    steps = Steps()
    steps.add(edges, slots, squares, places)
    steps.run(n, threads)
    square, place = min(zip(squares.tolist(), places.tolist(), strict=True))
    refuse_coincidence(graph, square**0.5, place)
    with torch.enable_grad():
        leaf = vectors.requires_grad_(True)
        values = atomic_values(Edges(species[atom], leaf, neighbours, mask))
        (gradient,) = torch.autograd.grad(values["energy"].sum(), leaf)
    gradient = gradient.contiguous()
    # For each thread, because atoms of several threads have neighbours in common.
    forces = torch.empty(threads, n, 3, dtype=torch.float64)
    virials = torch.empty(threads, graph.number_of_systems, 3, 3, dtype=torch.float64)
    steps = Steps()
    steps.add(add_forces, slots, gradient, Copies(forces), Copies(virials))
    steps.run(n, threads)
    values = {name: value.detach()[row] for name, value in values.items()}
    energies = values["energy"]
    totals = energies.new_zeros(graph.number_of_systems).index_add(0, graph.system, energies)
    virial = virials.sum(0)
    symmetric = 0.5 * (virial + virial.transpose(1, 2))
    return (totals, energies, forces.sum(0), symmetric), values


def _along_a_curve(graph: AtomicGraph) -> Tensor:
    """The atoms (n,) in an order in which near ones follow each other: boxes along Morton's curve
    through the cell, or through space where there is none.
    """
    flat = (graph.volumes() == 0)[:, None, None]
    cells = torch.where(flat, torch.eye(3, dtype=torch.float64), graph.cells)
    fractional = torch.bmm(graph.positions[:, None], torch.linalg.inv(cells)[graph.system])
    inside = torch.where(flat[graph.system], fractional, fractional - fractional.floor())
    places = torch.bmm(inside, cells[graph.system])[:, 0]
    boxes = ((places - places.amin(0)) / BOX).long().clamp(max=1023)
    curve = graph.system << 30
    for bit in range(10):
        for axis in range(3):
            curve |= (boxes[:, axis] >> bit & 1) << (3 * bit + axis)
    return torch.argsort(curve, stable=True)


class _Slots(ctypes.Structure):
    _fields_ = (
        ("width", ctypes.c_int64),
        ("cutoff", ctypes.c_double),
        *((name, ctypes.c_void_p) for name in ("positions", "listed", "shifts", "listed_mask")),
        *(
            (name, ctypes.c_void_p)
            for name in ("system", "atom", "row", "neighbours", "mask", "vectors")
        ),
    )
