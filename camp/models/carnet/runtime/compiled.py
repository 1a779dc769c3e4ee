"""A whole CarNet as compiled code for the CPU, with an explicit reverse pass."""

import ctypes
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from camp.errors import InputError
from camp.graph.edges import Edges
from camp.models.carnet.network import CarNet, CarNetLayer
from camp.models.carnet.runtime.atoms import CompiledAtoms, Updated
from camp.models.carnet.runtime.moments import CompiledEdges, CompiledMoments, components
from camp.models.carnet.runtime.repulsion import CompiledRepulsion
from camp.runtime.accelerated import CompiledModel
from camp.runtime.library import Blocks
from camp.runtime.mlp import linear_layers
from camp.runtime.readout import CompiledReadout
from camp.runtime.splines import SplineTables
from camp.runtime.team import Copies, Steps


class Part(NamedTuple):
    """One layer of a trained model, the next, if there is one, the ranks of its features, and its
    part of the readout.
    """

    layer: CarNetLayer
    following: CarNetLayer | None
    in_ranks: int
    readout: list[nn.Linear]


def parts_of(model: CarNet) -> list[Part]:
    """A trained model of energies layer by layer."""
    assert model.energy is not None
    layers = [layer for layer in model.layers if isinstance(layer, CarNetLayer)]
    readouts = [[part] for part in model.energy.linear if isinstance(part, nn.Linear)]
    readouts.append(linear_layers(model.energy.mlp))
    in_ranks = [1, *(layer.hyper.ranks for layer in layers[:-1])]
    parts = zip(layers, [*layers[1:], None], in_ranks, readouts, strict=True)
    return [Part(*part) for part in parts]


def first_features(model: CarNet, layout: Blocks) -> tuple[Tensor, Tensor | None]:
    """The features of each species that the first layer gets, and what it sums over neighbours if
    that is something else: (species, blocks, 1, lanes).
    """
    first, input_map = model.embedding.detach()[:, None, :], parts_of(model)[0].layer.input_map
    if input_map is None:
        return layout.pack(first), None
    with torch.no_grad():
        (mixed,) = input_map([first], torch.eye(model.species).to(first))
    return layout.pack(first), layout.pack(mixed)


class _Layer(NamedTuple):
    """Sums over neighbours, what follows on atoms, and the layer's part of the energy."""

    moments: CompiledMoments
    atoms: CompiledAtoms
    readout: CompiledReadout


class _Kept(NamedTuple):
    """What the reverse pass of a layer needs of the forward pass."""

    layer: _Layer
    mixed: Tensor  # what it has summed over neighbours
    moments: Tensor
    readout: Tensor


class _Packed(NamedTuple):
    """A model in one precision, in the order in which the code reads it."""

    features: Tensor  # of the first layer, for each species: (species, blocks, 1, lanes)
    mixed: Tensor  # what it sums over neighbours, alike
    layers: list[_Layer]
    repulsion: CompiledRepulsion | None


class CompiledCarNet(CompiledModel[CarNet, _Packed]):
    """Energies of atoms from species and edges."""

    def __init__(self, model: CarNet, splines: SplineTables, dtype: torch.dtype):
        if model.tensors or model.energy is None:
            raise InputError("CarNet is compiled for energies only, not for other targets")
        super().__init__(model, splines, dtype)

    def __call__(self, edges: Edges) -> dict[str, Tensor]:
        """Energies of atoms, as :class:`CarNet` gives them."""
        packed = self.packed(edges.vectors.dtype)
        rows = CompiledEdges(edges, self.splines)
        energy, repulsion = _Energies.apply(edges.vectors, packed, rows)
        if packed.repulsion is None:
            return {"energy": energy}
        return {"energy": energy, "repulsion": repulsion}

    def _pack(self, dtype: torch.dtype) -> _Packed:
        model, settings = self.model, self.model.settings
        layers = [
            _Layer(
                CompiledMoments(
                    part.layer.atomic.paths,
                    self.splines.table(number),
                    in_ranks=part.in_ranks,
                    channels=settings.channels,
                    dtype=dtype,
                ),
                CompiledAtoms(
                    part.layer,
                    part.following,
                    in_ranks=part.in_ranks,
                    ranks=settings.max_rank + 1,
                    channels=settings.channels,
                    dtype=dtype,
                ),
                CompiledReadout(part.readout, dtype),
            )
            for number, part in enumerate(parts_of(model))
        ]
        first, mixed = first_features(model, Blocks(settings.channels, dtype))
        repulsion = model.repulsion
        return _Packed(
            first,
            first if mixed is None else mixed,
            layers,
            None if repulsion is None else CompiledRepulsion(repulsion, dtype),
        )


class _Energies(torch.autograd.Function):
    """Edge vectors → energies of atoms in network units, and repulsion in eV."""

    @staticmethod
    def forward(ctx, vectors: Tensor, packed: _Packed, edges: CompiledEdges):
        atoms = edges.atoms
        features = _of_species(packed.features, edges.species)
        mixed = features
        if packed.mixed is not packed.features:
            mixed = _of_species(packed.mixed, edges.species)
        energies, repulsion = vectors.new_zeros(atoms), vectors.new_zeros(atoms)
        steps = Steps()
        ctx.packed, ctx.edges, ctx.kept = packed, edges, []
        for number, layer in enumerate(packed.layers):
            structure = layer.moments.structure(edges, mixed)
            if number == 0:
                layer.moments.order(steps, structure)
            n, blocks, _, lanes = features.shape
            sums = vectors.new_empty(n, blocks, layer.moments.components, lanes)
            moments = torch.empty_like(sums)
            following = vectors.new_empty(n, blocks, components(layer.atoms.out_ranks), lanes)
            updated = Updated(
                following,
                torch.empty_like(following) if layer.atoms.mixes else following,
                vectors.new_empty(n, layer.moments.layout.channels),
            )
            kept = _Kept(layer, mixed, moments, layer.readout.room(n, edges.threads))
            layer.moments.forward(steps, structure, sums)
            layer.atoms.forward(steps, edges.species, sums, features, moments, updated)
            layer.readout.forward(steps, updated.scalars, kept.readout, energies)
            ctx.kept.append(kept)
            features, mixed = updated.features, updated.mixed
        if packed.repulsion is not None:
            packed.repulsion.forward(steps, packed.repulsion.structure(edges), repulsion)
        edges.run(steps)
        return energies, repulsion

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, of_energies: Tensor, of_repulsion: Tensor):
        packed, edges = ctx.packed, ctx.edges
        of_vectors = of_energies.new_empty(edges.shape)
        # By this thread alone.
        ctypes.memset(of_vectors.data_ptr(), 0, of_vectors.nbytes)
        of_energies, of_repulsion = of_energies.contiguous(), of_repulsion.contiguous()
        steps = Steps()
        of_features, of_mixed = None, None
        for number in range(len(ctx.kept) - 1, -1, -1):
            layer, mixed, moments, readout = ctx.kept[number]
            of_scalars = of_energies.new_empty(edges.atoms, layer.moments.layout.channels)
            layer.readout.backward(steps, readout, of_energies, of_scalars)
            of_sums = torch.empty_like(moments)
            of_before = torch.empty_like(mixed) if number else None
            given = (edges.species, moments, of_scalars, of_features, of_mixed)
            layer.atoms.backward(steps, *given, of_sums, of_before)
            of_features, of_mixed = of_before, None
            if number:
                # Because atoms of several threads have neighbours in common.
                copies = of_sums.new_empty(edges.threads, *mixed.shape)
                of_mixed = Copies(copies, items=copies.shape[-1])
            structure = layer.moments.structure(edges, mixed)
            layer.moments.backward(steps, structure, of_sums, of_vectors, of_mixed)
        if packed.repulsion is not None:
            structure = packed.repulsion.structure(edges)
            packed.repulsion.backward(steps, structure, of_repulsion, of_vectors)
        edges.run(steps)
        return of_vectors, None, None


def _of_species(values: Tensor, species: Tensor) -> Tensor:
    """Rows of a table, one for each atom; by NumPy, because torch would use its threads, which then
    take the time of ours, and into a tensor, which is aligned.
    """
    found = values.new_empty(len(species), *values.shape[1:])
    np.take(values.numpy(), species.numpy(), 0, out=found.numpy(), mode="clip")
    return found
