"""Tables of pymatgen: hand-made rows, the same rows in a file of another origin, and bad ones."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from camp.data.labels import label
from camp.data.readers import convert, read_structures
from camp.errors import InputError
from camp.settings import load_scale
from camp.targets import Target, resolve

CONFIG = Path(__file__).resolve().parents[2] / "config"

# Voigt's order by hand: xx yy zz yz xz xy.
PAIRS = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]
# A cell whose transpose is another one, and a site outside of it.
MATRIX = [[4.0, 0.0, 0.0], [1.0, 5.0, 0.0], [0.5, 0.25, 6.0]]


def site(element, *abc, occu=1, **species):
    return {
        "species": [{"element": element, "occu": occu, **species}],
        "abc": abc,
        "label": element,
        "properties": {"magmom": 0.0},
    }


def structure(*sites, matrix=MATRIX, **lattice):
    return {"@class": "Structure", "lattice": {"matrix": matrix, **lattice}, "sites": sites}


QUARTZ = structure(
    site("Si", 0.0, 0.0, 0.0),
    site("O", 0.5, 0.5, 0.0),
    site("Si", 0.5, 0.0, 1.5, oxidation_state=4),
    site("O", 0.0, 0.5, 0.5),
)

ALLOY = [{"element": "Fe", "occu": 0.75}, {"element": "Ni", "occu": 0.25}]


def write(path, **columns):
    """A table with one row from the values of its columns."""
    path.write_text(json.dumps({name: {"7": value} for name, value in columns.items()}))
    return path


def read(path) -> Atoms:
    (atoms,) = read_structures(path, targets=())
    return atoms


def read_twice(path) -> list[Atoms]:
    """As it is, and from the converted file."""
    out = path.with_suffix(".xyz")
    convert([path], out)
    return [read(path), read(out)]


def target_of(task: str) -> Target:
    """As the full reproduction reads the published tables."""
    settings = load_scale([CONFIG / "paper.yaml"], {}, folder=CONFIG).tasks[task]
    (target,) = resolve(settings.targets, settings.keys)
    return target


def test_structures_are_read_without_pymatgen(tmp_path):
    slab = structure(*QUARTZ["sites"], pbc=[True, True, False])
    for atoms in read_twice(write(tmp_path / "a.json", structure=slab)):
        assert atoms.get_chemical_symbols() == ["Si", "O", "Si", "O"]
        assert atoms.cell.array.tolist() == MATRIX
        assert atoms.pbc.tolist() == [True, True, False]
        # a/2 + b/2, and a/2 + 3c/2.
        assert atoms.positions[1].tolist() == [2.5, 2.5, 0.0]
        assert atoms.positions[2].tolist() == [2.75, 0.375, 9.0]


def test_energies_and_forces_are_read_as_from_other_tables(tmp_path):
    forces = np.arange(12.0).reshape(4, 3)
    path = write(tmp_path / "a.json", structure=QUARTZ, energy=-1.5, forces=forces.tolist())
    (atoms,) = read_structures(path)
    assert atoms.pbc.all()
    assert atoms.get_potential_energy() == -1.5
    assert atoms.get_forces().tolist() == forces.tolist()
    assert not atoms.info


def test_elastic_tensors_in_full_and_in_voigt_s_form_are_the_same(tmp_path):
    numbers = np.random.default_rng(0).standard_normal((6, 6))
    voigt = numbers + numbers.T
    full = np.empty((3, 3, 3, 3))
    for a, (i, j) in enumerate(PAIRS):
        for b, (k, m) in enumerate(PAIRS):
            full[i, j, k, m] = full[j, i, k, m] = full[i, j, m, k] = full[j, i, m, k] = voigt[a, b]
    path = write(
        tmp_path / "elastic.json",
        structure=QUARTZ,
        elastic_tensor_voigt=voigt.tolist(),
        elastic_tensor=full.tolist(),
        crystal_system="triclinic",
        formula="Si O2",
        split=None,
    )
    targets = [target_of("elastic"), *resolve(["elastic"], {"elastic": "elastic_tensor"})]
    for atoms in read_twice(path):
        for target in targets:
            np.testing.assert_allclose(label(atoms, target), full, rtol=0, atol=1e-14)
        assert (atoms.info["crystal_system"], atoms.info["formula"]) == ("triclinic", "Si O2")
        assert "split" not in atoms.info


def test_tensors_that_are_not_symmetric_keep_the_order_of_their_indices(tmp_path):
    tensor = np.arange(9.0).reshape(3, 3)
    path = write(tmp_path / "a.json", structure=QUARTZ, dielectric=tensor.tolist())
    for atoms in read_twice(path):
        np.testing.assert_array_equal(np.reshape(atoms.info["dielectric"], (3, 3)), tensor)


def test_numbers_of_selected_atoms(tmp_path):
    tensors = np.arange(18.0).reshape(2, 3, 3)
    path = write(
        tmp_path / "nmr.json",
        structure=QUARTZ,
        species=[14, 8, 14, 8],
        nmr_tensor=tensors.tolist(),
        atom_selector=[True, False, True, False],
        Qn=[4, 3],
        charge=[2, -1, 2, -1],
        comment="two of four",
    )
    target = target_of("si-nmr")
    for atoms in read_twice(path):
        found = label(atoms, target)
        np.testing.assert_array_equal(found[[0, 2]], tensors)
        assert np.isnan(found[[1, 3]]).all()
        np.testing.assert_array_equal(atoms.arrays["Qn"], [4, np.nan, 3, np.nan])
        np.testing.assert_array_equal(atoms.arrays["charge"], [2, -1, 2, -1])
        assert atoms.arrays["atom_selector"].tolist() == [True, False, True, False]
        assert atoms.info["comment"] == "two of four"
        assert "species" not in atoms.arrays


def test_what_a_file_of_structures_cannot_hold_is_left_out(tmp_path):
    path = write(
        tmp_path / "a.json",
        structure=QUARTZ,
        cif="data_x\nloop_",
        warnings=["none"],
        sites_by_kind=[[0, 2], [1]],
        more={"a": 1},
        empty=[],
        gaps=[1, None],
    )
    first, second = read_twice(path)
    assert [*first.info] == ["gaps"]
    for atoms in (first, second):
        np.testing.assert_array_equal(atoms.info["gaps"], [1.0, np.nan])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"structure": None}, r"row '7' lacks one of structure"),
        ({"structure": "text"}, r"unreadable row '7'"),
        ({"structure": {"sites": []}}, r"unreadable row '7' \(no Structure.as_dict"),
        ({"structure": structure({"abc": [0, 0, 0]})}, r"unreadable row '7' \(no Structure"),
        ({"structure": structure(site("Si", 0, 0))}, r"unreadable row '7'"),
        ({"structure": structure(site("Si", 0, 0, 0), matrix=[[1, 2]])}, r"unreadable row '7'"),
        ({"structure": structure()}, r"the frame has no atoms"),
        ({"structure": structure(site("Si", 0, 0, 0), site("Q", 0, 0, 0.5))}, r"'7': site 1: unk"),
        (
            {"structure": structure(site("Fe", 0, 0, 0, occu=0.5))},
            r"row '7': site 0 is Fe 0\.5; only sites of one whole atom can be read",
        ),
        (
            {"structure": structure({"abc": [0, 0, 0], "species": ALLOY})},
            r"row '7': site 0 is Fe 0\.75, Ni 0\.25; only sites",
        ),
        ({"atom_selector": [True]}, r"row '7': atom_selector must be true or false for each of 4"),
        ({"atom_selector": [0, 2, 1, 3]}, r"row '7': atom_selector must be true or false"),
        (
            {"atom_selector": [True, False, True, True], "nmr_tensor": [[[0.0] * 3] * 3] * 2},
            r"row '7': nmr_tensor has 2 entries for 3 selected of 4 atoms",
        ),
    ],
)
def test_bad_rows_are_refused(tmp_path, change, message):
    path = write(tmp_path / "a.json", **({"structure": QUARTZ} | change))
    with pytest.raises(InputError, match=rf"a\.json, frame 0: .*{message}") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_published_row_is_that_of_a_file_made_by_others(tmp_path, shared_data):
    """LiCdAs, whose published cell is another one when it is transposed."""
    path = write(
        tmp_path / "elastic.json",
        structure=structure(
            site("Li", 0.5, 0.5, 0.5),
            site("Cd", 0.0, 0.0, 0.0),
            site("As", 0.25, 0.25, 0.25),
            matrix=[
                [-1.834065766e-16, -3.17401021, 3.17401021],
                [3.17401021, -3.17401021, 4.440892099e-16],
                [3.17401021, 2.606826333e-16, 3.17401021],
            ],
        ),
    )
    theirs = read_structures(shared_data / "tensors" / "elastic-100.extxyz", targets=(), first=3)[2]
    ours = read(path)
    assert ours.get_chemical_symbols() == theirs.get_chemical_symbols()
    np.testing.assert_allclose(ours.cell.array, theirs.cell.array, rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.positions, theirs.positions, rtol=0, atol=1e-7)
