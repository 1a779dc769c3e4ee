"""Graphs of labelled structures packed in a few tensors, and kept in a cache.

The tensors are mapped to files that are written one graph after another, so that there may be any
number of graphs. A cached file goes by content and cutoff.
"""

import hashlib
import json
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from safetensors import SafetensorError, safe_open
from torch import Tensor
from tqdm import tqdm

from camp.data.labels import keys_of, label, weight_of
from camp.data.mapped import MappedRows
from camp.errors import InputError
from camp.files import checksum, save_tensors
from camp.graph import AtomicGraph, build_graph
from camp.graph.rows import Rows, empty_rows
from camp.targets import ENERGY, FORCES, Target

# Part of the name of a cached file; to be raised when graphs or their packing change.
FORMAT = 5
# Before the names of targets among the packed tensors.
PREFIX = "label/"
# Numbers that are worked on at once.
CHUNK = 2**22
# Lattice vectors between an atom and its neighbour, as stored.
LARGEST_SHIFT = np.iinfo(np.int16).max


def content_hash(structures: Iterable[Atoms], targets: Sequence[Target] = (ENERGY, FORCES)) -> str:
    """SHA-256 over targets, atoms, positions, cells, periodicity and labels."""
    signs = {target.name: [target.sign] for target in targets if target.sign != "fixed"}
    named = [[target.name, target.unit, *signs.get(target.name, [])] for target in targets]
    digest = hashlib.sha256(json.dumps(named).encode())
    for index, atoms in enumerate(structures):
        labels = _labels_of(atoms, targets, index)
        digest.update(struct.pack("<q3?", len(atoms), *atoms.pbc.tolist()))
        for values in (atoms.positions, atoms.cell.array, *labels.values()):
            digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
        digest.update(atoms.numbers.astype("<i8").tobytes())
        if (weight := weight_of(atoms)) != 1.0:
            digest.update(struct.pack("<d", weight))
    return digest.hexdigest()


def packed_graphs(
    structures: Sequence[Atoms],
    cutoff: float,
    targets: Sequence[Target],
    *,
    content: str,
    cache: str | Path | None = None,
    progress: bool = False,
) -> dict[str, Tensor]:
    """Graphs and labels of structures one after another in a few tensors, mapped to files.

    Of s graphs with n atoms and m neighbour slots together: ``sizes``, ``widths``, ``weights``
    (s,), ``cells`` (s, 3, 3), ``positions`` (n, 3), ``numbers`` (n,), the slots' ``neighbours``,
    ``reverse``, ``mask`` (m,) and ``shifts`` (m, 3) in lattice vectors, and the labels of each
    target under its name after :data:`PREFIX`, (s, *shape) or (n, *shape). Where all graphs have
    the same number of atoms, so have all rows the same number of slots.

    :param cutoff: Å.
    :param content: hash of structures and targets, see :func:`content_hash`.
    :param cache: folder for a file that goes by content and cutoff; one that is damaged is made
        anew.
    :raises InputError: naming the frame (counted from 0) without labels or whose graph cannot be
        built.
    """
    if cache is None:
        return _pack(structures, cutoff, targets, progress, None)
    name = hashlib.sha256(f"{content} {cutoff!r} {FORMAT}".encode()).hexdigest()
    path = Path(cache) / f"{name}.safetensors"
    if (packed := _load(path)) is None:
        packed = _pack(structures, cutoff, targets, progress, Path(cache))
        save_tensors(path, packed, "sha256", checksum(packed))
        packed = _load(path) or packed
    return packed


def _labels_of(atoms: Atoms, targets: Sequence[Target], index: int) -> dict[str, np.ndarray]:
    """Labels by target, NaN where there is none."""
    try:
        found = {target.name: label(atoms, target) for target in targets}
    except InputError as error:
        raise InputError(f"frame {index}: {error}") from None
    if all(values is None for values in found.values()):
        absent = " and no ".join(found)
        raise InputError(f"frame {index}: no {absent} (the frame has: {', '.join(keys_of(atoms))})")
    return {
        target.name: np.full((len(atoms),) * target.of_atoms + target.shape, np.nan)
        if (values := found[target.name]) is None
        else values
        for target in targets
    }


def _pack(
    structures: Sequence[Atoms],
    cutoff: float,
    targets: Sequence[Target],
    progress: bool,
    folder: Path | None,
) -> dict[str, Tensor]:
    """Graphs and labels one after another, mapped to files in a folder."""
    packed = defaultdict[str, MappedRows](lambda: MappedRows(folder))
    bar = tqdm(structures, desc="graphs", unit="frame", disable=not progress)
    for index, atoms in enumerate(bar):
        found = zip(targets, _labels_of(atoms, targets, index).values(), strict=True)
        labels = {
            PREFIX + target.name: torch.from_numpy(values if target.of_atoms else values[None])
            for target, values in found
        }
        try:
            graph = build_graph(atoms, cutoff)
            shifts = _lattice_shifts(graph)
        except InputError as error:
            raise InputError(f"frame {index}: {error}") from None
        rows = {
            "positions": graph.positions,
            **labels,
            "numbers": graph.numbers.to(torch.uint8),
            "cells": graph.cells,
            "sizes": torch.tensor([len(atoms)]),
            "weights": torch.tensor([weight_of(atoms)], dtype=torch.float64),
            "widths": torch.tensor([graph.mask.shape[1]]),
            "neighbours": graph.neighbours.to(torch.int32).reshape(-1),
            "reverse": graph.reverse.to(torch.int16).reshape(-1),
            "mask": graph.mask.reshape(-1),
            "shifts": shifts,
        }
        for name, values in rows.items():
            packed[name].append(values)
    tensors = {name: rows.tensor() for name, rows in packed.items()}
    sizes, widths = tensors["sizes"], tensors["widths"]
    if (sizes == sizes[0]).all() and (widths != widths[0]).any():
        tensors |= _widened(tensors, folder)
    return tensors


def _widened(packed: Mapping[str, Tensor], folder: Path | None) -> dict[str, Tensor]:
    """The rows of uniform graphs with as many slots as the widest of all."""
    atoms, width = int(packed["sizes"][0]), int(packed["widths"].max())
    empty = empty_rows(atoms, width)
    # Shifts are in lattice vectors here, for :func:`shifts_of_cells`.
    empty = empty._replace(shifts=torch.zeros_like(empty.shifts))
    wide = {name: MappedRows(folder) for name in Rows._fields}
    first_slot = 0
    for widths in packed["widths"].split(max(1, CHUNK // (3 * atoms * width))):
        used = torch.arange(width) < widths.repeat_interleave(atoms)[:, None]
        slots = slice(first_slot, first_slot := first_slot + int(used.sum()))
        for name, filling in empty._asdict().items():
            values = packed[name][slots]
            rows = filling.to(values.dtype).repeat(len(widths), *[1] * (filling.dim() - 1))
            rows[used] = values
            wide[name].append(rows.flatten(0, 1))
    return {name: rows.tensor() for name, rows in wide.items()}


def _lattice_shifts(graph: AtomicGraph) -> Tensor:
    """Shifts of all slots in lattice vectors (slots, 3), int16; zero in an empty slot."""
    fractional = graph.shifts.reshape(-1, 3) @ torch.linalg.pinv(graph.cells[0])
    whole = torch.where(graph.mask.reshape(-1, 1), fractional.round(), 0.0)
    if whole.abs().max() > LARGEST_SHIFT:
        raise InputError("atoms lie too many cells apart; wrap the positions into the cell")
    return whole.to(torch.int16)


def _load(path: Path) -> dict[str, Tensor] | None:
    """The packed graphs of a file, mapped to it; None where there is none or it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            packed = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            expected = (file.metadata() or {}).get("sha256")
    except (OSError, SafetensorError):
        return None
    return packed if expected == checksum(packed) else None
