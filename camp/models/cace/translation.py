"""Published weights → settings and parameters of our network.

The architecture follows from names and shapes, but for the little that :class:`Weights` says beside
them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from camp.models.cace.pickles import NotReadableError
from camp.models.cace.settings import CaceSettings, CutoffFunction
from camp.models.cace.symmetrise import number_of_features

_READOUT = "output_modules.0."
# Numbers in a state that are no weights, or are read as settings.
_WITHOUT_WEIGHTS = ("cutoff_fn.p", "cutoff_fn.cutoff", "radial_basis.cutoff", "l_matrix")
_REPRESENTATION = "representation."


@dataclass(frozen=True)
class Weights:
    """What a published file says of a model."""

    state: Mapping[str, np.ndarray]  # by the names of the published program's state dict
    message_norm: float | None  # None where there are no messages
    cutoff_function: CutoffFunction
    radial_trainable: bool
    shared_embedding: bool

    def array(self, name: str) -> np.ndarray:
        return self.state[_REPRESENTATION + name]

    def has(self, name: str) -> bool:
        return _REPRESENTATION + name in self.state

    def count(self, pattern: str) -> int:
        """How many names the pattern gives in succession, its {} being 0, 1, …"""
        number = 0
        while pattern.format(number) in self.state:
            number += 1
        return number

    def widths(self, pattern: str) -> list[int]:
        """Widths of a network, input and output included, from the weights of its layers."""
        weights = [self.state[pattern.format(k)] for k in range(self.count(pattern))]
        return [weights[0].shape[1], *(len(weight) for weight in weights)]

    def number_of_passes(self) -> int:
        name = f"{_REPRESENTATION}message_passing_list."
        places = {key.removeprefix(name).split(".")[0] for key in self.state if name in key}
        return len(places)


def species_of(weights: Weights) -> list[int]:
    """Atomic numbers in the order of the file."""
    place = weights.array("node_onehot.index_map")
    by_place = {int(k): number for number, k in enumerate(place) if k >= 0}
    species = [by_place[k] for k in range(len(by_place))]
    if len(species) != len(weights.array("node_embedding_sender.embedding_weights")):
        raise NotReadableError("another number of species than of embeddings")
    return species


def settings_of(weights: Weights) -> CaceSettings:
    """The hyperparameters, from names and shapes.

    :raises NotReadableError: they fit no model of ours.
    """
    embedding = weights.array("node_embedding_sender.embedding_weights").shape[1]
    max_l = weights.count(_REPRESENTATION + "radial_transform.weights.{}") - 1
    raw, mixed, channels = weights.array("radial_transform.weights.0").shape
    if channels != embedding**2:
        raise NotReadableError(f"{channels} channels for embeddings of width {embedding}")
    order = float(weights.array("cutoff_fn.p")) if weights.has("cutoff_fn.p") else 6.0
    if not order.is_integer():
        raise NotReadableError(f"a cutoff polynomial of order {order}")
    messages = _messages(weights, max_l, channels)
    readout = weights.widths(f"{_READOUT}outnet.{{}}.linear.weight")
    passes = weights.number_of_passes()
    max_nu, older = _order(readout[0], mixed * channels * (passes + 1), max_l)
    return CaceSettings(
        cutoff=float(weights.array("cutoff_fn.cutoff")),
        embedding=embedding,
        shared_embedding=weights.shared_embedding,
        raw_radial_functions=raw,
        radial_functions=mixed,
        radial_trainable=weights.radial_trainable,
        cutoff_function=weights.cutoff_function,
        cutoff_order=int(order),
        max_l=max_l,
        max_nu=max_nu,
        triples_of_pairs=older,
        message_passes=passes,
        message_norm=weights.message_norm if passes else None,
        readout_hidden=readout[1:-1],
        readout_linear=f"{_READOUT}linear_nn.linear.weight" in weights.state,
        direction_epsilon=1e-9,
        **messages,
    )


def _messages(weights: Weights, max_l: int, channels: int) -> dict[str, Any]:
    """The settings of the messages, which all passes share."""
    found = []
    for t in range(weights.number_of_passes()):
        name = f"message_passing_list.{t}."
        kinds: dict[str, Any] = dict(
            memory=weights.has(f"{name}0.memory_coef.0"),
            message_ar=weights.has(f"{name}1.prefactor.0"),
            message_bchi=weights.has(f"{name}2.hnet.0.linear.weight"),
        )
        if kinds["message_bchi"]:
            widths = weights.widths(f"{_REPRESENTATION}{name}2.hnet.{{}}.linear.weight")
            own_degrees = weights.has(f"{name}2.l_matrix")
            of_degree = widths[-1] // (max_l + 1 if own_degrees else 1)
            kinds |= dict(
                # With one channel there is nothing to share.
                shared_channels=of_degree == 1 and channels > 1,
                shared_degrees=not own_degrees,
                message_hidden=widths[1:-1],
            )
        found.append(kinds)
    if any(kinds != found[0] for kinds in found):
        raise NotReadableError("passes with different messages")
    return found[0] if found else {}


def _order(features: int, each: int, max_l: int) -> tuple[int, bool]:
    """ν_max, and whether its ν = 3 is the older one, from the number of features of all layers."""
    for older in (False, True):
        for max_nu in range(1, 5):
            if features == each * number_of_features(max_l, max_nu, older=older):
                return max_nu, older
    raise NotReadableError(
        f"a readout of {features} features, which are not those of the representation; a model "
        "with a state of charge or other additional input cannot be read"
    )


def translate(weights: Weights, settings: CaceSettings) -> dict[str, Tensor]:
    """The parameters by the names of our network, species ascending, in the precision of the file.

    :raises NotReadableError: the file holds weights that our network does not have.
    """
    unused = {name: value for name, value in weights.state.items() if value.dtype.kind == "f"}

    def take(name: str) -> np.ndarray:
        unused.pop(name, None)
        return weights.state[name]

    def by_degree(name: str) -> np.ndarray:
        """(l_max + 1, N · C) from one array (N, C) for each degree."""
        degrees = range(settings.max_l + 1)
        return np.stack([take(f"{_REPRESENTATION}{name}.{k}").ravel() for k in degrees])

    n, c, k = settings.radial_functions, settings.channels, settings.embedding
    species = np.argsort(species_of(weights))
    ours = {
        "sender": take(f"{_REPRESENTATION}node_embedding_sender.embedding_weights")[species],
        "edge_basis.radial.frequencies": take(f"{_REPRESENTATION}radial_basis.bessel_weights"),
        "edge_basis.radial.prefactor": take(f"{_REPRESENTATION}radial_basis.prefactor"),
    }
    receiver = take(f"{_REPRESENTATION}node_embedding_receiver.embedding_weights")[species]
    if not settings.shared_embedding:
        ours["receiver"] = receiver
    for degree in range(settings.max_l + 1):
        mixing = take(f"{_REPRESENTATION}radial_transform.weights.{degree}")
        ours[f"mixing.weights.{degree}"] = mixing.reshape(*mixing.shape[:2], k, k)
    for t in range(settings.message_passes):
        name, own = f"message_passing_list.{t}.", f"passes.{t}."
        if settings.memory:
            ours[f"{own}memory"] = by_degree(f"{name}0.memory_coef")
        if settings.message_ar:
            ours[f"{own}ar.prefactors"] = by_degree(f"{name}1.prefactor")
            ours[f"{own}ar.decays"] = by_degree(f"{name}1.invr0")
        if settings.message_bchi:
            layers = len(settings.message_hidden) + 1
            for layer in range(layers):
                linear = f"{_REPRESENTATION}{name}2.hnet.{layer}.linear."
                weight = take(f"{linear}weight")
                if layer == 0:
                    # From (radial function, feature, channel) to (feature, radial function, …).
                    weight = weight.reshape(len(weight), n, -1, c).transpose(0, 2, 1, 3)
                    weight = weight.reshape(len(weight), -1)
                ours[f"{own}bchi.network.{2 * layer}.weight"] = weight
                ours[f"{own}bchi.network.{2 * layer}.bias"] = take(f"{linear}bias")

    def of_readout(name: str) -> np.ndarray:
        """Its columns from (radial function, feature, channel, layer) to (layer, feature, …)."""
        weight = take(name)
        weight = weight.reshape(len(weight), n, -1, c, settings.message_passes + 1)
        return weight.transpose(0, 4, 2, 1, 3).reshape(len(weight), -1)

    for layer in range(len(settings.readout_hidden) + 1):
        linear = f"{_READOUT}outnet.{layer}.linear."
        first = of_readout if layer == 0 else take
        ours[f"readout.mlp.{2 * layer}.weight"] = first(f"{linear}weight")
        ours[f"readout.mlp.{2 * layer}.bias"] = take(f"{linear}bias")
    if settings.readout_linear:
        ours["readout.linear.weight"] = of_readout(f"{_READOUT}linear_nn.linear.weight")
        ours["readout.linear.bias"] = take(f"{_READOUT}linear_nn.linear.bias")
    if left := sorted(name for name in unused if not name.endswith(_WITHOUT_WEIGHTS)):
        raise NotReadableError(f"{left[0]} is no weight of a short-range CACE model")
    exact = np.float64 if any(value.dtype == np.float64 for value in ours.values()) else np.float32
    return {name: torch.from_numpy(np.array(value, dtype=exact)) for name, value in ours.items()}
