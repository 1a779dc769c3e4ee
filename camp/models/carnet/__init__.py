"""CarNet, the Cartesian natural tensor network (arXiv:2510.04015)."""

from camp.models.carnet.settings import CarNetSettings
from camp.settings.architectures import Architecture

ARCHITECTURE = Architecture(
    name="carnet",
    label="CarNet",
    settings=CarNetSettings,
    network="camp.models.carnet.network:CarNet",
    targets=frozenset({"energy", "*"}),
    runtime="camp.models.carnet.runtime.tabulated:TabulatedCarNet",
    exported="camp.models.carnet.runtime.exported:export",
    published=("camp.models.carnet.published:read",),
)
