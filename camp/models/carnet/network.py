"""CarNet, the Cartesian natural tensor network (arXiv:2510.04015).

All tensors are natural ones in packed form; features are, for each rank l, (n, 2l+1, channels).
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from camp.cartesian.natural.decomposition import signature
from camp.cartesian.radial import envelope
from camp.errors import InputError
from camp.graph.edges import Edges
from camp.models.carnet.channels import channel_map
from camp.models.carnet.geometry import EdgeGeometry
from camp.models.carnet.heads import Readout, TensorHead
from camp.models.carnet.moments import AtomicMoments, HyperMoments
from camp.models.carnet.paths import Path, product_paths
from camp.models.carnet.radial import (
    RadialFunctions,
    number_of_functions,
    radial_basis,
    typical_size,
)
from camp.models.carnet.repulsion import ZblRepulsion
from camp.models.carnet.settings import CarNetSettings
from camp.models.chunks import in_chunks
from camp.targets import ENERGY, Target

# Index of the layer and its features → its atomic moments: all that CarNet does on edges.
MomentsOf = Callable[[int, Sequence[Tensor]], list[Tensor]]
# Lengths (n, K) in Å and mask (n, K) of edges → index of a layer → its radial functions (n, K, u)
# of all paths; zero in an empty slot.
RadialOf = Callable[[Tensor, Tensor], Callable[[int], Iterable[Tensor]]]


class CarNetLayer(nn.Module):
    """One round of message passing: atomic moments, hyper moments, update of the features.

    :param in_rank: highest rank of the incoming features.
    :param out_rank: highest rank of the outgoing ones.
    :param species: number of chemical species.
    """

    def __init__(self, settings: CarNetSettings, *, in_rank: int, out_rank: int, species: int):
        super().__init__()
        channels, max_rank = settings.channels, settings.max_rank
        maps = {"channels": channels, "species": species}
        self.input_map = (
            channel_map("independent", ranks=in_rank + 1, **maps) if settings.input_map else None
        )
        paths = paths_of(settings, in_rank, max_rank)
        self.atomic = AtomicMoments(
            paths=paths,
            channels=channels,
            average_neighbours=settings.average_neighbours,
            radial=RadialFunctions(
                functions=number_of_functions(settings.radial_basis, settings.radial_degree),
                size=typical_size(settings.radial_basis, settings.cutoff),
                hidden=_widths(settings.radial_hidden, channels),
                paths=sum(len(into) for into in paths),
                channels=channels,
            ),
        )
        self.moment_map = channel_map(settings.moment_map, ranks=max_rank + 1, **maps)
        self.hyper = HyperMoments(
            paths=[
                paths_of(settings, max_rank, out_rank if d == settings.max_degree else max_rank)
                for d in range(2, settings.max_degree + 1)
            ],
            ranks=out_rank + 1,
            channels=channels,
        )
        self.message_map = (
            channel_map("independent", ranks=out_rank + 1, **maps) if settings.message_map else None
        )
        self.kept_ranks = 0 if settings.residual == "none" else min(in_rank, out_rank) + 1
        self.residual_map = (
            None
            if settings.residual == "none" or settings.residual == "plain"
            else channel_map(settings.residual, ranks=self.kept_ranks, **maps)
        )

    def forward(
        self,
        features: Sequence[Tensor],
        one_hot: Tensor,
        atomic_moments: Callable[[Sequence[Tensor]], list[Tensor]],
    ) -> list[Tensor]:
        """Features of all ranks, old to new; one_hot (n, species)."""
        mixed = features if self.input_map is None else self.input_map(features, one_hot)
        moments = self.moment_map(atomic_moments(mixed), one_hot)
        messages = self.hyper(moments)
        if self.message_map is not None:
            messages = self.message_map(messages, one_hot)
        kept = list(features[: self.kept_ranks])
        if self.residual_map is not None:
            kept = self.residual_map(kept, one_hot)
        both = [new + old for new, old in zip(messages, kept, strict=False)]
        return both + messages[len(both) :]


class CarNet(nn.Module):
    """CarNet: edges → energies of atoms, natural parts of their tensors, or both.

    :param settings: hyperparameters.
    :param species: atomic numbers of the chemical species, ascending.
    :param targets: the energy and any tensors; one head for each on the same features.
    :raises InputError: a target with parts of a higher rank than the features.
    """

    chunked = True

    def __init__(
        self,
        settings: CarNetSettings,
        species: Sequence[int],
        targets: Sequence[Target] = (ENERGY,),
    ):
        super().__init__()
        self.settings = settings
        self.species = len(species)
        channels, layers = settings.channels, settings.layers
        hidden = _widths(settings.readout_hidden, channels)
        tensors = [target for target in targets if target != ENERGY]
        out_rank = max((_highest_rank(target, settings) for target in tensors), default=0)
        ranks = [settings.max_rank] * (layers - 1) + [out_rank]
        self.embedding = nn.Parameter(torch.randn(self.species, channels))
        in_ranks = [0, *ranks[:-1]]
        self.geometry = EdgeGeometry(
            settings.max_rank,
            [
                path
                for in_rank in in_ranks
                for into in paths_of(settings, in_rank, settings.max_rank)
                for path in into
            ],
        )
        self.layers = nn.ModuleList(
            CarNetLayer(settings, in_rank=in_rank, out_rank=rank, species=self.species)
            for in_rank, rank in zip(in_ranks, ranks, strict=True)
        )
        self.energy: Readout | None = None
        self.repulsion: ZblRepulsion | None = None
        if ENERGY in targets:
            self.energy = Readout(channels=channels, layers=layers, hidden=hidden, outputs=1)
            if settings.repulsion != "none":
                self.repulsion = ZblRepulsion(
                    species, cutoff=settings.cutoff, smooth=settings.repulsion == "smooth"
                )
        self.tensors = [target.name for target in tensors]
        read = layers if settings.head_layers == "all" else 1
        self.heads = nn.ModuleList(
            TensorHead(
                target,
                ranks=[rank + 1 for rank in ranks[-read:]],
                channels=channels,
                species=self.species,
                hidden=hidden,
                norm=settings.head_norm,
                bias=settings.head_bias,
                axial_products=settings.axial_parts == "products",
            )
            for target in tensors
        )
        self.read_layers = read

    def forward(
        self,
        edges: Edges,
        *,
        slots_per_chunk: int | None = None,
        radial_functions: RadialOf | None = None,
    ) -> dict[str, Tensor]:
        """Values of n atoms: ``"energy"`` (n,) in network units with ``"repulsion"`` (n,) in eV,
        and the packed natural parts (n, D) of every tensor target under its name.

        :param slots_per_chunk: keep the edge arrays of so many neighbour slots at a time, not of
            all; then parameters have no gradients.
        :param radial_functions: instead of the model's own.
        """
        one_hot = self.one_hot(edges.species, edges.vectors.dtype)
        moments = self.atomic_moments(edges, slots_per_chunk, radial_functions)
        features = self.features(one_hot, moments)
        values = {}
        if self.energy is not None:
            values["energy"] = self.energy([layer[0] for layer in features])[:, 0]
        if self.repulsion is not None:
            values["repulsion"] = self.repulsion(edges)
        for name, head in zip(self.tensors, self.heads, strict=True):
            values[name] = head(features[-self.read_layers :], one_hot)
        return values

    def one_hot(self, species: Tensor, dtype: torch.dtype) -> Tensor:
        """Species (n,) → (n, species); unlike torch's, without a look at the values, for which a
        GPU would have to wait.
        """
        return torch.eye(self.species, dtype=dtype, device=species.device)[species]

    def atomic_moments(
        self,
        edges: Edges,
        slots_per_chunk: int | None = None,
        radial_functions: RadialOf | None = None,
    ) -> MomentsOf:
        """All that happens on edges; arguments as for :meth:`forward`."""
        radial_of = radial_functions or self.radial_functions
        if slots_per_chunk is None:
            geometry = self.geometry(edges.vectors)
            radial = radial_of(geometry.lengths, edges.mask)
            return lambda layer, features: self.atomic(layer)(
                features, geometry, radial(layer), edges
            )

        def in_rows(layer: int, features: Sequence[Tensor]) -> list[Tensor]:
            def of_rows(own: Sequence[Tensor], of_neighbours: Sequence[Tensor]) -> list[Tensor]:
                vectors, mask = own
                geometry = self.geometry(vectors)
                radial = radial_of(geometry.lengths, mask)(layer)
                return self.atomic(layer).of_rows(of_neighbours, geometry, radial)

            own = (edges.vectors, edges.mask)
            return in_chunks(of_rows, own, features, edges.neighbours, slots=slots_per_chunk)

        return in_rows

    def radial_functions(self, lengths: Tensor, mask: Tensor) -> Callable[[int], Iterable[Tensor]]:
        """Lengths (n, K) in Å and mask (n, K) → index of a layer → its radial functions."""
        settings = self.settings
        basis = radial_basis(
            lengths, settings.cutoff, settings.radial_basis, settings.radial_degree
        )
        cut = envelope(lengths / settings.cutoff)[..., None]
        present = mask[..., None].to(basis)
        if settings.cutoff_on == "basis":
            basis, cut = basis * cut, present
        else:
            cut = cut * present
        return lambda layer: self.atomic(layer).radial_functions(basis, cut)

    def atomic(self, layer: int) -> AtomicMoments:
        """The part of a layer that works on edges."""
        module = self.layers[layer]
        assert isinstance(module, CarNetLayer)
        return module.atomic

    def features(self, one_hot: Tensor, atomic_moments: MomentsOf) -> list[list[Tensor]]:
        """The features after every layer; one_hot (n, species).

        :param atomic_moments: what happens on edges.
        """
        features = [(one_hot @ self.embedding)[:, None, :]]
        found = []
        for number, layer in enumerate(self.layers):
            features = layer(features, one_hot, partial(atomic_moments, number))
            found.append(features)
        return found


def paths_of(
    settings: CarNetSettings, max_first: int, max_out: int
) -> tuple[tuple[Path, ...], ...]:
    """For every rank up to ``max_out`` the products into it, first factors up to ``max_first``."""
    return product_paths(
        max_first,
        settings.max_rank,
        max_out,
        mode=settings.paths,
        polar_only=settings.polar_only,
        level=settings.max_rank if settings.level is None else settings.level,
    )


def _highest_rank(target: Target, settings: CarNetSettings) -> int:
    rank = max(signature(target.symmetry))
    if rank > settings.max_rank:
        raise InputError(
            f"the target {target.name!r} has natural tensors up to rank {rank}, the model's "
            f"max_rank is {settings.max_rank}: set it to {rank} or more"
        )
    return rank


def _widths(hidden: Sequence[int] | None, channels: int) -> list[int]:
    return [channels] * 2 if hidden is None else list(hidden)
