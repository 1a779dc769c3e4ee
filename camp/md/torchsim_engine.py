"""The batched engine: all replicas in one batch of TorchSim, on CPU or GPU.

TorchSim integrates the equations of motion. The thermostats are here, because TorchSim 0.3 couples
all systems of a batch to one Nosé–Hoover chain; they are those of the ASE engine, with the same
variables, so that either engine continues the other's runs.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import torch
from ase import Atoms, units
from torch import Tensor
from torch_sim.integrators.md import MDState, velocity_verlet
from torch_sim.quantities import calc_kinetic_energy

from camp.md.ase_engine import CHAIN_LENGTH
from camp.md.states import (
    Dynamics,
    Sample,
    State,
    thermostat_temperature,
    why_too_hot,
)
from camp.potential.derivatives import Results
from camp.potential.ensemble import Ensemble
from camp.potential.graphed import FusedFunction
from camp.potential.torchsim import SystemInputError, TorchSimModel

# Suzuki–Yoshida scheme of fourth order (Yoshida 1990, doi:10.1016/0375-9601(90)90092-3).
FOURTH_ORDER_WEIGHTS = (
    1 / (2 - 2 ** (1 / 3)),
    -(2 ** (1 / 3)) / (2 - 2 ** (1 / 3)),
    1 / (2 - 2 ** (1 / 3)),
)
# Steps between two looks at the temperatures, for which the host waits for a GPU.
STEPS_BETWEEN_LOOKS = 10


class TorchSimEngine:
    """Nosé–Hoover chain NVT (Martyna, Klein and Tuckerman 1992) or velocity Verlet NVE.

    Momenta and times inside are in ASE's units, which are TorchSim's metal units: Å, u and eV. All
    that a step computes stays on the model's device; how hot replicas were is looked at every ten
    steps, and at the end of :meth:`advance`.

    :param model: evaluates the batch.
    :param states: one for each replica; structures and numbers of atoms may differ.
    :param dynamics: what the integrator needs to know.
    :param ensemble: "nvt" or "nve".
    :raises camp.errors.InputError: naming the first system that cannot be evaluated.
    """

    def __init__(
        self,
        model: TorchSimModel,
        states: Sequence[State],
        dynamics: Dynamics,
        *,
        ensemble: str,
    ):
        self._timestep = torch.tensor(dynamics.timestep * units.fs, dtype=torch.float64)
        self._temperature = dynamics.temperature
        self._atoms = [state.atoms.copy() for state in states]
        self._steps = [state.step for state in states]
        chains = None
        if ensemble == "nvt":
            period = dynamics.thermostat_time * units.fs
            chains = NoseHooverChains.of(
                states, self._temperature, period, float(self._timestep), model.device
            )
        self._batch = _Batch.of(model, states, chains)
        start, apart = self._batch.on_host(), self._batch.deviations()
        self._samples = [self._sample(start, row, apart[row]) for row in range(len(states))]

    def advance(self, steps: int) -> None:
        for done in range(1, steps + 1):
            self._step()
            if done % STEPS_BETWEEN_LOOKS == 0 or done == steps:
                self._stop_the_hot()
        if not self._batch.replicas:
            return
        # As an engine that continues from here finds them, to the last bit.
        self._batch = replace(self._batch, kinetic=_kinetic_energies(self._batch.state))
        batch, apart = self._batch.on_host(), self._batch.deviations()
        for row, replica in enumerate(batch.replicas):
            self._steps[replica] += steps
            if np.isfinite(float(batch.state.energy[row])):
                self._samples[replica] = self._sample(batch, row, apart[row])
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
        if after is not None:
            self._batch = after

    def _stop_the_hot(self) -> None:
        batch = self._batch
        for replica, kelvin in zip(batch.replicas, batch.temperatures(), strict=True):
            if reason := why_too_hot(kelvin, self._temperature):
                self._fail(replica, reason)

    def _fail(self, replica: int, reason: str) -> None:
        self._samples[replica] = replace(self._samples[replica], failed=reason)
        self._batch = self._batch.without(replica)

    def _sample(self, batch: "_Batch", row: int, deviation: float | None) -> Sample:
        replica = batch.replicas[row]
        state = State(self._steps[replica], self._atoms_of(batch, row))
        potential, kinetic = float(batch.state.energy[row]), float(batch.kinetic[row])
        conserved = potential + kinetic
        if batch.chains is not None:
            state.thermostat = batch.chains.variables(row)
            conserved += float(batch.chains.energies()[row])
        forces = batch.state.forces[batch.atoms(row)].double().numpy()
        return Sample(
            state, potential, kinetic, conserved, forces=forces.copy(), deviation=deviation
        )

    def _atoms_of(self, batch: "_Batch", row: int) -> Atoms:
        """A copy of a replica's atoms as they are in a row of a batch on the host."""
        atoms = self._atoms[batch.replicas[row]].copy()
        place = batch.atoms(row)
        atoms.positions = batch.state.positions[place].numpy()
        atoms.set_momenta(batch.state.momenta[place].numpy(), apply_constraint=False)
        return atoms


@dataclass(frozen=True)
class NoseHooverChains:
    """The thermostats of s replicas: chains of c variables that act on 3 N degrees of freedom."""

    half_step_of: "_HalfStep"
    eta: Tensor  # (c, s)
    p_eta: Tensor  # (c, s), ASE's units
    masses: Tensor  # (c, s)
    freedom: Tensor  # (s,) 3 N
    kt: Tensor  # (s,) eV, for 3 N degrees of freedom

    @classmethod
    def of(
        cls,
        states: Sequence[State],
        temperature: float,
        period: float,
        timestep: float,
        device: torch.device,
    ) -> "NoseHooverChains":
        """At rest, or as the states hold them.

        :param temperature: K.
        :param period: characteristic time in ASE's units.
        :param timestep: ASE's units.
        """
        kt = units.kB * np.array([thermostat_temperature(s.atoms, temperature) for s in states])
        rest = [0.0] * CHAIN_LENGTH
        freedom = np.array([3.0 * len(state.atoms) for state in states])
        masses = np.repeat(kt[None] * period**2, CHAIN_LENGTH, axis=0)
        masses[0] *= freedom
        eta = np.array([state.thermostat.get("eta", rest) for state in states]).T
        p_eta = np.array([state.thermostat.get("p_eta", rest) for state in states]).T
        half_step: _HalfStep
        if device.type == "cpu":
            half_step = partial(_in_numpy, partial(_half_step, timestep, np))
        else:
            # Hundreds of operations on a few numbers: launched one by one they would take longest.
            half_step = FusedFunction(partial(_half_step, timestep, torch))
        arrays = (eta, p_eta, masses, freedom, kt)
        return cls(half_step, *(torch.tensor(array, device=device) for array in arrays))

    def half_step(self, kinetic: Tensor) -> tuple["NoseHooverChains", Tensor]:
        """The chains half a timestep later, and what to multiply the momenta with, (s,).

        :param kinetic: (s,) eV.
        """
        eta, p_eta, scale = self.half_step_of(
            self.eta, self.p_eta, self.masses, self.freedom * self.kt, self.kt, kinetic
        )
        return replace(self, eta=eta, p_eta=p_eta), scale

    def energies(self) -> Tensor:
        """The thermostats' share of the conserved energies, (s,) eV."""
        potential = self.kt * (self.freedom * self.eta[0] + self.eta[1:].sum(0))
        return potential + (self.p_eta**2 / (2 * self.masses)).sum(0)

    def variables(self, row: int) -> dict[str, list[float]]:
        return {"eta": self.eta[:, row].tolist(), "p_eta": self.p_eta[:, row].tolist()}

    def each(self, function: Callable[[Tensor], Tensor]) -> "NoseHooverChains":
        """With a function applied to all tensors, whose last axis is that of replicas."""
        tensors = (self.eta, self.p_eta, self.masses, self.freedom, self.kt)
        return NoseHooverChains(self.half_step_of, *(function(tensor) for tensor in tensors))


# eta, p_eta, masses (c, s), 3 N kT, kT and kinetic energies (s,) → eta, p_eta, scale of momenta
_HalfStep = Callable[..., Sequence[Tensor]]


def _half_step(timestep: float, module: ModuleType, *arrays: Any) -> tuple[Any, Any, Any]:
    """Half a step of the chains, in the arithmetic of numpy or of torch."""
    eta, p_eta, masses, target, kt, kinetic = arrays
    eta, p, last = list(eta), list(p_eta), CHAIN_LENGTH - 1
    twice, scale = 2 * kinetic, module.ones_like(kinetic)

    def push(link: int, duration: float) -> None:
        """Half of a symmetric step of one link: friction, force, friction."""
        if link == 0:
            force = twice * scale**2 - target
        else:
            force = p[link - 1] ** 2 / masses[link - 1] - kt
        if link == last:
            p[link] = p[link] + duration / 2 * force
            return
        friction = module.exp(-duration / 4 * p[link + 1] / masses[link + 1])
        p[link] = (p[link] * friction + duration / 2 * force) * friction

    for weight in FOURTH_ORDER_WEIGHTS:
        duration = weight * timestep / 2
        for link in range(last, -1, -1):
            push(link, duration)
        for link in range(CHAIN_LENGTH):
            eta[link] = eta[link] + duration * p[link] / masses[link]
        scale = scale * module.exp(-duration * p[0] / masses[0])
        for link in range(CHAIN_LENGTH):
            push(link, duration)
    return module.stack(eta), module.stack(p), scale


def _in_numpy(half_step: Callable[..., Sequence[np.ndarray]], *tensors: Tensor) -> list[Tensor]:
    """On the host numpy does small arrays in a third of the time."""
    # A replica that explodes overflows here, and is found out by its temperature.
    with np.errstate(over="ignore", invalid="ignore"):
        results = half_step(*(tensor.numpy() for tensor in tensors))
    return [torch.from_numpy(result) for result in results]


@dataclass(frozen=True)
class _Batch:
    """The replicas that go on: s systems with n atoms."""

    model: TorchSimModel
    replicas: list[int]
    # Said to be without periodicity, or TorchSim would wrap the positions.
    state: MDState
    pbc: np.ndarray  # (s, 3) bool
    sizes: np.ndarray  # (s,) atoms
    kinetic: Tensor  # (s,) eV
    highest: Tensor  # (s,) eV, the highest kinetic energies so far
    chains: NoseHooverChains | None

    @classmethod
    def of(
        cls, model: TorchSimModel, states: Sequence[State], chains: NoseHooverChains | None
    ) -> "_Batch":
        structures = [state.atoms for state in states]
        sizes = np.array([len(atoms) for atoms in structures])
        pbc = np.array([atoms.pbc for atoms in structures])

        def joined(values: Sequence[Any]) -> Tensor:
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
        kinetic = _kinetic_energies(state)
        return cls(model, list(range(len(sizes))), state, pbc, sizes, kinetic, kinetic, chains)

    def stepped(self, timestep: Tensor) -> "_Batch":
        """One step later; this batch stays as it is, because TorchSim changes no tensor in place.

        :param timestep: ASE's units.
        :raises SystemInputError: naming a system that cannot be evaluated any more.
        """
        state, chains = copy.copy(self.state), self.chains
        if chains is not None:
            chains, scale = chains.half_step(self.kinetic)
            state.momenta = self._scaled(state.momenta, scale)
        state = velocity_verlet(state, timestep, _Forces(self.model, self.pbc))
        kinetic = _kinetic_energies(state)
        if chains is not None:
            chains, scale = chains.half_step(kinetic)
            state.momenta = self._scaled(state.momenta, scale)
            kinetic = kinetic * scale**2
        highest = torch.maximum(self.highest, kinetic)
        return replace(self, state=state, kinetic=kinetic, highest=highest, chains=chains)

    def _scaled(self, momenta: Tensor, scale: Tensor) -> Tensor:
        return momenta * scale[self.state.system_idx, None]

    def on_host(self) -> "_Batch":
        """With copies of what samples need."""
        state = copy.copy(self.state)
        state.positions, state.momenta = state.positions.cpu(), state.momenta.cpu()
        state.energy, state.forces = state.energy.cpu(), state.forces.cpu()
        chains = None if self.chains is None else self.chains.each(Tensor.cpu)
        return replace(self, state=state, kinetic=self.kinetic.cpu(), chains=chains)

    def deviations(self) -> list[float | None]:
        """Of an ensemble's forces, of the atom of each replica that is known least, eV/Å."""
        if not isinstance(self.model.potential, Ensemble):
            return [None] * len(self.replicas)
        found = _Forces(self.model, self.pbc).results(self.state).deviations
        assert found is not None
        return [float(of_atoms.max()) for of_atoms in found.forces.split(self.sizes.tolist())]

    def temperatures(self) -> list[float]:
        """The highest so far in K, of 3 N degrees of freedom; the host waits for them."""
        return (2 * self.highest.cpu().numpy() / (3 * self.sizes * units.kB)).tolist()

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
            kinetic=self.kinetic[rows],
            highest=self.highest[rows],
            chains=None if self.chains is None else self.chains.each(lambda t: t[..., rows]),
        )


def _kinetic_energies(state: MDState) -> Tensor:
    """(s,) eV"""
    return calc_kinetic_energy(
        masses=state.masses, momenta=state.momenta, system_idx=state.system_idx
    )


@dataclass(frozen=True)
class _Forces:
    """The model as TorchSim's integrators call it, with the periodicity that the state hides."""

    model: TorchSimModel
    pbc: np.ndarray  # (s, 3) bool

    def results(self, state: MDState) -> Results:
        return self.model.evaluate(
            state.positions, state.atomic_numbers, state.system_idx, state.cell.mT, self.pbc
        )

    def __call__(self, state: MDState) -> dict[str, Tensor]:
        result = self.results(state)
        return {"energy": result.energies, "forces": result.forces.to(state.positions.dtype)}
