"""Saved models: safetensors with a JSON header, never a pickle."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import torch
from safetensors import safe_open
from torch import Tensor

from camp import __version__
from camp.errors import InputError, reason
from camp.files import checksum, save_tensors
from camp.identity import identity
from camp.potential.building import build
from camp.potential.ensemble import Ensemble
from camp.potential.header import from_header, to_header
from camp.potential.potential import Potential
from camp.potential.prediction import Predictor
from camp.settings.architectures import architectures

FORMAT = "camp-potential"
# Since 2 with a checksum, without which a damaged file cannot be told from a whole one; since 3
# with targets.
FORMAT_VERSION = 3
CHECKSUM = "sha256"
SUFFIX = ".safetensors"
# A text is a sequence of texts too, so that Sequence[str] would take one name for many.
Files = Sequence[Path] | list[str] | tuple[str, ...]


def save(potential: Potential, path: str | Path) -> None:
    """Write a potential: its tensors, and all else as JSON in the file's header.

    An accelerated potential is written as the one it was made from.

    :raises InputError: the file cannot be written, or could not be loaded again.
    """
    description = potential.description()
    content = to_header(description)
    from_header(Path(path), content, description.parameters)
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "code_version": __version__,
        "units": {"energy": "eV", "length": "Å"},
        **content,
    }
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in description.parameters.items()
    }
    save_tensors(path, tensors, FORMAT, json.dumps(with_checksum(header, tensors)))


def with_checksum(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """A header that tells whether it and the tensors are what was written."""
    content = {key: value for key, value in header.items() if key != CHECKSUM}
    return {**content, CHECKSUM: checksum(tensors, json.dumps(content))}


def model_hash(potential: Predictor) -> str:
    """The identity of a potential: its parameters, energy scale and shift, and all its settings; of
    an ensemble that of all its members.
    """
    if isinstance(potential, Ensemble):
        return identity({}, inputs=[model_hash(one) for one in potential.potentials])
    settings = {
        **potential.settings.model_dump(),
        "species": potential.species,
        "targets": [*potential.targets],
    }
    # The same numbers in whatever precision and layout they lie in memory.
    as_written = {
        "device": "cpu",
        "dtype": torch.float64,
        "memory_format": torch.contiguous_format,
        "copy": True,
    }
    state = {name: value.to(**as_written) for name, value in potential.state_dict().items()}
    return identity(settings, inputs=[checksum(state)])


def read_header(path: str | Path) -> dict[str, Any]:
    """The header of a saved model.

    :raises InputError: missing, foreign or damaged file, or a format newer than this code.
    """
    return _read(Path(path))[0]


@overload
def load(path: str | Path, options: Mapping[str, str] | None = None) -> Potential: ...


@overload
def load(path: Files, options: Mapping[str, str] | None = None) -> Predictor: ...


def load(path: str | Path | Files, options: Mapping[str, str] | None = None) -> Predictor:
    """A saved model of ours, or a file with published weights of any architecture, as a potential;
    of several files an ensemble, see :class:`camp.potential.ensemble.Ensemble`.

    :param options: what a foreign file does not say, for the readers of its architecture.
    :raises InputError: a file is neither, is damaged, or does not fit its own header; or the files
        make no ensemble.
    """
    if isinstance(path, str | Path):
        return _load_one(Path(path), options or {})
    potentials = [_load_one(Path(one), options or {}) for one in path]
    if len(potentials) == 1:
        return potentials[0]
    try:
        return Ensemble(potentials)
    except InputError as error:
        raise InputError(f"{', '.join(map(str, path))}: {error}") from None


def _load_one(path: Path, options: Mapping[str, str]) -> Potential:
    if path.suffix == SUFFIX or not path.is_file():
        header, tensors = _read(path)
        return build(path, from_header(path, header, tensors))
    refusals = []
    for record in architectures().values():
        for reader in record.published:
            try:
                description = record.resolve(reader)(path, options)
            except InputError as error:
                # Another architecture may know the file; else the first complaint counts.
                refusals.append(error)
                continue
            if description is not None:
                return build(path, description)
    unknown = InputError(f"{path}: neither a model saved by camp nor a published one")
    raise next(iter(refusals), unknown)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a saved model."""
    if path.is_dir():
        raise InputError(f"{path}: a folder; give a model in it, such as model.safetensors")
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
