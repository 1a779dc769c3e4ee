"""Sampling the canonical ensemble."""

from collections.abc import Callable, Iterator

import numpy as np
from ase import Atoms, units

from camp.data.generate.xtb import Sample


def langevin(
    evaluate: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: Atoms,
    rng: np.random.Generator,
    *,
    temperature: float,
    mobility: np.ndarray,
    timestep: float,
    memory: float,
) -> Iterator[Sample]:
    """Langevin dynamics with the integrator BAOAB (doi:10.1093/amrx/abs010), endlessly.

    Masses do not enter the canonical distribution of positions, so they are free to be chosen
    such that all vibrations have about the same period: larger steps, shorter correlations.

    :param evaluate: positions (n, 3) in Å → energy in eV and forces (n, 3) in eV/Å.
    :param temperature: K.
    :param mobility: (3n, 3n), symmetric square root of the inverse mass matrix; time has the
        unit of Å / (mobility · eV^½).
    :param timestep: in that unit of time.
    :param memory: in [0, 1): what remains of the velocities after one step.
    :return: structure, energy (eV) and forces (eV/Å) after every step.
    """
    energy_scale = units.kB * temperature
    noise = np.sqrt(energy_scale * (1.0 - memory**2))
    x = start.positions.ravel().copy()
    _, forces = evaluate(x.reshape(-1, 3))
    # w = mass^½ · velocity
    w = np.sqrt(energy_scale) * rng.standard_normal(len(x))
    while True:
        w += 0.5 * timestep * (mobility @ forces.ravel())
        x += 0.5 * timestep * (mobility @ w)
        w = memory * w + noise * rng.standard_normal(len(x))
        x += 0.5 * timestep * (mobility @ w)
        energy, forces = evaluate(x.reshape(-1, 3))
        w += 0.5 * timestep * (mobility @ forces.ravel())
        atoms = start.copy()
        atoms.positions = x.reshape(-1, 3)
        yield atoms, energy, forces


def mobility_of_heavy_hydrogen(atoms: Atoms) -> np.ndarray:
    """Square root (3n, 3n) of the inverse masses in u^−½, with 4 u for hydrogen.

    X–H vibrations then have the period of the others and allow twice the time step.
    """
    masses = np.where(atoms.numbers == 1, 4.0, atoms.get_masses())
    return np.diag(np.repeat(masses, 3) ** -0.5)
