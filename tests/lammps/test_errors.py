"""What pair_style camp refuses, each with one line that says why, also on several ranks."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from camp.lammps.data_file import write_data
from camp.lammps.export import build_plugin
from tests.lammps.running import header
from tests.models.camp.test_network import make_potential

WATER = Atoms("OHH", [[1, 1, 1], [1.97, 1, 1], [0.75, 1.94, 1]], cell=[8.0] * 3, pbc=True)


@pytest.fixture
def good(runner, model) -> str:
    """An input that runs."""
    write_data(runner.folder / "data", WATER, ["H", "O"])
    return header(model, "data", ["H", "O"]) + "run 0\n"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("read_data", "newton off\nread_data", "needs 'newton on'"),
        ("units metal", "units real", "needs 'units metal', not 'real'"),
        ("model.camp H O", "model.camp H Xe", "does not know the element Xe; it knows H O"),
        ("model.camp H O", "model.camp H", "names 1 elements after the model, but there are 2"),
        ("model.camp H O", "missing.camp H O", "missing.camp cannot be read"),
        ("pair_style camp", "pair_style camp 5.0", "takes no arguments"),
    ],
)
def test_input(runner, good, old, new, complaint):
    assert old in good
    assert complaint in runner.refusal(good.replace(old, new))


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda content: content[:-1000], "is damaged"),
        (lambda content: content[:10], "is no model file of 'camp lammps'"),
        (lambda content: b"", "is no model file of 'camp lammps'"),
        (lambda content: content.replace(b"model 2", b"model 9", 1), "of another version of camp"),
        (lambda content: content[:-9] + b"x" + content[-8:], "is damaged"),
        (lambda content: b"LAMMPS data file\n\n3 atoms\n", "is no model file of 'camp lammps'"),
    ],
    ids=["cut", "cut in its first line", "empty", "version", "flipped byte", "foreign"],
)
def test_file(runner, good, model, damage, complaint):
    bad = runner.folder / "bad.camp"
    bad.write_bytes(damage(model.read_bytes()))
    shutil.copy(model.with_suffix(".so"), bad.with_suffix(".so"))
    assert complaint in runner.refusal(good.replace(str(model), "bad.camp"))


@pytest.mark.parametrize("other", ["precision", "kind"])
def test_library_of_another_kind(runner, good, model, exported, other):
    potential = make_potential(species=(1, 8), max_rank=1 if other == "precision" else 0)
    source = (
        exported("errors-other", potential, "single")
        if other == "precision"
        else exported("errors-rank", potential)
    )
    shutil.copy(model, runner.folder / "mixed.camp")
    shutil.copy(source.with_suffix(".so"), runner.folder / "mixed.so")
    line = runner.refusal(good.replace(str(model), "mixed.camp"))
    assert re.search(r"is of the kind 'camp double .*', but its library of 'camp ", line)


def test_library_missing(runner, good, model):
    shutil.copy(model, runner.folder / "alone.camp")
    line = runner.refusal(good.replace(str(model), "alone.camp"))
    assert "the library of alone.camp cannot be loaded" in line


def test_bonds_that_exclude_neighbours(runner, good):
    """LAMMPS would leave bonded neighbours out without a word."""
    text = (runner.folder / "data").read_text()
    text = text.replace("atom types", "atom types\n1 bonds\n1 bond types\n2 extra special per atom")
    # Number, molecule, type, charge, position.
    text = re.sub(r"(?m)^(\d) ([12]) (\S+ \S+ \S+)$", r"\1 1 \2 0.0 \3", text)
    text = text.replace("Atoms # atomic", "Atoms # full") + "\nBonds\n\n1 1 1 2\n"
    (runner.folder / "data").write_text(text)
    full = good.replace("atom_style atomic", "atom_style full\nbond_style zero")
    full = full.replace("pair_style camp", "bond_coeff *\npair_style camp")
    assert "needs 'special_bonds lj/coul 1 1 1'" in runner.refusal(full)
    runner.run(full.replace("run 0", "special_bonds lj/coul 1 1 1\nrun 0"), 2)


def test_coinciding_atoms(runner, good):
    atoms = WATER + Atoms("H", [WATER.positions[0] + [1e-5, 0, 0]])
    write_data(runner.folder / "data", atoms, ["H", "O"])
    said = runner.output(good, 1)
    assert re.search(r"ERROR on proc 0: atoms (1 and 4|4 and 1) coincide", said)


def test_plugin_for_another_version(runner, good, model, lammps):
    """LAMMPS itself would only warn."""
    other = build_plugin(replace(lammps, date="29 Aug 2024"))
    shutil.copy(other, runner.folder / "campplugin.so")
    said = runner.output(good.replace(f"{model.parent}/campplugin.so", "./campplugin.so"))
    assert "compiled for LAMMPS of 29 Aug 2024" in said
    assert "Total wall time" not in said


def test_plugin_for_other_integers(runner, good, model, lammps):
    """An interface of C tells how large LAMMPS' integers are before anything is shared."""
    other = build_plugin(replace(lammps, integers="BIGBIG"))
    shutil.copy(other, runner.folder / "campplugin.so")
    said = runner.output(good.replace(f"{model.parent}/campplugin.so", "./campplugin.so"))
    assert "integers of other sizes" in said
    assert "Total wall time" not in said


def test_elements_are_told_and_odd_masses_warned_of(runner, good):
    """The wrong order of elements is what users do most."""
    assert "type 1 is H, type 2 is O" in runner.run(good)
    swapped = runner.run(good.replace("model.camp H O", "model.camp O H"), 2)
    warnings = [line for line in swapped.splitlines() if "usual mass" in line]
    assert len(warnings) == 2


def test_positions_are_written_with_all_digits(tmp_path):
    """Also a tilt of 10⁻⁷ Å, which other writers drop."""
    atoms = WATER.copy()
    atoms.set_cell(np.array([[8.0, 0, 0], [1e-7, 8, 0], [0, 0, 8]]))
    write_data(tmp_path / "data", atoms, ["H", "O"])
    assert "1e-07 0.0 0.0 xy xz yz" in (tmp_path / "data").read_text()
