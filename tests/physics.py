"""The laws that every potential must obey, as a class of tests to inherit from.

A subclass provides a fixture ``potential`` in float64. The laws are those of :mod:`camp.testing`.
"""

import pytest

from camp import testing
from camp.testing import random_rotation, random_structure, transformed

__all__ = ["PotentialPhysics", "energy", "random_rotation", "random_structure", "transformed"]


def energy(potential, atoms):
    return potential.evaluate(atoms).energies[0]


def _name(law):
    return law.__name__


class PotentialPhysics:
    """Invariance, derivatives, extensivity, limits, batching, small and skewed cells."""

    smooth_at_cutoff = True

    @pytest.mark.parametrize("law", [*testing.COMMON, *testing.OF_ENERGIES], ids=_name)
    def test_law(self, potential, law):
        law(potential)

    @pytest.mark.parametrize("law", testing.OF_SMOOTH_ENERGIES, ids=_name)
    def test_law_of_smooth_models(self, potential, law):
        if not self.smooth_at_cutoff:
            pytest.skip("this convention has a step at the cutoff")
        law(potential)

    def test_third_power_at_the_cutoff(self, potential):
        """Value, slope and curvature vanish: halving the distance divides by 2³."""
        if not self.smooth_at_cutoff:
            pytest.skip("this convention has a step at the cutoff")
        _, near = testing.energies_at_the_cutoff(potential)
        assert near[0] / near[1] == pytest.approx(8.0, rel=0.3)
        assert near[1] / near[2] == pytest.approx(8.0, rel=0.3)
