"""The reference engine: ASE's integrators, one replica after the other."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from ase import units
from ase.calculators.calculator import Calculator
from ase.md.nose_hoover_chain import NoseHooverChainNVT, NoseHooverChainThermostat
from ase.md.verlet import VelocityVerlet

from camp.errors import InputError
from camp.md.states import Dynamics, Sample, State, thermostat_temperature, why_exploded
from camp.potential.prediction import DEVIATIONS

CHAIN_LENGTH = 3


class AseEngine:
    """Nosé–Hoover chain NVT (Martyna, Klein and Tuckerman 1992) or velocity Verlet NVE.

    :param calculator: makes the calculator of one replica.
    :param states: one for each replica.
    :param dynamics: what the integrator needs to know.
    :param ensemble: "nvt" or "nve".
    """

    def __init__(
        self,
        calculator: Callable[[], Calculator],
        states: Sequence[State],
        dynamics: Dynamics,
        *,
        ensemble: str,
    ):
        self._replicas = [_Replica(calculator(), state, dynamics, ensemble) for state in states]

    def advance(self, steps: int) -> None:
        for replica in self._replicas:
            replica.advance(steps)

    def samples(self) -> list[Sample]:
        return [replica.sample for replica in self._replicas]


class _Replica:
    def __init__(self, calculator: Calculator, state: State, dynamics: Dynamics, ensemble: str):
        self.step = state.step
        self.temperature = dynamics.temperature
        self.atoms = state.atoms.copy()
        self.atoms.calc = calculator
        timestep = dynamics.timestep * units.fs
        self.dynamics: NoseHooverChainNVT | VelocityVerlet
        self.chain: NoseHooverChainThermostat | None = None
        if ensemble == "nvt":
            thermostatted = NoseHooverChainNVT(
                self.atoms,
                timestep,
                temperature_K=thermostat_temperature(self.atoms, self.temperature),
                tdamp=dynamics.thermostat_time * units.fs,
                tchain=CHAIN_LENGTH,
            )
            # ASE keeps the chain to itself, but a run can only be continued with it.
            self.dynamics, self.chain = thermostatted, thermostatted._thermostat
            if state.thermostat:
                self.chain._eta = np.array(state.thermostat["eta"])
                self.chain._p_eta = np.array(state.thermostat["p_eta"])
        else:
            self.dynamics = VelocityVerlet(self.atoms, timestep)
        self.sample = self._sample()

    def advance(self, steps: int) -> None:
        if self.sample.failed:
            return
        try:
            for _ in range(steps):
                self.dynamics.step()
                if reason := why_exploded(self.atoms, self.temperature):
                    self._fail(reason)
                    return
            self.step += steps
            self.sample = self._sample()
        except InputError as error:
            self._fail(str(error))

    def _fail(self, reason: str) -> None:
        self.sample = replace(self.sample, failed=reason)

    def _sample(self) -> Sample:
        potential, kinetic = self.atoms.get_potential_energy(), self.atoms.get_kinetic_energy()
        state = State(self.step, self.atoms.copy())
        conserved = potential + kinetic
        if self.chain is not None:
            state.thermostat = {
                "eta": self.chain._eta.tolist(),
                "p_eta": self.chain._p_eta.tolist(),
            }
            conserved += self.chain.get_thermostat_energy()
        if not np.isfinite(potential):
            raise InputError("the energy is no longer a number")
        apart = self.atoms.calc.results.get(DEVIATIONS[1])
        deviation = None if apart is None else float(apart.max())
        return Sample(
            state,
            float(potential),
            float(kinetic),
            float(conserved),
            forces=self.atoms.get_forces(),
            deviation=deviation,
        )
