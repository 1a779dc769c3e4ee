"""Observables against analytic cases, ASE, freud and reference tables."""

import csv

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, make_supercell, molecule
from ase.md.analysis import DiffusionCoefficient

from camp.errors import InputError
from camp.md.observables import (
    angular_distribution,
    diffusion_coefficient,
    displacement_from_start,
    energy_drift,
    half_height,
    mean_squared_displacement,
    radial_distribution,
    selection,
)

SKEWED = np.array([[11.0, 0.0, 0.0], [4.0, 10.0, 0.0], [-3.0, 2.5, 12.0]])
PERIODIC = np.ones(3, dtype=bool)


def rdf_of(atoms, **options):
    return radial_distribution(
        atoms.numbers, atoms.positions[None], atoms.cell.array, atoms.pbc, **options
    )


def adf_of(atoms, triple, cutoff, **options):
    return angular_distribution(
        atoms.numbers,
        atoms.positions[None],
        atoms.cell.array,
        atoms.pbc,
        triple=triple,
        cutoff=cutoff,
        **options,
    )


def neighbours(found, name, density, start, end):
    """Atoms between two distances around one, from g(r) and the density of the neighbours."""
    inside = (found.r > start) & (found.r < end)
    edges = found.r[inside] + found.bin_width * np.array([[-0.5], [0.5]])
    shells = 4 / 3 * np.pi * (edges[1] ** 3 - edges[0] ** 3)
    return density * (shells * found.g[name][0, inside]).sum()


def random_gas(frames, atoms, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(size=(frames, atoms, 3)) @ SKEWED


# --- Radial distribution


def test_ideal_gas_has_no_structure():
    """Each of N atoms of an ideal gas sees N − 1 others, and all of another species."""
    frames, atoms = 400, 60
    numbers = np.array([1] * 30 + [8] * 30)
    found = radial_distribution(
        numbers,
        random_gas(frames, atoms),
        SKEWED,
        PERIODIC,
        pairs=["H-O", "O-O"],
        bin_width=0.25,
    )
    far = found.r > 1.0
    expected = {"all": 59 / 60, "H-O": 1.0, "O-O": 29 / 30}
    for name, value in expected.items():
        curve = found.g[name].mean(0)[far]
        error = found.g[name].std(0)[far] / np.sqrt(frames)
        assert np.all(np.abs(curve - value) < 5 * error)
        assert curve.mean() == pytest.approx(value, abs=0.005)


def test_valid_range_is_half_the_smallest_height():
    """The heights of a skewed cell are smaller than its edges."""
    volume = abs(np.linalg.det(SKEWED))
    faces = [np.cross(SKEWED[1], SKEWED[2]), np.cross(SKEWED[2], SKEWED[0])]
    faces.append(np.cross(SKEWED[0], SKEWED[1]))
    smallest = min(volume / np.linalg.norm(face) for face in faces)
    assert half_height(SKEWED) == pytest.approx(smallest / 2)
    found = radial_distribution(np.ones(5), random_gas(1, 5), SKEWED, PERIODIC)
    assert smallest / 2 - 0.05 < found.valid_to <= smallest / 2
    beyond = radial_distribution(np.ones(5), random_gas(1, 5), SKEWED, PERIODIC, r_max=9.0)
    assert beyond.valid_to == pytest.approx(smallest / 2)
    assert beyond.r[-1] == pytest.approx(8.975)


def test_shells_of_a_crystal():
    """fcc: 12 neighbours at a/√2, 6 at a, 24 at a√(3/2); nothing between."""
    lattice = 3.61
    crystal = bulk("Cu", a=lattice, cubic=True).repeat(4)
    density = len(crystal) / crystal.get_volume()
    found = rdf_of(crystal, bin_width=0.02, r_max=6.0)
    shells = {lattice / np.sqrt(2): 12, lattice: 6, lattice * np.sqrt(1.5): 24}
    for distance, number in shells.items():
        near = distance - 0.05, distance + 0.05
        assert neighbours(found, "all", density, *near) == pytest.approx(number)
    occupied = found.r[found.g["all"][0] > 0]
    nearest = np.abs(occupied[:, None] - [*shells, lattice * np.sqrt(2), lattice * np.sqrt(2.5)])
    assert nearest.min(1).max() <= 0.02


def test_pairs_of_a_crystal():
    """Rock salt: 6 chlorine around sodium, 12 sodium; the pairs add up to the total."""
    crystal = bulk("NaCl", "rocksalt", a=5.6, cubic=True).repeat(2)
    crystal.rattle(0.001, seed=1)
    found = rdf_of(crystal, pairs=["Na-Cl", "Cl-Na", "Na-Na", "Cl-Cl"])
    density = len(crystal) / 2 / crystal.get_volume()
    assert neighbours(found, "Na-Cl", density, 2.5, 3.1) == pytest.approx(6)
    assert neighbours(found, "Na-Na", density, 3.6, 4.3) == pytest.approx(12)
    np.testing.assert_array_equal(found.g["Na-Cl"], found.g["Cl-Na"])
    total = found.g["Na-Na"] / 4 + found.g["Na-Cl"] / 2 + found.g["Cl-Cl"] / 4
    np.testing.assert_allclose(total, found.g["all"], atol=1e-12)


def test_one_crystal_in_three_cells():
    """Primitive (one atom, beyond half its height), cubic and skewed supercell: one g(r)."""
    primitive = bulk("Cu", a=3.61)
    options = {"r_max": 6.02, "bin_width": 0.04}
    cells = [
        primitive,
        bulk("Cu", a=3.61, cubic=True).repeat(3),
        make_supercell(primitive, [[4, 0, 0], [1, 5, 0], [0, -2, 4]]),
    ]
    curves = [rdf_of(atoms, **options).g["all"][0] for atoms in cells]
    np.testing.assert_allclose(curves[1], curves[0], atol=1e-9)
    np.testing.assert_allclose(curves[2], curves[0], atol=1e-9)


def test_images_do_not_matter():
    """Unwrapped positions have the g(r) and the angles of wrapped ones."""
    positions = random_gas(3, 20)
    shifts = np.random.default_rng(1).integers(-3, 4, (3, 20, 3)) @ SKEWED
    numbers = np.ones(20, dtype=int)
    wrapped, unwrapped = (
        radial_distribution(numbers, moved, SKEWED, PERIODIC).g["all"]
        for moved in (positions, positions + shifts)
    )
    np.testing.assert_array_equal(wrapped, unwrapped)


def test_each_frame_has_its_cell():
    """A uniformly stretched crystal has its first peak where it was stretched to."""
    crystal = bulk("Cu", a=3.6, cubic=True).repeat(3)
    positions = np.array([crystal.positions, 1.1 * crystal.positions])
    cells = np.array([crystal.cell.array, 1.1 * crystal.cell.array])
    found = radial_distribution(crystal.numbers, positions, cells, PERIODIC, bin_width=0.01)
    first = [found.r[curve.nonzero()[0][0]] for curve in found.g["all"]]
    np.testing.assert_allclose(first, [3.6 / 2**0.5, 1.1 * 3.6 / 2**0.5], atol=0.006)


def test_radial_distribution_is_that_of_freud():
    freud = pytest.importorskip("freud")
    positions = random_gas(5, 80)
    numbers = np.array([3] * 30 + [16] * 50)
    found = radial_distribution(
        numbers, positions, SKEWED, PERIODIC, pairs=["Li-S"], bin_width=0.1, r_max=4.4
    )
    box = freud.box.Box.from_matrix(SKEWED.T)
    for name, (a, b) in {"all": (None, None), "Li-S": (3, 16)}.items():
        reference = freud.density.RDF(bins=44, r_max=4.4)
        for points in positions:
            around = points if b is None else points[numbers == b]
            from_ = None if a is None else points[numbers == a]
            reference.compute((box, around), query_points=from_, reset=False)
        np.testing.assert_allclose(found.r, reference.bin_centers, atol=1e-6)
        # freud computes in single precision: a distance may fall into the next bin.
        np.testing.assert_allclose(found.g[name].mean(0), reference.rdf, atol=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pairs": ["O-S"]}, "O-S: the structure has no S; its species are H, O"),
        ({"pairs": ["O"]}, "O: write 2 species as A-B"),
        ({"r_max": 0.01}, "no bin of 0.05 Å fits below 0.01 Å"),
        ({"pbc": np.array([True, True, False])}, "periodic in three directions"),
        ({"positions": np.empty((0, 2, 3))}, "at least one frame"),
    ],
)
def test_bad_radial_distributions(options, message):
    arguments = {
        "numbers": np.array([1, 8]),
        "positions": random_gas(1, 2),
        "cell": SKEWED,
        "pbc": PERIODIC,
        **options,
    }
    with pytest.raises(InputError, match=message):
        radial_distribution(**arguments)


# --- Angles


def test_tetrahedron():
    """Methane: all six angles are arccos(−1/3) = 109.47°."""
    angle, density = adf_of(molecule("CH4"), "H-C-H", 1.3, bin_width=0.5)
    assert angle[density.argmax()] == pytest.approx(109.47, abs=0.25)
    assert density.max() == pytest.approx(1 / 0.5)
    assert density.sum() * 0.5 == pytest.approx(1)


@pytest.mark.parametrize("triple", ["S-P-S", "Li-P-S", "P-P-Li"])
def test_angles_are_those_of_ase(triple):
    """Every triple once, across the faces of a skewed cell."""
    numbers = np.array([3] * 8 + [15] * 8 + [16] * 8)
    atoms = Atoms(numbers, random_gas(1, 24)[0], cell=SKEWED, pbc=True)
    a, b, c = triple.split("-")
    cutoff = 5.0
    distances = atoms.get_all_distances(mic=True)
    symbols = np.array(atoms.get_chemical_symbols())
    expected = [
        atoms.get_angle(i, j, k, mic=True)
        for j in np.flatnonzero(symbols == b)
        for i in np.flatnonzero(symbols == a)
        for k in np.flatnonzero(symbols == c)
        if len({i, j, k}) == 3
        and distances[i, j] < cutoff
        and distances[j, k] < cutoff
        and (a != c or i < k)
    ]
    angle, density = adf_of(atoms, triple, cutoff)
    counts = np.histogram(expected, bins=90, range=(0, 180))[0]
    assert angle[0] == 1.0
    assert len(expected) > 20
    np.testing.assert_allclose(density, counts / len(expected) / 2, atol=1e-12)


def test_no_angle():
    _, density = adf_of(molecule("H2O"), "H-O-H", 0.5)
    assert np.isnan(density).all()
    with pytest.raises(InputError, match="H-C-H: the structure has no C"):
        adf_of(molecule("H2O"), "H-C-H", 0.5)


# --- Displacements and diffusion


def random_walk(frames, atoms, step, seed=0):
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal(scale=step, size=(frames, atoms, 3)), axis=0)


def test_displacements_are_averages_over_all_origins():
    """The fast algorithm gives what the definition gives; other atoms count for the centre."""
    positions = 20.0 + random_walk(41, 7, 0.3)
    masses = np.array([1.0, 1, 16, 7, 7, 32, 31])
    selected = np.array([1, 0, 0, 1, 1, 0, 0], dtype=bool)
    relative = positions - (positions * masses[:, None]).sum(1)[:, None] / masses.sum()
    moved = relative[:, selected]
    expected = [0.0] + [
        np.square(moved[lag:] - moved[:-lag]).sum(-1).mean() for lag in range(1, len(moved))
    ]
    found = mean_squared_displacement(positions, masses, selected)
    np.testing.assert_allclose(found, expected, atol=1e-10)
    first = displacement_from_start(positions, masses, selected)
    np.testing.assert_allclose(first, np.square(moved - moved[0]).sum(-1).mean(-1), atol=1e-10)


def test_displacements_are_those_of_freud():
    freud = pytest.importorskip("freud")
    positions = random_walk(200, 70, 0.1)
    positions -= positions.mean(1, keepdims=True)
    box = freud.box.Box.cube(1000)
    expected = freud.msd.MSD(box, mode="window").compute(positions).msd
    found = mean_squared_displacement(positions, np.ones(70), np.ones(70, bool))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_random_walk_of_known_diffusion():
    """Steps of variance σ² in each direction after each Δt: D = σ²/(2 Δt)."""
    step, spacing, atoms = 0.2, 10.0, 400  # Å, fs
    positions = random_walk(2000, atoms, step)
    times = spacing * np.arange(2000)
    curve = mean_squared_displacement(positions, np.ones(atoms), np.ones(atoms, bool))
    # Short lags have many independent origins.
    found = diffusion_coefficient(times, curve, (0.01 * times[-1], 0.1 * times[-1]))
    # Without the centre of mass, one of N degrees of freedom is lost; 1 Å²/fs = 0.1 cm²/s.
    expected = step**2 / (2 * spacing) * (1 - 1 / atoms) * 0.1
    assert found == pytest.approx(expected, rel=0.03)


def test_drift_of_the_whole_is_no_diffusion():
    """A system that moves as one does not diffuse; the masses say what moves as one."""
    masses = np.array([1.0, 3.0])
    times = np.arange(50.0)
    still = np.repeat([[[0.0, 0, 0], [2.0, 0, 0]]], 50, axis=0)
    moving = still + 0.3 * times[:, None, None]
    assert mean_squared_displacement(moving, masses, np.ones(2, bool)).max() < 1e-9
    # Vibration against the centre of mass, which stays: heavy atoms move less.
    moving[:, 0, 0] += 0.3 * np.sin(times)
    moving[:, 1, 0] -= 0.1 * np.sin(times)
    light = displacement_from_start(moving, masses, np.array([True, False]))
    np.testing.assert_allclose(light, np.square(0.3 * np.sin(times)), atol=1e-9)


def test_diffusion_from_the_first_frame_is_that_of_ase():
    """As the paper computes it: fitted from the first frame on, for each species."""
    frames, spacing = 60, 5.0
    atoms = Atoms("Li4S3", positions=np.random.default_rng(2).uniform(size=(7, 3)))
    masses = atoms.get_masses()
    positions = atoms.positions + random_walk(frames, 7, 0.1)
    positions -= np.average(positions, axis=1, weights=masses)[:, None]
    images = [Atoms(atoms.numbers, frame) for frame in positions]
    lithium = selection("Li", atoms.numbers)
    reference = DiffusionCoefficient(
        images, spacing * units.fs, atom_indices=np.flatnonzero(lithium)
    )
    expected = reference.get_diffusion_coefficients()[0][0] * units.fs * 0.1
    curve = displacement_from_start(positions, masses, lithium)
    found = diffusion_coefficient(spacing * np.arange(frames), curve)
    assert found == pytest.approx(expected, rel=1e-9)


def test_fit_within_a_window():
    """Only the window counts: a line of slope 6 D beside which anything may be."""
    times = np.linspace(0, 1000, 101)
    curve = 5.0 + 6 * 2e-3 * times
    curve[times < 200] = 0
    curve[times > 600] = 99
    assert diffusion_coefficient(times, curve, (200.0, 600.0)) == pytest.approx(2e-4)
    with pytest.raises(InputError, match="to 2 ps is not within the curve"):
        diffusion_coefficient(times, curve, (200.0, 2000.0))
    with pytest.raises(InputError, match="has 2 points; widen the window"):
        diffusion_coefficient(times, curve, (200.0, 215.0))


def test_energy_drift_is_a_slope():
    times = np.linspace(0, 5000, 200)
    ripple = 1e-3 * np.sin(times)
    assert energy_drift(times, 7.0 + 3e-3 * times + ripple, 10) == pytest.approx(0.3, rel=1e-2)


# --- Real data


def columns(path):
    with path.open() as stream:
        rows = list(csv.reader(stream))
    return dict(zip(rows[0], np.array(rows[1:], dtype=float).T, strict=True))


def test_radial_distribution_of_ab_initio_frames(shared_data, lips_frames):
    folder, frames = shared_data / "lips", lips_frames
    table = columns(folder / "rdf_aimd_1194.csv")
    found = radial_distribution(
        frames[0].numbers,
        np.array([atoms.positions for atoms in frames]),
        frames[0].cell.array,
        frames[0].pbc,
        pairs=["Li-Li", "Li-S", "P-P", "P-S"],
    )
    assert found.valid_to == pytest.approx(5.55)
    for name, curve in found.g.items():
        column = "g_total" if name == "all" else f"g_{name.replace('-', '')}"
        expected = table[column][: len(found.r)]
        np.testing.assert_allclose(curve.mean(0), expected, atol=2e-5)


def test_angles_of_ab_initio_frames(shared_data, lips_frames):
    folder, frames = shared_data / "lips", lips_frames
    expected = list(columns(folder / "adf_aimd_1194.csv").values())[1]
    angle, density = angular_distribution(
        frames[0].numbers,
        np.array([atoms.positions for atoms in frames]),
        frames[0].cell.array,
        frames[0].pbc,
        triple="S-P-S",
        cutoff=2.6,
    )
    np.testing.assert_allclose(density, expected, atol=1e-6)
    assert angle[density.argmax()] == 111
