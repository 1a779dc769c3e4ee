"""The command line refuses a damaged input with one line that names it."""

from pathlib import Path

import pytest

from camp.cli import main
from camp.data.readers import write_structures
from camp.data.splits import random_split, write_split
from tests.fuzz.kinds import KINDS
from tests.fuzz.reading import time_limit
from tests.training.small_training import clusters

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
