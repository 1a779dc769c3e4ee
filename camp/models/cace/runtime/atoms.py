"""What a layer of CACE does on atoms, and its readout, from atoms.cpp."""

import ctypes
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from camp.models.cace.messages import MessageBchi, MessagePass
from camp.models.cace.network import Cace
from camp.models.cace.runtime import SOURCES
from camp.models.cace.symmetrise import Symmetrisation
from camp.runtime.contractions import Contractions, Operand, Program
from camp.runtime.library import Blocks, addresses
from camp.runtime.mlp import Matrix, Mlp, linear_layers, tiles
from camp.runtime.team import Copies, Steps


class Kept(NamedTuple):
    """What the reverse pass of a layer needs of the forward pass, in tiles."""

    basis: Tensor  # A
    message: Tensor | None


class Received(NamedTuple):
    """What makes A of a layer."""

    sums: Tensor | None  # over neighbours
    remembered: Tensor | None  # A of the layer before, in tiles
    decayed: Tensor | None  # messages Ar, (n, *function_shape)


class Sent(NamedTuple):
    """What the neighbours need for the next layer."""

    features: Tensor | None  # (n, kinds, factors), for the sums
    basis: Tensor | None  # A, (n, *function_shape), for the messages Ar


class OfSent(NamedTuple):
    """Derivatives with respect to :class:`Sent`, to be added up over copies."""

    features: Copies | None
    basis: Copies | None


@dataclass(frozen=True)
class PackedAtoms:
    """A layer of a trained model as atoms.cpp reads it, see there; weights are copied."""

    program: Program
    places: Tensor
    mixing: Tensor
    receiver: Tensor
    memory: Tensor | None
    heads: Tensor  # (inputs, outputs)
    message: MessageBchi | None  # whose network the last outputs of the heads begin

    @classmethod
    def of(cls, model: Cace, layer: int, dtype: torch.dtype) -> "PackedAtoms":
        passes = [part for part in model.passes if isinstance(part, MessagePass)]
        before = passes[layer - 1] if layer else None
        message = passes[layer].bchi if layer < len(passes) else None
        memory = None if before is None else before.memory
        n = model.settings.radial_functions
        program, places = _products(model.symmetrisation)
        heads = [_columns(part.weight, layer, model) for part in first_layers(model)]
        if message is not None:
            heads.append(linear_layers(message.network)[0].weight)
        columns = torch.cat(heads).detach()  # (outputs, features · radial functions · channels)
        columns = own_order(columns.view(len(columns), len(places), -1), n)
        weights = torch.stack([w.detach().flatten(2) for w in model.mixing.weights])
        receiver = model.sender if model.receiver is None else model.receiver
        return cls(
            program,
            places,
            # (degrees, channels, radial functions, raw ones)
            weights.permute(0, 3, 2, 1).to(dtype).contiguous(),
            (receiver.detach() * (1.0 if before is None else before.norm)).to(dtype).contiguous(),
            None if memory is None else own_order(memory.detach(), n).to(dtype).contiguous(),
            columns.permute(2, 1, 0).flatten(0, 1),
            message,
        )


class CompiledReadout:
    """The readout of a trained model, but for its first layer, in one precision.

    The functions add steps.

    :raises InputError: see :func:`camp.runtime.library.load`.
    """

    def __init__(self, model: Cace, dtype: torch.dtype):
        self._forward, self._backward = _functions(
            ("cace_readout", "cace_readout_backward"), model, dtype
        )
        layers = linear_layers(model.readout.mlp)
        linear = model.readout.linear
        bias = 0.0 if linear is None else linear.bias.item()
        # The structure has a copy of this, and so does not keep what it points to.
        self._network = Mlp(layers, dtype)
        self.structure = _Readout(linear is not None, bias, self._network)
        self.read = self.structure.linear + layers[0].out_features
        self.kept = self.structure.linear + self._network.size

    def forward(self, steps: Steps, z: Tensor, energies: Tensor) -> None:
        """From the products of the first layer, the first of ``kept`` values in tiles, to energies
        (n,).
        """
        steps.add(self._forward, self.structure, z, energies)

    def backward(self, steps: Steps, z: Tensor, of_energies: Tensor, of_z: Tensor) -> None:
        """From the derivative with respect to energies (n,) to that with respect to those products,
        ``read`` values in tiles.
        """
        steps.add(self._backward, self.structure, z, of_energies, of_z)


class CompiledAtoms:
    """One layer of a trained model in one precision, from sums over neighbours to the first layer
    of the readout and to what is sent for the next sums. The functions add steps.

    :raises InputError: see :func:`camp.runtime.library.load`.
    """

    def __init__(self, model: Cace, layer: int, readout: CompiledReadout, dtype: torch.dtype):
        settings = model.settings
        self._forward, self._backward = _functions(
            ("cace_atoms", "cace_atoms_backward"), model, dtype
        )
        self.readout = readout
        packed = PackedAtoms.of(model, layer, dtype)
        k, n = settings.embedding, settings.radial_functions
        self.values = k * k * n * sum(model.mixing.degrees)
        functions = Blocks(k * k * n, dtype)
        self.function_shape = functions.blocks, sum(model.mixing.degrees), functions.lanes
        products, matrix = Contractions(packed.program), Matrix(packed.heads, dtype)
        tensors = (packed.places, packed.mixing, packed.receiver, packed.memory)
        # The structure points into these.
        self._kept = (products, tensors, matrix)
        self._layer = _Layer(
            *(k, settings.raw_radial_functions, n),
            factors(model, layer),
            products,
            len(packed.places),
            *(None if tensor is None else tensor.data_ptr() for tensor in tensors),
            matrix,
            readout.read,
            layer == 0,
        )
        message = packed.message
        self.message = None if message is None else _PackedMessage(model, message, dtype)
        self.has_memory = packed.memory is not None
        self.is_first = layer == 0

    def kept(self, atoms: int, threads: int, dtype: torch.dtype) -> Kept:
        """Room for what :meth:`backward` needs of :meth:`forward`."""
        size = None if self.message is None else self.message.network.size
        return Kept(
            tiles(atoms, threads, self.values, dtype),
            None if size is None else tiles(atoms, threads, size, dtype),
        )

    def forward(
        self,
        steps: Steps,
        species: Tensor,
        received: Received,
        kept: Kept,
        z: Tensor,
        sent: Sent,
    ) -> None:
        """From what is received to what is kept and to what is sent; adds to the products of the
        first layer of the readout.
        """
        message = None if self.message is None else self.message.structure
        given = (self._layer, species, received.sums, received.remembered, received.decayed)
        results = (kept.basis, sent.basis, self.readout.structure, z)
        steps.add(self._forward, *given, *results, message, kept.message, sent.features)

    def backward(
        self,
        steps: Steps,
        species: Tensor,
        kept: Kept,
        of_z: Tensor,
        of_sent: OfSent,
        of_remembered: Tensor | None,
        of_received: Received,
    ) -> None:
        """From derivatives with respect to the results, and to A as far as the next layer remembers
        it, to those with respect to what is received.
        """
        message = None if self.message is None else self.message.structure
        given = (self._layer, species, kept.basis, of_z, message, kept.message)
        outer = (of_sent.features, of_sent.basis, of_remembered)
        results = (of_received.sums, of_received.decayed, of_received.remembered)
        steps.add(self._backward, *given, *outer, *results, together=True)


def own_order(values: Tensor, radial_functions: int) -> Tensor:
    """(…, radial functions · channels) → (…, channels · radial functions)"""
    return values.unflatten(-1, (radial_functions, -1)).transpose(-2, -1).flatten(-2)


def factors(model: Cace, layer: int) -> int:
    """Factors q of the sums that a layer begins with; 0: it has none."""
    settings = model.settings
    if layer and not settings.message_bchi:
        return 0
    return settings.embedding if layer == 0 or settings.shared_channels else settings.channels


def kinds(model: Cace, layer: int) -> int:
    """Kinds of factors of the sums that a layer begins with."""
    settings = model.settings
    return 1 if layer == 0 or settings.shared_degrees else settings.max_l + 1


class _PackedMessage:
    """H, and the sender's embedding."""

    def __init__(self, model: Cace, message: MessageBchi, dtype: torch.dtype):
        settings = model.settings
        self.network = Mlp(linear_layers(message.network), dtype)
        self._sender = model.sender.detach().to(dtype).contiguous()
        self.structure = _Message(
            self.network,
            message.kinds,
            1 if settings.shared_channels else settings.channels,
            settings.embedding,
            self._sender.data_ptr(),
        )


def _functions(names: tuple[str, ...], model: Cace, dtype: torch.dtype) -> list[int]:
    settings = model.settings
    blocks = Blocks(settings.raw_radial_functions, dtype).blocks
    source = SOURCES / "atoms.cpp"
    return addresses(names, source, dtype, highest_rank=settings.max_l, blocks=blocks)


def first_layers(model: Cace) -> list[torch.nn.Linear]:
    """What reads B of all layers: the linear layer, if there is one, and the MLP's first."""
    linear = [] if model.readout.linear is None else [model.readout.linear]
    return [*linear, linear_layers(model.readout.mlp)[0]]


def _columns(weight: Tensor, layer: int, model: Cace) -> Tensor:
    """Of a matrix (out, features of all layers) those of one layer."""
    return weight.chunk(len(model.passes) + 1, dim=1)[layer]


def _products(symmetrisation: Symmetrisation) -> tuple[Program, Tensor]:
    """The contractions that make B of A, and where each B is among their results."""
    program = Program(symmetrisation.max_l)
    given = program.given

    def contraction(low: int, out: int) -> Operand:
        """T^{low, out}"""
        return program.contract(given[low], given[low + out])

    features = [given[0]]
    features += [program.contract(given[a], given[a]) for (a,) in symmetrisation.second]
    features += [program.contract(given[a], contraction(b, a)) for a, b in symmetrisation.third]
    features += [
        program.contract(contraction(a, c), contraction(b, c)) for a, b, c in symmetrisation.fourth
    ]
    return program, torch.tensor([feature.place for feature in features])


class _Message(ctypes.Structure):
    _fields_ = (
        ("network", Mlp),
        *((name, ctypes.c_int64) for name in ("kinds", "channels", "embedding")),
        ("sender", ctypes.c_void_p),
    )


class _Readout(ctypes.Structure):
    _fields_ = (("linear", ctypes.c_int64), ("bias", ctypes.c_double), ("network", Mlp))


class _Layer(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("embedding", "raw", "mixed", "received")),
        ("products", Contractions),
        ("features", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("places", "mixing", "receiver", "memory")),
        ("heads", Matrix),
        ("read", ctypes.c_int64),
        ("first", ctypes.c_int64),
    )
