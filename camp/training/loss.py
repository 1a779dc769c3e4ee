"""The training loss of the paper."""

from torch import Tensor

from camp.potential.derivatives import Results


def training_loss(
    predicted: Results,
    energies: Tensor,
    forces: Tensor,
    sizes: Tensor,
    system: Tensor,
    *,
    energy_weight: float,
    forces_weight: float,
) -> Tensor:
    """Eqs. 13 and 14: w_E (ΔE/N)² + w_F Σ|ΔF|²/3N, summed over the structures of a batch.

    Shapes: energies (s,) eV, forces (n, 3) eV/Å, sizes (s,) atoms of each structure, system (n,)
    the structure of each atom; returns a scalar, float64.
    """
    energy = ((predicted.energies - energies) / sizes).square().sum()
    per_atom = (predicted.forces - forces).square().sum(1)
    force = (per_atom.double() / (3.0 * sizes[system])).sum()
    return energy_weight * energy + forces_weight * force
