"""What a layer of CarNet does on atoms, from atoms.cpp."""

import ctypes
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from camp.cartesian.natural.tensors import product_table
from camp.models.carnet.channels import FactorizedMap, FullMap, IndependentMap
from camp.models.carnet.moments import HyperMoments
from camp.models.carnet.network import CarNetLayer
from camp.models.carnet.runtime import SOURCES
from camp.runtime.library import Blocks, addresses
from camp.runtime.products import Factor, Products, Program
from camp.runtime.team import Copies, Steps


class Updated(NamedTuple):
    """What a layer makes of the features of atoms, channels in blocks."""

    features: Tensor
    mixed: Tensor  # what the next layer sums over neighbours; often the same
    scalars: Tensor  # (n, channels), not in blocks


@dataclass(frozen=True)
class PackedMap:
    """A channel map as atoms.cpp reads it, see there."""

    ranks: int
    sets: int  # one for each species, or one for all
    matrices: Tensor
    transposed: Tensor
    biases: Tensor

    @classmethod
    def of(cls, module: nn.Module | None, layout: Blocks) -> "PackedMap":
        """No map has no ranks."""
        if module is None:
            nothing = layout.pack(torch.empty(0, layout.channels))
            return cls(0, 0, nothing, nothing, nothing)
        matrices, biases = _matrices_and_biases(module)
        sets, ranks = matrices.shape[:2]
        packed, transposed = (layout.pack(m.flatten(0, 1)) for m in (matrices, matrices.mT))
        return cls(ranks, sets, packed, transposed, layout.pack(biases))


@dataclass(frozen=True)
class PackedAtoms:
    """A layer of a trained model as atoms.cpp reads it, see there; weights are copied."""

    maps: dict[str, PackedMap]
    plain_residual: int
    program: Program
    terms: Tensor
    out_ranks: int
    path_weights: Tensor
    degree_weights: Tensor

    @classmethod
    def of(
        cls, layer: CarNetLayer, following: CarNetLayer | None, ranks: int, layout: Blocks
    ) -> "PackedAtoms":
        program, terms = _products(layer.hyper, ranks)
        modules = {
            "moments": layer.moment_map,
            "messages": layer.message_map,
            "residual": layer.residual_map,
            "following": None if following is None else following.input_map,
        }
        path_weights = _path_weights(layer.hyper, layout.channels)
        degree_weights = _degree_weights(layer.hyper, layout.channels)
        return cls(
            {name: PackedMap.of(module, layout) for name, module in modules.items()},
            layer.kept_ranks if layer.residual_map is None else 0,
            program,
            torch.tensor(terms),
            layer.hyper.ranks,
            layout.pack(path_weights[None]),
            layout.pack(degree_weights[None]),
        )


class CompiledAtoms:
    """One layer of a trained model in one precision; its weights are copied.

    The functions add steps.

    :param following: the next layer, if there is one.
    :raises InputError: see :func:`camp.runtime.library.load`.
    """

    def __init__(
        self,
        layer: CarNetLayer,
        following: CarNetLayer | None,
        *,
        in_ranks: int,
        ranks: int,
        channels: int,
        dtype: torch.dtype,
    ):
        self._forward, self._backward = addresses(
            ("carnet_atoms", "carnet_atoms_backward"),
            SOURCES / "atoms.cpp",
            dtype,
            channels=channels,
            highest_rank=ranks - 1,
        )
        packed = PackedAtoms.of(layer, following, ranks, Blocks(channels, dtype))
        products = Products(packed.program, dtype)
        # What the structure points into.
        self._kept = packed, products
        self.out_ranks = packed.out_ranks
        self.mixes = packed.maps["following"].ranks > 0
        self._layer = _Layer(
            *(_ChannelMap.of(packed_map) for packed_map in packed.maps.values()),
            packed.plain_residual,
            products,
            len(packed.terms),
            in_ranks,
            packed.out_ranks,
            packed.terms.data_ptr(),
            packed.path_weights.data_ptr(),
            packed.degree_weights.data_ptr(),
        )

    def forward(
        self,
        steps: Steps,
        species: Tensor,
        sums: Tensor,
        features: Tensor,
        moments: Tensor,
        updated: Updated,
    ) -> None:
        """From sums over neighbours and the layer's input to moments and to what is updated."""
        mixed = updated.mixed if self.mixes else None
        given = (self._layer, species, sums, features, moments)
        steps.add(self._forward, *given, updated.features, mixed, updated.scalars)

    def backward(
        self,
        steps: Steps,
        species: Tensor,
        moments: Tensor,
        of_scalars: Tensor,
        of_updated: Tensor | None,
        of_mixed: Copies | None,
        of_sums: Tensor,
        of_features: Tensor | None,
    ) -> None:
        """From derivatives with respect to scalars, to the updated features as far as the next
        layer keeps them, and to what it sums, to that with respect to the sums, and to the layer's
        input as far as it is kept.
        """
        given = (self._layer, species, moments, of_scalars, of_updated, of_mixed)
        steps.add(self._backward, *given, of_sums, of_features, together=True)


def _matrices_and_biases(module: nn.Module) -> tuple[Tensor, Tensor]:
    """Of a channel map: (species or 1, ranks, in, out) and (species or 1, out)."""
    if isinstance(module, IndependentMap):
        return module.weight.detach()[None], module.bias.detach()[None]
    if isinstance(module, FactorizedMap):
        matrices = module.weight * module.factors[..., None, None]
        return matrices.detach(), module.bias.detach()
    assert isinstance(module, FullMap)
    return torch.stack(list(module.weights), dim=1).detach(), module.bias.detach()


def _products(hyper: HyperMoments, ranks: int) -> tuple[Program, list[tuple[int, int]]]:
    """The products that make hyper moments of moments, and the terms (rank, place) of messages:
    for each rank those of all degrees.
    """
    program = Program([2 * rank + 1 for rank in range(ranks)])
    powers: list[list[Factor]] = [program.given]
    for paths in hyper.paths:
        power = [program.add(2 * rank + 1) for rank in range(len(paths))]
        for into in paths:
            for l1, l2, l3 in into:
                factors = powers[-1][l1], program.given[l2], power[l3]
                program.multiply(*factors, product_table(l1, l2, l3))
        powers.append(power)
    terms = [(rank, power[rank].place) for rank in range(hyper.ranks) for power in powers]
    return program, terms


def _path_weights(hyper: HyperMoments, channels: int) -> Tensor:
    """Of all products, in the order of :func:`_products`: (products, channels)."""
    found = [
        weight.detach()
        for weights in hyper.path_weights
        if isinstance(weights, nn.ParameterList)
        for weight in weights
    ]
    return torch.cat(found) if found else torch.zeros(0, channels)


def _degree_weights(hyper: HyperMoments, channels: int) -> Tensor:
    """Of all terms, in the order of :func:`_products`: (terms, channels)."""
    if hyper.degree_weights is None:
        return torch.ones(hyper.ranks, channels)
    return hyper.degree_weights.detach().flatten(0, 1)


class _ChannelMap(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("ranks", "by_species")),
        *((name, ctypes.c_void_p) for name in ("matrices", "transposed", "biases")),
    )

    @classmethod
    def of(cls, packed: PackedMap) -> "_ChannelMap":
        """The argument must outlive it."""
        tensors = (packed.matrices, packed.transposed, packed.biases)
        return cls(packed.ranks, packed.sets > 1, *(tensor.data_ptr() for tensor in tensors))


class _Layer(ctypes.Structure):
    _fields_ = (
        *((name, _ChannelMap) for name in ("moments", "messages", "residual", "following")),
        ("plain_residual", ctypes.c_int64),
        ("products", Products),
        *((name, ctypes.c_int64) for name in ("terms", "in_ranks", "out_ranks")),
        *((name, ctypes.c_void_p) for name in ("term", "path_weights", "degree_weights")),
    )
