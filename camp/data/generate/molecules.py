"""Single molecules by dynamics at 500 K, the temperature of MD17 (doi:10.1126/sciadv.1603015)."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
from ase import Atoms, units
from ase.build import molecule

from camp.data.generate.dynamics import langevin, mobility_of_heavy_hydrogen
from camp.data.generate.xtb import Sample, Sampler, Xtb, response

TEMPERATURE = 500.0  # K
TIMESTEP = 1.0 * units.fs
MEMORY = 0.98  # friction of 1 / (50 fs)
EQUILIBRATION = 300  # steps
EVERY = 20  # steps from frame to frame

# Propanedial, relaxed with GFN2-xTB; the tautomer and the order of atoms of MD17.
MALONALDEHYDE = Atoms(
    "C3O2H4",
    [
        (-1.207, -0.123, -0.284),
        (0.000, 0.000, 0.621),
        (1.207, 0.123, -0.283),
        (-1.909, 0.790, -0.601),
        (1.910, -0.790, -0.599),
        (-1.371, -1.148, -0.657),
        (0.093, -0.898, 1.231),
        (-0.093, 0.898, 1.231),
        (1.370, 1.148, -0.658),
    ],
)
BUILT_IN = {"ethanol": molecule("CH3CH2OH"), "malonaldehyde": MALONALDEHYDE}


def find(name: str) -> Atoms | None:
    """Start geometry of a closed-shell molecule; None for a name that is none."""
    if name in BUILT_IN:
        return BUILT_IN[name].copy()
    try:
        atoms = molecule(name)
    except KeyError:
        return None
    return None if atoms.get_initial_magnetic_moments().any() else atoms


def sampler(start: Atoms) -> Sampler:
    """The sampler of one molecule, whose dipole and polarizability are in ``info``."""

    def sample(rng: np.random.Generator, method: str) -> Iterator[Sample]:
        trajectory = langevin(
            Xtb(method, start),
            start,
            rng,
            temperature=TEMPERATURE,
            mobility=mobility_of_heavy_hydrogen(start),
            timestep=TIMESTEP,
            memory=MEMORY,
        )
        for atoms, energy, forces in islice(trajectory, EQUILIBRATION, None, EVERY):
            atoms.info |= response(method, atoms)
            yield atoms, energy, forces

    return sample
