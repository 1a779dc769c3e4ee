"""A whole CACE as compiled code for the CPU, with an explicit reverse pass."""

import ctypes
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from camp.errors import InputError
from camp.graph.edges import Edges
from camp.models.cace.network import Cace
from camp.models.cace.runtime.atoms import CompiledAtoms, CompiledReadout, Kept, kinds, received
from camp.runtime.degree_sums import DegreeSums, EdgeRows
from camp.runtime.mlp import tiles
from camp.runtime.splines import SplineTables
from camp.runtime.team import Copies, Steps


class _Layer(NamedTuple):
    """Sums over neighbours, and what follows on atoms."""

    sums: DegreeSums
    atoms: CompiledAtoms


class _Packed(NamedTuple):
    """A model in one precision, in the order in which the code reads it."""

    sender: Tensor  # embedding: (species, 1, K)
    table: Tensor
    layers: list[_Layer]
    readout: CompiledReadout


class CompiledCace:
    """Energies of atoms from species and edges on the CPU, differentiable once in the latter.

    :param model: trained; its weights are copied on first use and after :meth:`forget`.
    :param splines: its radial functions.
    :param dtype: a precision to compile for now; others follow when they are used.
    :raises InputError: messages or features that are not compiled, or see
        :func:`camp.runtime.library.load`.
    """

    def __init__(self, model: Cace, splines: SplineTables, dtype: torch.dtype):
        if model.settings.triples_of_pairs:
            raise InputError("the features of the oldest CACE models are not compiled")
        if model.passes and (model.settings.message_ar or not model.settings.message_bchi):
            raise InputError("CACE is compiled for Bχ messages, with or without memory, only")
        self.model = model
        self.splines = splines
        self._packed: dict[torch.dtype, _Packed] = {}
        self._in_precision(dtype)

    def __getstate__(self):
        """Addresses are not for a copy."""
        return {**self.__dict__, "_packed": {}}

    def forget(self) -> None:
        """The weights have changed."""
        self._packed.clear()

    def __call__(self, edges: Edges) -> Tensor:
        """Energies of atoms (n,), as :class:`Cace` gives them."""
        rows = EdgeRows(edges, self.splines, epsilon=self.model.settings.direction_epsilon)
        packed = self._in_precision(edges.vectors.dtype)
        return _Energies.apply(edges.vectors, packed, rows, edges.species)

    def _in_precision(self, dtype: torch.dtype) -> _Packed:
        if dtype not in self._packed:
            model, settings = self.model, self.model.settings
            readout = CompiledReadout(model, dtype)
            layers = [
                _Layer(
                    DegreeSums(
                        max_degree=settings.max_l,
                        functions=settings.raw_radial_functions,
                        factors=received(model, layer),
                        kinds=kinds(model, layer),
                        dtype=dtype,
                    ),
                    CompiledAtoms(model, layer, readout, dtype),
                )
                for layer in range(len(model.passes) + 1)
            ]
            sender = model.sender.detach().to(dtype)[:, None, :].contiguous()
            table = layers[0].sums.layout.pack(self.splines.table(0))
            self._packed[dtype] = _Packed(sender, table, layers, readout)
        return self._packed[dtype]


class _Energies(torch.autograd.Function):
    """Edge vectors → energies of atoms."""

    @staticmethod
    def forward(ctx, vectors: Tensor, packed: _Packed, edges: EdgeRows, species: Tensor):
        atoms, threads, dtype = edges.atoms, edges.threads, vectors.dtype
        features = vectors.new_empty(atoms, *packed.sender.shape[1:])
        # By NumPy, because torch would use its threads, which then take the time of ours.
        np.take(packed.sender.numpy(), species.numpy(), 0, out=features.numpy(), mode="clip")
        energies = vectors.new_empty(atoms)
        z = tiles(atoms, threads, packed.readout.kept, dtype)
        species = species.contiguous()
        steps = Steps()
        passed: list[tuple[_Layer, Kept, Tensor]] = []
        for number, layer in enumerate(packed.layers):
            sums = vectors.new_empty(atoms, *layer.sums.shape)
            kept = layer.atoms.kept(atoms, threads, dtype)
            before = passed[-1][1].basis if layer.atoms.has_memory else None
            structure = edges.structure(packed.table, features)
            layer.sums.forward(steps, structure, sums)
            passed.append((layer, kept, features))
            sent = None
            if number + 1 < len(packed.layers):
                following = packed.layers[number + 1].sums
                sent = vectors.new_empty(atoms, *following.feature_shape[:2])
                features = sent
            layer.atoms.forward(steps, species, sums, before, kept, z, sent)
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
        of_sent, of_basis = None, None
        for number in range(len(ctx.passed) - 1, -1, -1):
            layer, kept, features = ctx.passed[number]
            of_sums = of_energies.new_empty(edges.atoms, *layer.sums.shape)
            of_before = torch.empty_like(kept.basis) if layer.atoms.has_memory else None
            layer.atoms.backward(
                steps, ctx.species, kept, of_z, of_sent, of_basis, of_sums, of_before
            )
            of_sent, of_basis = None, of_before
            if number:
                # Because atoms of several threads have neighbours in common.
                copies = of_energies.new_empty(
                    edges.threads, edges.atoms, *layer.sums.feature_shape
                )
                of_sent = Copies(copies, items=copies.shape[-1])
            structure = edges.structure(packed.table, features)
            layer.sums.backward(steps, structure, of_sums, of_vectors, of_sent)
        edges.run(steps)
        return of_vectors, None, None, None
