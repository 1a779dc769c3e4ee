"""Stability: simulations that break at a known time are found to do so."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from camp.errors import InputError
from camp.md.observables import radial_distribution
from camp.md.stability import reference_bonds, unstable_by_bonds, unstable_by_structure

WINDOW = {"bin_width": 0.1, "window": 1000.0, "threshold": 1.0}


def distribution(values, bins=20):
    """g(r) that is constant over r, frame by frame."""
    return np.repeat(np.asarray(values, dtype=float)[:, None], bins, axis=1)


def test_windows_are_compared_with_the_whole_trajectory():
    """∫|Δg| dr = 2 Å · |mean of the window − mean of all|, by hand for every window."""
    times = 100.0 * np.arange(101)
    values = np.where(times < 8000, 1.0, 3.0)
    mean = values.mean()
    starts = times[times <= 9000]
    windows = [values[(times >= t) & (times <= t + 1000)].mean() for t in starts]
    expected = next(
        t for t, value in zip(starts, windows, strict=True) if 2.0 * abs(value - mean) > 1.0
    )
    found = unstable_by_structure(times, distribution(values), **WINDOW)
    assert found == expected
    # A window that begins before the break is unstable once enough of it lies behind.
    assert 7000 < found < 8000


def test_fluctuations_are_stable():
    times = 50.0 * np.arange(400)
    noise = np.random.default_rng(0).normal(1.0, 1.0, (400, 20))
    assert unstable_by_structure(times, noise, **WINDOW) is None
    assert unstable_by_structure(times, noise, **(WINDOW | {"threshold": 1e-3})) == 0.0


def test_no_whole_window():
    """A trajectory shorter than τ has nothing that could differ from itself."""
    times = 50.0 * np.arange(10)
    values = distribution([0.0] * 5 + [9.0] * 5)
    assert unstable_by_structure(times, values, **WINDOW) is None


def test_a_crystal_that_falls_apart():
    """The atoms of a crystal jump to random places: found within one window before."""
    crystal = bulk("Cu", cubic=True).repeat(2)
    rng = np.random.default_rng(0)
    positions = crystal.positions + rng.normal(0, 0.1, (200, len(crystal), 3))
    positions[170:] = rng.uniform(size=(30, len(crystal), 3)) @ crystal.cell.array
    times = 50.0 * np.arange(200)
    g = radial_distribution(crystal.numbers, positions, crystal.cell.array, crystal.pbc)
    arguments = {"bin_width": g.bin_width, "window": 1000.0, "threshold": 1.0}
    found = unstable_by_structure(times, g.g["all"], **arguments)
    assert times[170] - 1000 < found <= times[170]
    intact = g.g["all"][:170]
    assert unstable_by_structure(times[:170], intact, **arguments) is None


def ethanol(frames=40, seed=0):
    atoms = molecule("CH3CH2OH")
    rng = np.random.default_rng(seed)
    return [
        Atoms(atoms.numbers, atoms.positions + rng.normal(0, 0.03, atoms.positions.shape))
        for _ in range(frames)
    ]


def test_bonds_of_ethanol():
    """Eight bonds: C–C, C–O, O–H and five C–H, at their mean lengths."""
    structures = ethanol()
    bonds = reference_bonds(structures)
    symbols = np.array(structures[0].get_chemical_symbols())
    kinds = sorted("".join(sorted(symbols[pair])) for pair in bonds.pairs)
    assert kinds == ["CC"] + ["CH"] * 5 + ["CO"] + ["HO"]
    for (i, j), length in zip(bonds.pairs, bonds.lengths, strict=True):
        assert length == pytest.approx(np.mean([s.get_distance(i, j) for s in structures]))


@pytest.mark.parametrize("change", [0.55, -0.55])
def test_a_bond_that_breaks(change):
    """Unstable from the first frame in which one bond is longer or shorter by more than 0.5 Å."""
    bonds = reference_bonds(ethanol())
    molecule_ = molecule("CH3CH2OH")
    positions = np.repeat(molecule_.positions[None], 30, axis=0)
    times = 20.0 * np.arange(30)
    oxygen, hydrogen = 2, 3
    assert (molecule_.symbols[oxygen], molecule_.symbols[hydrogen]) == ("O", "H")
    vector = molecule_.positions[hydrogen] - molecule_.positions[oxygen]
    direction = vector / np.linalg.norm(vector)
    positions[10:12, hydrogen] += 0.45 * np.sign(change) * direction
    assert unstable_by_bonds(times, positions, bonds, threshold=0.5) is None
    positions[17, hydrogen] += change * direction
    assert unstable_by_bonds(times, positions, bonds, threshold=0.5) == 340.0


def test_non_bonded_atoms_may_move():
    """Rotation of the whole molecule and of a methyl group changes no bond."""
    structure = molecule("CH3CH2OH")
    bonds = reference_bonds([structure])
    turned = structure.copy()
    turned.rotate(77, (1, 2, 3))
    turned.translate([5, 6, 7])
    positions = np.array([structure.positions, turned.positions])
    assert unstable_by_bonds(np.array([0.0, 10.0]), positions, bonds, threshold=1e-6) is None


@pytest.mark.parametrize(
    ("structures", "message"),
    [
        ([], "at least one reference structure"),
        ([molecule("H2O"), molecule("CH4")], "structure 1 is another molecule"),
        ([bulk("Cu")], "structure 0 is periodic"),
        ([Atoms("HeHe", [[0, 0, 0], [0, 0, 5]])], "have no bonds"),
    ],
)
def test_bad_reference_structures(structures, message):
    with pytest.raises(InputError, match=message):
        reference_bonds(structures)


def test_ab_initio_dynamics_is_stable(lips_frames):
    """What the criterion is meant for: 50 ps of LiPS at 520 K, far from the threshold."""
    times = np.array([atoms.info["time_fs"] for atoms in lips_frames])
    positions = np.array([atoms.positions for atoms in lips_frames])
    first = lips_frames[0]
    found = radial_distribution(first.numbers, positions, first.cell.array, first.pbc)
    arguments = {"bin_width": found.bin_width, "window": 1000.0}
    assert unstable_by_structure(times, found.g["all"], threshold=1.0, **arguments) is None
    assert unstable_by_structure(times, found.g["all"], threshold=0.3, **arguments) is None


@pytest.mark.parametrize(("name", "bonds"), [("ethanol", 8), ("aspirin", 21), ("naphthalene", 19)])
def test_bonds_of_real_molecules(shared_data, name, bonds):
    """As many bonds as the structural formula has; no frame of the data is beyond Δ = 0.5 Å."""
    data = np.load(shared_data / "md17" / f"md17_{name}_train950_val50.npz")
    structures = [Atoms(data["z"], positions) for positions in data["R"]]
    found = reference_bonds(structures)
    assert len(found.pairs) == bonds
    times = np.arange(len(structures), dtype=float)
    assert unstable_by_bonds(times, data["R"], found, threshold=0.5) is None
