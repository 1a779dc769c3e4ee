"""Fast evaluation of a trained potential: energies, forces and virials, no training."""

import copy
import sys
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from camp.cartesian.symmetric import polyadics
from camp.errors import InputError
from camp.graph import AtomicGraph
from camp.models.camp import Camp, NeighbourSums
from camp.models.chunks import in_chunks
from camp.potential.derivatives import Derivatives
from camp.potential.graphed import (
    RECORDS,
    GraphedEvaluation,
    check,
    say_why_plain,
    within_cutoff,
)
from camp.potential.native.geometry import evaluate_compiled
from camp.potential.native.model import CompiledCamp
from camp.potential.potential import Potential
from camp.potential.splines import SplineTables

# Neighbour slots that are evaluated at once on a GPU; more of them take up to 5 kB each.
MOST_GRAPHED_SLOTS = 4_000_000


class SplineCamp(nn.Module):
    """A trained CAMP with tabulated radial functions; arguments and results are the same.

    :param model: is copied.
    :raises InputError: the radial functions cannot be tabulated.
    """

    def __init__(self, model: Camp):
        super().__init__()
        self.model = copy.deepcopy(model)
        self.compiled: CompiledCamp | None = None
        exact = copy.deepcopy(model).to("cpu", torch.float64)
        self.splines = SplineTables(lambda lengths: _radial_functions(exact, lengths), model.cutoff)
        self.to(next(model.parameters()))

    def compile_for_cpu(self) -> None:
        """Use compiled code from now on while on the CPU.

        :raises InputError: there is no compiler, or it fails.
        """
        self.compiled = CompiledCamp(self.model, self.splines, next(self.parameters()).dtype)

    def _apply(self, fn, recurse=True):
        """What compiled code reads is packed anew after a change of precision."""
        if self.compiled is not None:
            self.compiled.forget()
        return super()._apply(fn, recurse)

    def forward(
        self,
        species: Tensor,
        vectors: Tensor,
        neighbours: Tensor,
        reverse: Tensor,
        mask: Tensor,
        *,
        slots_per_chunk: int | None = None,
    ) -> Tensor:
        if self.compiled is not None and vectors.device.type == "cpu":
            # Keeps nothing of an edge, and so needs no chunks.
            return self.compiled(species, vectors, neighbours, mask)
        if slots_per_chunk is not None:
            sums = self._sums_in_chunks(species, vectors, neighbours, mask, slots_per_chunk)
        else:
            sums = self._plain_sums(species, vectors, neighbours, reverse, mask)
        return self.model.from_neighbour_sums(self.model.one_hot(species, vectors.dtype), sums)

    def _plain_sums(
        self, species: Tensor, vectors: Tensor, neighbours: Tensor, reverse: Tensor, mask: Tensor
    ) -> NeighbourSums:
        directions, cut_directions, *located = self._edges(
            species, species[neighbours], vectors, mask
        )

        def neighbour_sums(layer: int, features: Sequence[Tensor]) -> list[Tensor]:
            return self.model.atomic_moments(layer).neighbour_sums(
                features,
                directions,
                cut_directions,
                self._radial(layer, mask, *located),
                neighbours,
                reverse,
            )

        return neighbour_sums

    def _sums_in_chunks(
        self, species: Tensor, vectors: Tensor, neighbours: Tensor, mask: Tensor, slots: int
    ) -> NeighbourSums:
        def neighbour_sums(layer: int, features: Sequence[Tensor]) -> list[Tensor]:
            atomic = self.model.atomic_moments(layer)

            def of_rows(own: Sequence[Tensor], of_neighbours: Sequence[Tensor]) -> list[Tensor]:
                row_species, row_vectors, row_mask = own
                neighbour_species, *neighbour_features = of_neighbours
                directions, cut_directions, *located = self._edges(
                    row_species, neighbour_species, row_vectors, row_mask
                )
                radial = self._radial(layer, row_mask, *located)
                return atomic.sums_of_rows(neighbour_features, directions, cut_directions, radial)

            own, shared = (species, vectors, mask), (species, *features)
            return in_chunks(of_rows, own, shared, neighbours, slots=slots)

        return neighbour_sums

    def _edges(
        self, species: Tensor, neighbour_species: Tensor, vectors: Tensor, mask: Tensor
    ) -> tuple[list[Tensor], list[Tensor], Tensor, Tensor]:
        """Polyadics of edges (n, K), those that are not masked, and places in the tables."""
        lengths = torch.linalg.vector_norm(vectors, dim=-1)
        directions = polyadics(vectors / lengths[..., None], self.model.max_rank)
        cut = mask.to(vectors.dtype)[..., None]
        pairs = species[:, None] * self.model.species + neighbour_species
        rows, weights = self.splines.locate(lengths.flatten(), pairs.flatten())
        return directions, [direction * cut for direction in directions], rows, weights

    def _radial(self, layer: int, mask: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        """(paths, n, K, channels)"""
        values = self.splines(layer, rows, weights)
        paths = sum(self.model.atomic_moments(layer).paths_into)
        return values.view(*mask.shape, paths, -1).permute(2, 0, 1, 3)


class AcceleratedPotential(Potential):
    """A potential for evaluation only, with the results of the one it is made from.

    It may be moved to another device or precision like any other; tables keep the precision in
    which it was made.

    :param potential: is copied.
    :param compiled: on the CPU, use compiled code for the sums over neighbours; on a GPU, compile
        the whole evaluation at its first use (a minute), compare it with plain torch, and replay
        it as a CUDA graph. Where that fails a line on stderr says that plain torch does it.
    :raises InputError: an architecture without acceleration, or see :class:`SplineTables`.
    """

    def __init__(self, potential: Potential, *, compiled: bool = True):
        if not isinstance(potential.model, Camp):
            raise InputError(f"no acceleration for the architecture {potential.architecture!r}")
        # The random numbers that the model starts from are replaced and must not be missed.
        with torch.random.fork_rng(devices=[]):
            super().__init__(
                potential.architecture,
                potential.hyperparameters,
                species=potential.species,
                cutoff=potential.cutoff,
                energy_scale=float(potential.energy_scale),
                energy_shift=potential.energy_shift.tolist(),
                origin=potential.origin,
            )
        self.model = SplineCamp(potential.model)
        self.compiled = compiled and _compile(self.model)
        self.graphed = compiled
        self._evaluation: GraphedEvaluation | None = None
        self.to(potential.device, potential.dtype)
        self.requires_grad_(False)

    def _apply(self, fn, recurse=True):
        """What was traced holds for one device and precision."""
        self._evaluation = None
        return super()._apply(fn, recurse)

    def __getstate__(self):
        """Recorded kernels are not for a copy."""
        return {**super().__getstate__(), "_evaluation": None}

    @property
    def skips_distant(self) -> bool:
        """Whether neighbour lists with a skin will do: pairs beyond the cutoff are left out."""
        return self.device.type in RECORDS or self._compiled_here

    @property
    def _compiled_here(self) -> bool:
        return self.compiled and self.device.type == "cpu"

    def forward(self, graph: AtomicGraph) -> Derivatives:
        """As for any potential; a graph on another device is brought to this one."""
        if not self.skips_distant:
            return super().forward(graph)
        if self._compiled_here and not torch.is_grad_enabled():
            graph = graph.to(self.device)
            species = self.species_index[graph.numbers]
            return evaluate_compiled(self.atomic_energies, species, graph, self.dtype, self.cutoff)
        small = graph.mask.numel() <= MOST_GRAPHED_SLOTS
        if self.graphed and small and self.device.type in RECORDS and not torch.is_grad_enabled():
            try:
                if self._evaluation is None:
                    evaluation = GraphedEvaluation(self, record=RECORDS[self.device.type])
                    check(evaluation, self)
                    self._evaluation = evaluation
                return self._evaluation(graph)
            except Exception as error:
                say_why_plain(self.device, error)
                self.graphed, self._evaluation = False, None
        return super().forward(within_cutoff(graph.to(self.device), self.cutoff))


def accelerated(potential: Potential, *, compiled: bool) -> Potential:
    """The potential accelerated, or itself, and then a line on stderr says why.

    :param compiled: see :class:`AcceleratedPotential`.
    """
    if isinstance(potential, AcceleratedPotential):
        return potential
    try:
        return AcceleratedPotential(potential, compiled=compiled)
    except InputError as error:
        print(f"{error}: evaluation without acceleration", file=sys.stderr)
        return potential


def _compile(model: SplineCamp) -> bool:
    """Let a model use compiled code if possible; says on stderr why it is not."""
    try:
        model.compile_for_cpu()
    except InputError as error:
        print(f"{error}: evaluation without compiled code", file=sys.stderr)
        return False
    return True


def _radial_functions(model: Camp, lengths: Tensor) -> list[Tensor]:
    """For each layer the radial functions at distances (k,) in Å, with the cutoff function
    wherever the model has it: (species², k, paths · channels).
    """
    one_hot = torch.eye(model.species, dtype=lengths.dtype)
    grid = lengths.expand(model.species, -1)
    tables = []
    for layer in range(len(model.layers)):
        values = []
        for neighbour in one_hot:
            polynomials = model.polynomials(grid, neighbour.expand(*grid.shape, -1))
            radial = model.atomic_moments(layer).radial_functions(polynomials, one_hot)
            values.append(radial * model.cut(lengths)[:, None])
        by_pair = torch.stack(values, dim=2)  # paths, centre, neighbour, k, channels
        tables.append(by_pair.permute(1, 2, 3, 0, 4).flatten(3).flatten(0, 1))
    return tables
