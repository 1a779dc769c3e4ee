"""What the engines of molecular dynamics share: the state of a replica, and what they must do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
from ase import Atoms, units

Energy = TypeVar("Energy", float, np.ndarray)


@dataclass(frozen=True)
class Dynamics:
    """What an integrator needs to know."""

    temperature: float  # K
    timestep: float  # fs
    thermostat_time: float = 100.0  # fs


@dataclass
class State:
    """One replica after ``step`` steps; enough to continue it."""

    step: int
    atoms: Atoms  # unwrapped positions (Å) and momenta (ASE's units, √(u·eV)); no calculator
    # The engine's own variables, such as those of a Nosé–Hoover chain; empty at the start.
    thermostat: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """A state with its energies (eV); ``failed`` says why the replica cannot go on, if so."""

    state: State
    potential_energy: float
    kinetic_energy: float
    conserved_energy: float  # total energy (NVE), or with the thermostat's share (NVT)
    failed: str = ""
    forces: np.ndarray | None = None  # (atoms, 3), eV/Å
    # Of an ensemble's forces, of the atom that is known least, eV/Å.
    deviation: float | None = None


class Engine(Protocol):
    """Integrates several replicas; one that explodes stops alone, at its last good state."""

    def advance(self, steps: int) -> None:
        """All replicas that have not failed by so many steps."""

    def samples(self) -> Sequence[Sample]:
        """One for each replica, in their order."""


def degrees_of_freedom(atoms: Atoms) -> int:
    """Velocities that are free when, as here, total momentum is zero, and without periodicity
    angular momentum too (two components of it for a linear molecule); at least one.
    """
    count = 3 * len(atoms) - 3
    if not atoms.pbc.any():
        moments = atoms.get_moments_of_inertia()
        count -= int((moments > 1e-3 * moments.max(initial=1e-3)).sum())
    return max(count, 1)


def temperature_of(atoms: Atoms, kinetic_energy: Energy) -> Energy:
    """K, from kinetic energies in eV of these atoms."""
    return 2.0 * kinetic_energy / (degrees_of_freedom(atoms) * units.kB)


def thermostat_temperature(atoms: Atoms, temperature: float) -> float:
    """K; what a thermostat of 3 N degrees of freedom must be set to for a temperature (K).

    With the 3 N of ASE and TorchSim, an ethanol molecule would be 27/21 times too hot.
    """
    return temperature * degrees_of_freedom(atoms) / (3 * len(atoms))


def explosion_temperature(temperature: float) -> float:
    """K; a hotter replica has exploded. Thermal fluctuations stay far below."""
    return 10.0 * max(temperature, 300.0)


def why_exploded(atoms: Atoms, temperature: float) -> str:
    """The reason why a simulation at this temperature (K) cannot go on, or an empty text."""
    kinetic = atoms.get_kinetic_energy() if np.isfinite(atoms.positions).all() else np.nan
    return why_too_hot(2.0 * kinetic / (3.0 * len(atoms) * units.kB), temperature)


def why_too_hot(kelvin: float, temperature: float) -> str:
    """The same from the present temperature in K, of 3 N degrees of freedom."""
    if not np.isfinite(kelvin):
        return "positions or velocities are no longer numbers"
    if kelvin > explosion_temperature(temperature):
        return f"the temperature reached {kelvin:.0f} K"
    return ""
