"""Trained networks for programs without Python: what an architecture gives, and model files.

A model file is text that ends with the line ``end``, and arrays, each at the next multiple of 64
bytes. model_file.hpp reads it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from camp.files import atomic_path
from camp.runtime.library import REALS, Source
from camp.runtime.mlp import Matrix

FORMAT = "camp-model 2"
ALIGNMENT = 64
# Precisions as a model file has them.
PRECISIONS = {torch.float32: "single", torch.float64: "double"}


@dataclass(frozen=True)
class Exported:
    """A trained network in one precision.

    The sources are compiled together; one of them defines a class on the base of that in
    layered_model.hpp, and its ``CAMP_MODEL``.
    """

    architecture: str
    dtype: torch.dtype
    definitions: Mapping[str, int]  # for all sources, besides REAL and KIND
    sources: Sequence[Source]  # with what only one of them needs
    arrays: Mapping[str, Tensor] = field(repr=False)  # what the class reads

    @property
    def kind(self) -> str:
        """Models of the same kind share their compiled code."""
        numbers = [f"{key}={value}" for key, value in sorted(self.definitions.items())]
        return " ".join([self.architecture, PRECISIONS[self.dtype], *numbers])

    def complete_sources(self) -> list[Source]:
        """The sources with all definitions."""
        common: dict[str, int | str] = {
            "REAL": REALS[self.dtype],
            "KIND": f'"{self.kind}"',
            **self.definitions,
        }
        return [Source(source.path, {**common, **source.definitions}) for source in self.sources]


def matrix_arrays(name: str, values: Tensor, dtype: torch.dtype) -> dict[str, Tensor]:
    """A matrix (inputs, outputs), as exported_mlp.hpp reads it."""
    packed, transposed = Matrix(values, dtype).kept
    return {name: packed, f"{name}_transposed": transposed}


def mlp_arrays(name: str, linear: Sequence[nn.Linear], dtype: torch.dtype) -> dict[str, Tensor]:
    """Linear layers with SiLU between them, or none, as exported_mlp.hpp reads them: all but the
    matrix of the first one.
    """
    nothing = torch.empty(0, dtype=dtype)
    matrices = [Matrix(layer.weight.mT, dtype).kept for layer in linear[1:]]
    return {
        f"{name}_widths": torch.tensor([layer.out_features for layer in linear]).long(),
        f"{name}_matrices": torch.cat([nothing, *(values.flatten() for values, _ in matrices)]),
        f"{name}_transposed": torch.cat([nothing, *(values.flatten() for _, values in matrices)]),
        f"{name}_biases": torch.cat(
            [nothing, *(layer.bias.detach().to(dtype) for layer in linear)]
        ),
    }


def readout_arrays(linear: Sequence[nn.Linear], dtype: torch.dtype) -> dict[str, Tensor]:
    """Linear layers with SiLU between them, as exported_readout.hpp reads them."""
    first = matrix_arrays("readout_first", linear[0].weight.mT, dtype)
    return {**first, **mlp_arrays("readout", linear, dtype)}


def write_model(
    path: Path, exported: Exported, elements: Sequence[str], numbers: Mapping[str, Tensor]
) -> None:
    """Write a model file in one step.

    :param elements: chemical symbols in the order of the network's species.
    :param numbers: what layered_model.hpp and the program read: cutoff, energy_scale, …
    :raises InputError: see :func:`camp.files.atomic_path`.
    """
    lines = [f"kind {exported.kind}", f"elements {' '.join(elements)}"]
    chunks = []
    for name, tensor in {**numbers, **exported.arrays}.items():
        array = tensor.detach().contiguous().numpy()
        lines.append(f"array {name} {array.itemsize} {array.size}")
        chunks.append(array.tobytes())
    text = "".join(f"{line}\n" for line in [*lines, "end"]).encode()
    # The first two lines are always as long as this.
    begin = len(f"{FORMAT}\nsha256 {hashlib.sha256().hexdigest()}\n")
    content = bytearray(text)
    for chunk in chunks:
        content += bytes(-(begin + len(content)) % ALIGNMENT) + chunk
    digest = hashlib.sha256(content).hexdigest()
    with atomic_path(path) as temporary:
        temporary.write_bytes(f"{FORMAT}\nsha256 {digest}\n".encode() + content)
