"""CACE with tabulated radial functions, in torch and as compiled code."""

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule
from ase.io import read

import camp
from camp.models.cace.settings import CaceSettings
from camp.potential.accelerated import AcceleratedPotential
from camp.potential.potential import Potential
from tests.acceleration import (
    WAYS,
    AcceleratedLaws,
    assert_same,
    assert_same_and_as_exact,
    needs_compiler,
)
from tests.physics import PotentialPhysics, random_structure

SMALL = dict(
    cutoff=4.0,
    embedding=2,
    raw_radial_functions=4,
    radial_functions=3,
    readout_hidden=[6, 5],
    average_neighbours=9.0,
)
ALL_MESSAGES = dict(memory=True, message_ar=True, message_bchi=True)


def make_potential(seed=0, species=(1, 6, 8), **changes):
    torch.manual_seed(seed)
    settings = CaceSettings(**{**SMALL, **changes})
    potential = Potential(
        settings, species=species, energy_scale=0.7, energy_shift=[-1.0, -2.0, -3.0][: len(species)]
    ).double()
    # As after training: the initial Bessel functions have a zero at the cutoff of their own.
    with torch.no_grad():
        potential.model.edge_basis.radial.frequencies.mul_(1.1)
    return potential


COMPILED = [
    dict(max_l=0, max_nu=1, message_passes=0, embedding=1),
    dict(max_l=1, max_nu=2, message_passes=0, shared_embedding=True),
    dict(max_l=2, max_nu=2, shared_channels=True, shared_degrees=True),
    dict(max_l=2, max_nu=3, message_passes=2, shared_degrees=True, radial_functions=5),
    dict(max_l=3, max_nu=3, message_passes=2, shared_channels=True, raw_radial_functions=9),
    dict(max_l=3, max_nu=3, memory=True, message_passes=2),
    dict(max_l=3, max_nu=4, message_hidden=[7, 6], message_norm=1.0, readout_linear=False),
    dict(max_l=3, max_nu=3, cutoff_function="mollifier", direction_epsilon=1e-2, embedding=3),
    dict(max_l=3, max_nu=3, memory=True, message_bchi=False),
    dict(max_l=3, max_nu=4, message_ar=True, message_bchi=False, message_passes=2),
    dict(max_l=4, max_nu=3, message_passes=2, **ALL_MESSAGES),
    dict(max_l=4, max_nu=4, readout_hidden=[]),
    dict(max_l=5, max_nu=4, message_passes=0, embedding=1),
    dict(max_l=6, max_nu=4, message_passes=1, embedding=1, radial_functions=2),
]


class TestAcceleratedModels(AcceleratedLaws):
    """All that is compiled: degrees, products, messages, embeddings, cutoff functions, readouts."""

    @pytest.fixture(params=COMPILED, ids=str)
    def plain(self, request):
        return make_potential(**request.param)


@needs_compiler
class TestPhysicsCompiled(PotentialPhysics):
    @pytest.fixture
    def potential(self):
        return AcceleratedPotential(make_potential(message_passes=2, **ALL_MESSAGES))


def alloy():
    """Five of the metals of the HEA25 model, displaced from a lattice."""
    atoms = bulk("Ni", cubic=True).repeat(2)
    atoms.symbols = np.random.default_rng(0).choice(["Cr", "Fe", "Co", "Ni", "Pt"], len(atoms))
    atoms.rattle(0.1, seed=1)
    return atoms


def ethanol():
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.1, seed=1)
    return atoms


PUBLISHED = {
    "fit-water": lambda mirror: read(mirror / "camp_run/md/water/liquid-64.xyz"),
    "fit-hea": lambda mirror: alloy(),
    "legacy/fit-ethanol": lambda mirror: ethanol(),
    "fit-bpa3": lambda mirror: read(mirror / "cacefit/fit-bpa3/train_300K.xyz", index=0),
}


@pytest.mark.parametrize("compiled", WAYS)
@pytest.mark.parametrize("fit", PUBLISHED)
def test_published_weights(shared_data, fit, compiled):
    mirror = shared_data / "mirror"
    model = mirror / "cacefit" / fit / "best_model.pth"
    if not model.is_file():
        pytest.skip("needs the published weights (../shared/data/mirror/cacefit)")
    plain = camp.load(model).double()
    assert_same_and_as_exact(plain, PUBLISHED[fit](mirror), compiled, tolerance=1e-6)


@needs_compiler
def test_what_is_not_compiled_is_said_in_one_line(capsys):
    """And torch does it."""
    plain = make_potential(triples_of_pairs=True)
    fast = AcceleratedPotential(plain)
    said = capsys.readouterr().err
    assert "the features of the oldest CACE models are not compiled" in said
    assert said.count("\n") == 1
    structure = random_structure(plain)
    assert_same(fast.evaluate(structure), plain.evaluate(structure), 1e-6)
