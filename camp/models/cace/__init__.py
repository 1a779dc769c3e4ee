"""CACE, the Cartesian atomic cluster expansion (npj Comput. Mater. 10, 157, 2024)."""

from camp.models.cace.settings import CaceSettings
from camp.settings.architectures import Architecture

ARCHITECTURE = Architecture(
    name="cace",
    label="CACE",
    settings=CaceSettings,
    network="camp.models.cace.network:Cace",
    published=("camp.models.cace.published:read",),
    runtime="camp.models.cace.runtime.tabulated:TabulatedCace",
    exported="camp.models.cace.runtime.exported:export",
)
