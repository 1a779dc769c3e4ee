"""The batched engine: all replicas in one batch of TorchSim, on CPU or GPU.

TorchSim integrates the equations of motion. The thermostats are here, because TorchSim 0.3 couples
all systems of a batch to one Nosé–Hoover chain; they are those of the ASE engine, with the same
variables, so that either engine continues the other's runs.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from ase import Atoms, units
from torch import Tensor
from torch_sim.integrators.md import MDState, velocity_verlet
from torch_sim.quantities import calc_kinetic_energy

from camp.md.ase_engine import CHAIN_LENGTH
from camp.md.states import (
    Sample,
    State,
    explosion_temperature,
    thermostat_temperature,
    why_exploded,
)
from camp.potential.torchsim import SystemInputError, TorchSimModel

# Suzuki–Yoshida scheme of fourth order (Yoshida 1990, doi:10.1016/0375-9601(90)90092-3).
FOURTH_ORDER_WEIGHTS = (
    1 / (2 - 2 ** (1 / 3)),
    -(2 ** (1 / 3)) / (2 - 2 ** (1 / 3)),
    1 / (2 - 2 ** (1 / 3)),
)


class TorchSimEngine:
    """Nosé–Hoover chain NVT (Martyna, Klein and Tuckerman 1992) or velocity Verlet NVE.

    Momenta and times inside are in ASE's units, which are TorchSim's metal units: Å, u and eV.

    :param model: evaluates the batch.
    :param states: one for each replica; structures and numbers of atoms may differ.
    :param settings: temperature (K), timestep (fs), thermostat_time (fs).
    :param ensemble: "nvt" or "nve".
    :raises camp.errors.InputError: naming the first system that cannot be evaluated.
    """

    def __init__(
        self,
        model: TorchSimModel,
        states: Sequence[State],
        settings: Mapping[str, Any],
        *,
        ensemble: str,
    ):
        self._timestep = torch.tensor(settings["timestep"] * units.fs, dtype=torch.float64)
        self._temperature = settings["temperature"]
        self._atoms = [state.atoms.copy() for state in states]
        self._steps = [state.step for state in states]
        chains = None
        if ensemble == "nvt":
            period = settings["thermostat_time"] * units.fs
            chains = NoseHooverChains.of(states, self._temperature, period)
        self._batch = _Batch.of(model, states, chains)
        self._samples = [self._sample(self._batch, row) for row in range(len(states))]

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            self._step()
        batch = self._batch
        for row, replica in enumerate(batch.replicas):
            self._steps[replica] += steps
            if np.isfinite(batch.potential[row]):
                self._samples[replica] = self._sample(batch, row)
            else:
                self._fail(replica, "the energy is no longer a number")

    def samples(self) -> list[Sample]:
        return list(self._samples)

    def _step(self) -> None:
        """One step of all replicas that can make it; the others leave the batch."""
        after = None
        while self._batch.replicas and after is None:
            try:
                after = self._batch.stepped(self._timestep)
            except SystemInputError as error:
                self._fail(self._batch.replicas[error.system], error.reason)
        if after is None:
            return
        self._batch = after
        hottest = explosion_temperature(self._temperature)
        # Also true where the temperature is not a number.
        for row in np.flatnonzero(~(after.temperatures() <= hottest)).tolist():
            if reason := why_exploded(self._atoms_of(after, row), self._temperature):
                self._fail(after.replicas[row], reason)

    def _fail(self, replica: int, reason: str) -> None:
        self._samples[replica] = replace(self._samples[replica], failed=reason)
        self._batch = self._batch.without(replica)

    def _sample(self, batch: "_Batch", row: int) -> Sample:
        replica = batch.replicas[row]
        state = State(self._steps[replica], self._atoms_of(batch, row))
        potential, kinetic = float(batch.potential[row]), float(batch.kinetic[row])
        conserved = potential + kinetic
        if batch.chains is not None:
            state.thermostat = batch.chains.variables(row)
            conserved += float(batch.chains.energies()[row])
        return Sample(state, potential, kinetic, conserved)

    def _atoms_of(self, batch: "_Batch", row: int) -> Atoms:
        """A copy of a replica's atoms as they are now in a row of the batch."""
        atoms = self._atoms[batch.replicas[row]].copy()
        place = batch.atoms(row)
        atoms.positions = batch.state.positions[place].cpu().numpy()
        atoms.set_momenta(batch.state.momenta[place].cpu().numpy(), apply_constraint=False)
        return atoms


@dataclass(frozen=True)
class NoseHooverChains:
    """The thermostats of s replicas: chains of c variables that act on 3 N degrees of freedom."""

    eta: np.ndarray  # (s, c)
    p_eta: np.ndarray  # (s, c), ASE's units
    masses: np.ndarray  # (s, c)
    freedom: np.ndarray  # (s,) 3 N
    kt: np.ndarray  # (s,) eV, for 3 N degrees of freedom

    @classmethod
    def of(cls, states: Sequence[State], temperature: float, period: float) -> "NoseHooverChains":
        """At rest, or as the states hold them.

        :param temperature: K.
        :param period: characteristic time in ASE's units.
        """
        kt = units.kB * np.array([thermostat_temperature(s.atoms, temperature) for s in states])
        rest = [0.0] * CHAIN_LENGTH
        freedom = np.array([3.0 * len(state.atoms) for state in states])
        masses = np.repeat(kt[:, None] * period**2, CHAIN_LENGTH, axis=1)
        masses[:, 0] *= freedom
        eta = np.array([state.thermostat.get("eta", rest) for state in states])
        p_eta = np.array([state.thermostat.get("p_eta", rest) for state in states])
        return cls(eta, p_eta, masses, freedom, kt)

    def half_step(
        self, kinetic: np.ndarray, timestep: float
    ) -> tuple["NoseHooverChains", np.ndarray]:
        """The chains half a timestep later, and what to multiply the momenta with, (s,).

        :param kinetic: (s,) eV.
        """
        eta, p_eta, last = self.eta.copy(), self.p_eta.copy(), CHAIN_LENGTH - 1
        twice, scale = 2 * kinetic, np.ones_like(kinetic)

        def push(link: int, duration: float) -> None:
            """Half of a symmetric step of one link: friction, force, friction."""
            friction = np.ones_like(kinetic)
            if link < last:
                friction = np.exp(-duration / 4 * p_eta[:, link + 1] / self.masses[:, link + 1])
            if link == 0:
                force = twice * scale**2 - self.freedom * self.kt
            else:
                force = p_eta[:, link - 1] ** 2 / self.masses[:, link - 1] - self.kt
            p_eta[:, link] = (p_eta[:, link] * friction + duration / 2 * force) * friction

        # A replica that explodes overflows here, and is found out by its temperature.
        with np.errstate(over="ignore", invalid="ignore"):
            for weight in FOURTH_ORDER_WEIGHTS:
                duration = weight * timestep / 2
                for link in range(last, -1, -1):
                    push(link, duration)
                eta += duration * p_eta / self.masses
                scale *= np.exp(-duration * p_eta[:, 0] / self.masses[:, 0])
                for link in range(CHAIN_LENGTH):
                    push(link, duration)
        return replace(self, eta=eta, p_eta=p_eta), scale

    def energies(self) -> np.ndarray:
        """The thermostats' share of the conserved energies, (s,) eV."""
        potential = self.kt * (self.freedom * self.eta[:, 0] + self.eta[:, 1:].sum(1))
        return potential + (self.p_eta**2 / (2 * self.masses)).sum(1)

    def variables(self, row: int) -> dict[str, list[float]]:
        return {"eta": self.eta[row].tolist(), "p_eta": self.p_eta[row].tolist()}

    def rows(self, keep: np.ndarray) -> "NoseHooverChains":
        return replace(
            self,
            eta=self.eta[keep],
            p_eta=self.p_eta[keep],
            masses=self.masses[keep],
            freedom=self.freedom[keep],
            kt=self.kt[keep],
        )


@dataclass(frozen=True)
class _Batch:
    """The replicas that go on: s systems with n atoms."""

    model: TorchSimModel
    replicas: list[int]
    # Said to be without periodicity, or TorchSim would wrap the positions.
    state: MDState
    pbc: np.ndarray  # (s, 3) bool
    sizes: np.ndarray  # (s,) atoms
    kinetic: np.ndarray  # (s,) eV
    chains: NoseHooverChains | None

    @classmethod
    def of(
        cls, model: TorchSimModel, states: Sequence[State], chains: NoseHooverChains | None
    ) -> "_Batch":
        structures = [state.atoms for state in states]
        sizes = np.array([len(atoms) for atoms in structures])
        pbc = np.array([atoms.pbc for atoms in structures])

        def joined(values: list[np.ndarray]) -> Tensor:
            return torch.from_numpy(np.concatenate(values)).to(model.device)

        positions = joined([atoms.positions for atoms in structures])
        state = MDState(
            positions=positions,
            momenta=joined([atoms.get_momenta() for atoms in structures]),
            masses=joined([atoms.get_masses() for atoms in structures]),
            cell=joined([atoms.cell.array.T[None] for atoms in structures]),
            pbc=False,
            atomic_numbers=joined([atoms.numbers for atoms in structures]),
            system_idx=joined([np.repeat(np.arange(len(sizes)), sizes)]),
            energy=positions.new_zeros(len(sizes)),
            forces=torch.zeros_like(positions),
        )
        start = _Forces(model, pbc)(state)
        state.energy, state.forces = start["energy"], start["forces"]
        kinetic = np.array([atoms.get_kinetic_energy() for atoms in structures])
        return cls(model, list(range(len(sizes))), state, pbc, sizes, kinetic, chains)

    def stepped(self, timestep: Tensor) -> "_Batch":
        """One step later; this batch stays as it is, because TorchSim changes no tensor in place.

        :param timestep: ASE's units.
        :raises SystemInputError: naming a system that cannot be evaluated any more.
        """
        state, chains = copy.copy(self.state), self.chains
        if chains is not None:
            chains, scale = chains.half_step(self.kinetic, float(timestep))
            state.momenta = self._scaled(state.momenta, scale)
        state = velocity_verlet(state, timestep, _Forces(self.model, self.pbc))
        kinetic = calc_kinetic_energy(
            masses=state.masses, momenta=state.momenta, system_idx=state.system_idx
        )
        kinetic = kinetic.cpu().numpy()
        if chains is not None:
            chains, scale = chains.half_step(kinetic, float(timestep))
            state.momenta = self._scaled(state.momenta, scale)
            kinetic = kinetic * scale**2
        return replace(self, state=state, kinetic=kinetic, chains=chains)

    def _scaled(self, momenta: Tensor, scale: np.ndarray) -> Tensor:
        return momenta * torch.from_numpy(scale).to(momenta)[self.state.system_idx, None]

    @property
    def potential(self) -> np.ndarray:
        """(s,) eV"""
        return self.state.energy.cpu().numpy()

    def temperatures(self) -> np.ndarray:
        """(s,) K, of 3 N degrees of freedom"""
        return 2 * self.kinetic / (3 * self.sizes * units.kB)

    def atoms(self, row: int) -> slice:
        """Where the atoms of a system are."""
        end = int(self.sizes[: row + 1].sum())
        return slice(end - int(self.sizes[row]), end)

    def without(self, replica: int) -> "_Batch":
        keep = np.array([other != replica for other in self.replicas])
        rows = torch.from_numpy(keep).to(self.model.device)
        places, old = rows[self.state.system_idx], self.state
        state = MDState(
            positions=old.positions[places],
            momenta=old.momenta[places],
            masses=old.masses[places],
            cell=old.cell[rows],
            pbc=False,
            atomic_numbers=old.atomic_numbers[places],
            system_idx=(torch.cumsum(rows, 0) - 1)[old.system_idx[places]],
            energy=old.energy[rows],
            forces=old.forces[places],
        )
        return replace(
            self,
            replicas=[other for other in self.replicas if other != replica],
            state=state,
            pbc=self.pbc[keep],
            sizes=self.sizes[keep],
            kinetic=self.kinetic[keep],
            chains=None if self.chains is None else self.chains.rows(keep),
        )


@dataclass(frozen=True)
class _Forces:
    """The model as TorchSim's integrators call it, with the periodicity that the state hides."""

    model: TorchSimModel
    pbc: np.ndarray  # (s, 3) bool

    def __call__(self, state: MDState) -> dict[str, Tensor]:
        result = self.model.evaluate(
            state.positions, state.atomic_numbers, state.system_idx, state.cell.mT, self.pbc
        )
        return {"energy": result.energies, "forces": result.forces.to(state.positions.dtype)}
