"""CACE with tabulated radial functions, and on the CPU as compiled code."""

import math

import torch
from torch import Tensor

from camp.graph.edges import Edges
from camp.models.cace.network import Cace
from camp.models.cace.runtime.compiled import CompiledCace
from camp.runtime.accelerated import TabulatedModel

# Å: the tables begin where sin(w r)/r is as good as its limit.
NEAREST = 1e-6


class TabulatedCace(TabulatedModel[Cace]):
    """A trained CACE with tabulated radial functions."""

    compiled_form = CompiledCace

    @staticmethod
    def slots_for_a_point(model: Cace, device: torch.device) -> float:
        """Its radial functions cost next to nothing."""
        return math.inf

    @staticmethod
    def radial_functions(model: Cace, lengths: Tensor) -> list[Tensor]:
        """R_m(r) f(r) at distances (k,) in Å, (1, k, M), of the one pair of species that stands for
        all; with messages Ar also f(r), (1, k, 1).
        """
        basis, grid = model.edge_basis, lengths.clamp(min=NEAREST)[None]
        cut = basis.cut(grid)
        radial = basis.radial(grid, cut).permute(1, 2, 0)
        return [radial, cut[..., None]] if model.settings.message_ar else [radial]

    def __init__(self, model: Cace):
        super().__init__(model, model.settings.cutoff)

    def forward(self, edges: Edges) -> dict[str, Tensor]:
        """As :meth:`Cace.forward`."""
        if compiled := self.compiled_for(edges):
            return compiled(edges)
        return self.model(edges, radial=self._radial)

    def _radial(self, lengths: Tensor) -> Tensor:
        """R_m(r) f(r) at distances (n, K) in Å: (M, n, K)."""
        flat = lengths.flatten()
        rows, weights = self.splines.locate(flat, torch.zeros_like(flat, dtype=torch.int64))
        return self.splines(0, rows, weights).mT.contiguous().view(-1, *lengths.shape)
