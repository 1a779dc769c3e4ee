"""Import of CarNet networks of the original: Lightning checkpoints, and NAME.json with
NAME-weights.npz.

Both say the same under the same names. The conventions are the original's; the parameters are
carried over without loss.
"""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from camp.cartesian.natural.decomposition import parse_symmetry, rank_of, signature
from camp.errors import InputError, reason
from camp.files import read_checkpoint, read_json
from camp.models.carnet.settings import CarNetSettings
from camp.models.carnet.translation import Names
from camp.models.description import Description, Normalisation
from camp.targets import ENERGY, TARGETS, Target

WEIGHTS = "-weights.npz"
# The averaged weights are the model that the original evaluates.
PREFIXES = ("ema.ema_model.", "model.")
MOST_BYTES = 2**28  # of unpacked weights
BIAS = "heads.0.bias"  # of a head's species, in our network
LONGEST_JSON = 2**20  # bytes; a description of a network has a few thousand

# What a name stands for where the file lacks it.
DEFAULTS: dict[str, Any] = {
    "max_degree": 3,
    "radial_basis_degree": 8,
    "radial_basis_type": "bessel",
    "radial_mlp_hidden_layers": 2,
    "output_mlp_hidden_layers": 2,
    "tp_path_mode": "full",
    "tp_path_polar_only": False,
    "level": None,
    "use_linear_channel_input": False,
    "use_linear_channel_hyper": False,
    "use_linear_channel_residual": True,
    "residual": True,
    "atomic_moment_weight_mode": "full",
    "residual_weight_mode": "full",
    "element_bias": True,
    "use_zbl": False,
    "atomic_energy_scale": None,
    "atomic_energy_shift": None,
    "target_scale": None,
    "target_shift": None,
    "output_signature": None,
    "output_from_all_layers": False,
    "reduce": "mean",
    "use_layer_norm": True,
}
# Checkpoints say how many parts of each rank a target has, not its symmetry.
USUAL_SYMMETRIES = ("i", "ij=ji", "ij", "ijk=ikj=jik", "ijk=ikj", "ijk", "ijkl=jikl=klij")


@dataclass(frozen=True)
class _File:
    """What either kind of file says."""

    architecture: Mapping[str, Any]
    species: tuple[int, ...]
    state: Mapping[str, Tensor]
    symmetry: str | None  # of a head, where the file says it


def read(path: Path, options: Mapping[str, str]) -> Description | None:
    """A CarNet network of the original; None if it is another file.

    :param options: for heads. ``target``: the name of what is predicted, if the file's symmetry,
        kind and reduction do not tell; ``symmetry``: of its indices, for checkpoints.
    :raises InputError: damaged, a key is missing, or a shape is wrong.
    """
    try:
        file = _from_pair(path) if path.suffix == ".json" else _from_checkpoint(path)
        return None if file is None else _description(file, path, options)
    except InputError:
        raise
    # Other content than expected makes the calls above fail in any way.
    except Exception as error:
        what = f"the key {error} is missing" if isinstance(error, KeyError) else reason(error)
        raise InputError(f"{path}: not a CarNet network of the original: {what}") from None


def _from_pair(path: Path) -> _File | None:
    if not path.is_file() or path.stat().st_size > LONGEST_JSON:
        return None
    content = read_json(path)
    if not isinstance(content, dict) or not _is_ours(content.get("architecture")):
        return None
    weights = path.with_name(path.stem + WEIGHTS)
    if not weights.is_file():
        raise InputError(f"{weights}: no such file; it belongs beside {path.name}")
    return _File(
        architecture={**DEFAULTS, **content["architecture"]},
        species=tuple(sorted(content["species"])),
        state=_read_arrays(weights),
        symmetry=content.get("symmetry"),
    )


def _read_arrays(path: Path) -> dict[str, Tensor]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            unpacked = sum(item.file_size for item in archive.zip.infolist())
            if unpacked > MOST_BYTES:
                raise ValueError(f"unpacks to {unpacked:,} bytes")
            arrays = {name: archive[name] for name in archive.files}
    # Foreign bytes make zipfile, zlib and the header parser raise nearly anything.
    except Exception as error:
        raise InputError(
            f"{path}: damaged or not an npz file of plain arrays ({reason(error)})"
        ) from None
    if strange := [name for name, array in arrays.items() if array.dtype.kind not in "fiu"]:
        raise InputError(f"{path}: {strange[0]!r} is no array of numbers")
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _from_checkpoint(path: Path) -> _File | None:
    if not zipfile.is_zipfile(path):
        return None
    content = read_checkpoint(path)
    try:
        settings = content["hyper_parameters"]["other_hparams"]
        model, data = settings["model"], settings["data"]
    except (KeyError, TypeError):
        return None
    if not _is_ours(model):
        return None
    state, size = content["state_dict"], path.stat().st_size
    prefix = next((p for p in PREFIXES if any(name.startswith(p) for name in state)), PREFIXES[0])
    found = {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }
    for name, value in found.items():
        whole = isinstance(value, Tensor) and value.layout == torch.strided and not value.is_meta
        # A tensor may repeat one number as often as it says.
        if not whole or value.nbytes > size:
            raise TypeError(f"{name} is no array of numbers")
    return _File(
        architecture={**DEFAULTS, "r_cut": data.get("r_cut"), **model},
        species=tuple(sorted(data["atomic_number"])),
        state=found,
        symmetry=None,
    )


def _is_ours(architecture: Any) -> bool:
    return isinstance(architecture, dict) and {"F", "max_L"} <= architecture.keys()


def _description(file: _File, path: Path, options: Mapping[str, str]) -> Description:
    architecture, species = file.architecture, file.species
    if architecture.get("num_atom_types", len(species)) != len(species):
        raise ValueError(f"num_atom_types does not fit {len(species)} species")
    settings = _settings(architecture)
    names = Names(file.state, settings, len(species))
    origin = {"weights": "published", "file": path.name}
    if architecture["output_signature"] is None:
        energy_shift = _of_species(architecture["atomic_energy_shift"], species, 0.0)
        if architecture["element_bias"]:
            bias = names.element_bias()
            shifts = energy_shift * len(bias) if len(energy_shift) == 1 else energy_shift
            energy_shift = tuple(a + b for a, b in zip(shifts, bias, strict=True))
        return Description(
            settings=settings,
            species=species,
            parameters={**names.backbone(out_rank=0), **names.energy()},
            targets=(ENERGY,),
            energy_scale=_of_species(architecture["atomic_energy_scale"], species, 1.0),
            energy_shift=energy_shift,
            origin=origin,
        )
    of_atoms = not names.has("readout.atomic_tensor_model.")
    target = _target(file, of_atoms, options)
    parts = signature(target.symmetry)
    head = names.head("readout." if of_atoms else "readout.atomic_tensor_model.", parts)
    shift: tuple[float, ...] = (_buffer_or_setting(file, "target_shift", 0, 0.0),)
    if of_atoms and BIAS in head:
        # The original adds the numbers of the species to tensors of atoms after the scale: they
        # become part of the shift, and zero in the network.
        shift = tuple(shift[0] + bias for bias in head[BIAS].tolist())
        head[BIAS] = torch.zeros_like(head[BIAS])
    scale = {rank: _buffer_or_setting(file, "target_scale", rank, 1.0) for rank in parts}
    return Description(
        settings=settings,
        species=species,
        parameters={**names.backbone(out_rank=max(parts)), **head},
        targets=(target,),
        normalisation={target.name: Normalisation(scale, shift)},
        origin=origin,
    )


def _settings(given: Mapping[str, Any]) -> CarNetSettings:
    residual = given["residual_weight_mode"] if given["use_linear_channel_residual"] else "plain"
    return CarNetSettings(
        cutoff=float(given["r_cut"]),
        channels=given["F"],
        max_rank=given["max_L"],
        layers=given["num_layers"],
        max_degree=max(given["max_degree"], 1),
        average_neighbours=float(given["num_average_neigh"]),
        radial_basis=given["radial_basis_type"],
        radial_degree=given["radial_basis_degree"],
        radial_hidden=_widths(given["radial_mlp_hidden_layers"], given["F"]),
        readout_hidden=_widths(given["output_mlp_hidden_layers"], given["F"]),
        cutoff_on="basis",
        paths=given["tp_path_mode"],
        level=given["level"],
        polar_only=given["tp_path_polar_only"],
        moment_map=given["atomic_moment_weight_mode"],
        residual=cast(Any, residual if given["residual"] else "none"),
        input_map=given["use_linear_channel_input"],
        message_map=given["use_linear_channel_hyper"],
        repulsion="published" if given["use_zbl"] else "none",
        head_layers="all" if given["output_from_all_layers"] else "last",
        head_norm=given["use_layer_norm"],
        head_bias=given["element_bias"],
        axial_parts="features",
    )


def _widths(hidden: int | list[int], channels: int) -> list[int]:
    """A list of widths, or so many of the width of the channels."""
    return [channels] * min(hidden, 100) if isinstance(hidden, int) else list(hidden)


def _of_species(
    value: float | list[float] | None, species: tuple[int, ...], absent: float
) -> tuple[float, ...]:
    """One number for all, or one for each species of a table indexed by atomic number."""
    if value is None:
        value = absent
    if isinstance(value, int | float):
        return (float(value),)
    return tuple(float(value[number]) for number in species)


def _target(file: _File, of_atoms: bool, options: Mapping[str, str]) -> Target:
    """What the head predicts: as the user says, as the table of targets knows it, or a target of
    its own, named by its symmetry.

    :raises InputError: the user's target or symmetry does not fit the file.
    """
    numbers = {int(rank): count for rank, count in file.architecture["output_signature"].items()}
    name = options.get("target")
    symmetry = options.get("symmetry") or file.symmetry
    if symmetry is None and name in TARGETS:
        symmetry = TARGETS[name].symmetry
    if symmetry is None:
        known = (usual for usual in USUAL_SYMMETRIES if dict(signature(usual)) == numbers)
        symmetry = next(known, None)
    if symmetry is None:
        raise InputError(
            f"the parts {numbers} of the target fit no usual symmetry: say which, as in "
            "--option symmetry=ij=ji"
        )
    if dict(signature(symmetry)) != numbers:
        raise InputError(
            f"the file's head has {numbers} natural tensors of each rank, a tensor of the symmetry "
            f"{symmetry} has {dict(signature(symmetry))}"
        )
    group = parse_symmetry(symmetry)
    reduce = "" if of_atoms else file.architecture["reduce"]
    if reduce not in ("", "sum", "mean"):
        raise ValueError(f"reduce is {reduce!r}")
    for target in TARGETS.values():
        wanted = target.name == name if name else target.symmetry and not target.derivative_of
        if (
            wanted
            and (target.of_atoms, target.reduce) == (of_atoms, reduce)
            and parse_symmetry(target.symmetry) == group
        ):
            return target
    if name in TARGETS:
        raise InputError(f"the file's head is no {name}: {symmetry}, {reduce or 'of atoms'}")
    shape, per = (3,) * rank_of(symmetry), "atom" if of_atoms else "system"
    return Target(name or symmetry, "", shape, per, symmetry, reduce)


def _buffer_or_setting(file: _File, name: str, rank: int, absent: float) -> float:
    buffer = file.state.get(f"readout.{name}.{rank}")
    if buffer is not None:
        return float(buffer)
    given = {int(key): value for key, value in (file.architecture[name] or {}).items()}
    return float(given.get(rank, absent))
