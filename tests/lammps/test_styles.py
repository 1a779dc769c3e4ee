"""pair_style camp beside other pair styles, in partitions, and two models at once."""

import numpy as np
import pytest
from ase import Atoms

from camp.lammps.data_file import write_data
from tests.lammps.running import header, read_dump, thermo
from tests.models.cace.runtime.test_tabulated import make_potential as make_cace
from tests.physics import random_structure

DIGITS = "thermo_style custom step pe press\nthermo_modify format float %.17g\n"
DUMP = "write_dump all custom end id fx fy fz modify sort id format float %.17g\n"


def energy_and_forces(runner, text, ranks):
    said = runner.run(f"{text}{DIGITS}run 0\n{DUMP}", ranks)
    return thermo(said)[0, 1], read_dump(runner.folder / "end")[:, 1:]


@pytest.mark.parametrize("ranks", [1, 2])
def test_overlay_adds(runner, model, potential, ranks):
    """Of two styles on the same atoms energies and forces add up."""
    write_data(runner.folder / "data", random_structure(potential, atoms=20), ["H", "O"])
    camp = header(model, "data", ["H", "O"])
    charges = {"1 1": "1 1", "1 2": "1 8", "2 2": "8 8"}
    zbl = "pair_style zbl 2.0 3.0\nneighbor 1.0 bin\n"
    zbl += "".join(f"pair_coeff {types} {of}\n" for types, of in charges.items())
    both = camp.replace("pair_style camp", "pair_style hybrid/overlay camp zbl 2.0 3.0")
    both = both.replace("* * ", "* * camp ")
    both += "".join(f"pair_coeff {types} zbl {of}\n" for types, of in charges.items())
    alone = [camp, camp.split("pair_style")[0] + zbl]
    parts = [energy_and_forces(runner, text, ranks) for text in alone]
    energy, forces = energy_and_forces(runner, both, ranks)
    scale = max(np.abs(part[1]).max() for part in parts)
    np.testing.assert_allclose(energy, parts[0][0] + parts[1][0], rtol=1e-12)
    np.testing.assert_allclose(forces, parts[0][1] + parts[1][1], rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("ranks", [1, 2])
def test_types_of_other_styles(runner, model, potential, ranks):
    """Atoms of a type that is NULL for the model are neither centres nor neighbours of it."""
    atoms = random_structure(potential, atoms=20, cell=8.0)
    others = Atoms("Ar4", np.random.default_rng(1).uniform(0, 8, (4, 3)))
    # The foreign atoms stand between the others in the file.
    mixed = atoms[:7] + others + atoms[7:]
    box = write_data(runner.folder / "data", mixed, ["H", "Ar", "O"])
    text = header(model, "data", ["H", "NULL", "O"])
    text = text.replace("pair_style camp", "pair_style hybrid camp lj/cut 5.0")
    text = text.replace("* * ", "* * camp ")
    text += "".join(f"pair_coeff {k} lj/cut 0.0 2.0\n" for k in ("1 2", "2 2", "2 3"))
    energy, forces = energy_and_forces(runner, text, ranks)
    expected = potential.evaluate(atoms)
    np.testing.assert_allclose(energy, expected.energies[0], rtol=1e-7)
    np.testing.assert_array_equal(forces[7:11], 0)
    own = np.delete(forces, range(7, 11), axis=0) @ box.rotation.T
    np.testing.assert_allclose(own, expected.forces[0], atol=1e-6 * np.abs(own).max())


def test_two_models_at_once(runner, model, potential, exported):
    """Each from a library of its own, of another architecture."""
    other = make_cace(seed=1, species=(1, 8), shared_channels=True, max_l=1)
    second = exported("second", other)
    atoms = random_structure(potential, atoms=20, cell=8.0)
    box = write_data(runner.folder / "data", atoms, ["H", "O"])
    text = header(model, "data", ["H", "O"])
    text = text.replace("pair_style camp", "pair_style hybrid/overlay camp camp")
    text = text.replace("* * ", "* * camp 1 ")
    text += f"pair_coeff * * camp 2 {second} H O\n"
    energy, forces = energy_and_forces(runner, text, 2)
    expected = [one.evaluate(atoms) for one in (potential, other)]
    np.testing.assert_allclose(energy, sum(e.energies[0] for e in expected), rtol=1e-7)
    total = expected[0].forces[0] + expected[1].forces[0]
    np.testing.assert_allclose(forces @ box.rotation.T, total, atol=1e-6 * np.abs(total).max())


def test_partitions(runner, model, potential):
    """Each partition has ranks of its own, of which the first reads the model."""
    write_data(runner.folder / "data", random_structure(potential, atoms=20), ["H", "O"])
    text = header(model, "data", ["H", "O"])
    said = runner.output(
        f"variable part world 1 2\n{text}{DIGITS}run 0\n" + DUMP.replace("end", "end-${part}"),
        2,
        *("-partition", "1", "1"),
    )
    assert "ERROR" not in said
    first, second = (read_dump(runner.folder / f"end-{part}") for part in (1, 2))
    np.testing.assert_array_equal(first, second)
