"""Rigid bilayers: recognised wherever they lie, described by their symmetry; nothing else is."""

import csv

import numpy as np
import pytest
from ase.build import graphene
from ase.calculators.singlepoint import SinglePointCalculator
from ase.geometry import get_distances
from ase.neighborlist import neighbor_list

from camp.data.bilayers import (
    STACKINGS,
    build_bilayer,
    build_monolayer,
    describe_bilayer,
    find_bilayers,
    fold_shift,
)
from camp.data.readers import read_structures
from tests.physics import random_rotation, transformed

SHIFTS = [*STACKINGS.values(), (0.1, 0.3), (0.25, 0.3), (0.05, 0.05)]


def assert_same(found, shift, lattice_constant=2.46, distance=3.4):
    assert found is not None
    assert found.lattice_constant == pytest.approx(lattice_constant)
    assert found.distance == pytest.approx(distance)
    assert found.shift == pytest.approx(shift, abs=1e-6)


@pytest.mark.parametrize(("name", "shift"), STACKINGS.items())
def test_stackings_by_their_definition(name, shift):
    """AA: every atom on top of one; AB: one of two; SP: half-way between two equal AB."""
    atoms = build_bilayer(2.46, 3.4, shift)
    _, distances = get_distances(atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    on_top = int(np.isclose(distances[:2, 2:], 3.4).sum())
    assert on_top == {"AA": 2, "AB": 1, "SP": 0}[name]
    assert describe_bilayer(atoms).stacking == name
    assert describe_bilayer(atoms).energy is None


def test_the_layers_are_those_of_ase():
    """Bond length a/√3, 120° at every atom: as ASE builds graphene."""
    for atoms in (build_monolayer(2.46), build_bilayer(2.46, 3.4, (0.1, 0.2))[:2]):
        ours, theirs = atoms.repeat((3, 3, 1)), graphene(a=2.46, vacuum=5.0).repeat((3, 3, 1))
        distances = [np.sort(a.get_all_distances(mic=True), axis=1) for a in (ours, theirs)]
        np.testing.assert_allclose(*distances, atol=1e-9)


def test_equivalent_shifts():
    """AB is at (1/3, 1/3) and (2/3, 2/3), SP at the three mid-points of lattice vectors."""
    assert fold_shift((2 / 3, 2 / 3)) == pytest.approx((1 / 3, 1 / 3))
    assert fold_shift((-1 / 3, 2 / 3)) == pytest.approx((1 / 3, 1 / 3))
    for shift in ((0.5, 0.0), (0.0, 0.5), (0.5, 0.5), (-0.5, 1.5)):
        assert fold_shift(shift) == pytest.approx((0.0, 0.5))
    for shift in ((0.0, 0.0), (1.0, 0.0), (-3.0, 2.0), (1e-12, -1e-12)):
        assert fold_shift(shift) == pytest.approx((0.0, 0.0), abs=1e-9)


def between_layers(shift) -> np.ndarray:
    """Distances (Å, ascending, below 8) of both atoms of the bottom layer to all of the top one."""
    atoms = build_bilayer(2.46, 3.4, shift)
    first, second, distances = neighbor_list("ijd", atoms, 8.0)
    return np.sort(distances[(first < 2) & (second >= 2)])


def test_folding_keeps_the_crystal():
    """Folded or not, the same distances between the layers; and folding ends in the triangle."""
    for shift in np.random.default_rng(0).uniform(-2, 2, (30, 2)):
        s1, s2 = folded = fold_shift(shift)
        assert 0 <= s1 <= s2 + 1e-9
        assert s1 + 2 * s2 <= 1 + 1e-9
        assert fold_shift(folded) == pytest.approx(folded, abs=1e-9)
        np.testing.assert_allclose(between_layers(folded), between_layers(shift), atol=1e-9)


@pytest.mark.parametrize("shift", SHIFTS)
def test_place_direction_order_and_cell_do_not_matter(shift):
    atoms = build_bilayer(2.46, 3.4, shift)
    rng = np.random.default_rng(1)
    moved = atoms.copy()
    moved.positions += [0.7, -3.1, 12.0]
    assert_same(describe_bilayer(moved), shift)
    assert_same(describe_bilayer(atoms[rng.permutation(4)]), shift)
    for matrix in (random_rotation(1), -np.eye(3), np.diag([1.0, 1.0, -1.0])):
        assert_same(describe_bilayer(transformed(moved, matrix)), shift)
    # Swapped layers: the top one is the fixed one.
    swapped = atoms.copy()
    swapped.positions[:, 2] *= -1
    assert_same(describe_bilayer(swapped), shift)
    # Lattice vectors that include 120°, and the plane in other places of the cell.
    cell = atoms.cell.array
    other = atoms.copy()
    other.set_cell([cell[0], cell[1] - cell[0], cell[2]])
    assert_same(describe_bilayer(other), shift)
    other = atoms.copy()
    other.set_cell(cell[[2, 0, 1]])
    other.pbc = [False, True, True]
    assert_same(describe_bilayer(other), shift)


@pytest.mark.parametrize("shift", SHIFTS)
def test_repeated_in_the_third_direction(shift):
    """The layers belong together across the boundary, also of an oblique cell."""
    atoms = build_bilayer(2.46, 3.4, shift)
    atoms.cell[2] += [0.9, 0.3, 0.0]
    atoms.pbc = True
    for height in (0.0, 10.0, 11.9, 13.0, 20.0):
        moved = atoms.copy()
        moved.positions[:, 2] += height
        moved.wrap()
        assert_same(describe_bilayer(moved), shift)


def test_what_is_no_rigid_bilayer():
    atoms = build_bilayer(2.46, 3.4, (0.1, 0.2))
    assert describe_bilayer(atoms) is not None
    other_element, no_plane, strained, graphite = (atoms.copy() for _ in range(4))
    other_element.numbers[0] = 5
    no_plane.pbc = [True, False, False]
    strained.set_cell(atoms.cell.array * [[1.01], [1.0], [1.0]], scale_atoms=True)
    graphite.cell[2, 2] = 6.8
    graphite.pbc = True
    for other in (other_element, no_plane, strained, graphite, build_monolayer(2.46)):
        assert describe_bilayer(other) is None
    assert describe_bilayer(atoms.repeat((2, 1, 1))) is None
    # 5e-3 Å in any coordinate of any atom is not rigid any more.
    for index in np.ndindex(4, 3):
        bent = atoms.copy()
        bent.positions[index] += 5e-3
        assert describe_bilayer(bent) is None
    assert find_bilayers([strained, atoms, graphite]).keys() == {1}


def test_energy_is_that_of_an_atom():
    atoms = build_bilayer(2.46, 3.4, (0.0, 0.0))
    atoms.calc = SinglePointCalculator(atoms, energy=-32.0, forces=np.zeros((4, 3)))
    assert describe_bilayer(atoms).energy == -8.0


def test_rigid_bilayers_of_the_published_sets(shared_data):
    """All 216 of an independent table, with its numbers, and none of the 1020 other frames."""
    table: dict[str, dict[int, dict[str, str]]] = {"val": {}, "test": {}}
    with (shared_data / "graphene" / "rigid_bilayer_dft.csv").open() as stream:
        for row in csv.DictReader(stream):
            table[row["split"]][int(row["index"])] = row
    folder = shared_data / "mirror" / "camp_run" / "dataset" / "graphene"
    for part, rows in table.items():
        found = find_bilayers(read_structures(folder / f"bilayer_graphene_{part}.json"))
        assert found.keys() == rows.keys()
        for index, row in rows.items():
            bilayer = found[index]
            assert bilayer.stacking == row["stacking"]
            assert bilayer.lattice_constant == pytest.approx(float(row["a_A"]), abs=1e-5)
            assert bilayer.distance == pytest.approx(float(row["d_A"]), abs=1e-4)
            listed = (float(row["shift_a1"]), float(row["shift_a2"]))
            assert bilayer.shift == pytest.approx(fold_shift(listed), abs=2e-5)
            assert bilayer.energy == pytest.approx(float(row["energy_eV_per_atom"]), abs=1e-8)
