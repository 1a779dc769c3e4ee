"""A whole CAMP as compiled code for the CPU, with an explicit reverse pass."""

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from camp.cartesian.symmetric import number_of_components
from camp.graph.edges import Edges
from camp.models.camp.layers import mix
from camp.models.camp.network import Camp, CampLayer
from camp.models.camp.runtime.atoms import CompiledAtoms
from camp.models.camp.runtime.sums import CompiledEdges, CompiledSums, pack_table
from camp.runtime.accelerated import CompiledModel
from camp.runtime.library import Blocks
from camp.runtime.mlp import linear_layers
from camp.runtime.readout import CompiledReadout
from camp.runtime.team import Copies, Steps


class Part(NamedTuple):
    """One layer of a trained model, the next, if there is one, and its part of the readout."""

    layer: CampLayer
    following: CampLayer | None
    readout: list[nn.Linear]


def parts_of(model: Camp) -> list[Part]:
    """A trained model layer by layer."""
    layers = [layer for layer in model.layers if isinstance(layer, CampLayer)]
    readouts = [[part] for part in model.readout.linear if isinstance(part, nn.Linear)]
    readouts.append(linear_layers(model.readout.mlp))
    return [Part(*part) for part in zip(layers, [*layers[1:], None], readouts, strict=True)]


def first_features(model: Camp, layout: Blocks) -> Tensor:
    """What the first layer sums over neighbours, for each species: (species, blocks, 1, lanes)."""
    first = model.layers[0]
    assert isinstance(first, CampLayer)
    with torch.no_grad():
        one_hot = torch.eye(model.species).to(model.embedding.weight)
        return layout.pack(mix([model.embedding(one_hot)[:, None, :]], first.mixing)[0])


class _Kept(NamedTuple):
    """What the reverse pass of a layer needs of the forward pass."""

    features: Tensor
    moments: Tensor
    readout: Tensor


class CompiledLayer:
    """One layer of a trained model in one precision, with its part of the readout.

    There is nothing that torch would do with threads of its own: they go on waiting for work
    after it and take the time of those that are used here.

    :param table: its radial functions, as from :meth:`SplineTables.table`.
    :param following: the next layer, if there is one.
    :param readout: see :class:`CompiledReadout`.
    :raises InputError: see :func:`camp.runtime.library.load`.
    """

    def __init__(
        self,
        layer: CampLayer,
        following: CampLayer | None,
        table: Tensor,
        readout: Sequence[nn.Linear],
        *,
        channels: int,
        max_rank: int,
        dtype: torch.dtype,
    ):
        self.first, self.last = not layer.residual, following is None
        self.channels = channels
        self.components = sum(number_of_components(v) for v in range(max_rank + 1))
        self.sums = CompiledSums(
            channels=channels,
            max_rank=max_rank,
            max_feature_rank=layer.atomic.max_feature_rank,
            dtype=dtype,
        )
        self.atoms = CompiledAtoms(
            layer, following, channels=channels, max_rank=max_rank, dtype=dtype
        )
        self.readout = CompiledReadout(readout, dtype)
        self.table = pack_table(table, Blocks(channels, dtype))

    def forward(
        self, steps: Steps, edges: CompiledEdges, features: Tensor, energies: Tensor
    ) -> tuple[_Kept, Tensor | None]:
        """From features to the features of the next layer, if there is one, both with channels in
        blocks: (n, blocks, components, lanes). Adds to energies (n,).
        """
        n, blocks, _, lanes = features.shape
        sums = features.new_empty(n, blocks, self.components, lanes)
        following = None if self.last else torch.empty_like(sums)
        scalars = features.new_empty(n, self.channels)
        kept = _Kept(features, torch.empty_like(sums), self.readout.room(n, edges.threads))
        structure = edges.structure(self.table, features)
        if self.first:
            self.sums.order(steps, structure)
        self.sums.forward(steps, structure, sums)
        self.atoms.forward(steps, sums, features, kept.moments, following, scalars)
        self.readout.forward(steps, scalars, kept.readout, energies)
        return kept, following

    def backward(
        self,
        steps: Steps,
        edges: CompiledEdges,
        kept: _Kept,
        of_following: Copies | None,
        of_energies: Tensor,
        of_vectors: Tensor,
    ) -> Copies | None:
        """From derivatives with respect to the results that with respect to the features, except
        in the first layer, where they are constants: both to be added up over the copies (threads,
        n, blocks, components, lanes). Adds to the derivative with respect to edge vectors.
        """
        of_sums = torch.empty_like(kept.moments)
        of_scalars = kept.moments.new_empty(edges.atoms, self.channels)
        structure = edges.structure(self.table, kept.features)
        of_features = None
        if not self.first:
            # Because atoms of several threads have neighbours in common.
            copies = of_sums.new_empty(edges.threads, *kept.features.shape)
            of_features = Copies(copies, items=copies.shape[-1])
        self.readout.backward(steps, kept.readout, of_energies, of_scalars)
        self.atoms.backward(steps, kept.moments, of_following, of_scalars, of_sums, of_features)
        self.sums.backward(steps, structure, of_sums, of_vectors, of_features)
        return of_features


class _Packed(NamedTuple):
    """A model in one precision, in the order in which the code reads it."""

    features: Tensor  # of the first layer, for each species: (species, blocks, 1, lanes)
    layers: list[CompiledLayer]


class CompiledCamp(CompiledModel[Camp, _Packed]):
    """Energies of atoms from species and edges."""

    def __call__(self, edges: Edges) -> dict[str, Tensor]:
        """Energies of atoms (n,), as :class:`Camp` gives them."""
        listed = CompiledEdges(
            species_count=self.model.species,
            intervals=self.splines.intervals,
            cutoff=self.splines.cutoff,
            edges=edges,
        )
        packed = self.packed(edges.vectors.dtype)
        return {"energy": _Energies.apply(edges.vectors, packed, listed, edges.species)}

    def _pack(self, dtype: torch.dtype) -> _Packed:
        model = self.model
        compiled = [
            CompiledLayer(
                part.layer,
                part.following,
                self.splines.table(number),
                part.readout,
                channels=model.channels,
                max_rank=model.max_rank,
                dtype=dtype,
            )
            for number, part in enumerate(parts_of(model))
        ]
        features = first_features(model, Blocks(model.channels, dtype))
        return _Packed(features, compiled)


class _Energies(torch.autograd.Function):
    """Edge vectors → energies of atoms."""

    @staticmethod
    def forward(ctx, vectors: Tensor, packed: _Packed, edges: CompiledEdges, species: Tensor):
        first = vectors.new_empty(edges.atoms, *packed.features.shape[1:])
        # By NumPy, because torch would use its threads; into a tensor, which is aligned.
        np.take(packed.features.numpy(), species.numpy(), 0, out=first.numpy(), mode="clip")
        features: Tensor | None = first
        energies = vectors.new_zeros(edges.atoms)
        steps = Steps()
        ctx.edges, ctx.kept = edges, []
        for layer in packed.layers:
            assert features is not None
            kept, features = layer.forward(steps, edges, features, energies)
            ctx.kept.append((layer, kept))
        edges.run(steps)
        return energies

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, of_energies: Tensor):
        of_vectors = of_energies.new_empty(ctx.edges.shape)
        # By this thread alone.
        ctypes.memset(of_vectors.data_ptr(), 0, of_vectors.nbytes)
        of_energies, of_features = of_energies.contiguous(), None
        steps = Steps()
        for layer, kept in reversed(ctx.kept):
            of_features = layer.backward(
                steps, ctx.edges, kept, of_features, of_energies, of_vectors
            )
        ctx.edges.run(steps)
        return of_vectors, None, None, None
