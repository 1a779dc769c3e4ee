"""A trained CACE for programs without Python, see exported.cpp."""

import torch
from torch import Tensor

from camp.models.cace.messages import MessagePass
from camp.models.cace.network import Cace
from camp.models.cace.runtime import SOURCES
from camp.models.cace.runtime.atoms import PackedAtoms, factors, kinds
from camp.models.cace.runtime.compiled import refuse_uncompiled
from camp.models.cace.runtime.decays import pack
from camp.models.cace.runtime.tabulated import TabulatedCace
from camp.runtime.exported import Exported, matrix_arrays, mlp_arrays
from camp.runtime.library import HEADERS, Blocks, Source
from camp.runtime.mlp import linear_layers
from camp.runtime.splines import COEFFICIENTS, SplineTables


def export(network: Cace, dtype: torch.dtype) -> Exported:
    """The network in one precision.

    :raises InputError: a model that is not compiled, or radial functions that cannot be tabulated.
    """
    refuse_uncompiled(network)
    settings = network.settings
    splines = TabulatedCace(network).splines
    assert isinstance(splines, SplineTables)
    layout = Blocks(settings.raw_radial_functions, dtype)
    linear = network.readout.linear
    nothing = torch.empty(0, dtype=torch.float64)
    layers = len(network.passes) + 1
    arrays = {
        "layers": torch.tensor([layers]),
        "intervals": torch.tensor([splines.intervals]),
        "radial_functions": torch.tensor([settings.radial_functions]),
        "direction_epsilon": torch.tensor([settings.direction_epsilon], dtype=torch.float64),
        "sender": network.sender.to(dtype),
        "table": layout.pack(splines.table(0)),
        "cut": (splines.table(1) if settings.message_ar else nothing).to(dtype),
        "readout_bias": nothing if linear is None else linear.bias.double(),
        **mlp_arrays("readout", linear_layers(network.readout.mlp), dtype),
    }
    for layer in range(layers):
        of_layer = _layer_arrays(network, layer, dtype)
        arrays |= {f"{layer}.{name}": tensor for name, tensor in of_layer.items()}
    first = settings.embedding, 1
    # Without such messages there are no sums but those of the first layer.
    others = (factors(network, 1), kinds(network, 1)) if settings.message_bchi else first
    return Exported(
        "cace",
        dtype,
        {
            "highest_rank": settings.max_l,
            "functions": settings.raw_radial_functions,
            "embedding": settings.embedding,
            "factors": others[0],
            "kinds": others[1],
            "coefficients": COEFFICIENTS,
        },
        [
            Source(SOURCES / "exported.cpp"),
            Source(SOURCES / "atoms.cpp", {"blocks": layout.blocks}),
            Source(SOURCES / "decays.cpp"),
            *(
                Source(HEADERS / "degree_sums.cpp", {"factors": number, "kinds": kind})
                for number, kind in sorted({first, others})
            ),
        ],
        arrays,
    )


def _layer_arrays(network: Cace, layer: int, dtype: torch.dtype) -> dict[str, Tensor]:
    """What exported.cpp reads of a layer; what it does not have is empty."""
    packed = PackedAtoms.of(network, layer, dtype)
    decays = prefactors = nothing = torch.empty(0, dtype=dtype)
    before = network.passes[layer - 1] if layer else None
    if isinstance(before, MessagePass) and before.ar is not None:
        decays, prefactors = pack(network, before.ar, before.norm, dtype)
    return {
        "received": torch.tensor([factors(network, layer)]),
        "size": torch.tensor([packed.program.size]),
        "products": packed.program.rows(),
        "places": packed.places,
        "mixing": packed.mixing,
        "receiver": packed.receiver,
        "memory": nothing if packed.memory is None else packed.memory,
        "decays": decays,
        "prefactors": prefactors,
        **matrix_arrays("heads", packed.heads, dtype),
        **mlp_arrays(
            "message",
            [] if packed.message is None else linear_layers(packed.message.network),
            dtype,
        ),
    }
