"""Dumps of LAMMPS as trajectories, and what camp analyse makes of them."""

import json

import numpy as np
import pytest
import yaml
from ase import Atoms

from camp.cli import main
from camp.errors import InputError
from camp.lammps.data_file import write_data
from camp.lammps.dump import read_dump
from tests.lammps.running import header
from tests.models.camp.test_network import make_potential
from tests.physics import random_structure


def written(frames, *, elements="HOH", bounds="pp pp pp", columns="element id yu xu zu") -> str:
    """Frames {step: positions} of three atoms in a cube of 10 Å, ids in the reverse order."""
    parts = []
    for step, positions in frames.items():
        rows = [
            f"{elements[k]} {3 - k} {y} {x} {z}" for k, (x, y, z) in enumerate(positions.tolist())
        ]
        parts.append(
            f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n3\nITEM: BOX BOUNDS {bounds}\n"
            + "0 10\n" * 3
            + f"ITEM: ATOMS {columns}\n"
            + "\n".join(rows)
            + "\n"
        )
    return "".join(parts)


def positions(seed) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 10, (3, 3)).round(3)


def test_frames_in_the_order_of_ids(tmp_path):
    path = tmp_path / "dump"
    path.write_text(written({20: positions(0), 40: positions(1)}))
    found = read_dump(path, 0.5)
    assert found.numbers.tolist() == [1, 8, 1]
    assert found.times.tolist() == [0.0, 10.0]
    np.testing.assert_array_equal(found.positions, [positions(0)[::-1], positions(1)[::-1]])
    np.testing.assert_array_equal(found.cell, 10 * np.eye(3))


def test_a_box_may_widen_where_it_is_not_periodic(tmp_path):
    """As LAMMPS lets it around a molecule or a slab."""
    path = tmp_path / "dump"
    wider = written({10: positions(1)}, bounds="pp pp mm")
    end = wider.rindex("0 10\n")
    wider = wider[:end] + "-2 12\n" + wider[end + len("0 10\n") :]
    path.write_text(written({0: positions(0)}, bounds="pp pp mm") + wider)
    assert read_dump(path, 1.0).times.tolist() == [0, 10]


def test_what_a_killed_and_continued_run_leaves(tmp_path):
    """Half a frame at the end does not count, and a step that comes twice counts once."""
    path = tmp_path / "dump"
    frames = {step: positions(step) for step in (0, 20, 40)}
    again = written({20: positions(20), 40: positions(40)})
    path.write_text(written({0: frames[0], 20: frames[20]}) + again)
    assert read_dump(path, 1.0).times.tolist() == [0, 20, 40]
    whole = written(frames)
    for lost in range(1, len(written({40: frames[40]})), 7):
        path.write_text(whole[:-lost])
        assert read_dump(path, 1.0).times.tolist() == [0, 20]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no whole frame"),
        ("something else\n", "frame 0: not a dump"),
        (written({0: positions(0)}, columns="element id y x z"), "xu yu zu"),
        (written({0: positions(0)}, elements="H?H"), "frame 0: not a dump"),
        (written({0: positions(0), 10: positions(1), 30: positions(2)}), "not evenly spaced"),
        (
            written({0: positions(0)}) + written({10: positions(1)}, elements="OOH"),
            "frame 1: other atoms",
        ),
        (
            written({0: positions(0)}) + written({10: positions(1)}).replace("0 10\n", "0 11\n"),
            "frame 1: another cell",
        ),
        (written({0: positions(0) * np.inf}), "frame 0: not a dump"),
    ],
)
def test_refused_with_one_line(tmp_path, text, complaint):
    path = tmp_path / "dump"
    path.write_text(text)
    with pytest.raises(InputError, match=complaint) as caught:
        read_dump(path, 1.0)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_cells_and_places_are_those_that_lammps_had(runner, exported):
    """Of a leaning cell and of atoms that cross its faces."""
    potential = make_potential(species=(1, 8), max_rank=1)
    model = exported("dynamics", potential)
    atoms = random_structure(potential, atoms=20, cell=8.0)
    box = write_data(runner.folder / "data", atoms, ["H", "O"])
    runner.run(
        header(model, "data", ["H", "O"])
        + "velocity all create 300 4711 loop all\nfix move all nve\ntimestep 0.0005\n"
        + "dump all all custom 10 dump id element xu yu zu\n"
        + "dump_modify all element H O format float %.17g\nrun 200\n",
        2,
    )
    found = read_dump(runner.folder / "dump", 0.5)
    assert found.times[-1] == 100.0 and len(found.times) == 21
    np.testing.assert_allclose(found.cell, box.cell, atol=1e-12)
    np.testing.assert_array_equal(found.numbers, atoms.numbers)
    # A step of 5 fs is much shorter than a cell.
    assert np.abs(np.diff(found.positions, axis=0)).max() < 1.0
    start = Atoms(atoms.numbers, found.positions[0], cell=found.cell, pbc=True)
    np.testing.assert_allclose(
        start.get_all_distances(mic=True), atoms.get_all_distances(mic=True), atol=1e-10
    )


def test_diffusion_of_atoms_that_fly_apart(tmp_path):
    """Two atoms of hydrogen that move by v and −v have the displacement (v t)²."""
    velocity = np.array([[0.03, 0.0, 0.04], [0, 0, 0], [-0.03, 0.0, -0.04]])
    frames = {20 * k: positions(0) + k * velocity for k in range(40)}
    (tmp_path / "dump").write_text(written(frames))
    (tmp_path / "analysis.yaml").write_text(yaml.safe_dump({"rdf": ["O-H"], "msd": ["H"]}))
    out = tmp_path / "analysis.json"
    given = ["--dump", tmp_path / "dump", "--timestep", 0.5, "--out", out]
    arguments = ["analyse", *given, "--config", tmp_path / "analysis.yaml"]
    assert main([str(argument) for argument in arguments]) == 0
    content = json.loads(out.read_text())
    assert content["structure"]["formula"] == "H2O" and content["frames"] == 40
    assert set(content["rdf"]["pairs"]) >= {"O-H"}
    np.testing.assert_allclose(content["msd"]["time_ps"], 0.01 * np.arange(40))
    curve = content["msd"]["species"]["H"]["replicas_A2"][0]
    np.testing.assert_allclose(curve, (0.05 * np.arange(40)) ** 2, rtol=1e-6, atol=1e-9)


def test_options_belong_together(tmp_path, capsys):
    (tmp_path / "analysis.yaml").write_text("msd: [H]\n")
    files = ["--config", str(tmp_path / "analysis.yaml"), "--out", str(tmp_path / "out.json")]
    assert main(["analyse", "--dump", "dump", *files]) == 2
    assert "--dump and --timestep belong together" in capsys.readouterr().err
