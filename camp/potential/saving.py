"""Saved models: safetensors with a JSON header, never a pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from camp import __version__
from camp.errors import InputError, reason
from camp.files import checksum, save_tensors
from camp.potential.building import build, check_description
from camp.potential.potential import Potential
from camp.potential.published import import_published
from camp.settings.schema import SAVED_MODEL

FORMAT = "camp-potential"
# Since 2 with a checksum, without which a damaged file cannot be told from a whole one.
FORMAT_VERSION = 2
CHECKSUM = "sha256"
SUFFIX = ".safetensors"


def save(potential: Potential, path: str | Path) -> None:
    """Write a potential: its tensors, and all else as JSON in the file's header.

    :raises InputError: the file cannot be written, or could not be loaded again.
    """
    given = {
        "architecture": potential.architecture,
        "hyperparameters": potential.hyperparameters,
        "species": potential.species,
        "cutoff": potential.cutoff,
        "energy_scale": float(potential.energy_scale),
        "energy_shift": potential.energy_shift.tolist(),
        "origin": potential.origin,
    }
    # As it will be read.
    description = json.loads(json.dumps(given))
    check_description(Path(path), description)
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "code_version": __version__,
        "units": {"energy": "eV", "length": "Å"},
        **description,
    }
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in potential.model.state_dict().items()
    }
    save_tensors(path, tensors, FORMAT, json.dumps(with_checksum(header, tensors)))


def with_checksum(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """A header that tells whether it and the tensors are what was written."""
    content = {key: value for key, value in header.items() if key != CHECKSUM}
    return {**content, CHECKSUM: checksum(tensors, json.dumps(content))}


def read_header(path: str | Path) -> dict[str, Any]:
    """The header of a saved model.

    :raises InputError: missing, foreign or damaged file, or a format newer than this code.
    """
    return _read(Path(path))[0]


def load(path: str | Path) -> Potential:
    """A saved model of ours, or a published checkpoint of the authors, as a potential.

    :raises InputError: the file is neither, is damaged, or does not fit its own header.
    """
    path = Path(path)
    if path.suffix != SUFFIX and path.is_file():
        return import_published(path)
    header, tensors = _read(path)
    description = {key: header[key] for key in SAVED_MODEL["properties"] if key in header}
    return build(path, description, tensors)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a saved model."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = json.loads(metadata[FORMAT])
        version, code = int(header["format_version"]), header["code_version"]
    # A damaged or foreign file makes the libraries fail in any way.
    except Exception as error:
        raise InputError(f"{path}: not a model saved by camp ({reason(error)})") from None
    if version > FORMAT_VERSION:
        raise InputError(
            f"{path}: saved by camp {code}, whose format is newer than this version "
            f"({__version__}) reads; update camp"
        )
    if (version > 1 or CHECKSUM in header) and header != with_checksum(header, tensors):
        raise InputError(f"{path}: damaged; get or make it anew")
    return header, tensors
