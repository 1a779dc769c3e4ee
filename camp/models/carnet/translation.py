"""Parameters of the original under the names and in the layout of our network."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from camp.models.carnet.network import paths_of
from camp.models.carnet.paths import Path
from camp.models.carnet.repulsion import ZblRepulsion
from camp.models.carnet.settings import CarNetSettings


class Names:
    """The parameters of a network of the original by their names.

    :param state: without the prefix of a checkpoint.
    :param species: number of chemical species.
    """

    def __init__(self, state: Mapping[str, Tensor], settings: CarNetSettings, species: int):
        self.state = state
        self.settings = settings
        self.species = species

    def has(self, prefix: str) -> bool:
        """Whether there are parameters with this beginning of their names."""
        return any(name.startswith(prefix) for name in self.state)

    def element_bias(self) -> list[float]:
        """The energy of each species that is added to its atoms'."""
        return self.state["readout.element_bias"].reshape(self.species).tolist()

    def backbone(self, out_rank: int) -> dict[str, Tensor]:
        """Embedding and layers, of which the last has ranks up to ``out_rank``."""
        settings = self.settings
        ours = {"embedding": self.state["backbone.atom_embedding.weight"]}
        for t in range(settings.layers):
            theirs, own = f"backbone.layers.{t}.", f"layers.{t}."
            in_rank = 0 if t == 0 else settings.max_rank
            last_rank = out_rank if t == settings.layers - 1 else settings.max_rank
            if settings.input_map:
                ours |= self._map(
                    f"{own}input_map.", f"{theirs}linear_channel_input.", "independent", in_rank
                )
            paths = paths_of(settings, in_rank, settings.max_rank)
            number = sum(len(into) for into in paths)
            ours |= self._radial(f"{own}atomic.radial.", f"{theirs}atomic_moment.", number)
            ours |= self._path_weights(f"{own}atomic.", f"{theirs}atomic_moment.tp.", paths)
            ours |= self._map(
                f"{own}moment_map.",
                f"{theirs}linear_channel_atomic.",
                settings.moment_map,
                settings.max_rank,
            )
            for d in range(2, settings.max_degree + 1):
                highest = last_rank if d == settings.max_degree else settings.max_rank
                products = paths_of(settings, settings.max_rank, highest)
                number_of_product = f"{d - 2}."
                ours |= {
                    name.replace("path_weights.", f"path_weights.{number_of_product}"): value
                    for name, value in self._path_weights(
                        f"{own}hyper.", f"{theirs}hyper_moment.tp.{number_of_product}", products
                    ).items()
                }
            if settings.max_degree > 1:
                weights = self.state[f"{theirs}hyper_moment.linear_degree.weight"]
                ours[f"{own}hyper.degree_weights"] = weights[: last_rank + 1]
            if settings.message_map:
                ours |= self._map(
                    f"{own}message_map.", f"{theirs}linear_channel_hyper.", "independent", last_rank
                )
            if settings.residual not in ("none", "plain"):
                ours |= self._map(
                    f"{own}residual_map.",
                    f"{theirs}linear_channel_residual.",
                    settings.residual,
                    min(in_rank, last_rank),
                )
        return ours

    def energy(self) -> dict[str, Tensor]:
        """Readout of the energy, and the repulsion."""
        ours = dict(self._readout("energy.", "readout.out_layers.", self.settings.layers))
        if self.settings.repulsion != "none":
            start = ZblRepulsion.start()
            for own, theirs in (("length", "a_prefactor"), ("power", "a_pow")):
                # A constant of the original, where it is not trained.
                value = self.state.get(f"zbl.{theirs}", start[own])
                ours[f"repulsion.{own}"] = value.reshape(())
        return ours

    def head(self, theirs: str, signature: Mapping[int, int]) -> dict[str, Tensor]:
        """The head of a tensor target with so many parts of each rank."""
        ours, own = {}, "heads.0."
        layers = self.settings.layers if self.settings.head_layers == "all" else 1
        if self.settings.head_norm:
            ours[f"{own}norm.weight"] = self.state[f"{theirs}layer_norm.a"].T
            ours[f"{own}norm.bias"] = self.state[f"{theirs}layer_norm.b"].reshape(-1)
        for rank in signature:
            kernel = f"{theirs}kernel.{rank}."
            if rank == 0:
                ours |= self._readout(f"{own}scalars.", f"{kernel}layers.", layers)
                if self.settings.head_bias:
                    ours[f"{own}bias"] = self.state[f"{kernel}element_bias"].reshape(self.species)
                continue
            for t in range(layers):
                ours[f"{own}weights.{rank}.{t}"] = self.state[f"{kernel}layers.{t}.weight"].T
        return ours

    def _readout(self, own: str, theirs: str, layers: int) -> dict[str, Tensor]:
        """Linear layers and, for the last features, an MLP."""
        ours = {
            f"{own}linear.{t}.{kind}": self.state[f"{theirs}{t}.{kind}"]
            for t in range(layers - 1)
            for kind in ("weight", "bias")
        }
        last = f"{theirs}{layers - 1}.layers."
        ours |= {
            name.replace(last, f"{own}mlp."): value
            for name, value in self.state.items()
            if name.startswith(last)
        }
        return ours

    def _map(self, own: str, theirs: str, kind: str, max_rank: int) -> dict[str, Tensor]:
        """A map of channels; theirs have matrices (out, in), and may have some for unused ranks."""
        ranks = range(max_rank + 1)
        if kind == "independent":
            return {
                f"{own}weight": self.state[f"{theirs}weight"][: max_rank + 1].mT,
                f"{own}bias": self.state[f"{theirs}bias_param"],
            }
        bias = {f"{own}bias": self.state[f"{theirs}linear.0.bias"]}
        if kind == "full":
            matrices = {
                f"{own}weights.{rank}": self.state[f"{theirs}linear.{rank}.weight"].mT
                for rank in ranks
            }
            return {**matrices, **bias}
        names = [f"{theirs}linear.{rank}." for rank in ranks]
        return {
            f"{own}weight": torch.stack([self.state[f"{name}weight_feats"].T for name in names]),
            f"{own}factors": torch.stack(
                [self.state[f"{name}weight_species"] for name in names], dim=1
            ),
            **bias,
        }

    def _radial(self, own: str, theirs: str, paths: int) -> dict[str, Tensor]:
        """The radial MLP; its last layer has the outputs path by path."""
        settings = self.settings
        hidden = len(settings.radial_hidden or ())
        last = f"{theirs}radial_mlp.layers.{2 * hidden}."
        weight, bias = self.state[f"{last}weight"], self.state[f"{last}bias"]
        ours = {
            f"{own}weight": weight.reshape(paths, settings.channels, -1).mT,
            f"{own}bias": bias.reshape(paths, 1, settings.channels),
        }
        for k in range(hidden):
            for kind in ("weight", "bias"):
                name = f"{theirs}radial_mlp.layers.{2 * k}.{kind}"
                ours[f"{own}hidden.{k}.{kind}"] = self.state[name]
        return ours

    def _path_weights(
        self, own: str, theirs: str, paths: tuple[tuple[Path, ...], ...]
    ) -> dict[str, Tensor]:
        """A single path needs no weight, and the file has none."""
        return dict(self._weights_into(own, theirs, paths))

    def _weights_into(
        self, own: str, theirs: str, paths: tuple[tuple[Path, ...], ...]
    ) -> Iterator[tuple[str, Tensor]]:
        like = self.state["backbone.atom_embedding.weight"]
        for rank, into in enumerate(paths):
            weights = (
                self.state[f"{theirs}kernels.{rank}.weight"]
                if len(into) > 1
                else like.new_ones(len(into), self.settings.channels)
            )
            yield f"{own}path_weights.{rank}", weights
