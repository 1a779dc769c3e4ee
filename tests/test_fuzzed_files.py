"""Damaged and hostile files: read correctly, or refused with one line; nothing hangs or is run.

CAMP_FUZZ=10 in the environment takes ten times as many mutated files.
"""

import copy
import gzip
import json
import math
import os
import pickle
import random
import shutil
import signal
import sqlite3
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.db
import numpy as np
import pytest
import safetensors.torch
import torch
import yaml

import camp
from camp.cli import main
from camp.data.graphs import GraphDataset, content_hash
from camp.data.readers import read_structures, write_structures
from camp.data.splits import random_split, read_split, write_split
from camp.errors import InputError
from camp.md.simulate import RUN_FILE, SUMMARY_FILE, simulate, trajectory_name
from camp.md.trajectory import read_trajectory
from camp.potential.saving import FORMAT, checksum, save, with_checksum
from camp.settings import load_analysis, load_scale, load_simulation, load_training
from camp.training.checkpoints import LAST, newest_checkpoint
from tests.md.test_simulate import CRYSTAL, SETTINGS, copper, engine_of
from tests.models.test_camp import make_potential
from tests.training.small_training import clusters

# Of each kind of file; there are nineteen kinds.
FILES = 150 * int(os.environ.get("CAMP_FUZZ", "1"))
# Far more than any file here needs, on a machine that is busy.
SECONDS = 20
# Bytes that reading a hostile file of a few MB may take.
MEMORY = 300e6

TRAINING = """
train: a.xyz
validation: b.xyz
model: {channels: 4, max_rank: 2, cutoff: 4.5, radial_hidden: [4, 4]}
training: {batch_size: 2, learning_rate: 0.001, max_steps: 100, compile: false}
labels: {data: "generated"}
"""
SIMULATION = """
temperature: 300
timestep: 0.5
length: 10
equilibration: 0.5
sample_every: 10
replicas: 3
engine: ase
ensemble: nvt
"""
ANALYSIS = """
rdf: [O-O, O-H]
rdf_max: 6.0
adf: {H-O-H: 1.3}
msd: [O]
fit: [1, 10]
stability: rdf
"""
TASKS = """
ethanol:
  title: Ethanol
  system: molecule
  paper: {energy: table-1, forces: table-1}
  split: {train: 10, validation: 5, test: rest}
  model: {channels: 4, max_rank: 1}
  training: {max_steps: 7}
"""
SIMULATIONS = """
ethanol-md:
  title: Dynamics
  md: {temperature: 300, timestep: 0.5, length: 1.0, sample_every: 10}
  analysis: {msd: [O], stability: bonds}
"""
SCALE = """
scale: small
data: generated (GFN-xTB)
weights: own
seeds: [1, 2]
resources: {threads: 2, gpu: 1}
datasets:
  ethanol: {generate: "molecule:ethanol", frames: 30, seed: 1}
tasks:
  ethanol: {dataset: ethanol, split: {sources: {}}}
simulations:
  ethanol-md: {task: ethanol, start: {dataset: ethanol, frames: 2, seed: 1, repeat: [1, 1, 1]}}
speed: {simulations: [ethanol-md], threads: 2}
notebooks: {training: ethanol}
"""


@dataclass(frozen=True)
class Kind:
    """A kind of file: an undamaged one, how it is read, and how its content is taken apart."""

    name: str
    make: Callable[[Path], Any]
    # Something to compare, and an exception of its own for what is no usable content.
    read: Callable[[Path], object]
    # The content to be changed, and the file with the changed content.
    parse: Callable[[Path], Any] | None = None
    build: Callable[[Any, Path], Any] | None = None
    # With a checksum, damaged bytes are noticed or mean nothing.
    checked: bool = False


# Structures


def read_checked(path: Path) -> str:
    structures = read_structures(path)
    for atoms in structures:
        assert atoms.positions.shape == atoms.get_forces().shape == (len(atoms.numbers), 3)
        for values in (atoms.positions, atoms.cell.array, atoms.get_forces(), *atoms.numbers):
            assert np.isfinite(values).all()
        assert math.isfinite(atoms.get_potential_energy())
    return content_hash(structures)


def write_npz(path: Path) -> None:
    frames = clusters(3)
    np.savez(
        path,
        E=np.array([[atoms.get_potential_energy()] for atoms in frames]),
        F=np.array([atoms.get_forces() for atoms in frames]),
        R=np.array([atoms.positions for atoms in frames]),
        z=frames[0].numbers,
    )


def write_table(path: Path) -> None:
    columns: dict[str, dict[str, object]] = {}
    for k, atoms in enumerate(clusters(2)):
        row = {
            "coords": atoms.positions.tolist(),
            "atomic_number": atoms.numbers.tolist(),
            "cell": (9 * np.eye(3)).tolist(),
            "pbc": [True, True, False],
            "energy": atoms.get_potential_energy(),
            "forces": atoms.get_forces().tolist(),
            "stress": [0.1] * 6,
        }
        for name, value in row.items():
            columns.setdefault(name, {})[str(k)] = value
    path.write_text(json.dumps(columns))


def write_database(path: Path) -> None:
    path.unlink(missing_ok=True)
    with ase.db.connect(path, type="db") as database:
        for atoms in clusters(3):
            database.write(atoms, name="x", data={"a": [1.5]})


def read_npz(path: Path) -> dict[str, Any]:
    with np.load(path) as arrays:
        return dict(arrays)


def build_npz(content: Any, path: Path) -> None:
    np.savez(path, **{str(k): v for k, v in content.items()} if isinstance(content, dict) else {})


# Models and checkpoints


def digest(potential: camp.Potential) -> str:
    (atoms,) = clusters(1)
    atoms.numbers[:] = potential.species[0]
    assert potential.evaluate(atoms).forces[0].shape == (5, 3)
    return checksum(dict(potential.state_dict()), repr((potential.species, potential.cutoff)))


def small_potential() -> camp.Potential:
    sizes = {"channels": 2, "max_rank": 1, "radial_hidden": [2], "readout_hidden": [2]}
    return make_potential(species=(8, 18), **sizes)


def parse_model(path: Path) -> dict[str, Any]:
    with safetensors.safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()[FORMAT])
    return {"header": header, "tensors": safetensors.torch.load_file(path)}


def build_model(content: Any, path: Path) -> None:
    tensors = content.get("tensors")
    tensors = tensors if isinstance(tensors, dict) else {}
    tensors = {str(k): v.clone() for k, v in tensors.items() if isinstance(v, torch.Tensor)}
    header = json.loads(json.dumps(content.get("header"), default=str))
    if isinstance(header, dict):
        header = with_checksum(header, tensors)
    safetensors.torch.save_file(tensors, path, metadata={FORMAT: json.dumps(header)})


def published() -> dict[str, Any]:
    """Content of a file such as the authors publish: two layers, two channels, v_max = 1."""
    torch.manual_seed(0)
    shapes: dict[str, tuple[int, ...]] = {
        "atom_embedding.linear.weight": (2, 2),
        "atom_embedding.linear.bias": (2,),
        "layers.1.atom_moment.linear_path.0.weight": (2, 2),
        "layers.1.linear_channel_feats.0.weight": (2, 2),
        "layers.0.linear_channel_hyper.1.weight": (2, 2),
        "layers.1.mlp_mix_atom_feats.1.weight": (2, 2),
        "readout.out_layers.0.weight": (1, 2),
        "readout.out_layers.0.bias": (1,),
    }
    for t, paths in enumerate((["0_0_0", "1_0_1"], ["0_0_0", "0_1_1", "1_0_1"])):
        layer = f"layers.{t}."
        for name in ("mlp_mix_atom_feats.0", "hyper_moment.linear_path.0"):
            shapes[f"{layer}{name}.weight"] = (2, 2)
        shapes[f"{layer}linear_channel_hyper.0.weight"] = (2, 2)
        shapes[f"{layer}atom_moment.radial.c"] = (2, 2, 2, 4)
        for v in range(2):
            shapes[f"{layer}atom_moment.linear_channel.{v}.weight"] = (2, 2)
        for path in paths:
            for k in (0, 2):
                mlp = f"{layer}atom_moment.radial_mlp.{path}.layers.{k}."
                shapes |= {f"{mlp}weight": (2, 2), f"{mlp}bias": (2,)}
    for k, width in ((0, 2), (2, 1)):
        last = f"readout.out_layers.1.layers.{k}."
        shapes |= {f"{last}weight": (width, 2), f"{last}bias": (width,)}
    model = {
        "max_u": 1,
        "max_v": 1,
        "num_layers": 2,
        "max_chebyshev_degree": 3,
        "radial_mlp_hidden_layers": [2],
        "output_mlp_hidden_layers": [2],
        "num_average_neigh": torch.tensor(12.5),
        "r_cut": 4.0,
        "atomic_energy_scale": torch.tensor(0.5),
        "atomic_energy_shift": torch.tensor(-1.0),
    }
    settings = {"model": model, "data": {"atomic_number": [8, 18]}}
    return {
        "hyper_parameters": {"other_hparams": settings},
        "state_dict": {f"ema.ema_model.{k}": torch.randn(shape) for k, shape in shapes.items()},
    }


def write_checkpoint(path: Path) -> None:
    torch.save(
        {
            "epoch": 3,
            "training": ["a1b2"],
            "state_dict": {"weight": torch.arange(20.0), "bias": torch.ones(3)},
            "loops": {"fit": {"state": [1, 2.5, None]}},
        },
        path,
    )


def read_newest(path: Path) -> str:
    """As a training does that starts again; says on stderr what it leaves out."""
    found, content = newest_checkpoint(path.parent)
    if found is None:
        raise InputError(f"{path}: left out")
    return repr(content)


def parse_checkpoint(path: Path) -> Any:
    return torch.load(path, weights_only=True)


def cached(folder: Path) -> tuple[GraphDataset, Path]:
    """Graphs, and the file in which they are kept."""
    dataset = GraphDataset(clusters(3), 4.0, cache=folder)
    (file,) = folder.glob("*.safetensors")
    return dataset, file


def read_graphs(path: Path) -> str:
    """Never refused: a damaged file is made anew, under the name that the cache gives it."""
    _, file = cached(path.parent / "cache")
    file.write_bytes(path.read_bytes())
    dataset, _ = cached(file.parent)
    return repr([dataset[k] for k in range(len(dataset))])


# Simulations


def small_simulation(folder: Path) -> dict[str, Any]:
    """Copper atoms for a few steps; what is done already is not done again."""
    engine = engine_of(SETTINGS)
    return simulate(copper(), [CRYSTAL], SETTINGS, engine, out=folder, replicas=[1])


def simulation_kind(name: str) -> Kind:
    """One of the files in the folder of a simulation, which is then continued."""

    def make(path: Path) -> None:
        small_simulation(path.parent)

    def read(path: Path) -> str:
        folder = path.parent / "simulation"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(path.parent / "original", folder)
        shutil.copyfile(path, folder / name)
        read_trajectory(folder / trajectory_name(1))
        return repr(small_simulation(folder)["replicas"])

    return json_kind(name, make, read) if name.endswith(".json") else Kind(name, make, read)


# Settings


def yaml_kind(name: str, text: str, read: Callable[[Path], object]) -> Kind:
    return Kind(
        name,
        lambda path: path.write_text(text),
        lambda path: repr(read(path)),
        lambda path: yaml.safe_load(path.read_text()),
        lambda content, path: path.write_text(yaml.safe_dump(content)),
    )


def read_scale(path: Path) -> object:
    """One of the three files of a scale is the damaged one."""
    texts = {"scale.yaml": SCALE, "tasks.yaml": TASKS, "simulations.yaml": SIMULATIONS}
    folder = path.parent / "whole"
    folder.mkdir(exist_ok=True)
    files = {}
    for name, text in texts.items():
        files[name] = path if path.name == name else folder / name
        if not files[name].exists():
            files[name].write_text(text)
    scale, tasks, simulations = files.values()
    return load_scale([scale], {}, tasks_file=tasks, simulations_file=simulations)


def json_kind(name: str, make: Callable[[Path], Any], read: Callable[[Path], object]) -> Kind:
    return Kind(
        name,
        make,
        read,
        lambda path: json.loads(path.read_text()),
        lambda content, path: path.write_text(json.dumps(content)),
    )


KINDS = (
    Kind("plain.xyz", lambda path: write_structures(path, clusters(3)), read_checked),
    Kind(
        "packed.xyz.gz",
        lambda path: write_structures(path, clusters(3)),
        read_checked,
        checked=True,
    ),
    Kind("md17.npz", write_npz, read_checked, read_npz, build_npz, checked=True),
    json_kind("table.json", write_table, read_checked),
    Kind("frames.db", write_database, read_checked),
    json_kind(
        "split.json",
        lambda path: write_split(path, random_split(20, 5, 3, "rest", 1), dataset="a.xyz"),
        lambda path: read_split(path, 20),
    ),
    *map(simulation_kind, (trajectory_name(1), RUN_FILE, SUMMARY_FILE)),
    yaml_kind("training.yaml", TRAINING, load_training),
    yaml_kind("simulation.yaml", SIMULATION, load_simulation),
    yaml_kind("analysis.yaml", ANALYSIS, load_analysis),
    yaml_kind("scale.yaml", SCALE, read_scale),
    yaml_kind("tasks.yaml", TASKS, read_scale),
    yaml_kind("simulations.yaml", SIMULATIONS, read_scale),
    Kind(
        "model.safetensors",
        lambda path: save(small_potential(), path),
        lambda path: digest(camp.load(path)),
        parse_model,
        build_model,
        checked=True,
    ),
    Kind(
        "published.ckpt",
        lambda path: torch.save(published(), path),
        lambda path: digest(camp.load(path)),
        parse_checkpoint,
        torch.save,
        checked=True,
    ),
    Kind(LAST, write_checkpoint, read_newest, parse_checkpoint, torch.save, checked=True),
    Kind(
        "graphs.safetensors",
        lambda path: cached(path.parent / "new")[1].rename(path),
        read_graphs,
        checked=True,
    ),
)


# Mutations


def mutated_bytes(chance: random.Random, whole: bytes) -> bytes:
    """Bytes replaced, pieces cut out, doubled or zeroed, or the end cut off."""
    content = bytearray(whole)
    if chance.random() < 0.15:
        return bytes(content[: chance.randrange(len(content))])
    for _ in range(chance.randint(1, 6)):
        first = chance.randrange(len(content) or 1)
        piece = content[first : first + chance.choice((1, 1, 4, 20, 200))]
        new = chance.choice(
            (
                bytes([chance.choice(b'0123456789.-eE"[]{}:,&*!|> \n\t\x00\xff')]),
                chance.randbytes(1),
                bytes(len(piece)),
                bytes(2 * piece),
                b"",
            )
        )
        content[first : first + len(piece)] = new
    return bytes(content)


STRANGE: tuple[Any, ...] = (
    *(None, True, 0, -1, 3, 0.5, 10**12, 10**30, -(10**400), 1e308, math.nan, -math.inf),
    *("", "text", "a\nb", "\x1b[2J", "../a", "1", "O", "ethanol", [], [[]], [None], [1, 2, 3]),
    *({}, {"a": {"b": [None]}}, {"": 1}, {"a\nb": 1}, [{"a": 1}], ["a", 1], list(range(300))),
)
STRANGE_TENSORS: tuple[Any, ...] = (
    *(torch.zeros(0), torch.zeros(2, 3), torch.tensor(3), torch.full((2, 2), math.nan)),
    *(torch.zeros(2, 2, dtype=torch.int64), torch.zeros(2, 2, dtype=torch.complex64)),
    *(torch.zeros(2, 2, dtype=torch.bfloat16), torch.zeros(2, 2).bool(), torch.tensor(-1e30)),
)
STRANGE_IN_CHECKPOINTS = (
    *STRANGE_TENSORS,
    torch.zeros(1).expand(10**6, 10**6),
    torch.zeros(2, 2).to_sparse(),
    torch.zeros(2, 2, device="meta"),
)
STRANGE_ARRAYS: tuple[Any, ...] = (
    *(np.zeros(0), np.zeros((3, 5)), np.array(7), np.full((3, 5, 3), np.nan), np.zeros((3, 5, 3))),
    *(np.array([{}, None]), np.array(["a", "b"]), np.array([1j]), np.array([-1, 500, 3, 4, 5])),
    *(np.full((3, 1), 1e300), np.full(5, 6.5), np.array([True] * 5), np.zeros((3, 5, 3), "f2")),
)


def strange(kind: Kind) -> tuple[Any, ...]:
    if kind.name.endswith(".npz"):
        return STRANGE_ARRAYS
    if kind.name.endswith(".safetensors"):
        return STRANGE + STRANGE_TENSORS
    return STRANGE + (STRANGE_IN_CHECKPOINTS if kind.name.endswith(".ckpt") else ())


def containers(content: Any) -> list[Any]:
    """All mappings and lists in a structure, itself included."""
    found, waiting = [], [content]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict | list):
            found.append(one)
            waiting += one.values() if isinstance(one, dict) else one
    return [one for one in found if one]


def mutated_content(chance: random.Random, content: Any, values: tuple[Any, ...]) -> Any:
    """A value replaced, left out, put under another key or in the place of another."""
    content = copy.deepcopy(content)
    for _ in range(chance.choice((1, 1, 2))):
        inside = chance.choice(containers(content) or [{"": None}])
        keys = [*inside] if isinstance(inside, dict) else [*range(len(inside))]
        key, other = chance.choice(keys), chance.choice(keys)
        action = chance.randrange(6)
        if action == 0:
            del inside[key]
        elif action == 1:
            inside[key], inside[other] = inside[other], inside[key]
        elif action == 2 and isinstance(inside, dict):
            inside[chance.choice(("", "a\nb", "unknown", f"{key} ", 7))] = inside.pop(key)
        else:
            inside[key] = copy.deepcopy(chance.choice(values))
    return content


# Reading


class HangingError(BaseException):
    """Not an Exception, which a reader may catch."""


@contextmanager
def time_limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise HangingError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def result_of(read: Callable[[Path], object], path: Path) -> object:
    """What a file holds; None if it is refused as it should be."""
    try:
        with time_limit():
            return read(path)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
        # A mistake in one file of a scale may be seen in another.
        assert str(path.parent) in str(error)
        return None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_mutated_files_are_read_correctly_or_refused(kind, tmp_path):
    chance = random.Random(kind.name)
    original, path = tmp_path / "original" / kind.name, tmp_path / kind.name
    original.parent.mkdir()
    kind.make(original)
    whole = original.read_bytes()
    path.write_bytes(whole)
    expected = kind.read(path)
    assert expected is not None
    content = kind.parse(original) if kind.parse else None
    refused = 0
    for number in range(FILES):
        if kind.build and number % 2:
            kind.build(mutated_content(chance, content, strange(kind)), path)
            found = result_of(kind.read, path)
        else:
            path.write_bytes(mutated_bytes(chance, whole))
            found = result_of(kind.read, path)
            assert not kind.checked or found in (None, expected)
        refused += found is None
    assert refused > FILES / 10 or kind.name == "graphs.safetensors"


# Files that somebody made on purpose


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


# The command line


MD_SETTINGS = "{temperature: 300, timestep: 1, length: 0.01, sample_every: 10, compile: false}"
COMMANDS = {
    "train": "train.yaml --seed 1 --out out",
    "evaluate": "model.safetensors data.xyz --split split.json",
    "import": "published.ckpt out.safetensors",
    "md": "model.safetensors data.xyz --config md.yaml --out out",
    "analyse": "--reference data.xyz --config analysis.yaml --out out.json",
    "scan": "dimer model.safetensors --out out.json",
    "benchmark": "model.safetensors data.xyz",
    "convert": "data.xyz frames.db md17.npz table.json out.xyz",
    "split": "data.xyz out.json --train 1 --validation 1 --test 1 --seed 1",
    "select": "data.xyz out.xyz --split split.json --frames 1 --seed 1",
    "plan": "--configfile scale.yaml",
}
FOREIGN = b"\x93[\xff,\x00 %@" * 9
# Files that a command finds without being told.
MORE_INPUTS = {"train": ("data.xyz", "split.json"), "plan": ("tasks.yaml", "simulations.yaml")}
INPUTS = [
    (verb, name)
    for verb, arguments in COMMANDS.items()
    for name in (*arguments.split(), *MORE_INPUTS.get(verb, ()))
    if "." in name and not name.startswith("out")
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> dict[str, bytes]:
    """Undamaged files for all commands."""
    folder = tmp_path_factory.mktemp("inputs")
    for kind in KINDS:
        kind.make(folder / kind.name)
    write_structures(folder / "data.xyz", clusters(4))
    split = random_split(4, 2, 1, 1, 1)
    write_split(folder / "split.json", split, dataset="data.xyz")
    (folder / "train.yaml").write_text("{data: data.xyz, split: split.json}")
    (folder / "md.yaml").write_text(MD_SETTINGS)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("damage", ["cut", "foreign"])
@pytest.mark.parametrize(("verb", "name"), INPUTS)
def test_commands_refuse_damaged_files(verb, name, damage, inputs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for other, content in inputs.items():
        Path(other).write_bytes(content)
    whole = inputs[name]
    Path(name).write_bytes(whole[: len(whole) // 9] if damage == "cut" else FOREIGN)
    with time_limit():
        assert main([verb, *COMMANDS[verb].split()]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("camp: error: ")
    assert name in line
    assert not [path for path in tmp_path.iterdir() if path.is_file() and path.stem == "out"]
