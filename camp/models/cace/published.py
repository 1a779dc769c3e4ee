"""Import of published CACE weights: pickled modules, state dicts, and arrays with a description.

What such a file says comes out as :class:`Weights`, whatever kind of file it is, and
:mod:`camp.models.cace.translation` makes a model of it.
"""

import hashlib
import json
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from camp.errors import InputError, reason
from camp.models.cace.pickles import (
    MOST_BYTES,
    MOST_PICKLED,
    Archive,
    Module,
    Name,
    NotReadableError,
    read_module,
    read_pickle,
)
from camp.models.cace.settings import CutoffFunction
from camp.models.cace.translation import Weights, settings_of, species_of, translate
from camp.models.description import Description

EV_PER_KCAL_MOL = 0.0433641153087705  # as in the authors' script
UNITS = {"eV": 1.0, "kcal/mol": EV_PER_KCAL_MOL}
_WATER = {1: -187.6043857100553, 8: -93.80219285502734}
# Git blob id of a file → unit of its energies, and the energy E0 of an atom of each element in that
# unit, which its training had taken off. No file says them.
KNOWN: dict[str, tuple[str, dict[int, float]]] = {
    # cacefit: water, HEA25 (nothing taken off), 3BPA, ethanol, and ethanol of July 2024
    "fc8781e29ddbbddb987b34832268ad8371dcd6a1": ("eV", _WATER),
    "61c4f69834b970ef1be04904c65e7e1558c684a5": ("eV", {}),
    "50ecbf47486aed4f11a3f2c23b52d8c608bf4308": (
        "eV",
        {
            1: -723.2941604798491,
            6: -723.2941604798524,
            7: -120.54902674664156,
            8: -60.27451337332063,
        },
    ),
    "b73e8bdb6ece704e8d0355d574ca5295b84e1cba": (
        "kcal/mol",
        {1: -14223.773967801664, 6: -4741.257989267255, 8: -2370.6289946336274},
    ),
    "ab8ddfffe7629c72cbe5ee0e9a83f698ef93be89": (
        "kcal/mol",
        {1: -14223.773967801664, 6: -4741.257989267255, 8: -2370.6289946336274},
    ),
    # cace-lr-fit: water without messages
    "0b66bb5d0f4d235950be090afd6b5d9d76c01e69": ("eV", _WATER),
}

_LONG_RANGE = (
    "a long-range model (latent Ewald sum), which is another method; only CACE models whose energy "
    "is the sum over atoms of one readout can be read"
)
_CUTOFFS: dict[str, CutoffFunction] = {
    "PolynomialCutoff": "polynomial",
    "CosineCutoff": "cosine",
    "MollifierCutoff": "mollifier",
}
_MESSAGES = ["NodeMemory", "MessageAr", "MessageBchi"]
# The parts of a representation, and of which class they must be where it matters.
_PARTS = {
    "node_onehot": "NodeEncoder",
    "node_embedding_sender": "NodeEmbedding",
    "node_embedding_receiver": "NodeEmbedding",
    "edge_coding": "EdgeEncoder",
    "radial_basis": "BesselRBF",
    "radial_transform": "SharedRadialLinearTransform",
    "angular_basis": None,
    "symmetrizer": None,
    "cutoff_fn": None,
    "message_passing_list": None,
}


def read(path: Path, options: Mapping[str, str]) -> Description | None:
    """Published CACE weights; None if it is another file.

    :param options: for what the file does not say. ``mp_norm_factor``: factor of the messages of
        neighbours, needed for state dicts. ``cutoff_function``: needed for a state dict without a
        polynomial. ``energy_unit``: eV or kcal/mol, for files whose unit is not known here.
    :raises InputError: damaged, of a model that is no short-range CACE, or an option is missing.
    """
    reader = _reader_of(path)
    if reader is None:
        return None
    try:
        weights = reader(path, options)
        settings, species = settings_of(weights), species_of(weights)
        unit, energies = _energies(path, options)
        description = Description(
            settings=settings,
            species=tuple(sorted(species)),
            parameters=translate(weights, settings),
            energy_scale=(UNITS[unit],),
            energy_shift=tuple(
                UNITS[unit] * (energies or {}).get(number, 0.0) for number in sorted(species)
            ),
            origin={
                "weights": "published",
                "file": path.name,
                "E0": "unknown, taken as zero" if energies is None else "as in the training",
            },
        )
    except InputError:
        raise
    # Other content than expected makes the calls above fail in any way.
    except Exception as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else reason(error)
        raise InputError(f"{path}: not CACE weights that can be read: {what}") from None
    if energies is None:
        print(
            f"{path}: E0, the energies of lone atoms, are not in the file and not known: they are "
            "taken as zero",
            file=sys.stderr,
        )
    return description


def _energies(path: Path, options: Mapping[str, str]) -> tuple[str, dict[int, float] | None]:
    """Unit of the energies, and E0 by element, if known."""
    content = path.read_bytes()
    blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content, usedforsecurity=False)
    if blob.hexdigest() in KNOWN:
        return KNOWN[blob.hexdigest()]
    unit = options.get("energy_unit", "eV")
    if unit not in UNITS:
        raise InputError(f"{path}: energy_unit is {unit!r}; choose from {', '.join(UNITS)}")
    return unit, None


def _reader_of(path: Path) -> Callable[[Path, Mapping[str, str]], Weights] | None:
    """What reads the file, by names that every file of its kind holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "architecture.npy" in names and any(name.startswith("weights/") for name in names):
                return _from_arrays
            pickled = [name for name in names if name.endswith("/data.pkl")]
            if not pickled:
                return None
            with archive.open(pickled[0]) as file:
                content = file.read(MOST_PICKLED)
    # A damaged or foreign file makes zipfile fail in any way; others may know it.
    except Exception:
        return None
    if b"cace.representations" in content or b"cace.models" in content:
        return _from_module
    return _from_state_dict if b"representation.radial_transform.weights.0" in content else None


# Pickled modules


def _from_module(path: Path, options: Mapping[str, str]) -> Weights:
    module = read_module(Archive(path))
    if _kind(module) == "CombinePotential":
        models = list(module.modules["models"].modules.values())
        if len(models) != 1:
            raise InputError(f"{path}: combines {len(models)} models; only one alone can be read")
        (module,) = models
    if "representation" not in module.modules or not module.modules.get("output_modules"):
        raise InputError(f"{path}: a representation without a readout, which gives no energy")
    _check_outputs(path, list(module.modules["output_modules"].modules.values()))
    representation = module.modules["representation"]
    _check_representation(path, representation)
    parts = representation.modules
    state = _without_prefix(module.state())
    norm = representation.attributes.get("mp_norm_factor")
    return Weights(
        state=state,
        message_norm=_given_norm(path, state, options) if norm is None else float(norm),
        cutoff_function=_CUTOFFS[_kind(parts["cutoff_fn"])],
        radial_trainable="bessel_weights" in parts["radial_basis"].parameters,
        shared_embedding=parts["node_embedding_sender"] is parts["node_embedding_receiver"],
    )


def _kind(module: Module) -> str:
    """The last word of the class."""
    return module.kind.split()[-1]


def _check_outputs(path: Path, outputs: list[Module]) -> None:
    readouts = [module for module in outputs if _kind(module) == "Atomwise"]
    others = {_kind(module) for module in outputs} - {"Atomwise", "Forces"}
    if len(readouts) != 1 or others:
        if len(readouts) > 1 or any("ewald" in other.lower() for other in others):
            raise InputError(f"{path}: {_LONG_RANGE}")
        raise InputError(f"{path}: has {', '.join(sorted(others)) or 'no readout'}; {_LONG_RANGE}")
    (readout,) = readouts
    said = readout.attributes
    if said.get("feature_key", "node_feats") not in ("node_feats", ["node_feats"]):
        raise InputError(
            f"{path}: the readout takes more than the features of atoms ({said['feature_key']}), "
            "such as a state of charge; such a model cannot be read"
        )
    plain = {"aggregation_mode": "sum", "residual": False, "use_batchnorm": False}
    for name, value in {**plain, "post_process": None, "n_out": 1}.items():
        if said.get(name, value) != value:
            raise InputError(f"{path}: a readout with {name} = {said[name]} cannot be read")
    _check_layers(path, readout.modules["outnet"])


def _check_layers(path: Path, network: Module) -> None:
    """SiLU between linear layers, and nothing else."""
    *hidden, last = [module for _, module in sorted(network.modules.items(), key=_number)]
    for layer in hidden:
        if layer.attributes.get("activation") != Name("torch.nn.functional silu"):
            raise InputError(f"{path}: a network with another activation than SiLU cannot be read")
    if _kind(last.modules["activation"]) != "Identity":
        raise InputError(f"{path}: a network with an activation at its end cannot be read")


def _number(item: tuple[str, Any]) -> int:
    return int(item[0])


def _check_representation(path: Path, representation: Module) -> None:
    for name, part in representation.modules.items():
        if name not in _PARTS or _PARTS[name] not in (None, _kind(part)):
            raise InputError(f"{path}: a model with {name} of {_kind(part)} cannot be read")
    edges = representation.modules["edge_coding"]
    if not edges.attributes.get("directed", True):
        raise InputError(f"{path}: a model of undirected edges cannot be read")
    if (kind := _kind(representation.modules["cutoff_fn"])) not in _CUTOFFS:
        raise InputError(f"{path}: the cutoff function {kind} cannot be read")
    for message_pass in representation.modules["message_passing_list"].modules.values():
        for place, message in message_pass.modules.items():
            if _kind(message) != _MESSAGES[int(place)]:
                raise InputError(f"{path}: messages of {_kind(message)} cannot be read")
            if "hnet" in message.modules:
                _check_layers(path, message.modules["hnet"])


# State dicts


def _from_state_dict(path: Path, options: Mapping[str, str]) -> Weights:
    content = read_pickle(Archive(path))
    if not isinstance(content, dict):
        raise NotReadableError("no table of weights")
    # The average is what the authors evaluate.
    for name in ("model_ema_state_dict", "model_state_dict", "state_dict"):
        if isinstance(content.get(name), dict):
            content = content[name]
            break
    state = _without_prefix({k: v for k, v in content.items() if isinstance(v, np.ndarray)})
    if sum(name.endswith("outnet.0.linear.weight") for name in state) > 1:
        raise InputError(f"{path}: {_LONG_RANGE}")
    sender, receiver = (
        state[f"representation.node_embedding_{end}.embedding_weights"]
        for end in ("sender", "receiver")
    )
    return Weights(
        state=state,
        message_norm=_given_norm(path, state, options),
        cutoff_function=_given_cutoff_function(path, state, options),
        radial_trainable=True,
        shared_embedding=np.array_equal(sender, receiver),
    )


def _given_norm(
    path: Path, state: Mapping[str, np.ndarray], options: Mapping[str, str]
) -> float | None:
    if not any(name.startswith("representation.message_passing_list.") for name in state):
        return None
    if "mp_norm_factor" not in options:
        raise InputError(
            f"{path}: the file does not say the factor of the messages of neighbours; give it "
            "as mp_norm_factor: 0.31622776601683794 (1/√10) unless another was chosen for the "
            "training, as 1 for the paper's water model"
        )
    try:
        norm = float(options["mp_norm_factor"])
    except ValueError:
        norm = 0.0
    if not 0 < norm < float("inf"):
        raise InputError(
            f"{path}: mp_norm_factor is {options['mp_norm_factor']!r}, not a number above 0"
        )
    return norm


def _given_cutoff_function(
    path: Path, state: Mapping[str, np.ndarray], options: Mapping[str, str]
) -> CutoffFunction:
    if "representation.cutoff_fn.p" in state:
        return "polynomial"
    match options.get("cutoff_function"):
        case "cosine" | "mollifier" as given:
            return given
    raise InputError(
        f"{path}: the state dict does not say which cutoff function it is; give "
        "cutoff_function=cosine or cutoff_function=mollifier"
    )


# Arrays


def _from_arrays(path: Path, options: Mapping[str, str]) -> Weights:
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
            raise NotReadableError(f"more than {MOST_BYTES >> 20} MiB unpacked")
    with np.load(path, allow_pickle=False) as arrays:
        said = json.loads(str(arrays["architecture"]))
        state = {
            name.removeprefix("weights/"): arrays[name]
            for name in arrays.files
            if name.startswith("weights/")
        }
    if said["radial_basis"] != "BesselRBF" or said["cutoff_fn"] not in _CUTOFFS:
        raise InputError(f"{path}: {said['radial_basis']} with {said['cutoff_fn']} cannot be read")
    return Weights(
        state=_without_prefix(state),
        message_norm=float(said["mp_norm_factor"]),
        cutoff_function=_CUTOFFS[said["cutoff_fn"]],
        radial_trainable=bool(said["radial_trainable"]),
        shared_embedding=not said["embed_receiver_nodes"],
    )


def _without_prefix(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The names as they are in a model of its own."""
    first = "representation.node_onehot.index_map"
    prefixes = [name.removesuffix(first) for name in state if name.endswith(first)]
    if len(prefixes) != 1:
        raise NotReadableError(f"{len(prefixes)} models")
    (prefix,) = prefixes
    return {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }
