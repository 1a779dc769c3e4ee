"""Frames chosen to start from."""

import numpy as np
import pytest
from ase import Atoms
from ase.io import read, write

from camp.cli import main


def select(folder, *options: str) -> int:
    return main(["select", str(folder / "data.xyz"), str(folder / "out.xyz"), *options])


@pytest.fixture
def folder(tmp_path):
    """Labelled frames, with and without a cell."""
    labels = {"REF_energy": -10.0, "dipole": np.ones(3), "source": "made"}
    atoms = Atoms("OH", [[0, 0, 0], [0, 0, 1]], cell=[4, 4, 4], pbc=True, info=labels)
    atoms.arrays["REF_forces"] = np.ones((2, 3))
    write(tmp_path / "data.xyz", atoms)
    return tmp_path


def test_labels_are_left_behind(folder):
    """Those of one cell are not those of several."""
    assert select(folder, "--frames", "1", "--repeat", "2", "1", "1") == 0
    [chosen] = read(folder / "out.xyz", ":")
    assert len(chosen) == 4 and chosen.calc is None
    assert chosen.info == {"source": "made"}
    assert {*chosen.arrays} == {"numbers", "positions"}


def test_what_cannot_be_repeated_is_refused(folder, capsys):
    write(folder / "data.xyz", Atoms("OH", [[0, 0, 0], [0, 0, 1]]))
    assert select(folder, "--frames", "1", "--repeat", "1", "2", "1") == 2
    assert "no cell vector b, which --repeat repeats" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        select(folder, "--frames", "0")
