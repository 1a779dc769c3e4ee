"""Energy units of the public datasets; inside the project energies are eV."""

from ase import units

# eV; CODATA 2014, as in ase.units.
KCAL_PER_MOL = units.kcal / units.mol

# eV; the value with which the authors converted MD17. Energies of their MD17 weights are compared
# with references converted by it, and the comparison says so.
AUTHORS_KCAL_PER_MOL = 0.0433635

# eV/Å; root mean square of the force components of most data lies well between these.
USUAL_FORCES = (0.03, 10.0)


def likely_unit(rms_force: float) -> str | None:
    """Which other unit forces may be in, by their root mean square (eV/Å); None if it is usual.

    Forces near 1 eV/Å are near 23 in kcal/mol/Å and near 0.02 in Hartree/bohr.
    """
    smallest, largest = USUAL_FORCES
    if 0 < rms_force < smallest:
        return (
            f"forces are small (RMS {rms_force:.2g} eV/Å); are they in Hartree/bohr? 1 "
            f"Hartree/bohr is {units.Hartree / units.Bohr:.4f} eV/Å"
        )
    if rms_force > largest:
        return (
            f"forces are large (RMS {rms_force:.3g} eV/Å); are they in kcal/mol/Å? 1 kcal/mol is "
            f"{KCAL_PER_MOL:.6f} eV"
        )
    return None
