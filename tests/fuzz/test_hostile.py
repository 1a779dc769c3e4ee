"""Files that somebody made on purpose are refused; no code is run and no memory filled."""

import gzip
import pickle
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import camp
from camp.data.readers import read_structures
from camp.data.splits import read_split
from camp.potential.saving import save
from camp.settings import load_training
from camp.training.checkpoints import LAST
from tests.fuzz.kinds import (
    build_model,
    parse_model,
    published,
    read_newest,
    small_potential,
    write_database,
)
from tests.fuzz.reading import result_of

# Bytes that reading a hostile file of a few MB may take.
MEMORY = 300e6


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


def zip_of(path: Path, name: str, size: int) -> None:
    """An archive whose only file unpacks to so many zeros."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr(name, bytes(size))


def npy_header(shape: str) -> bytes:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def huge_npz(path: Path, _: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in "EFRz":
            archive.writestr(f"{name}.npy", npy_header("(1000000000000,)") + bytes(80))


def huge_model(path: Path, _: Path) -> None:
    content = parse_model_of(small_potential(), path)
    widths = {"radial_hidden": [4096] * 10, "readout_hidden": [4096] * 10}
    content["header"]["hyperparameters"] |= {"channels": 1024, "max_rank": 4, "layers": 10} | widths
    build_model(content, path)


def parse_model_of(potential: camp.Potential, path: Path) -> dict[str, Any]:
    save(potential, path)
    return parse_model(path)


def huge_checkpoint(path: Path, _: Path) -> None:
    content = published()
    settings = content["hyper_parameters"]["other_hparams"]["model"]
    settings |= {"max_u": 1000, "max_v": 4, "num_layers": 10}
    torch.save(content, path)


def repeating_checkpoint(path: Path, _: Path) -> None:
    content = published()
    state = content["state_dict"]
    for name in state:
        state[name] = torch.zeros(1).expand(10**6, 10**6)
    torch.save(content, path)


def database_with(statement: str) -> Callable[[Path, Path], None]:
    def make(path: Path, _: Path) -> None:
        write_database(path)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(statement)

    return make


ENDLESS_VIEW = """
ALTER TABLE systems RENAME TO others;
CREATE VIEW systems AS WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n FROM t)
SELECT others.* FROM others, t;
"""
LAUGHS = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"] + [
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 30)
]
MERGING_LAUGHS = ["a0: &a0 {x: 1}"] + [
    f"a{k}: &a{k} {{<<: [{', '.join([f'*a{k - 1}'] * 10)}]}}" for k in range(1, 30)
]
APPLY = '!!python/object/apply:os.mknod ["{}"]'


def text(content: str) -> Callable[[Path, Path], object]:
    return lambda path, _: path.write_text(content)


def packed(content: str) -> Callable[[Path, Path], object]:
    return lambda path, _: path.write_bytes(gzip.compress(content.encode()))


# Name and case → (what makes the file, given a marker that code in the file would leave).
HOSTILE: dict[str, Callable[[Path, Path], object]] = {
    "announced.xyz": text("1000000000000\n\nH 0 0 0\n"),
    "announced-digits.xyz": text("9" * 6000 + "\n\nH 0 0 0\n"),
    "negative.xyz": text("-5\n\nH 0 0 0\n"),
    "columns.xyz": text(f"1\nProperties=species:S:1:pos:R:{10**12}\nH 0 0 0\n"),
    "long-value.xyz": text("2000\n\n" + "H 0 0 0\n" * 1999 + f"H 0 0 {'0' * 1_000_000}\n"),
    "deep-comment.xyz": text(f"1\na=_JSON{'[' * 100_000}\nH 0 0 0\n"),
    "one-line.xyz.gz": packed("1\n" + "a" * 20_000_000),
    "empty-lines.xyz.gz": packed("\n" * 3_000_000),
    "many-columns.xyz.gz": packed("1\n\nH" + " 1" * 10_000_000 + "\n"),
    "pickled.npz": lambda path, marker: np.savez(path, E=np.array([Evil(marker)], dtype=object)),
    "pickle.npz": lambda path, marker: path.write_bytes(pickle.dumps(Evil(marker))),
    "shape.npz": huge_npz,
    "array.npz": lambda path, _: path.write_bytes(npy_header("(10000000000,)")),
    "bomb.npz": lambda path, _: zip_of(path, "E.npy", 200_000_000),
    "deep-split.json": text("[" * 100_000),
    "digits-split.json": text("1" * 10_000),
    "deep.json": text('{"coords": ' + "[" * 100_000),
    "digits.json": text(f'{{"coords": {"1" * 10_000}}}'),
    "endless.db": database_with(ENDLESS_VIEW),
    "trigger.db": database_with("CREATE TRIGGER t DELETE ON systems BEGIN SELECT 1; END"),
    "tag.yaml": lambda path, marker: path.write_text("train: " + APPLY.format(marker)),
    "tag-as-key.yaml": lambda path, marker: path.write_text("? " + APPLY.format(marker)),
    "laughs.yaml": text("\n".join(LAUGHS)),
    "merging-laughs.yaml": text("\n".join(MERGING_LAUGHS)),
    "circle.yaml": text("train: &a [*a]\nlabels: &b {a: *b}"),
    "deep.yaml": text("train: " + "[" * 100_000),
    "list-as-key.yaml": text("? [a]\n: b"),
    "date.yaml": text("train: 2026-99-99"),
    "digits.yaml": text("train: " + "1" * 10_000),
    "header.safetensors": lambda path, _: path.write_bytes(struct.pack("<Q", 2**60) + b"{}"),
    "huge.safetensors": huge_model,
    "evil.ckpt": lambda path, marker: torch.save({"state_dict": Evil(marker)}, path),
    "evil-old.ckpt": lambda path, marker: torch.save(
        {"state_dict": Evil(marker)}, path, _use_new_zipfile_serialization=False
    ),
    "pickle.ckpt": lambda path, marker: path.write_bytes(pickle.dumps(Evil(marker))),
    "bomb.ckpt": lambda path, _: zip_of(path, "archive/data.pkl", 200_000_000),
    "huge.ckpt": huge_checkpoint,
    "repeating.ckpt": repeating_checkpoint,
}
READERS: dict[str, Callable[[Path], object]] = {
    ".yaml": load_training,
    ".safetensors": camp.load,
    ".ckpt": camp.load,
}


def reset_peak() -> bool:
    """Whether the system can start anew to note the largest memory of this process."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def memory(line: str) -> int:
    """Bytes that this process has (VmRSS), or had at most (VmHWM)."""
    (size,) = (
        words[1]
        for words in map(str.split, Path("/proc/self/status").read_text().splitlines())
        if words[0] == f"{line}:"
    )
    return 1024 * int(size)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_and_do_nothing(name, tmp_path, monkeypatch):
    # Instead of files of a hundred times the size.
    monkeypatch.setattr("camp.data.formats.xyz.LARGEST_FRAME", 1_000_000)
    path, marker = tmp_path / name, tmp_path / "marker"
    HOSTILE[name](path, marker)
    measured = reset_peak()
    before = memory("VmRSS") if measured else 0
    read = read_split if "split" in name else READERS.get(path.suffix, read_structures)
    assert result_of(read, path) is None
    assert not measured or memory("VmHWM") - before < MEMORY
    assert not marker.exists()
    # Checkpoints are read by the training, too.
    if path.suffix == ".ckpt":
        path.rename(tmp_path / LAST)
        result_of(read_newest, tmp_path / LAST)
        assert not marker.exists()
