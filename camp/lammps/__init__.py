"""LAMMPS: models exported for it, its pair style, structures to and from it."""
