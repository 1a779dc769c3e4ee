"""CAMP obeys the laws of physics and equals its equations written out literally."""

import numpy as np
import pytest
import torch
from ase import Atoms

from camp.models.camp.settings import CampSettings
from camp.potential.potential import Potential
from tests.literal_camp import energy_and_forces
from tests.physics import PotentialPhysics, random_structure


def make_potential(seed=0, species=(1, 6, 8), cutoff=4.0, **changes):
    torch.manual_seed(seed)
    given = {
        "channels": 5,
        "max_rank": 3,
        "layers": 2,
        "average_neighbours": 9.0,
        "radial_hidden": [6, 7],
        "readout_hidden": [6],
        **changes,
    }
    return Potential(
        CampSettings(cutoff=cutoff, **given),
        species=species,
        energy_scale=0.7,
        energy_shift=[-1.0, -2.0, -3.0][: len(species)],
    ).double()


class TestPhysics(PotentialPhysics):
    @pytest.fixture
    def potential(self):
        return make_potential()


class TestPhysicsOfPublishedConvention(PotentialPhysics):
    smooth_at_cutoff = False

    @pytest.fixture
    def potential(self):
        potential = make_potential(envelope_on="basis", layers=3, max_rank=2)
        for layer in potential.model.layers:
            for bias in layer.atomic.radial.mlp.biases:
                torch.nn.init.normal_(bias)
        return potential


def test_published_convention_has_a_step_at_the_cutoff():
    """The known defect of the published weights: MLP(0) ≠ 0 when a pair crosses the cutoff."""
    jumps = {}
    for convention in ("radial", "basis"):
        potential = make_potential(envelope_on=convention)
        for layer in potential.model.layers:
            for bias in layer.atomic.radial.mlp.biases:
                torch.nn.init.normal_(bias)
        pair = [Atoms("OH", [[0, 0, 0], [4.0 + d, 0, 0]]) for d in (-1e-6, 1e-6)]
        inside, outside = potential.evaluate(pair).energies
        jumps[convention] = abs(inside - outside)
    assert jumps["radial"] < 1e-10
    assert jumps["basis"] > 1e-3


# Two layers hold all kinds of paths; 3^4 tensors through three would only take longer.
@pytest.mark.parametrize(
    ("max_rank", "layers"), [(v, t) for v in range(5) for t in (1, 2)] + [(2, 3), (3, 3)]
)
def test_equals_the_literal_equations(max_rank, layers):
    """Energy, forces and the gradient of a force loss, to 1e-10, against full 3^v tensors."""
    for convention in ("radial", "basis"):
        potential = make_potential(max_rank=max_rank, layers=layers, envelope_on=convention)
        structure = random_structure(potential, atoms=6, cell=5.0)
        graph = potential.graph(structure)
        reference_energy, reference_forces = energy_and_forces(potential, graph)
        result = potential(graph)
        scale = reference_forces.abs().max().item()
        assert result.energies.item() == pytest.approx(reference_energy.item(), rel=1e-12)
        np.testing.assert_allclose(
            result.forces.detach(), reference_forces.detach(), atol=1e-10 * scale
        )
        trained = [p for p in potential.parameters() if p.requires_grad]
        ours = torch.autograd.grad(result.forces.square().sum(), trained, materialize_grads=True)
        theirs = torch.autograd.grad(
            reference_forces.square().sum(), trained, materialize_grads=True
        )
        largest = max(g.abs().max().item() for g in theirs)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-10 * largest)


def test_parameter_counts_of_the_published_models():
    """The authors' models for LiPS and water have 21,287 and 84,664 parameters."""
    for species, channels, max_rank, layers, expected in (
        ((3, 15, 16), 17, 3, 2, 21_287),
        ((1, 8), 33, 2, 3, 84_664),
    ):
        potential = Potential(
            CampSettings(channels=channels, max_rank=max_rank, layers=layers), species=species
        )
        assert sum(p.numel() for p in potential.parameters() if p.requires_grad) == expected


def test_unknown_envelope_is_refused():
    with pytest.raises(ValueError, match="envelope_on"):
        make_potential(envelope_on="nowhere")
