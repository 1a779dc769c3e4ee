"""Splits: sizes, seeds, sources of the parts, duplicates, and the command."""

import json
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator

from camp import cli
from camp.data.bilayers import build_bilayer
from camp.data.readers import read_structures, write_structures
from camp.data.splits import Split, find_duplicates, random_split, read_split, write_split
from camp.errors import InputError


def shaken(count: int, source: str = "a.xyz", seed: int = 0) -> list[Atoms]:
    chance = np.random.default_rng(seed)
    frames = []
    for _ in range(count):
        atoms = molecule("H2O")
        atoms.positions += 0.1 * chance.standard_normal((3, 3))
        atoms.info["source"] = source
        atoms.calc = SinglePointCalculator(atoms, energy=0.5, forces=np.ones((3, 3)))
        frames.append(atoms)
    return frames


def test_parts_are_disjoint_and_cover_what_was_asked():
    split = random_split(100, 10, 20, 30, seed=1)
    drawn = split.train + split.validation + split.test
    assert (len(split.train), len(split.validation), len(split.test)) == (10, 20, 30)
    assert len(set(drawn)) == 60
    assert set(drawn) <= set(range(100))
    whole = random_split(100, 10, 20, "rest", seed=1)
    assert sorted(whole.train + whole.validation + whole.test) == list(range(100))


def test_the_seed_alone_decides():
    assert random_split(100, 10, 5, 5, seed=7) == random_split(100, 10, 5, 5, seed=7)
    assert random_split(100, 10, 5, 5, seed=7) != random_split(100, 10, 5, 5, seed=8)
    # The documented generator, so that the drawing can be repeated elsewhere.
    order = np.random.Generator(np.random.PCG64(7)).permutation(100)
    assert random_split(100, 10, 5, 5, seed=7).train == order[:10].tolist()


def test_every_frame_is_drawn_equally_often():
    drawn = np.zeros(20)
    for seed in range(500):
        drawn[random_split(20, 5, 0, 0, seed=seed).train] += 1
    # 500 · 5/20 = 125 with a standard deviation of 9.7.
    assert drawn.min() > 125 - 5 * 9.7
    assert drawn.max() < 125 + 5 * 9.7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (60, 30, 30),
            r"test wants 30, 10 are left .dataset 100; train 60, validation 30, test 30",
        ),
        ((101, 0, "rest"), "train wants 101, 100 are left"),
        ((0, 1, 1), "train must be a number ≥ 1"),
        ((1, -1, 1), "validation must be a number ≥ 0"),
        (("rest", 1, 1), "only the test part"),
        ((1, 1, "all"), "test must be a number"),
    ],
)
def test_impossible_sizes_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        random_split(100, *arguments, seed=1)


def test_parts_from_different_files():
    frames = shaken(10, "a.npz", 1) + shaken(20, "b.npz", 2) + shaken(5, "c.npz", 3)
    split = random_split(frames, 6, 4, "rest", 1, sources={"train": "a.npz", "validation": "a.npz"})
    assert sorted(split.train + split.validation) == list(range(10))
    # A part without a file takes what no other part named.
    assert sorted(split.test) == list(range(10, 35))
    split = random_split(frames, 10, 5, 20, 1, sources={"validation": "c.npz", "test": "b.npz"})
    assert sorted(split.validation) == list(range(30, 35))
    assert sorted(split.test) == list(range(10, 30))
    with pytest.raises(InputError, match=r"train wants 11 from a\.npz, 10 are left"):
        random_split(frames, 11, 4, 5, 1, sources={"train": "a.npz"})
    with pytest.raises(InputError, match=r"'d\.npz'; sources are a\.npz, b\.npz, c\.npz"):
        random_split(frames, 1, 1, 1, 1, sources={"train": "d.npz"})
    with pytest.raises(InputError, match="give the structures"):
        random_split(10, 1, 1, 1, 1, sources={"train": "d.npz"})


def test_duplicates_are_found_within_a_millionth_of_an_angstrom():
    first, second = shaken(30, seed=1), shaken(40, seed=2)
    second[7] = first[3].copy()
    second[8] = first[3].copy()
    second[9] = first[20].copy()
    second[9].positions += 0.9e-6 * np.array([1, -1, 1])
    near = first[5].copy()
    near.positions[1, 1] += 1.2e-6
    second[10] = near
    assert find_duplicates(first, second) == [(3, 7), (3, 8), (20, 9)]


def test_what_differs_in_cell_species_or_order_is_no_duplicate():
    one = bulk("NaCl", "rocksalt", a=5.6)
    other_cell, other_species, other_flags = one.copy(), one.copy(), one.copy()
    other_cell.cell[2, 2] += 1e-3
    other_species.numbers[0] = 19
    other_flags.pbc = False
    others = [other_cell, other_species, other_flags, one[::-1], one.copy()]
    assert find_duplicates([one], others) == [(0, 4)]


def test_split_reports_duplicates_between_its_parts():
    frames = shaken(12)
    frames[4] = frames[9].copy()
    split = random_split(frames, 4, 4, 4, seed=3)
    part = {i: name for name in ("train", "validation", "test") for i in getattr(split, name)}
    expected = set() if part[4] == part[9] else {4, 9}
    assert {i for pair in split.duplicates for i in pair} == expected
    assert expected, "choose another seed: both frames fell into one part"


def mixed(rigid: int, others: int) -> list[Atoms]:
    """Rigid bilayers of different distances first, then water."""
    return [build_bilayer(2.46, 3.0 + 0.1 * k, (0.0, 0.0)) for k in range(rigid)] + shaken(others)


def test_excluded_frames_are_in_the_test_part_only(tmp_path):
    frames = mixed(6, 14)
    split = random_split(frames, 8, 4, "rest", 3, exclude=["rigid-bilayers"])
    assert min(split.train + split.validation) >= 6
    assert set(range(6)) < set(split.test)
    assert sorted(split.train + split.validation + split.test) == list(range(20))
    assert split.excluded == {"rigid-bilayers": 6}
    write_split(tmp_path / "split.json", split, dataset="mixed")
    assert json.loads((tmp_path / "split.json").read_text())["excluded"] == {"rigid-bilayers": 6}
    assert read_split(tmp_path / "split.json", 20) == split
    # The same order of drawing as without, and a smaller training set begins a larger one.
    usual = random_split(frames, 20, 0, 0, 3).train
    assert split.train == [i for i in usual if i >= 6][:8]
    # Where there is nothing to exclude, nothing changes but the note.
    none = random_split(shaken(9), 4, 2, 3, 1, exclude=["rigid-bilayers"])
    assert replace(none, excluded={}) == random_split(9, 4, 2, 3, 1)
    assert none.excluded == {"rigid-bilayers": 0}


def test_what_cannot_be_excluded():
    too_few = r"train wants 15, 14 are left .*; without rigid-bilayers"
    with pytest.raises(InputError, match=too_few):
        random_split(mixed(6, 14), 15, 0, 0, 1, exclude=["rigid-bilayers"])
    with pytest.raises(InputError, match=r"cannot exclude 'water'; choose from rigid-bilayers"):
        random_split(mixed(1, 1), 1, 0, 0, 1, exclude=["water"])
    with pytest.raises(InputError, match="give them"):
        random_split(10, 1, 1, 1, 1, exclude=["rigid-bilayers"])


def test_rigid_bilayers_of_the_published_validation_set(shared_data):
    """105 of its 618 frames are rigid; 461 and 52 are nine tenths and one tenth of the others."""
    folder = shared_data / "mirror" / "camp_run" / "dataset" / "graphene"
    frames = []
    for name in ("bilayer_graphene_val.json", "bilayer_graphene_test.json"):
        for atoms in read_structures(folder / name):
            atoms.info["source"] = name
            frames.append(atoms)
    first, second = "bilayer_graphene_val.json", "bilayer_graphene_test.json"
    sources = {"train": first, "validation": first, "test": second}
    exclude = ["rigid-bilayers"]
    split = random_split(frames, 461, 52, "rest", 1, sources=sources, exclude=exclude)
    assert split.excluded == {"rigid-bilayers": 216}
    assert sorted(split.test) == list(range(618, 1236))
    assert min(len(frames[i]) for i in split.train + split.validation) > 4
    with pytest.raises(InputError, match=r"train wants 514 from .*_val\.json, 513 are left"):
        random_split(frames, 514, 0, 0, 1, sources=sources, exclude=exclude)


def test_split_file(tmp_path):
    path = tmp_path / "split.json"
    split = random_split(10, 3, 2, "rest", seed=5)
    write_split(path, split, dataset="lips")
    content = json.loads(path.read_text())
    assert content == {
        "dataset": "lips",
        "seed": 5,
        "train": split.train,
        "validation": split.validation,
        "test": split.test,
        "duplicates": [],
        "excluded": {},
    }
    assert read_split(path, 10) == split
    with pytest.raises(InputError, match=r"split\.json: .* is not in the dataset of 9 frames"):
        read_split(path, 9)
    with pytest.raises(InputError, match="both in train and in test"):
        Split([1, 2], [], [2]).check(5)
    for text in ("[]", '{"train": [1], "validation": [], "test": ["a"]}'):
        path.write_text(text)
        with pytest.raises(InputError, match="not a split"):
            read_split(path)


def test_commands_convert_and_split(tmp_path, capsys):
    frames = shaken(10, seed=1)
    write_structures(tmp_path / "train.xyz", frames)
    write_structures(tmp_path / "test.xyz", [*shaken(5, seed=2), frames[0]])
    joined, out = tmp_path / "all.xyz.gz", tmp_path / "split.json"
    convert = ["convert", str(tmp_path / "train.xyz"), str(tmp_path / "test.xyz"), str(joined)]
    assert cli.main(convert) == 0
    assert f"{joined}: 16 frames" in capsys.readouterr().out
    split = ["split", str(joined), str(out), "--seed", "1", "--validation", "0"]
    wanted = ["--train", "10", "--test", "rest", "--test-source", "test.xyz"]
    assert cli.main([*split, *wanted]) == 0
    said = capsys.readouterr()
    assert "camp: warning" in said.err
    assert said.out == f"{out}: 10 train, 0 validation, 6 test frames\n"
    content = json.loads(out.read_text())
    assert (content["dataset"], content["frames"]) == ("all.xyz.gz", 16)
    assert sorted(content["test"]) == list(range(10, 16))
    assert content["duplicates"] == [[0, 15]]
    out.unlink()
    assert cli.main([*split, "--train", "20", "--test", "1"]) == 2
    assert "too few frames: train wants 20, 16 are left" in capsys.readouterr().err
    assert not out.exists()


def test_published_sets_of_water_share_no_frame(shared_data):
    folder = shared_data / "mirror" / "camp_run" / "dataset" / "water"
    train = read_structures(shared_data / "water" / "water-train-441.xyz.gz")
    test = read_structures(folder / "test_water.json")
    assert len(train) == 441
    assert find_duplicates(train, test) == []
    assert find_duplicates(test[:5], test) == [(k, k) for k in range(5)]
