"""A small model with the classes, names and attributes of the published program, for files such as
that program writes. The classes compute nothing.
"""

import sys
import types
from itertools import pairwise

import torch
from torch import nn

K, M, N, MAX_L, SPECIES = 2, 3, 2, 1, (8, 1, 6)
C, L, FEATURES = K * K, 4, N * 2 * K * K


def classes(monkeypatch):
    """Maker of modules of published classes, which torch.save then finds under their names."""
    known: dict[str, type] = {}

    def make(name, *, parameters=(), buffers=(), modules=(), **attributes):
        place, _, word = name.rpartition(".")
        if name not in known:
            words = place.split(".")
            for package in (".".join(words[: k + 1]) for k in range(len(words))):
                if package not in sys.modules:
                    monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
            known[name] = type(word, (nn.Module,), {"__module__": place})
            monkeypatch.setattr(sys.modules[place], word, known[name], raising=False)
        module = known[name]()
        for key, value in dict(parameters).items():
            setattr(module, key, nn.Parameter(value))
        for key, value in dict(buffers).items():
            module.register_buffer(key, value)
        for key, value in dict(modules).items():
            module.add_module(key, value)
        for key, value in attributes.items():
            setattr(module, key, value)
        return module

    return make


def by_degree(*shape):
    return nn.ParameterList(nn.Parameter(torch.randn(*shape)) for _ in range(MAX_L + 1))


def network(make, *widths):
    activations = [nn.functional.silu] * (len(widths) - 2) + [nn.Identity()]
    return nn.Sequential(
        *(
            make("cace.modules.blocks.Dense", modules={"linear": nn.Linear(a, b)}, activation=each)
            for (a, b), each in zip(pairwise(widths), activations, strict=True)
        )
    )


def representation(make, *, shared_embedding=False, **changes):
    index = torch.full((max(SPECIES) + 1,), -1)
    index[list(SPECIES)] = torch.arange(len(SPECIES))
    groups = {"angular_dim_groups": torch.tensor([[0, 1], [1, 4]])}
    cutoff = torch.tensor(3.0)

    def embedding():
        weights = {"embedding_weights": torch.randn(len(SPECIES), K)}
        return make("cace.modules.type.NodeEmbedding", parameters=weights)

    sender = embedding()
    messages = nn.ModuleList(
        [
            make(
                "cace.modules.interaction.NodeMemory",
                buffers=groups,
                modules={"memory_coef": by_degree(N, C)},
            ),
            make(
                "cace.modules.interaction.MessageAr",
                buffers=groups,
                modules={"prefactor": by_degree(N, C), "invr0": by_degree(N, C)},
            ),
            make(
                "cace.modules.interaction.MessageBchi",
                buffers={"l_matrix": torch.ones(MAX_L + 1, L)},
                modules={"hnet": network(make, FEATURES, (MAX_L + 1) * C)},
                shared_channels=False,
                shared_l=False,
            ),
        ]
    )
    modules = {
        "node_onehot": make("cace.modules.type.NodeEncoder", buffers={"index_map": index}),
        "node_embedding_sender": sender,
        "node_embedding_receiver": sender if shared_embedding else embedding(),
        "edge_coding": make("cace.modules.type.EdgeEncoder", directed=True),
        "radial_basis": make(
            "cace.modules.radial.BesselRBF",
            parameters={"bessel_weights": torch.rand(M) + 1.0},
            buffers={"cutoff": cutoff, "prefactor": torch.tensor(0.8165)},
        ),
        "cutoff_fn": make(
            "cace.modules.cutoff.PolynomialCutoff",
            buffers={"p": torch.tensor(5.0), "cutoff": cutoff},
        ),
        "angular_basis": make("cace.modules.angular.AngularComponent", lxlylz={(0, 0, 0): 1}),
        "radial_transform": make(
            "cace.modules.radial_transform.SharedRadialLinearTransform",
            buffers=groups,
            modules={"weights": by_degree(M, N, C)},
        ),
        "symmetrizer": make("cace.modules.symmetrize_basis.Symmetrizer"),
        "message_passing_list": nn.ModuleList([messages]),
    }
    return make(
        "cace.representations.cace_representation.Cace",
        modules={**modules, **changes},
        zs=list(SPECIES),
        mp_norm_factor=0.5,
    )


def readout(make, **changes):
    said = dict(aggregation_mode="sum", feature_key="node_feats", residual=False, post_process=None)
    return make(
        "cace.modules.atomwise.Atomwise",
        modules={
            "outnet": network(make, 2 * FEATURES, 5, 3, 1),
            "linear_nn": make(
                "cace.modules.blocks.Dense", modules={"linear": nn.Linear(2 * FEATURES, 1)}
            ),
        },
        **{**said, **changes},
    )


def potential(make, *, outputs=None, of=None):
    """The whole model."""
    outputs = outputs or [readout(make), make("cace.modules.forces.Forces")]
    return make(
        "cace.models.atomistic.NeuralNetworkPotential",
        modules={
            "representation": of or representation(make),
            "input_modules": nn.ModuleList(),
            "output_modules": nn.ModuleList(outputs),
        },
    )


def combined(make, *models):
    return make("cace.models.combined.CombinePotential", modules={"models": nn.ModuleList(models)})
