"""CACE: species and edge vectors → energy of each atom.

Equal to the formulas of the paper, but for the order of sums: the embeddings of a pair of species
and the mixing of radial functions do not depend on the edge, so the sum over neighbours is taken
over raw radial functions × monomials × the sender's part only, and the rest acts on atoms.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from camp.graph.edges import Edges, neighbour_values
from camp.models.cace.edge_basis import EdgeBasisOf, RadialFunctions
from camp.models.cace.messages import MessagePass, RadialMixing, mlp
from camp.models.cace.settings import CaceSettings
from camp.models.cace.symmetrise import Symmetrisation, number_of_features
from camp.targets import ENERGY, Target


class Cace(nn.Module):
    """The network.

    :param species: atomic numbers, ascending.
    :param targets: the energy, which is all that it can predict.
    """

    def __init__(
        self, settings: CaceSettings, species: Sequence[int], targets: Sequence[Target] = (ENERGY,)
    ):
        super().__init__()
        self.settings = settings
        width = settings.embedding
        self.sender = nn.Parameter(torch.randn(len(species), width))
        self.receiver = (
            None if settings.shared_embedding else nn.Parameter(torch.randn(len(species), width))
        )
        self.edge_basis = EdgeBasisOf(settings)
        self.mixing = RadialMixing(settings)
        self.symmetrisation = Symmetrisation(
            settings.max_l, settings.max_nu, older=settings.triples_of_pairs
        )
        features = (
            settings.radial_functions
            * settings.channels
            * number_of_features(settings.max_l, settings.max_nu, older=settings.triples_of_pairs)
        )
        self.passes = nn.ModuleList(
            MessagePass(settings, features) for _ in range(settings.message_passes)
        )
        self.readout = Readout(settings, features * (settings.message_passes + 1))

    def forward(self, edges: Edges, *, radial: RadialFunctions | None = None) -> dict[str, Tensor]:
        """Energies of atoms (n,) in network units.

        :param radial: instead of the model's own R_m f.
        """
        features = [b.flatten(1) for _, b in self.layers(edges, radial)]
        return {"energy": self.readout(torch.cat(features, dim=1))}

    def layers(
        self, edges: Edges, radial: RadialFunctions | None = None
    ) -> list[tuple[list[Tensor], Tensor]]:
        """A and B of all layers t = 0 … T.

        :return: for each layer A by degree (components(l), n, N · C), and B (n, S, N · C).
        """
        # Unlike torch's, without a look at the values, for which a GPU would have to wait.
        one_hot = torch.eye(len(self.sender)).to(self.sender)[edges.species]
        sender = one_hot @ self.sender
        receiver = sender if self.receiver is None else one_hot @ self.receiver
        copies = self.settings.radial_functions * self.settings.embedding
        receiver = receiver.repeat(1, copies)

        basis = self.edge_basis(edges, radial)
        sums = basis.sums(basis.angular, neighbour_values(sender, edges))
        a = self.mixing(sums.split(self.mixing.degrees, 1), receiver)
        b = self.symmetrisation(a)
        layers = [(a, b)]
        for message_pass in self.passes:
            a = message_pass(a, b.flatten(1), (sender, receiver), basis, self.mixing)
            b = self.symmetrisation(a)
            layers.append((a, b))
        return layers


class Readout(nn.Module):
    """Energy of an atom from the features B of all layers: an MLP and a linear layer beside it."""

    def __init__(self, settings: CaceSettings, features: int):
        super().__init__()
        self.mlp = mlp([features, *settings.readout_hidden, 1])
        self.linear = nn.Linear(features, 1) if settings.readout_linear else None

    def forward(self, features: Tensor) -> Tensor:
        """Shapes: features (n, F · (T + 1)), layer by layer; returns (n,)."""
        energy = self.mlp(features)
        if self.linear is not None:
            energy = energy + self.linear(features)
        return energy[:, 0]
