"""A trained CAMP for programs without Python, see exported.cpp."""

import torch

from camp.models.camp.network import Camp
from camp.models.camp.runtime import SOURCES
from camp.models.camp.runtime.atoms import PackedAtoms
from camp.models.camp.runtime.compiled import first_features, parts_of
from camp.models.camp.runtime.sums import pack_table
from camp.models.camp.runtime.tabulated import TabulatedCamp
from camp.runtime.exported import Exported, readout_arrays
from camp.runtime.library import HEADERS, Blocks, Source
from camp.runtime.splines import COEFFICIENTS, SplineTables


def export(network: Camp, dtype: torch.dtype) -> Exported:
    """The network in one precision.

    :raises InputError: the radial functions cannot be tabulated.
    """
    splines = TabulatedCamp(network).splines
    assert isinstance(splines, SplineTables)
    layout = Blocks(network.channels, dtype)
    parts = parts_of(network)
    arrays = {
        "layers": torch.tensor([len(parts)]),
        "intervals": torch.tensor([splines.intervals]),
        "features": first_features(network, layout),
    }
    for number, part in enumerate(parts):
        atoms = PackedAtoms.of(part.layer, part.following, network.max_rank, layout)
        of_layer = {
            "sizes": torch.tensor(
                [atoms.program.size, atoms.message_components, atoms.feature_components]
            ),
            "products": atoms.program.rows(),
            "terms": atoms.terms,
            "weights": atoms.weights,
            "table": pack_table(splines.table(number), layout),
            **readout_arrays(part.readout, dtype),
        }
        for name, mixing in atoms.mixings.items():
            of_layer[name] = mixing.matrices
            of_layer[f"{name}_transposed"] = mixing.transposed
        arrays |= {f"{number}.{name}": tensor for name, tensor in of_layer.items()}
    return Exported(
        "camp",
        dtype,
        {
            "channels": network.channels,
            "highest_rank": network.max_rank,
            "coefficients": COEFFICIENTS,
        },
        [
            Source(SOURCES / "exported.cpp"),
            Source(SOURCES / "atoms.cpp"),
            Source(HEADERS / "readout.cpp"),
            *(
                Source(SOURCES / "neighbour_sums.cpp", {"max_feature_rank": rank})
                for rank in sorted({0, network.max_rank})
            ),
        ],
        arrays,
    )
