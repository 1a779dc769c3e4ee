"""CarNet with tabulated radial functions, and on the CPU as compiled code."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from camp.graph.edges import Edges
from camp.models.carnet.network import CarNet
from camp.models.carnet.runtime.compiled import CompiledCarNet
from camp.runtime.splines import SplineTables

# Å: the tables begin where sin(w r)/r is as good as its limit.
NEAREST = 1e-6


class TabulatedCarNet(nn.Module):
    """A trained CarNet with tabulated radial functions; arguments and results are the same.

    :param model: is copied.
    :raises InputError: the radial functions cannot be tabulated.
    """

    chunked = True

    def __init__(self, model: CarNet):
        super().__init__()
        self.model = copy.deepcopy(model)
        self.compiled: CompiledCarNet | None = None
        exact = copy.deepcopy(model).to("cpu", torch.float64)
        self.splines = SplineTables(
            lambda lengths: _radial_functions(exact, lengths), model.settings.cutoff
        )
        self.to(next(model.parameters()))

    def compile_for_cpu(self) -> None:
        """Use compiled code from now on while on the CPU.

        :raises InputError: targets that are not compiled, no compiler, or it fails.
        """
        self.compiled = CompiledCarNet(self.model, self.splines, next(self.parameters()).dtype)

    def _apply(self, fn, recurse=True):
        """What compiled code reads is packed anew after a change of precision."""
        if self.compiled is not None:
            self.compiled.forget()
        return super()._apply(fn, recurse)

    def forward(self, edges: Edges, *, slots_per_chunk: int | None = None) -> dict[str, Tensor]:
        """As :meth:`CarNet.forward`."""
        if self.compiled is not None and edges.vectors.device.type == "cpu":
            # Keeps nothing of an edge, and so needs no chunks.
            return self.compiled(edges)
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


def _radial_functions(model: CarNet, lengths: Tensor) -> list[Tensor]:
    """For each layer its radial functions at distances (k,) in Å, of the one pair of species that
    stands for all: (1, k, paths · channels).
    """
    grid = lengths.clamp(min=NEAREST)[None]
    of_layer = model.radial_functions(grid, torch.ones_like(grid, dtype=torch.bool))
    return [torch.cat(list(of_layer(layer)), dim=-1) for layer in range(len(model.layers))]
