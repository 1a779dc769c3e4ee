"""CarNet with tabulated radial functions, and on the CPU as compiled code."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from camp.graph.edges import Edges
from camp.models.carnet.network import CarNet
from camp.models.carnet.runtime.compiled import CompiledCarNet
from camp.runtime.accelerated import TabulatedModel

# Å: the tables begin where sin(w r)/r is as good as its limit.
NEAREST = 1e-6


class TabulatedCarNet(TabulatedModel[CarNet]):
    """A trained CarNet with tabulated radial functions."""

    chunked = True
    compiled_form = CompiledCarNet

    @staticmethod
    def radial_functions(model: CarNet, lengths: Tensor) -> list[Tensor]:
        """For each layer its radial functions at distances (k,) in Å, of the one pair of species
        that stands for all: (1, k, paths · channels).
        """
        grid = lengths.clamp(min=NEAREST)[None]
        of_layer = model.radial_functions(grid, torch.ones_like(grid, dtype=torch.bool))
        return [torch.cat(list(of_layer(layer)), dim=-1) for layer in range(len(model.layers))]

    def __init__(self, model: CarNet):
        super().__init__(model, model.settings.cutoff)

    def forward(self, edges: Edges, *, slots_per_chunk: int | None = None) -> dict[str, Tensor]:
        """As :meth:`CarNet.forward`."""
        if compiled := self.compiled_for(edges):
            # Keeps nothing of an edge, and so needs no chunks.
            return compiled(edges)
        return self.model(
            edges, slots_per_chunk=slots_per_chunk, radial_functions=self._radial_functions
        )

    def _radial_functions(self, lengths: Tensor, mask: Tensor) -> Callable[[int], Sequence[Tensor]]:
        """As :meth:`CarNet.radial_functions`, from the tables."""
        flat = lengths.flatten()
        rows, weights = self.splines.locate(flat, torch.zeros_like(flat, dtype=torch.int64))
        weights = weights * mask.flatten()[:, None]

        def of_layer(layer: int) -> Sequence[Tensor]:
            values = self.splines(layer, rows, weights)
            return values.view(*lengths.shape, -1, self.model.settings.channels).unbind(2)

        return of_layer
