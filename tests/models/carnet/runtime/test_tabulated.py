"""CarNet with tabulated radial functions, in torch and as compiled code."""

import numpy as np
import pytest

from camp.potential.accelerated import AcceleratedPotential
from tests.acceleration import AcceleratedLaws, assert_same, needs_compiler
from tests.models.carnet.potentials import CONFIGURATIONS, ORIGINAL, make_potential
from tests.physics import PotentialPhysics, random_structure

ALL = {**CONFIGURATIONS, **ORIGINAL}


class TestAcceleratedModels(AcceleratedLaws):
    """Ranks, path modes, degrees, channel maps, residuals, bases, repulsion, both conventions."""

    @pytest.fixture(params=ALL.values(), ids=ALL)
    def plain(self, request):
        return make_potential(**request.param)


@needs_compiler
@pytest.mark.parametrize("channels", [1, 9, 17, 40])
def test_any_number_of_channels(channels):
    """Full blocks of channels or not, one or several together in registers."""
    plain = make_potential(channels=channels, paths="lite")
    structure = random_structure(plain)
    assert_same(AcceleratedPotential(plain).evaluate(structure), plain.evaluate(structure), 1e-6)


@needs_compiler
class TestPhysicsCompiled(PotentialPhysics):
    @pytest.fixture
    def potential(self):
        return AcceleratedPotential(make_potential(paths="lite", max_rank=3))


@needs_compiler
def test_tensor_targets_are_not_compiled_and_said_so(capsys):
    """In one line; torch predicts them from the tables."""
    plain = make_potential("energy", "dipole")
    fast = AcceleratedPotential(plain)
    said = capsys.readouterr().err
    assert "CarNet is compiled for energies only, not for other targets" in said
    assert said.count("\n") == 1
    structure = random_structure(plain, periodic=False)
    found, expected = fast.evaluate(structure), plain.evaluate(structure)
    assert_same(found, expected, 1e-6)
    np.testing.assert_allclose(
        found.properties["dipole"], expected.properties["dipole"], rtol=1e-6, atol=1e-9
    )
