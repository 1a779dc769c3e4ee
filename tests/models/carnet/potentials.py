"""New CarNet potentials of all kinds, as small as their laws can be tested with."""

import torch

from camp.models.carnet.settings import CarNetSettings
from camp.potential.potential import Potential
from camp.targets import ENERGY, TARGETS, Target

SPECIES = (1, 6, 8)
GENERAL_RANK_3 = Target("general", "", (3, 3, 3), "system", "ijk", "sum")
# Options away from their defaults, under which a new potential keeps all laws.
CONFIGURATIONS = {
    "default": {},
    "lite": {"paths": "lite", "max_rank": 3, "residual": "independent"},
    "camp": {"paths": "camp", "max_degree": 2, "moment_map": "full"},
    "level": {"paths": "level", "level": 3, "max_rank": 3, "residual": "plain"},
    "level2": {"paths": "level2", "level": 4, "residual": "full", "radial_basis": "chebyshev"},
    "rank 4": {"max_rank": 4, "channels": 2, "max_degree": 2},
    "degree 4": {"max_degree": 4, "moment_map": "factorized", "residual": "none"},
    "degree 1": {"max_degree": 1, "layers": 3, "input_map": True, "message_map": True},
    "scalars": {"max_rank": 0, "radial_hidden": []},
    "one layer": {"layers": 1, "repulsion": "none"},
}
# What breaks a law is the original's, and must be asked for.
ORIGINAL = {
    "SO(3)": {"polar_only": False, "max_rank": 3, "max_degree": 2, "channels": 2},
    "level SO(3)": {"polar_only": False, "paths": "level", "level": 2},
    "step": {"cutoff_on": "basis", "repulsion": "published"},
}


def settings(**changes):
    given = {
        "cutoff": 4.0,
        "channels": 4,
        "average_neighbours": 9.0,
        "radial_degree": 6,
        "radial_hidden": [6, 7],
        "readout_hidden": [6],
        **changes,
    }
    return CarNetSettings(**given)


def make_potential(*targets, seed=0, species=SPECIES, **changes):
    """Every parameter is drawn, biases and factors of species too."""
    torch.manual_seed(seed)
    known = [TARGETS[target] if isinstance(target, str) else target for target in targets]
    energies = {"energy_scale": 0.7, "energy_shift": [-1.0, -2.0, -3.0][: len(species)]}
    potential = Potential(
        settings(**changes),
        species=species,
        targets=known or [ENERGY],
        **(energies if ENERGY in known or not known else {}),
    ).double()
    for name, parameter in potential.model.named_parameters():
        if name.endswith(("bias", "factors")):
            torch.nn.init.normal_(parameter, std=0.3)
    return potential
