"""A whole CACE as compiled code for the CPU, with an explicit reverse pass."""

import ctypes
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from camp.errors import InputError
from camp.graph.edges import Edges
from camp.models.cace.messages import MessagePass
from camp.models.cace.network import Cace
from camp.models.cace.runtime.atoms import (
    CompiledAtoms,
    CompiledReadout,
    Kept,
    OfSent,
    Received,
    Sent,
    factors,
    kinds,
)
from camp.models.cace.runtime.decays import CompiledDecays
from camp.runtime.accelerated import CompiledModel
from camp.runtime.degree_sums import DegreeSums, EdgeRows
from camp.runtime.library import Blocks
from camp.runtime.mlp import tiles
from camp.runtime.splines import SplineTables
from camp.runtime.team import Copies, Steps


class _Layer(NamedTuple):
    """What a layer receives from the neighbours, and what follows on atoms."""

    sums: DegreeSums | None
    decays: CompiledDecays | None
    atoms: CompiledAtoms


class _Passed(NamedTuple):
    """A layer, and what its reverse pass needs of the forward pass."""

    layer: _Layer
    kept: Kept
    sent: Sent  # of the layer before


class _Packed(NamedTuple):
    """A model in one precision, in the order in which the code reads it."""

    sender: Tensor  # embedding: (species, 1, K)
    table: Tensor
    layers: list[_Layer]
    readout: CompiledReadout


def refuse_uncompiled(model: Cace) -> None:
    """:raises InputError: a model that there is no code for."""
    if model.settings.triples_of_pairs:
        raise InputError("the features of the oldest CACE models are not compiled")


class CompiledCace(CompiledModel[Cace, _Packed]):
    """Energies of atoms from species and edges."""

    def __init__(self, model: Cace, splines: SplineTables, dtype: torch.dtype):
        refuse_uncompiled(model)
        super().__init__(model, splines, dtype)

    def __call__(self, edges: Edges) -> dict[str, Tensor]:
        """Energies of atoms (n,), as :class:`Cace` gives them."""
        rows = EdgeRows(edges, self.splines, epsilon=self.model.settings.direction_epsilon)
        packed = self.packed(edges.vectors.dtype)
        return {"energy": _Energies.apply(edges.vectors, packed, rows, edges.species)}

    def _pack(self, dtype: torch.dtype) -> _Packed:
        model = self.model
        readout = CompiledReadout(model, dtype)
        layers = [self._layer(number, readout, dtype) for number in range(len(model.passes) + 1)]
        sender = model.sender.detach().to(dtype)[:, None, :].contiguous()
        layout = Blocks(model.settings.raw_radial_functions, dtype)
        table = layout.pack(self.splines.table(0))
        return _Packed(sender, table, layers, readout)

    def _layer(self, number: int, readout: CompiledReadout, dtype: torch.dtype) -> _Layer:
        model, settings = self.model, self.model.settings
        sums = decays = None
        if received := factors(model, number):
            sums = DegreeSums(
                highest_degree=settings.max_l,
                functions=settings.raw_radial_functions,
                factors=received,
                kinds=kinds(model, number),
                dtype=dtype,
            )
        before = model.passes[number - 1] if number else None
        if isinstance(before, MessagePass) and before.ar is not None:
            cut = self.splines.table(1)
            decays = CompiledDecays(model, before.ar, before.norm, cut, dtype)
        return _Layer(sums, decays, CompiledAtoms(model, number, readout, dtype))


class _Energies(torch.autograd.Function):
    """Edge vectors → energies of atoms."""

    @staticmethod
    def forward(ctx, vectors: Tensor, packed: _Packed, edges: EdgeRows, species: Tensor):
        atoms, threads = edges.atoms, edges.threads
        features = vectors.new_empty(atoms, *packed.sender.shape[1:])
        # By NumPy, because torch would use its threads, which then take the time of ours.
        np.take(packed.sender.numpy(), species.numpy(), 0, out=features.numpy(), mode="clip")
        energies = vectors.new_empty(atoms)
        z = tiles(atoms, threads, packed.readout.kept, vectors.dtype)
        species = species.contiguous()
        steps = Steps()
        passed: list[_Passed] = []
        sent = Sent(features, None)
        for layer, following in zip(packed.layers, [*packed.layers[1:], None], strict=True):
            remembered = passed[-1].kept.basis if layer.atoms.has_memory else None
            received = _room_to_receive(layer, atoms, vectors, remembered)
            if layer.sums is not None:
                assert sent.features is not None and received.sums is not None
                structure = edges.structure(packed.table, sent.features)
                layer.sums.forward(steps, structure, received.sums)
            if layer.decays is not None:
                assert sent.basis is not None and received.decayed is not None
                decays = layer.decays.structure(edges)
                layer.decays.forward(steps, decays, sent.basis, received.decayed)
            kept = layer.atoms.kept(atoms, threads, vectors.dtype)
            passed.append(_Passed(layer, kept, sent))
            sent = _room_to_send(layer, following, atoms, vectors)
            layer.atoms.forward(steps, species, received, kept, z, sent)
        packed.readout.forward(steps, z, energies)
        edges.run(steps)
        ctx.packed, ctx.edges, ctx.species, ctx.z, ctx.passed = packed, edges, species, z, passed
        return energies

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, of_energies: Tensor):
        packed, edges = ctx.packed, ctx.edges
        of_vectors = of_energies.new_empty(edges.shape)
        # By this thread alone.
        ctypes.memset(of_vectors.data_ptr(), 0, of_vectors.nbytes)
        of_energies = of_energies.contiguous()
        of_z = tiles(edges.atoms, edges.threads, packed.readout.read, of_energies.dtype)
        steps = Steps()
        packed.readout.backward(steps, ctx.z, of_energies, of_z)
        of_sent, of_remembered = OfSent(None, None), None
        for layer, kept, sent in reversed(ctx.passed):
            before = torch.empty_like(kept.basis) if layer.atoms.has_memory else None
            of_received = _room_to_receive(layer, edges.atoms, of_energies, before)
            given = (ctx.species, kept, of_z, of_sent, of_remembered)
            layer.atoms.backward(steps, *given, of_received)
            of_sent, of_remembered = _copies(layer, sent, edges, of_energies), before
            if layer.sums is not None:
                structure = edges.structure(packed.table, sent.features)
                of_sums = of_received.sums
                layer.sums.backward(steps, structure, of_sums, of_vectors, of_sent.features)
            if layer.decays is not None:
                decays = layer.decays.structure(edges)
                outer = (sent.basis, of_received.decayed)
                layer.decays.backward(steps, decays, *outer, of_vectors, of_sent.basis)
        edges.run(steps)
        return of_vectors, None, None, None


def _room_to_receive(
    layer: _Layer, atoms: int, like: Tensor, remembered: Tensor | None
) -> Received:
    """For what a layer receives, or for the derivative with respect to it."""
    shape = layer.atoms.function_shape
    return Received(
        None if layer.sums is None else like.new_empty(atoms, *layer.sums.shape),
        remembered,
        None if layer.decays is None else like.new_empty(atoms, *shape),
    )


def _room_to_send(layer: _Layer, following: _Layer | None, atoms: int, like: Tensor) -> Sent:
    """For what the next layer receives from the neighbours."""
    if following is None:
        return Sent(None, None)
    sums, shape = following.sums, layer.atoms.function_shape
    return Sent(
        None if sums is None else like.new_empty(atoms, *sums.feature_shape[:2]),
        None if following.decays is None else like.new_empty(atoms, *shape),
    )


def _copies(layer: _Layer, sent: Sent, edges: EdgeRows, like: Tensor) -> OfSent:
    """For the derivative with respect to what was sent to a layer, by the layer before; one for
    each thread, because atoms of several threads have neighbours in common.
    """

    def copies(*shape: int) -> Copies:
        values = like.new_empty(edges.threads, edges.atoms, *shape)
        return Copies(values, items=shape[-1])

    # The first layer gets embeddings, which are constants.
    first = layer.atoms.is_first
    return OfSent(
        None if layer.sums is None or first else copies(*layer.sums.feature_shape),
        None if sent.basis is None else copies(*sent.basis.shape[1:]),
    )
