"""The kinds of files that are mutated: an undamaged one, and how it is read."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.db
import numpy as np
import safetensors.torch
import torch
import yaml

import camp
from camp.data.dataset import GraphDataset
from camp.data.packing import content_hash
from camp.data.readers import read_structures, write_structures
from camp.data.splits import random_split, read_split, write_split
from camp.errors import InputError
from camp.files import checksum
from camp.md.simulate import simulate
from camp.md.trajectory import RUN_FILE, SUMMARY_FILE, read_trajectory, trajectory_name
from camp.potential.saving import FORMAT, save, with_checksum
from camp.settings import load_analysis, load_scale, load_simulation, load_training
from camp.training.checkpoints import LAST, newest_checkpoint
from tests.md.test_simulate import CRYSTAL, SETTINGS, copper, engine_of
from tests.models.camp.test_network import make_potential
from tests.training.small_training import clusters

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
  split: {train: 10, validation: 5, test: rest}
"""
ARCHITECTURE = """
recipes:
  short: {max_steps: 7}
tasks:
  ethanol: {model: {channels: 4, max_rank: 1}, recipe: short}
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
  ethanol:
    dataset: ethanol
    split: {sources: {}}
    models: {camp: {model: {cutoff: 4.5}, training: {batch_size: 2}}}
simulations:
  ethanol-md: {task: ethanol, start: {dataset: ethanol, frames: 2, seed: 1, repeat: [1, 1, 1]}}
speed: {simulations: [ethanol-md], threads: 2}
notebooks: {training: ethanol}
"""
SCALE_FILES = {
    "scale.yaml": SCALE,
    "tasks.yaml": TASKS,
    "simulations.yaml": SIMULATIONS,
    "camp.yaml": ARCHITECTURE,
}


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
    """One of the four files of a scale is the damaged one."""
    folder = path.parent / f"with-{path.name}"
    (folder / "models").mkdir(parents=True, exist_ok=True)
    for name, text in SCALE_FILES.items():
        place = folder / ("models" if name == "camp.yaml" else "") / name
        place.write_bytes(path.read_bytes() if path.name == name else text.encode())
    return load_scale([folder / "scale.yaml"], {}, folder=folder)


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
    *(yaml_kind(name, text, read_scale) for name, text in SCALE_FILES.items()),
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
