"""CACE with tabulated radial functions, and on the CPU as compiled code."""

import copy

import torch
from torch import Tensor, nn

from camp.graph.edges import Edges
from camp.models.cace.network import Cace
from camp.models.cace.runtime.compiled import CompiledCace
from camp.runtime.splines import SplineTables

# Å: the tables begin where sin(w r)/r is as good as its limit.
NEAREST = 1e-6


class TabulatedCace(nn.Module):
    """A trained CACE with tabulated radial functions; arguments and results are the same.

    :param model: is copied.
    :raises InputError: the radial functions cannot be tabulated.
    """

    def __init__(self, model: Cace):
        super().__init__()
        self.model = copy.deepcopy(model)
        self.compiled: CompiledCace | None = None
        exact = copy.deepcopy(model).to("cpu", torch.float64)
        self.splines = SplineTables(
            lambda lengths: _functions(exact, lengths), model.settings.cutoff
        )
        self.to(next(model.parameters()))

    def compile_for_cpu(self) -> None:
        """Use compiled code from now on while on the CPU.

        :raises InputError: a model that is not compiled, no compiler, or it fails.
        """
        self.compiled = CompiledCace(self.model, self.splines, next(self.parameters()).dtype)

    def _apply(self, fn, recurse=True):
        """What compiled code reads is packed anew after a change of precision."""
        if self.compiled is not None:
            self.compiled.forget()
        return super()._apply(fn, recurse)

    def forward(self, edges: Edges) -> dict[str, Tensor]:
        """As :meth:`Cace.forward`."""
        if self.compiled is not None and edges.vectors.device.type == "cpu":
            return {"energy": self.compiled(edges)}
        return self.model(edges, radial=self._radial)

    def _radial(self, lengths: Tensor) -> Tensor:
        """R_m(r) f(r) at distances (n, K) in Å: (M, n, K)."""
        flat = lengths.flatten()
        rows, weights = self.splines.locate(flat, torch.zeros_like(flat, dtype=torch.int64))
        return self.splines(0, rows, weights).mT.contiguous().view(-1, *lengths.shape)


def _functions(model: Cace, lengths: Tensor) -> list[Tensor]:
    """R_m(r) f(r) at distances (k,) in Å, (1, k, M), of the one pair of species that stands for
    all; with messages Ar also f(r), (1, k, 1).
    """
    basis, grid = model.edge_basis, lengths.clamp(min=NEAREST)[None]
    cut = basis.cut(grid)
    radial = basis.radial(grid, cut).permute(1, 2, 0)
    return [radial, cut[..., None]] if model.settings.message_ar else [radial]
