"""Sums over neighbours of radial functions × monomials × factors, from degree_sums.cpp."""

import ctypes

import torch
from torch import Tensor

from camp.graph.edges import Edges
from camp.runtime.contractions import begin
from camp.runtime.library import HEADERS, Blocks, addresses
from camp.runtime.splines import COEFFICIENTS, SplineTables
from camp.runtime.team import Copies, Steps, threads_for


class EdgeRows:
    """Edges (n, K) on the CPU, for all sums over them.

    :param splines: radial functions, in one table that all pairs of species have in common.
    :param epsilon: Å, added to the distance by which an edge vector is divided.
    """

    def __init__(self, edges: Edges, splines: SplineTables, *, epsilon: float = 0.0):
        self.shape = edges.vectors.shape
        self.atoms, self.width = edges.neighbours.shape
        self.grid = (splines.intervals, splines.cutoff)
        given = (edges.neighbours, edges.mask, edges.vectors.detach())
        self.tensors = tuple(tensor.contiguous() for tensor in given)
        self._epsilon = epsilon
        self.threads = threads_for(self.atoms, self.atoms * self.width)

    def structure(self, table: Tensor, features: Tensor) -> "_Edges":
        """What the code gets; the tensors must outlive it."""
        places = (tensor.data_ptr() for tensor in (*self.tensors, table, features))
        return _Edges(self.width, *self.grid, self._epsilon, *places)

    def run(self, steps: Steps) -> None:
        """Each thread for the same atoms in all lists of steps."""
        steps.run(self.atoms, self.threads)


class DegreeSums:
    """S_{q,m,l} = Σ_j R_m(r_ij) y^j_{d,q} û^**l**, d the degree of the monomial, in one precision.

    The functions add steps.

    :param functions: how many m.
    :param factors: how many q.
    :param kinds: how many d have factors of their own: all, or 1.
    :raises InputError: see :func:`camp.runtime.library.load`.
    """

    def __init__(
        self, *, highest_degree: int, functions: int, factors: int, kinds: int, dtype: torch.dtype
    ):
        self.layout = Blocks(functions, dtype)
        blocks, lanes = self.layout.blocks, self.layout.lanes
        self.shape = (factors, blocks, begin(highest_degree + 1), lanes)
        self.feature_shape = (kinds, factors, blocks, lanes)
        self._forward, self._backward = addresses(
            [f"camp_degree_{name}_{factors}_{kinds}" for name in ("sums", "sums_backward")],
            HEADERS / "degree_sums.cpp",
            dtype,
            highest_rank=highest_degree,
            functions=functions,
            factors=factors,
            kinds=kinds,
            coefficients=COEFFICIENTS,
        )

    def forward(self, steps: Steps, edges: "_Edges", sums: Tensor) -> None:
        """Write the sums (n, *shape), when the features (n, kinds, factors) of all atoms are
        there.
        """
        steps.add(self._forward, edges, sums, together=True)

    def backward(
        self,
        steps: Steps,
        edges: "_Edges",
        of_sums: Tensor,
        of_vectors: Tensor,
        of_features: Copies | None,
    ) -> None:
        """From the derivative with respect to the sums, add to that with respect to edge vectors
        (n, K, 3), and write that with respect to features, unless None: (threads, n,
        *feature_shape), to be added up over threads, blocks and lanes.
        """
        steps.add(self._backward, edges, of_sums, of_vectors, of_features)


class _Edges(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("width", "intervals")),
        *((name, ctypes.c_double) for name in ("cutoff", "epsilon")),
        *((name, ctypes.c_void_p) for name in ("neighbours", "mask", "vectors")),
        *((name, ctypes.c_void_p) for name in ("table", "features")),
    )
