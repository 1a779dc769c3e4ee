"""Molecular dynamics: engines, trajectories, stability, observables (Figs. 3–6)."""
