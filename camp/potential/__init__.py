"""Potentials: energy, forces and stress of atoms, saving and loading, published weights."""
