"""Tensor targets: from the natural parts that a network predicts of atoms to physical tensors."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from camp.cartesian.natural.decomposition import reconstruction_matrix, signature
from camp.graph import AtomicGraph
from camp.models.description import Normalisation
from camp.targets import Target

IDENTITY = Normalisation({})


class Property(nn.Module):
    """One target that is no energy: reduced over structures, normalised and reconstructed, all in
    float64.

    :param species: number of chemical species.
    """

    scale: Tensor  # (components,)
    shift: Tensor  # (1 or species, components); zero but for rank 0
    reconstruction: Tensor  # (3^rank, components)

    def __init__(self, target: Target, species: int, normalisation: Normalisation = IDENTITY):
        super().__init__()
        self.target = target
        self.normalisation = normalisation
        ranks = [
            rank
            for rank, count in signature(target.symmetry).items()
            for _ in range(count * (2 * rank + 1))
        ]
        scale = [normalisation.scale.get(rank, 1.0) for rank in ranks]
        shift = torch.tensor(normalisation.shift, dtype=torch.float64)[:, None]
        scalar = torch.tensor([rank == 0 for rank in ranks])
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64), persistent=False)
        self.register_buffer("shift", shift * scalar, persistent=False)
        matrix = reconstruction_matrix(target.symmetry)
        # Of rank l > 0 the scale is that of the whole natural tensor, 2l + 1 numbers.
        variances = [one**2 / (2 * rank + 1) for one, rank in zip(scale, ranks, strict=True)]
        by_entry = matrix.square() @ torch.tensor(variances, dtype=torch.float64)
        # Root mean square of the entries beside their mean, where the scales are those of data.
        self.spread = float(by_entry.mean().sqrt())
        self.register_buffer("reconstruction", matrix, persistent=False)

    def _apply(self, fn, recurse=True):
        """Stays float64 whatever the network is converted to."""
        super()._apply(fn, recurse)
        for name, buffer in self.named_buffers():
            setattr(self, name, buffer.double())
        return self

    def natural_parts(self, of_atoms: Tensor, species: Tensor, graph: AtomicGraph) -> Tensor:
        """Natural parts of the target, of structures (s, components) or of atoms (n, components).

        :param of_atoms: (n, components) as the network predicts them.
        :param species: (n,) species indices of the model.
        """
        parts = of_atoms.double()
        if not self.target.of_atoms:
            parts = reduced(parts, graph, self.target.reduce)
            return parts * self.scale + self.shift
        shift = self.shift[species] if len(self.shift) > 1 else self.shift
        return parts * self.scale + shift

    def forward(self, of_atoms: Tensor, species: Tensor, graph: AtomicGraph) -> Tensor:
        """The target itself, (s or n, *shape), in its unit; arguments as for
        :meth:`natural_parts`.
        """
        parts = self.natural_parts(of_atoms, species, graph)
        return (parts @ self.reconstruction.T).unflatten(-1, self.target.shape or (1,))


def reduced(of_atoms: Tensor, graph: AtomicGraph, how: str) -> Tensor:
    """Sum or mean over the atoms of each structure: (n, …) → (s, …)."""
    totals = of_atoms.new_zeros(graph.number_of_systems, *of_atoms.shape[1:])
    totals = totals.index_add(0, graph.system, of_atoms)
    if how == "sum":
        return totals
    ones = of_atoms.new_ones(len(of_atoms))
    sizes = ones.new_zeros(graph.number_of_systems).index_add(0, graph.system, ones)
    return totals / sizes.view(-1, *[1] * (of_atoms.dim() - 1))


def with_sign_of(values: Tensor, other: Tensor, system: Tensor | None = None) -> Tensor:
    """The values of each structure or, as a whole, their negatives: whichever lies nearer to the
    other values, by the sum of squares. What is NaN does not count and stays NaN.

    Shapes: values and other alike, (s, …) of structures; or (n, …) of atoms.

    :param system: (n,) the structure of each atom, where values are of atoms.
    """
    products = (values * other).detach().nan_to_num(0.0).reshape(len(values), -1).sum(1)
    if system is not None:
        products = torch.zeros_like(products).index_add(0, system, products)[system]
    signs = torch.where(products < 0, -1.0, 1.0).to(values.dtype)
    return values * signs.reshape(-1, *[1] * (values.dim() - 1))


def make_properties(
    targets: Mapping[str, Target], species: int, normalisation: Mapping[str, Normalisation]
) -> nn.ModuleDict:
    """The properties of a model by name."""
    return nn.ModuleDict(
        {
            name: Property(target, species, normalisation.get(name, IDENTITY))
            for name, target in targets.items()
        }
    )
