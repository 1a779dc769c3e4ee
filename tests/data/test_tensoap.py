"""The published structures of water with their tensors, in the form of their files."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from camp.data.labels import label
from camp.data.readers import convert, read_structures
from camp.settings import load_scale
from camp.targets import resolve

CONFIG = Path(__file__).resolve().parents[2] / "config"

# Symmetric in all indices, as d³E/dF³ is: its numbers by sorted indices, zero elsewhere.
BETA = {
    (0, 0, 0): 14.5,
    (0, 0, 2): 0.25,
    (0, 1, 1): 10.75,
    (0, 2, 2): 5.5,
    (1, 1, 2): 0.5,
    (2, 2, 2): 1.0,
}

LIQUID = """3
Lattice="9.5 0 0 0 9.5 0 0 0 9.5" Properties="species:S:1:pos:R:3" potential="" mu="  1.75e+00   \
-2.50e+00    4.875e-02 " alpha="44.5 0.25 -0.5 0.25 44.0 0.0 -0.5 0.0 44.75" beta="" \
epsilon="1.875 0.25 -0.5 0.25 1.75 0.125 -0.5 0.125 1.625"
O 6.125 44.25 14.125
H 6.875 43.5 14.5
H 5.25 44.0 14.5
"""


def beta() -> np.ndarray:
    of = [BETA.get(tuple(sorted(indices)), 0.0) for indices in product(range(3), repeat=3)]
    return np.reshape(of, (3, 3, 3))


@pytest.mark.parametrize("task", ["water-monomer", "water-dimer", "zundel", "water-dielectric"])
def test_tensors_are_found_under_their_published_names(tmp_path, task):
    text = LIQUID.replace('beta=""', f'beta="{" ".join(map(str, beta().ravel()))}"')
    if task != "water-dielectric":
        text = text.replace('Lattice="9.5 0 0 0 9.5 0 0 0 9.5" ', "")
        text = text.replace('potential=""', 'potential="-76.25"')
    expected = {
        "dipole": [1.75, -2.5, 0.04875],
        "polarizability": [[44.5, 0.25, -0.5], [0.25, 44.0, 0.0], [-0.5, 0.0, 44.75]],
        "hyperpolarizability": beta(),
        "dielectric": [[1.875, 0.25, -0.5], [0.25, 1.75, 0.125], [-0.5, 0.125, 1.625]],
    }
    path, out = tmp_path / "coords_1000.xyz", tmp_path / "out.xyz.gz"
    path.write_text(text)
    settings = load_scale([CONFIG / "paper.yaml"], {}, folder=CONFIG).tasks[task]
    targets = resolve(settings.targets, settings.keys)
    convert([path], out)
    for file in (path, out):
        (atoms,) = read_structures(file, targets=targets)
        assert atoms.pbc.all() == (task == "water-dielectric")
        for target in targets:
            np.testing.assert_array_equal(label(atoms, target), expected[target.name])
