"""Molecular dynamics with ASE and a trained model; run train.py first."""

import ase.units
import numpy as np
from ase import Atoms
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from ase.md.verlet import VelocityVerlet

import camp

if __name__ == "__main__":
    atoms = Atoms("Ar4", [[0, 0, 0], [3.5, 0, 0], [0, 3.5, 0], [0, 0, 3.5]])
    atoms.calc = camp.Calculator("run/model.safetensors", dtype="float64")
    MaxwellBoltzmannDistribution(atoms, temperature_K=20, rng=np.random.default_rng(1))
    Stationary(atoms)
    dynamics = VelocityVerlet(atoms, timestep=2 * ase.units.fs)
    before = atoms.get_total_energy()
    dynamics.run(200)
    drift = (atoms.get_total_energy() - before) / len(atoms)
    print(f"total energy changed by {1000 * drift:.4f} meV/atom in 0.4 ps")
