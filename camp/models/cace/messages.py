"""Message passing: A and B of one layer → A of the next, A' = g (Ar + Bχ) + M."""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise

import torch
from torch import Tensor, nn

from camp.graph.edges import neighbour_values
from camp.models.cace.edge_basis import EdgeBasis, degrees
from camp.models.cace.settings import CaceSettings


class RadialMixing(nn.Module):
    """Sums over neighbours of raw radial functions → A: radial functions mixed by W^l, apart for
    each channel, and times the receiver's embedding.
    """

    def __init__(self, settings: CaceSettings):
        super().__init__()
        self.degrees = degrees(settings.max_l)
        raw, mixed, k = (
            settings.raw_radial_functions,
            settings.radial_functions,
            settings.embedding,
        )
        # (M, N, sender, receiver) of each degree, drawn to keep the size of the sums.
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(raw, mixed, k, k) / raw**0.5) for _ in self.degrees
        )

    def forward(self, sums: Sequence[Tensor], receiver: Tensor) -> list[Tensor]:
        """Shapes: sums[l] (n, components(l), M, K) with the sender's embedding, or (…, K²) with
        factors of its own for every channel; receiver (n, N · K²); returns A_l
        (components(l), n, N · K²).
        """
        basis = []
        for one, weight in zip(sums, self.weights, strict=True):
            k = weight.shape[-1]
            if one.shape[-1] == k:
                mixed = torch.einsum("nxma,mkab->xnkab", one, weight)
            else:
                one = one.unflatten(-1, (k, k))
                mixed = torch.einsum("nxmab,mkab->xnkab", one, weight)
            basis.append(mixed.flatten(2) * receiver)
        return basis


class MessageAr(nn.Module):
    """Ar: Σ_j q exp(−r ρ) f(r) A_j, with q and ρ for every radial function, channel and degree."""

    def __init__(self, settings: CaceSettings):
        super().__init__()
        shape = (settings.max_l + 1, settings.radial_functions * settings.channels)
        self.prefactors = nn.Parameter(torch.rand(shape))
        self.decays = nn.Parameter((torch.rand(shape) + 0.5) / settings.cutoff)

    def forward(self, basis: Sequence[Tensor], edges: EdgeBasis) -> list[Tensor]:
        """Shapes: basis[l] (components(l), n, N · C); returns the same."""
        messages = []
        for a, prefactor, decay in zip(
            basis, self.prefactors.unbind(), self.decays.unbind(), strict=True
        ):
            reach = torch.exp(-edges.lengths[..., None] * decay) * edges.cut[..., None]
            sent = neighbour_values(a.movedim(0, 1).flatten(1), edges.edges)
            sent = sent.unflatten(2, (a.shape[0], a.shape[2]))
            summed = (reach[:, :, None, :] * sent).sum(1)
            messages.append(summed.movedim(0, 1) * prefactor)
        return messages


class MessageBchi(nn.Module):
    """Bχ: the edge basis once more, each degree and channel times y_j = H(B_j) of the sender."""

    def __init__(self, settings: CaceSettings, features: int):
        super().__init__()
        self.degrees = degrees(settings.max_l)
        self.kinds = 1 if settings.shared_degrees else len(self.degrees)
        channels = 1 if settings.shared_channels else settings.channels
        self.network = mlp([features, *settings.message_hidden, self.kinds * channels])

    def forward(self, features: Tensor, sender: Tensor, edges: EdgeBasis) -> list[Tensor]:
        """Shapes: features (n, F), sender (n, K); returns the sums for :class:`RadialMixing`."""
        n, k = sender.shape
        factors = self.network(features).view(n, self.kinds, -1)
        if factors.shape[2] == 1:
            sent = factors * sender[:, None, :]
        else:
            sent = (factors.unflatten(2, (k, k)) * sender[:, None, :, None]).flatten(2)
        received = neighbour_values(sent.flatten(1), edges.edges).unflatten(2, (self.kinds, -1))
        if self.kinds == 1:
            return list(edges.sums(edges.angular, received[:, :, 0]).split(self.degrees, 1))
        return [
            edges.sums(angular, of_degree)
            for angular, of_degree in zip(
                edges.angular.split(self.degrees), received.unbind(2), strict=True
            )
        ]


class MessagePass(nn.Module):
    """One round of message passing."""

    def __init__(self, settings: CaceSettings, features: int):
        super().__init__()
        self.norm = settings.norm
        u = settings.radial_functions * settings.channels
        self.memory = (
            nn.Parameter(torch.full((settings.max_l + 1, u), 0.25)) if settings.memory else None
        )
        self.ar = MessageAr(settings) if settings.message_ar else None
        self.bchi = MessageBchi(settings, features) if settings.message_bchi else None

    def forward(
        self,
        basis: Sequence[Tensor],
        features: Tensor,
        embeddings: tuple[Tensor, Tensor],
        edges: EdgeBasis,
        mixing: RadialMixing,
    ) -> list[Tensor]:
        """A of this layer, by degree, and B (n, F) → A of the next layer.

        :param embeddings: of the atoms as senders (n, K), as receivers (n, N · C).
        """
        sender, receiver = embeddings
        terms = []
        if self.bchi is not None:
            sums = self.bchi(features, sender, edges)
            terms.append(mixing(sums, receiver * self.norm))
        if self.ar is not None:
            terms.append([self.norm * message for message in self.ar(basis, edges)])
        if self.memory is not None:
            kept = zip(basis, self.memory.unbind(), strict=True)
            terms.append([a * coefficients for a, coefficients in kept])
        return [reduce(torch.add, same) for same in zip(*terms, strict=True)]


def mlp(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers with SiLU between them."""
    modules: list[nn.Module] = []
    for a, b in pairwise(widths):
        modules += [nn.Linear(a, b), nn.SiLU()]
    return nn.Sequential(*modules[:-1])
