"""A trained CarNet for programs without Python, see exported.cpp."""

import numpy as np
import torch
from torch import Tensor

from camp.models.carnet.network import CarNet
from camp.models.carnet.repulsion import ZblRepulsion
from camp.models.carnet.runtime import SOURCES
from camp.models.carnet.runtime.atoms import PackedAtoms
from camp.models.carnet.runtime.compiled import Part, first_features, parts_of
from camp.models.carnet.runtime.moments import PackedMoments, components
from camp.models.carnet.runtime.repulsion import pack
from camp.models.carnet.runtime.tabulated import TabulatedCarNet
from camp.runtime.exported import Exported, readout_arrays
from camp.runtime.library import HEADERS, Blocks, Source
from camp.runtime.products import Products
from camp.runtime.splines import COEFFICIENTS, SplineTables


def export(network: CarNet, dtype: torch.dtype) -> Exported:
    """The network in one precision, as far as it predicts energies.

    :raises InputError: the radial functions cannot be tabulated.
    """
    splines = TabulatedCarNet(network).splines
    assert isinstance(splines, SplineTables)
    layout = Blocks(network.settings.channels, dtype)
    parts = parts_of(network)
    features, mixed = first_features(network, layout)
    arrays = {
        "layers": torch.tensor([len(parts)]),
        "intervals": torch.tensor([splines.intervals]),
        "features": features,
        "mixed_features": torch.empty(0, dtype=dtype) if mixed is None else mixed,
        **_repulsion_arrays(network.repulsion),
    }
    ranks = network.settings.max_rank + 1
    for number, part in enumerate(parts):
        of_layer = _layer_arrays(part, splines.table(number), ranks, layout)
        arrays |= {f"{number}.{name}": tensor for name, tensor in of_layer.items()}
    # Of the first layer and of the others: components of features, and paths.
    kinds = [
        (components(part.in_ranks), sum(map(len, part.layer.atomic.paths)))
        for part in (parts[0], parts[-1])
    ]
    return Exported(
        "carnet",
        dtype,
        {
            "channels": network.settings.channels,
            "highest_rank": network.settings.max_rank,
            "components": components(ranks),
            "feature_components": kinds[-1][0],
            "first_paths": kinds[0][1],
            "paths": kinds[-1][1],
            "coefficients": COEFFICIENTS,
        },
        [
            Source(SOURCES / "exported.cpp"),
            Source(SOURCES / "atoms.cpp"),
            Source(SOURCES / "repulsion.cpp"),
            Source(HEADERS / "readout.cpp"),
            *(
                Source(SOURCES / "moments.cpp", {"feature_components": number, "paths": paths})
                for number, paths in sorted(set(kinds))
            ),
        ],
        arrays,
    )


def _layer_arrays(part: Part, table: Tensor, ranks: int, layout: Blocks) -> dict[str, Tensor]:
    """What exported.cpp reads of a layer."""
    atoms = PackedAtoms.of(part.layer, part.following, ranks, layout)
    moments = PackedMoments.of(part.layer.atomic.paths, table, layout)
    products = Products(atoms.program, layout.dtype)
    rows, entries = products.kept
    sizes = (products.given, products.size, products.widest)
    arrays = {
        "sizes": torch.tensor([atoms.plain_residual, part.in_ranks, atoms.out_ranks, *sizes]),
        "products": rows,
        "entries": _bytes(entries),
        "terms": atoms.terms,
        "path_weights": atoms.path_weights,
        "degree_weights": atoms.degree_weights,
        "table": moments.table,
        "polyadic": _bytes(moments.polyadic),
        "rows": moments.rows,
        "row_entries": _bytes(moments.entries),
        **readout_arrays(part.readout, layout.dtype),
    }
    for name, packed in atoms.maps.items():
        arrays[name] = packed.matrices
        arrays[f"{name}_transposed"] = packed.transposed
        arrays[f"{name}_biases"] = packed.biases
    return arrays


def _repulsion_arrays(repulsion: ZblRepulsion | None) -> dict[str, Tensor]:
    """Nothing but empty charges where there is none."""
    if repulsion is None:
        return {"repulsion_charges": torch.empty(0, dtype=torch.float64)}
    (charges, screening, radii), length = pack(repulsion)
    return {
        "repulsion_charges": charges,
        "repulsion_screening": screening,
        "repulsion_radii": radii,
        "repulsion_lengths": torch.tensor([repulsion.cutoff, length], dtype=torch.float64),
        "repulsion_smooth": torch.tensor([int(repulsion.smooth)]),
    }


def _bytes(entries: np.ndarray) -> Tensor:
    """Items that consist of numbers of several kinds."""
    return torch.from_numpy(entries.view(np.uint8))
