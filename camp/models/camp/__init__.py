"""CAMP, the Cartesian atomic moment potential (npj Comput. Mater. 11, 128)."""

from camp.models.camp.settings import CampSettings
from camp.settings.architectures import Architecture

ARCHITECTURE = Architecture(
    name="camp",
    label="CAMP",
    settings=CampSettings,
    network="camp.models.camp.network:Camp",
    published=("camp.models.camp.published:read",),
    runtime="camp.models.camp.runtime.tabulated:TabulatedCamp",
    exported="camp.models.camp.runtime.exported:export",
    default=True,
)
