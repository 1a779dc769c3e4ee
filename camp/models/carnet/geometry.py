"""What the layers see of the edges: distances, directions, products with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from camp.cartesian.natural.tensors import polyadic_matrix, product_table
from camp.cartesian.symmetric import polyadics
from camp.models.carnet.paths import Path
from camp.models.carnet.tables import ExactTables


@dataclass(frozen=True)
class Geometry:
    """The edges of n atoms in rows of K slots."""

    lengths: Tensor  # (n, K) Å
    directions: Sequence[Tensor]  # D_l(n), (n, K, 2l+1)
    # For paths from l₁ > 0 with l₂ > 0: [· × D_{l₂}(−n)] from rank l₁ to rank l₃, as one matrix
    # (n, K (2l₃+1), 2l₁+1) for each atom; −n is how a neighbour sees it.
    matrices: Mapping[Path, Tensor]


class EdgeGeometry(ExactTables):
    """Edge vectors → :class:`Geometry`.

    :param paths: of all layers.
    """

    def __init__(self, max_rank: int, paths: Sequence[Path]):
        super().__init__()
        self.max_rank = max_rank
        self.paths = sorted({path for path in paths if path[0] > 0 and path[1] > 0})
        for rank in range(max_rank + 1):
            self.add_table(f"polyadic_{rank}", polyadic_matrix(rank))
        for l1, l2, l3 in self.paths:
            # From D_{l₂}(n) to the matrix (2l₃+1, 2l₁+1).
            table = (-1) ** l2 * product_table(l1, l2, l3).permute(2, 0, 1)
            self.add_table(f"product_{l1}_{l2}_{l3}", table.flatten(1))

    def forward(self, vectors: Tensor) -> Geometry:
        """Shapes: vectors (n, K, 3) in Å."""
        lengths = torch.linalg.vector_norm(vectors, dim=-1)
        directions = [
            monomials @ self.table("polyadic", rank)
            for rank, monomials in enumerate(polyadics(vectors / lengths[..., None], self.max_rank))
        ]
        matrices = {
            path: (directions[path[1]] @ self.table("product", *path))
            .unflatten(-1, (-1, 2 * path[0] + 1))
            .flatten(1, 2)
            for path in self.paths
        }
        return Geometry(lengths, directions, matrices)
