"""Energy units of the public datasets; inside the project energies are eV."""

from ase import units

# eV; CODATA 2014, as in ase.units.
KCAL_PER_MOL = units.kcal / units.mol

# eV; the value with which the authors converted MD17. Energies of their MD17 weights are compared
# with references converted by it, and the comparison says so.
AUTHORS_KCAL_PER_MOL = 0.0433635
