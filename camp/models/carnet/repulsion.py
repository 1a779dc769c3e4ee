"""Repulsion of close atoms by Ziegler, Biersack and Littmark."""

import math
from collections.abc import Sequence

import torch
from ase.data import covalent_radii
from torch import Tensor, nn

from camp.cartesian.radial import envelope
from camp.graph.edges import Edges
from camp.models.carnet.tables import ExactTables

COULOMB = 14.3996  # e²/(4πε₀) in eV Å, as in the original
AMPLITUDES = (0.18175, 0.50986, 0.28022, 0.02817)
EXPONENTS = (3.19980, 0.94229, 0.40290, 0.20162)
SCREENING_LENGTH = 0.8854 * 0.529  # Å
SCREENING_POWER = 0.23


class ZblRepulsion(ExactTables):
    """Half of Z_i Z_j e²/(4πε₀ r) Σ_k c_k exp(−e_k r/a) of every edge, for its centre, until the
    atoms touch (the sum of their covalent radii). Length and power of a are trained.

    :param species: atomic numbers, ascending.
    :param smooth: whether it vanishes there with two derivatives. In the original it is cut off
        with a step, since the cutoff function has six times this reach.
    """

    def __init__(self, species: Sequence[int], *, cutoff: float, smooth: bool):
        super().__init__()
        self.cutoff = cutoff
        self.smooth = smooth
        start = self.start()
        self.length = nn.Parameter(start["length"])
        self.power = nn.Parameter(start["power"])
        self.add_table("charges", torch.tensor(species, dtype=torch.float64, device="cpu"))
        radii = torch.tensor(covalent_radii[list(species)], dtype=torch.float64, device="cpu")
        self.add_table("radii", radii)

    @staticmethod
    def start() -> dict[str, Tensor]:
        """The parameters before training; their softplus is the length in Å, and the power."""
        values = {"length": SCREENING_LENGTH, "power": SCREENING_POWER}
        return {name: torch.tensor(math.log(math.expm1(value))) for name, value in values.items()}

    def forward(self, edges: Edges) -> Tensor:
        """Energies of atoms (n,) in eV."""
        lengths = torch.linalg.vector_norm(edges.vectors, dim=-1)
        charges, radii = self.table("charges")[edges.species], self.table("radii")[edges.species]
        others = charges[edges.neighbours]
        reach = radii[:, None] + radii[edges.neighbours]
        power = nn.functional.softplus(self.power)
        screening = charges[:, None] ** power + others**power
        x = lengths * screening / nn.functional.softplus(self.length)
        screened = sum(c * torch.exp(-e * x) for c, e in zip(AMPLITUDES, EXPONENTS, strict=True))
        if self.smooth:
            cut = envelope((lengths / reach.clamp(max=self.cutoff)).clamp(max=1.0))
        else:
            cut = envelope(lengths / (6.0 * reach)) * (lengths <= reach)
        pairs = 0.5 * COULOMB * charges[:, None] * others / lengths * screened * cut
        return (pairs * edges.mask).sum(1)
