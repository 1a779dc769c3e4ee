"""Fast evaluation of a trained potential: energies, forces and virials, no training."""

import copy
import sys
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from camp.cartesian.symmetric import polyadics
from camp.errors import InputError
from camp.models.camp import Camp, CampLayer, HyperMoments, NeighbourSums
from camp.potential.native.messages import CompiledHyperMoments
from camp.potential.native.sums import CompiledSums, Edges, compiled_sums
from camp.potential.potential import Potential
from camp.potential.splines import SplineTables


class SplineCamp(nn.Module):
    """A trained CAMP with tabulated radial functions; arguments and results are the same.

    :param model: is copied.
    :raises InputError: the radial functions cannot be tabulated.
    """

    def __init__(self, model: Camp):
        super().__init__()
        self.model = copy.deepcopy(model)
        self.compiled = False
        self._packed: dict[tuple[int, torch.dtype], Tensor] = {}
        exact = copy.deepcopy(model).to("cpu", torch.float64)
        self.splines = SplineTables(lambda lengths: _radial_functions(exact, lengths), model.cutoff)
        self.to(next(model.parameters()))

    def compile_for_cpu(self) -> None:
        """Use compiled code from now on while on the CPU.

        :raises InputError: there is no compiler, or it fails.
        """
        dtype = next(self.parameters()).dtype
        compiled = {}
        for number, layer in enumerate(self.model.layers):
            assert isinstance(layer, CampLayer)
            assert isinstance(layer.hyper, HyperMoments)
            self._sums(number, dtype)
            compiled[layer] = CompiledHyperMoments(
                layer.hyper,
                channels=self.model.channels,
                max_rank=self.model.max_rank,
                dtype=dtype,
            )
        for layer, hyper in compiled.items():
            layer.hyper = hyper
        self.compiled = True

    def _apply(self, fn, recurse=True):
        """Tables are packed anew after a change of precision."""
        self._packed.clear()
        return super()._apply(fn, recurse)

    def forward(
        self, species: Tensor, vectors: Tensor, neighbours: Tensor, reverse: Tensor, mask: Tensor
    ) -> Tensor:
        if self.compiled and vectors.device.type == "cpu":
            sums = self._compiled_sums(species, vectors, neighbours, mask)
        else:
            sums = self._plain_sums(species, vectors, neighbours, reverse, mask)
        one_hot = nn.functional.one_hot(species, self.model.species).to(vectors.dtype)
        return self.model.from_neighbour_sums(one_hot, sums)

    def _compiled_sums(
        self, species: Tensor, vectors: Tensor, neighbours: Tensor, mask: Tensor
    ) -> NeighbourSums:
        edges = Edges(
            species_count=self.model.species,
            intervals=self.splines.intervals,
            cutoff=self.splines.cutoff,
            species=species,
            vectors=vectors,
            neighbours=neighbours,
            mask=mask,
        )

        def neighbour_sums(layer: int, features: Sequence[Tensor]) -> list[Tensor]:
            sums = self._sums(layer, vectors.dtype)
            key = (layer, vectors.dtype)
            if key not in self._packed:
                self._packed[key] = sums.pack_table(self.splines.table(layer))
            return sums(edges, self._packed[key], features)

        return neighbour_sums

    def _sums(self, layer: int, dtype: torch.dtype) -> CompiledSums:
        return compiled_sums(
            channels=self.model.channels,
            max_rank=self.model.max_rank,
            max_feature_rank=self.model.atomic_moments(layer).max_feature_rank,
            dtype=dtype,
        )

    def _plain_sums(
        self, species: Tensor, vectors: Tensor, neighbours: Tensor, reverse: Tensor, mask: Tensor
    ) -> NeighbourSums:
        lengths = torch.linalg.vector_norm(vectors, dim=-1)
        directions = polyadics(vectors / lengths[..., None], self.model.max_rank)
        cut = mask.to(vectors.dtype)[..., None]
        cut_directions = [direction * cut for direction in directions]
        pairs = species[:, None] * self.model.species + species[neighbours]
        rows, weights = self.splines.locate(lengths.flatten(), pairs.flatten())

        def neighbour_sums(layer: int, features: Sequence[Tensor]) -> list[Tensor]:
            atomic = self.model.atomic_moments(layer)
            values = self.splines(layer, rows, weights)
            radial = values.view(*lengths.shape, sum(atomic.paths_into), -1).permute(2, 0, 1, 3)
            return atomic.neighbour_sums(
                features, directions, cut_directions, radial, neighbours, reverse
            )

        return neighbour_sums


class AcceleratedPotential(Potential):
    """A potential for evaluation only, with the results of the one it is made from.

    It may be moved to another device or precision like any other; tables keep the precision in
    which it was made.

    :param potential: is copied.
    :param compiled: use compiled code for the sums over neighbours on the CPU. Without a C++
        compiler a line on stderr says that plain torch does them.
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
        self.to(potential.device, potential.dtype)
        self.requires_grad_(False)

    @property
    def skips_masked(self) -> bool:
        """Whether empty slots cost nothing, wherever they are."""
        return self.compiled and self.device.type == "cpu"


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
