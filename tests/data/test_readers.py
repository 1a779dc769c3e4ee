"""Readers against ASE's own, hand-made files and every kind of file that must be refused."""

import gzip
import json
import lzma
import sqlite3

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from camp.data.readers import convert, read_structures, write_structures
from camp.data.units import AUTHORS_KCAL_PER_MOL, KCAL_PER_MOL
from camp.errors import InputError

# CODATA 2018: 4184 J/mol over the Avogadro and elementary charge constants.
KCAL_BY_HAND = 4184 / 6.02214076e23 / 1.602176634e-19

WATER = """3
Lattice="5 0 0 0 6 0 1 0 7" Properties=species:S:1:pos:R:3:forces:R:3 energy=-14.25 pbc="T T F"
O 0.0 0.0 0.125 0.5 0.0 -1.5
H 0.75 0.0 -0.5 -0.25 0.0 0.75
H -0.75 0.0 -0.5 -0.25 0.0 0.75
"""


def labelled(atoms: Atoms, seed: int = 0, *, stress: bool = False) -> Atoms:
    numbers = np.random.default_rng(seed)
    atoms = atoms.copy()
    atoms.positions += 0.1 * numbers.standard_normal(atoms.positions.shape)
    results = {"energy": numbers.normal(), "forces": numbers.standard_normal((len(atoms), 3))}
    if stress:
        results["stress"] = numbers.standard_normal(6)
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def assert_same(ours: Atoms, theirs: Atoms, tolerance: float = 0.0) -> None:
    assert ours.numbers.tolist() == theirs.numbers.tolist()
    assert ours.pbc.tolist() == theirs.pbc.tolist()
    for mine, other in (
        (ours.positions, theirs.positions),
        (ours.cell.array, theirs.cell.array),
        (ours.get_potential_energy(), theirs.get_potential_energy()),
        (ours.get_forces(), theirs.get_forces()),
    ):
        np.testing.assert_allclose(mine, other, rtol=0, atol=tolerance)


def test_hand_made_extended_xyz(tmp_path):
    path = tmp_path / "water.xyz"
    path.write_text(WATER)
    (atoms,) = read_structures(path)
    assert atoms.get_chemical_symbols() == ["O", "H", "H"]
    assert atoms.cell.array.tolist() == [[5, 0, 0], [0, 6, 0], [1, 0, 7]]
    assert atoms.pbc.tolist() == [True, True, False]
    assert atoms.positions[1].tolist() == [0.75, 0.0, -0.5]
    assert atoms.get_forces()[0].tolist() == [0.5, 0.0, -1.5]
    assert atoms.get_potential_energy() == -14.25


@pytest.mark.parametrize("suffix", [".xyz", ".extxyz", ".xyz.gz", ".xyz.xz"])
def test_extended_xyz_agrees_with_ase(tmp_path, suffix):
    frames = [labelled(bulk("NaCl", "rocksalt", a=5.6), 1, stress=True), labelled(molecule("H2O"))]
    frames[0].info["time_fs"] = 2.5
    path = tmp_path / f"frames{suffix}"
    ase.io.write(path, frames, format="extxyz")
    theirs = ase.io.read(path, ":", format="extxyz")
    ours = read_structures(path)
    for mine, other in zip(ours, theirs, strict=True):
        assert_same(mine, other)
        assert mine.info == other.info
    np.testing.assert_array_equal(ours[0].get_stress(), theirs[0].get_stress())


def test_atomic_numbers_and_other_columns(tmp_path):
    path = tmp_path / "h.xyz"
    path.write_text(
        "1\nProperties=Z:I:1:tag:S:1:dft_forces:R:3:pos:R:3 dft_energy=-1.5\n1 a 1 2 3 4 5 6\n"
    )
    (atoms,) = read_structures(path, energy_key="dft_energy", forces_key="dft_forces")
    assert atoms.numbers.tolist() == [1]
    assert atoms.positions.tolist() == [[4, 5, 6]]
    assert atoms.get_forces().tolist() == [[1, 2, 3]]
    assert atoms.get_potential_energy() == -1.5


def test_labels_are_optional_on_request(tmp_path):
    path = tmp_path / "plain.xyz"
    path.write_text("2\na comment\nH 0 0 0\nH 0 0 0.75\n")
    (atoms,) = read_structures(path, targets=())
    assert len(atoms) == 2
    assert not atoms.pbc.any()
    with pytest.raises(InputError, match=r"plain\.xyz, frame 0: no energy and no forces"):
        read_structures(path)


def test_frames_are_chosen(tmp_path):
    path = tmp_path / "many.xyz"
    path.write_text("".join(f"1\nenergy={k}.5\nH 0 0 {k}\n" for k in range(10)))
    chosen = read_structures(path, targets=(), every=3, first=3)
    assert [atoms.positions[0, 2] for atoms in chosen] == [0, 3, 6]


def test_writing_is_exact_deterministic_and_readable_by_ase(tmp_path):
    frames = [labelled(bulk("Si"), 3, stress=True), labelled(molecule("CH3CH2OH"), 4)]
    frames[0].info |= {"source": "run 1.xyz", "source_frame": 7, "time_fs": 0.1}
    paths = [tmp_path / "a.xyz.gz", tmp_path / "b.xyz.gz"]
    for path in paths:
        assert write_structures(path, frames) == 2
    assert paths[0].read_bytes() == paths[1].read_bytes()
    theirs = ase.io.read(paths[0], ":", format="extxyz")
    for mine, other, original in zip(read_structures(paths[0]), theirs, frames, strict=True):
        assert_same(mine, original)
        assert_same(other, original)
        assert mine.info == original.info == other.info
    np.testing.assert_array_equal(theirs[0].get_stress(), frames[0].get_stress())


def test_failed_writing_leaves_nothing(tmp_path):
    def frames():
        yield labelled(molecule("H2O"))
        raise InputError("stop")

    with pytest.raises(InputError, match="stop"):
        write_structures(tmp_path / "a.xyz.gz", frames())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=r"written as \.xyz"):
        write_structures(tmp_path / "a.cif", [])


def test_ase_database(tmp_path):
    path = tmp_path / "frames.db"
    frames = [labelled(bulk("Si"), 1, stress=True), labelled(molecule("H2O"), 2)]
    # ASE hides the forces of fixed atoms; the labels must not change.
    frames[1].set_constraint(FixAtoms([0]))
    with ase.db.connect(path) as database:
        for atoms in frames:
            database.write(atoms, name="x")
    ours = read_structures(path)
    for mine, original in zip(ours, frames, strict=True):
        original.set_constraint()
        assert_same(mine, original)
    np.testing.assert_array_equal(ours[0].get_stress(), frames[0].get_stress())


def md17(frames: int = 3) -> dict[str, np.ndarray]:
    numbers = np.random.default_rng(5)
    return {
        "E": -1000 + numbers.standard_normal((frames, 1)),
        "F": numbers.standard_normal((frames, 2, 3)),
        "R": numbers.standard_normal((frames, 2, 3)),
        "z": np.array([8, 1], dtype=np.uint8),
    }


def test_md17_is_converted_from_kcal_per_mol(tmp_path):
    path, arrays = tmp_path / "md17_x.npz", md17()
    np.savez(path, **arrays)
    frames = read_structures(path)
    assert len(frames) == 3
    # ase.units are CODATA 2014.
    assert pytest.approx(KCAL_BY_HAND, rel=1e-7) == KCAL_PER_MOL
    for k, atoms in enumerate(frames):
        assert atoms.numbers.tolist() == [8, 1]
        assert not atoms.pbc.any()
        np.testing.assert_array_equal(atoms.positions, arrays["R"][k])
        expected = arrays["E"][k, 0] * KCAL_BY_HAND
        assert atoms.get_potential_energy() == pytest.approx(expected, rel=1e-7)
        np.testing.assert_allclose(atoms.get_forces(), arrays["F"][k] * KCAL_BY_HAND, rtol=1e-7)


def test_the_authors_factor_shifts_md17_energies(tmp_path):
    path, arrays = tmp_path / "md17_x.npz", md17()
    np.savez(path, **arrays)
    codata = read_structures(path)[0].get_potential_energy()
    theirs = read_structures(path, kcal_per_mol=AUTHORS_KCAL_PER_MOL)[0]
    assert theirs.info["kcal_per_mol"] == 0.0433635
    assert theirs.get_potential_energy() / codata == pytest.approx(1 - 1.4e-5, abs=1e-7)


def test_rmd17(tmp_path):
    path, arrays = tmp_path / "rmd17_x.npz", md17()
    np.savez(
        path,
        nuclear_charges=arrays["z"],
        coords=arrays["R"],
        energies=arrays["E"][:, 0],
        forces=arrays["F"],
        old_indices=np.arange(3),
    )
    np.savez(tmp_path / "md17_x.npz", **arrays)
    for mine, other in zip(
        read_structures(path), read_structures(tmp_path / "md17_x.npz"), strict=True
    ):
        assert_same(mine, other)


def table(frames: list[Atoms]) -> dict[str, dict[str, object]]:
    rows = [
        {
            "coords": atoms.positions.tolist(),
            "atomic_number": atoms.numbers.tolist(),
            "cell": atoms.cell.array.tolist(),
            "pbc": atoms.pbc.tolist(),
            "energy": atoms.get_potential_energy(),
            "forces": atoms.get_forces().tolist(),
        }
        for atoms in frames
    ]
    return {name: {str(k): row[name] for k, row in enumerate(rows)} for name in rows[0]}


def test_pandas_json(tmp_path):
    frames = [labelled(bulk("C"), 1), labelled(bulk("C", cubic=True), 2)]
    path = tmp_path / "frames.json"
    path.write_text(json.dumps(table(frames)))
    for mine, original in zip(read_structures(path), frames, strict=True):
        assert_same(mine, original)


def test_convert_joins_files_and_notes_where_frames_come_from(tmp_path):
    np.savez(tmp_path / "md17_x.npz", **md17(5))
    (tmp_path / "water.xyz").write_text(WATER)
    out = tmp_path / "joined.xyz.gz"
    files = [tmp_path / "water.xyz", tmp_path / "md17_x.npz"]
    assert convert(files, out, every=2, first=2) == 3
    frames = read_structures(out)
    assert [(a.info["source"], a.info["source_frame"]) for a in frames] == [
        ("water.xyz", 0),
        ("md17_x.npz", 0),
        ("md17_x.npz", 2),
    ]
    assert_same(frames[2], read_structures(tmp_path / "md17_x.npz")[2])
    convert([out], tmp_path / "again.xyz", first=1)
    (again,) = read_structures(tmp_path / "again.xyz")
    assert (again.info["source"], again.info["origin"]) == ("joined.xyz.gz", "water.xyz")


def numbered(folder, *errors):
    """A file of frames with a number each."""
    frames = [Atoms("H", info={"error": error, "name": "x"}) for error in errors]
    write_structures(folder / "numbered.xyz", frames)
    return folder / "numbered.xyz"


def test_convert_keeps_frames_by_a_number(tmp_path):
    """Strictly below and above the limits; numbers of frames are those of the file."""
    path, out = numbered(tmp_path, 0.04, 0.05, 0.01, 1), tmp_path / "kept.xyz"
    assert convert([path], out, below={"error": 0.05}, above={"error": 0.01}) == 1
    assert convert([path], out, below={"error": 0.05}) == 2
    assert [atoms.info["source_frame"] for atoms in read_structures(out, targets=())] == [0, 2]


@pytest.mark.parametrize(
    ("below", "message"),
    [
        ({"eror": 1}, r"numbered\.xyz, frame 0: frames are kept by eror, which is missing here"),
        ({"name": 1}, r"frame 0: frames are kept by name, which is x here \(the frame has: "),
        ({"error": 0.5}, r"frame 1: frames are kept by error, which is nan here"),
        ({"error": -1}, r"frame 1: frames are kept by error"),
    ],
)
def test_frames_without_the_number_to_keep_them_by_are_named(tmp_path, below, message):
    path = numbered(tmp_path, 0.1, float("nan"))
    with pytest.raises(InputError, match=message):
        convert([path], tmp_path / "kept.xyz", below=below)


def test_convert_leaves_numbers_to_one_species(tmp_path):
    """Whatever stood there for others is not given any more."""
    water = Atoms("OHH", [[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    water.arrays["shift"] = np.arange(9.0).reshape(3, 3)
    path, out = tmp_path / "water.xyz", tmp_path / "o.xyz"
    write_structures(path, [water])
    convert([path], out, only_of={"shift": "O"})
    (found,) = read_structures(out, targets=())
    np.testing.assert_array_equal(found.arrays["shift"][0], [0.0, 1.0, 2.0])
    assert np.isnan(found.arrays["shift"][1:]).all()
    with pytest.raises(InputError, match=r"water\.xyz, frame 0: no shft of atoms to leave to O \("):
        convert([path], out, only_of={"shft": "O"})


def test_convert_of_no_frame_is_refused(tmp_path):
    path, out = numbered(tmp_path, 0.1), tmp_path / "kept.xyz"
    with pytest.raises(InputError, match=r"numbered\.xyz: no frame is as asked for"):
        convert([path], out, above={"error": 1.0})
    assert not out.exists()


def test_convert_writes_nothing_when_one_frame_is_bad(tmp_path):
    (tmp_path / "water.xyz").write_text(WATER)
    (tmp_path / "bad.xyz").write_text(WATER.replace("-14.25", "nan"))
    with pytest.raises(InputError, match=r"bad\.xyz, frame 0"):
        convert([tmp_path / "water.xyz", tmp_path / "bad.xyz"], tmp_path / "out.xyz")
    assert not (tmp_path / "out.xyz").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.125", "nan", "positions of atom 0: nan is no usable number"),
        ("0.125", "1e99", "positions of atom 0: 1e.99 is no usable number"),
        ("-1.5", "inf", "forces of atom 0: inf"),
        ("-14.25", "nan", "energy: nan"),
        ('"5 0 0', '"nan 0 0', "cell: nan"),
        ("energy=-14.25 ", "", "no energy"),
        ("energy=-14.25 ", "energy ", "energy has no value"),
        ("forces:R:3", "gradient:R:3", "no forces"),
        ("3\n", "0\n", "no atoms"),
        ("H -0.75 0.0 -0.5", "H 0.7501 0.0 -0.5", "atoms 1 and 2 coincide"),
        # The same place one lattice vector further, and just across the boundary.
        ("H -0.75 0.0 -0.5", "H 5.75 0.0 -0.5", "atoms 1 and 2 coincide"),
        ("H -0.75 0.0 -0.5", "H 0.75 5.9995 -0.5", "atoms 1 and 2 coincide"),
        ("5 0 0 0 6 0", "5 0 0 10 0 0", "no volume but is periodic .pbc T T F."),
        ('Lattice="5 0 0 0 6 0 1 0 7" ', "", "no volume but is periodic"),
        ("O 0.0", "Qq 0.0", "unknown element 'Qq'"),
        ("O 0.0", "X 0.0", "no known element"),
        ("O 0.0", "0.0", "atom 0 has 6 columns instead of 7"),
        ("O 0.0 0.0", "O 0.0 zero", "unreadable value"),
        ("pos:R:3:forces", "pos:R:6:forces", "columns instead of"),
        ("pos:R:3:forces", "pos:Q:3:forces", "unreadable Properties"),
        ('pbc="T T F"', 'pbc="1 2 3"', "pbc must be"),
        ("5 0 0 0 6 0 1 0 7", "5 0 0", "not extended XYZ"),
        ("-0.25 0.0 0.75\nH -", "-0.25 0.0 0.75\n\nH -", "atom 2 has 0 columns"),
    ],
)
def test_bad_frames_are_refused_with_file_and_frame(tmp_path, old, new, message):
    bad = WATER.replace(old, new, 1)
    assert bad != WATER
    path = tmp_path / "water.xyz"
    path.write_text(WATER + bad)
    with pytest.raises(InputError, match=rf"water\.xyz, frame 1: .*{message}") as caught:
        read_structures(path)
    assert "\n" not in str(caught.value)


def test_atoms_of_an_isolated_direction_do_not_coincide(tmp_path):
    path = tmp_path / "slab.xyz"
    # Seven Å along the direction that is not periodic, and 1 Å along another.
    path.write_text(WATER.replace("H -0.75 0.0 -0.5", "H 1.75 0.0 6.5"))
    assert len(read_structures(path)) == 1


def test_many_atoms_in_one_place_are_refused(tmp_path):
    path = tmp_path / "heap.xyz"
    path.write_text("20000\n\n" + "H 0 0 0\n" * 20000)
    with pytest.raises(InputError, match="coincide"):
        read_structures(path, targets=())


@pytest.mark.parametrize("suffix", ["xyz", "xyz.gz", "xyz.xz"])
def test_truncated_xyz_is_refused_wherever_it_is_cut(tmp_path, suffix):
    pack = {"xyz": bytes, "xyz.gz": gzip.compress, "xyz.xz": lzma.compress}[suffix]
    whole = pack((WATER * 3).encode())
    path = tmp_path / f"cut.{suffix}"
    complete = {len(WATER) * k for k in (1, 2, 3)} if suffix == "xyz" else {len(whole)}
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        if size in complete:
            continue
        with pytest.raises(InputError, match="cut"):
            read_structures(path)


def test_truncated_npz_and_database_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", **md17())
    with ase.db.connect(tmp_path / "a.db") as database:
        for k in range(20):
            database.write(labelled(molecule("H2O"), k))
    for name in ("a.npz", "a.db"):
        path = tmp_path / name
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(InputError, match=name):
            read_structures(path)


def test_foreign_files_are_refused(tmp_path):
    np.savez(tmp_path / "keys.npz", a=np.zeros(3))
    np.savez(tmp_path / "pickled.npz", **(md17() | {"E": np.array([{}, {}, {}], dtype=object)}))
    np.savez(tmp_path / "shapes.npz", **(md17() | {"F": np.zeros((3, 5, 3))}))
    np.savez(tmp_path / "empty.npz", **md17(0))
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE t (x)")
    before = (tmp_path / "other.db").read_bytes()
    for name, content in {
        "text.xyz": "hello\n",
        "empty.xyz": "",
        "text.db": "hello",
        "text.npz": "hello",
        "list.json": "[1, 2]",
        "other.json": '{"a": {"0": 1}}',
        "cut.json": '{"coords": {"0": [[',
        "deep.json": "[" * 100_000,
        "frame.cif": "data_x",
        "binary.xyz": "3\n\n\x00\n",
    }.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "bytes.xyz").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder.xyz").mkdir()
    expected = {
        "keys.npz": "neither MD17",
        "pickled.npz": "not an npz file of plain arrays",
        "shapes.npz": "do not belong together",
        "empty.npz": "no frames",
        "other.db": "not one of ASE",
        "text.xyz": "not extended XYZ: 'hello'",
        "empty.xyz": "no frames",
        "text.db": "not an ASE database",
        "text.npz": "not an npz",
        "list.json": "not a table of structures",
        "other.json": "not a table of structures",
        "cut.json": "not a JSON file",
        "deep.json": "not a JSON file",
        "frame.cif": "supported are .xyz",
        "binary.xyz": "cut off",
        "bytes.xyz": "not extended XYZ",
        "folder.xyz": "is a folder",
        "missing.xyz": "no such file",
    }
    for name, message in expected.items():
        with pytest.raises(InputError, match=message) as caught:
            read_structures(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
    assert (tmp_path / "other.db").read_bytes() == before


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("forces", None, "no forces"),
        ("energy", None, "no energy"),
        ("coords", [[0, 0, 0]], "unreadable row"),
        ("coords", [[0, 0, None], [1, 1, 1]], "positions of atom 0: nan"),
        ("atomic_number", ["C", "C"], "atomic numbers must be integers"),
        ("cell", None, "lacks one of"),
        ("cell", [[0, 0, 0]] * 3, "no volume"),
        ("forces", "text", "unreadable row"),
    ],
)
def test_bad_rows_of_json_are_refused(tmp_path, column, value, message):
    content = table([labelled(bulk("C"), 1), labelled(bulk("C"), 2)])
    content[column]["1"] = value
    path = tmp_path / "frames.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"frames\.json, frame 1: .*{message}"):
        read_structures(path)


def test_published_and_real_files(shared_data):
    """Against ASE's reader and json; 192 atoms in water, the numbers of frames as documented."""
    path = shared_data / "lips" / "lips-1194.xyz.gz"
    theirs = ase.io.read(path, ":20", format="extxyz")
    for mine, other in zip(read_structures(path, first=20), theirs, strict=True):
        assert_same(mine, other)
        assert mine.info == other.info
    mirror = shared_data / "mirror" / "camp_run" / "dataset"
    for name, count in {"water/test_water": 81, "water/val_water": 80}.items():
        frames = read_structures(mirror / f"{name}.json")
        content = json.loads((mirror / f"{name}.json").read_text())
        assert len(frames) == count
        assert {len(atoms) for atoms in frames} == {192}
        last = str(count - 1)
        assert frames[-1].get_potential_energy() == content["energy"][last]
        assert frames[-1].get_forces().tolist() == content["forces"][last]
    graphene = read_structures(mirror / "graphene" / "bilayer_graphene_test.json")
    assert len(graphene) == 618
    assert (min(map(len, graphene)), max(map(len, graphene))) == (4, 76)
