"""Saved models: safetensors with a JSON header, never a pickle."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from camp import __version__
from camp.errors import InputError
from camp.files import save_tensors
from camp.models import MODELS
from camp.potential.potential import Potential
from camp.potential.published import import_published

FORMAT = "camp-potential"
FORMAT_VERSION = 1
SUFFIX = ".safetensors"


def save(potential: Potential, path: str | Path) -> None:
    """Write a potential: its tensors, and all else as JSON in the file's header.

    :raises InputError: the file cannot be written.
    """
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "code_version": __version__,
        "units": {"energy": "eV", "length": "Å"},
        "architecture": potential.architecture,
        "hyperparameters": potential.hyperparameters,
        "species": potential.species,
        "cutoff": potential.cutoff,
        "energy_scale": float(potential.energy_scale),
        "energy_shift": potential.energy_shift.tolist(),
        "origin": potential.origin,
    }
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in potential.model.state_dict().items()
    }
    save_tensors(path, tensors, {FORMAT: json.dumps(header)})


def read_header(path: str | Path) -> dict[str, Any]:
    """The header of a saved model.

    :raises InputError: missing or foreign file, or a format newer than this code.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        header = json.loads(metadata[FORMAT])
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path}: not a model saved by camp ({error})") from None
    if header["format_version"] > FORMAT_VERSION:
        raise InputError(
            f"{path}: saved by camp {header['code_version']}, whose format is newer than this "
            f"version ({__version__}) reads; update camp"
        )
    return header


def load(path: str | Path) -> Potential:
    """A saved model of ours, or a published checkpoint of the authors, as a potential.

    :raises InputError: the file is neither, is truncated, or does not fit its own header.
    """
    path = Path(path)
    if path.suffix != SUFFIX and path.is_file():
        return import_published(path)
    header = read_header(path)
    if header["architecture"] not in MODELS:
        raise InputError(
            f"{path}: unknown model {header['architecture']!r}; known: {', '.join(MODELS)}"
        )
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    potential = Potential(
        header["architecture"],
        header["hyperparameters"],
        species=header["species"],
        cutoff=header["cutoff"],
        energy_scale=header["energy_scale"],
        energy_shift=header["energy_shift"],
        origin=header["origin"],
    )
    dtypes = {tensor.dtype for tensor in tensors.values()}
    if len(dtypes) == 1:
        potential.model.to(dtypes.pop())
    try:
        potential.model.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: the tensors do not fit the header: {reason}") from None
    return potential
