"""Generated data: determinism, correct labels, sensible structures."""

import sys
from itertools import islice

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import molecule

from camp.cli import main
from camp.data.bilayers import describe_bilayer, find_bilayers
from camp.data.generate import KINDS, generate, lips, molecules, water
from camp.data.generate.dynamics import langevin
from camp.data.generate.graphene import STACKINGS, bilayer, label, rigid_bilayers
from camp.data.generate.xtb import LabelError, Xtb
from camp.data.readers import read_structures, write_structures
from camp.errors import InputError
from camp.targets import TARGETS

tblite_ase = pytest.importorskip("tblite.ase", reason="needs tblite (the extra 'workflow')")
tblite = pytest.importorskip("tblite.interface", reason="needs tblite (the extra 'workflow')")

ATOMS = {
    "molecule:ethanol": [9, 9, 9, 9],
    "molecule:malonaldehyde": [9, 9, 9, 9],
    "water": [24, 24],
    "lips": [16, 16],
    "graphene": [4, 4, 4, 16, 4],
}


@pytest.fixture(autouse=True)
def short_equilibration(monkeypatch):
    monkeypatch.setattr(molecules, "EQUILIBRATION", 20)
    monkeypatch.setattr(water, "EQUILIBRATION", 4)
    monkeypatch.setattr(lips, "EQUILIBRATION", 2)


def direct(atoms: Atoms, method: str) -> Atoms:
    """A copy with tblite's own ASE calculator and its default accuracy."""
    copy = atoms.copy()
    copy.calc = tblite_ase.TBLite(method=method, verbosity=0)
    return copy


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_labelled_and_repeat_with_the_seed(kind):
    count = len(ATOMS[kind])
    frames, again = (generate(kind, count, 7) for _ in range(2))
    assert [len(atoms) for atoms in frames] == ATOMS[kind]
    method = "GFN2-xTB" if kind.startswith("molecule") else "GFN1-xTB"
    for atoms, repeated in zip(frames, again, strict=True):
        of_molecules = ("dipole", "polarizability") if kind.startswith("molecule") else ()
        labels = {name: atoms.info.pop(name) for name in of_molecules}
        assert atoms.info == {"source": f"generated ({method})", "kind": kind, "seed": 7}
        for name, values in labels.items():
            assert np.array_equal(values, repeated.info[name])
        assert np.isfinite(atoms.get_potential_energy())
        assert atoms.get_forces().shape == (len(atoms), 3)
        assert np.array_equal(atoms.positions, repeated.positions)
        assert np.array_equal(atoms.cell, repeated.cell)
        assert atoms.get_potential_energy() == repeated.get_potential_energy()
        assert np.array_equal(atoms.get_forces(), repeated.get_forces())
    # Frames of one set differ from each other, and from those of another seed.
    energies = [atoms.get_potential_energy() / len(atoms) for atoms in frames]
    assert len(set(energies)) == count
    other = generate(kind, 1, 8)[0]
    assert not np.allclose(other.positions, frames[0].positions, atol=1e-3)


def test_a_longer_set_begins_with_the_shorter():
    short, long = (generate("molecule:ethanol", count, 3) for count in (2, 4))
    for first, second in zip(short, long, strict=False):
        assert np.array_equal(first.positions, second.positions)


def test_forces_are_the_slope_of_the_energy():
    atoms = generate("molecule:malonaldehyde", 1, 1)[0]
    probe, step = direct(atoms, "GFN2-xTB"), 1e-3
    numerical = np.zeros((len(atoms), 3))
    for index in np.ndindex(numerical.shape):
        energies = []
        for sign in (1, -1):
            probe.positions = atoms.positions
            probe.positions[index] += sign * step
            energies.append(probe.get_potential_energy())
        numerical[index] = -(energies[0] - energies[1]) / (2 * step)
    assert np.abs(numerical).max() > 0.1
    np.testing.assert_allclose(atoms.get_forces(), numerical, atol=1e-3)


@pytest.mark.parametrize("kind", ["water", "lips"])
def test_periodic_labels_are_those_of_tblite(kind):
    atoms = generate(kind, 1, 2)[0]
    reference = direct(atoms, "GFN1-xTB")
    assert atoms.get_potential_energy() == pytest.approx(reference.get_potential_energy(), abs=1e-5)
    np.testing.assert_allclose(atoms.get_forces(), reference.get_forces(), atol=1e-3)


def test_dipole_and_polarizability_are_derivatives_of_the_energy():
    """μ = −∂E/∂F and α = −∂²E/∂F² with fields of another size, in Hartree/(e·a₀)."""
    atoms = generate("molecule:ethanol", 1, 1)[0]
    step = 2e-3

    def energy(field):
        calculator = tblite.Calculator("GFN2-xTB", atoms.numbers, atoms.positions / units.Bohr)
        calculator.set("verbosity", 0)
        calculator.set("accuracy", 0.01)
        calculator.add("electric-field", field.tolist())
        return float(calculator.singlepoint()["energy"])

    unit = step * np.eye(3)
    dipole = np.array([-(energy(e) - energy(-e)) / (2 * step) for e in unit])
    np.testing.assert_allclose(atoms.info["dipole"], dipole * units.Bohr, atol=2e-4)
    polarizability = np.zeros((3, 3))
    for i, j in np.ndindex(3, 3):
        along, across = unit[i] + unit[j], unit[i] - unit[j]
        mixed = energy(along) + energy(-along) - energy(across) - energy(-across)
        polarizability[i, j] = -mixed / (4 * step**2)
    np.testing.assert_allclose(
        atoms.info["polarizability"], polarizability * units.Bohr**3, atol=0.01
    )
    # Ethanol: 1.7 D and 5.4 Å³ by experiment; GFN2-xTB's minimal basis polarizes less.
    assert 0.2 < np.linalg.norm(atoms.info["dipole"]) < 0.6
    assert 1.8 < np.trace(atoms.info["polarizability"]) / 3 < 5.4


def test_dipole_and_polarizability_are_read_as_they_were_written(tmp_path):
    written = generate("molecule:ethanol", 2, 3)
    write_structures(tmp_path / "ethanol.xyz", written)
    targets = [TARGETS["dipole"], TARGETS["polarizability"]]
    for atoms, expected in zip(
        read_structures(tmp_path / "ethanol.xyz", targets=targets), written, strict=True
    ):
        for target in targets:
            assert np.array_equal(atoms.info[target.name], expected.info[target.name])


def test_graphene_labels_are_those_of_the_supercell():
    for atoms, repeats in zip(generate("graphene", 5, 5), (4, 4, 4, 2, 4), strict=True):
        assert atoms.pbc.tolist() == [True, True, False]
        assert atoms.cell[2].tolist() == [0.0, 0.0, 25.0]
        supercell = atoms.repeat((repeats, repeats, 1))
        assert len(supercell) == 64
        supercell.pbc = True
        reference = direct(supercell, "GFN1-xTB")
        energy = reference.get_potential_energy() / repeats**2
        assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-5)
        forces = reference.get_forces()[: len(atoms)]
        np.testing.assert_allclose(atoms.get_forces(), forces, atol=1e-3)


def test_graphene_prefers_ab_over_sp_over_aa():
    """The order of all DFT work, and the repulsion of layers that are pressed together."""
    energies = {}
    for name, distance in (("AB", 3.4), ("SP", 3.4), ("AA", 3.4), ("AB", 2.8)):
        # The same strain for each.
        atoms = bilayer(STACKINGS[name], distance, np.random.default_rng(0))
        energies[name, distance], forces = label(atoms, 4, "GFN1-xTB")
    assert energies["AB", 3.4] < energies["SP", 3.4] < energies["AA", 3.4]
    assert energies["AB", 2.8] > energies["AB", 3.4]
    # The last one: the upper layer is pushed upwards, the lower one downwards.
    assert forces[2:, 2].sum() > 0.1
    assert forces[:2, 2].sum() == pytest.approx(-forces[2:, 2].sum(), abs=1e-4)


def test_every_fifth_graphene_is_a_rigid_bilayer():
    found = find_bilayers(generate("graphene", 5, 2))
    assert list(found) == [4]
    assert found[4].stacking == "AB"
    assert found[4].lattice_constant == pytest.approx(2.45)
    assert found[4].distance == pytest.approx(3.4)


def test_rigid_bilayers_fill_their_range():
    """Also few of them leave no wide gap: the golden ratio sequence."""
    frames = list(islice(rigid_bilayers(), 21))
    described = [describe_bilayer(atoms) for atoms in frames]
    assert [one.stacking for one in described] == ["AB", "SP", "AA"] * 7
    distances = sorted({round(one.distance, 6) for one in described})
    assert len(distances) == 7
    assert 2.9 <= distances[0] < 3.2 and 4.8 < distances[-1] <= 5.1
    assert np.diff(distances).max() < 0.55


def test_stackings():
    """By the definition of the stackings: atoms of the upper layer above those of the lower."""
    for name, above in (("AA", 2), ("AB", 1), ("SP", 0)):
        atoms = bilayer(STACKINGS[name], 3.4, np.random.default_rng(1))
        distances = atoms.get_all_distances(mic=True)[:2, 2:]
        assert np.isclose(distances, 3.4).sum() == above


def test_lips_consists_of_tetrahedra():
    for atoms in [lips.crystal_structure(), *generate("lips", 2, 3)]:
        assert atoms.get_chemical_formula() == "Li6P2S8"
        symbols = np.array(atoms.get_chemical_symbols())
        distances = atoms.get_all_distances(mic=True)
        for phosphorus in np.flatnonzero(symbols == "P"):
            bonds = distances[phosphorus, symbols == "S"]
            assert (bonds < 2.6).sum() == 4
            assert np.sort(bonds)[:4].mean() == pytest.approx(2.05, abs=0.12)
        lithium = np.sort(distances[symbols == "Li"][:, symbols == "S"], axis=1)
        assert lithium[:, :4].mean() == pytest.approx(2.45, abs=0.15)
        np.fill_diagonal(distances, np.inf)
        assert distances.min() > 1.7


def test_water_has_the_density_of_water():
    for atoms in generate("water", 2, 4):
        grams = atoms.get_masses().sum() / units.kg * 1e3
        assert grams / (atoms.get_volume() * 1e-24) == pytest.approx(1.0, abs=1e-6)
        assert atoms.pbc.all()
        oxygen = atoms.numbers == 8
        distances = atoms.get_all_distances(mic=True)
        # Two hydrogens at each oxygen, none shared; molecules apart from each other.
        assert ((distances[oxygen][:, ~oxygen] < 1.3).sum(axis=1) == 2).all()
        between = distances[np.ix_(oxygen, oxygen)]
        assert between[between > 0].min() > 2.3


def test_water_starts_with_hydrogen_bonds():
    """Liquid water has about 3.5 of them per molecule, half of them donated."""
    atoms = water.liquid(np.random.default_rng(0))
    distances = atoms.get_all_distances(mic=True)[atoms.numbers == 8][:, atoms.numbers == 1]
    donated = ((distances > 1.2) & (distances < 2.5)).sum() / 8
    assert 1.2 < donated < 2.3


def test_langevin_samples_the_canonical_distribution():
    """Two springs of very different strength: the variance of each is kT/k (equipartition)."""
    stiffness = np.array([1.0, 30.0, 5.0])
    temperature = 400.0

    def springs(positions):
        return 0.5 * float((stiffness * positions**2).sum()), -stiffness * positions

    trajectory = langevin(
        springs,
        Atoms("H"),
        np.random.default_rng(0),
        temperature=temperature,
        mobility=np.diag(stiffness**-0.5),
        timestep=0.9,
        memory=0.5,
    )
    positions = np.array([atoms.positions[0] for atoms, _, _ in islice(trajectory, 100, 10_100)])
    expected = units.kB * temperature / stiffness
    np.testing.assert_allclose((positions**2).mean(axis=0), expected, rtol=0.1)


def test_any_closed_shell_molecule():
    frame = generate("molecule:CH4", 1, 0)[0]
    assert frame.get_chemical_formula() == "CH4"
    lengths = frame.get_distances(0, [1, 2, 3, 4])
    assert (np.abs(lengths - 1.09) < 0.25).all()


@pytest.mark.parametrize("kind", ["steel", "molecule:", "molecule:unobtainium", "molecule:O2", ""])
def test_unknown_kind(kind):
    with pytest.raises(InputError, match=r"choose one of molecule:ethanol.*water, lips, graphene"):
        generate(kind, 1, 0)


def test_senseless_numbers():
    with pytest.raises(InputError, match="at least one"):
        generate("water", 0, 0)
    with pytest.raises(InputError, match="negative"):
        generate("water", 1, -1)


def test_missing_tblite(monkeypatch):
    monkeypatch.setitem(sys.modules, "tblite.interface", None)
    with pytest.raises(InputError, match=r"tblite.*workflow"):
        generate("molecule:ethanol", 1, 0)


def test_collided_atoms_have_no_label():
    atoms = molecule("H2O")
    atoms.positions[1] = atoms.positions[0] + [0.0, 0.0, 0.3]
    with pytest.raises(LabelError):
        Xtb("GFN2-xTB", atoms)(atoms.positions)


def test_charges_that_do_not_converge_give_no_label():
    atoms = molecule("H2O")
    xtb = Xtb("GFN2-xTB", atoms)
    xtb._calculator.set("max-iter", 1)
    with pytest.raises(LabelError, match="converge"):
        xtb(atoms.positions)


def test_a_trajectory_that_breaks_names_its_frame(monkeypatch):
    monkeypatch.setattr(molecules, "TEMPERATURE", 1e7)
    with pytest.raises(InputError, match=r"molecule:ethanol, seed 4, frame 0: .*another seed"):
        generate("molecule:ethanol", 1, 4)


def test_command_line(tmp_path, capsys):
    out = tmp_path / "ethanol.xyz.gz"
    command = ["generate", "molecule:ethanol", str(out), "--frames", "2", "--seed", "1"]
    assert main(command) == 0
    read = ase.io.read(out, ":")
    for written, expected in zip(read, generate("molecule:ethanol", 2, 1), strict=True):
        assert written.get_potential_energy() == expected.get_potential_energy()
        np.testing.assert_array_equal(written.get_forces(), expected.get_forces())
        assert written.info["source"] == "generated (GFN2-xTB)"
    capsys.readouterr()
    assert main(["generate", "steel", str(out), "--frames", "2", "--seed", "1"]) == 2
    assert capsys.readouterr().err.startswith("camp: error: steel: unknown kind")
