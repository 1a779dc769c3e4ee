"""Data as they come: other names, missing labels, lone atoms, and what people get wrong."""

import json

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

import camp
from camp.cli import main
from camp.data.dataset import GraphDataset
from camp.data.labels import weight_of
from camp.settings import load_training
from camp.training.compiled import TracedLoss
from camp.training.initial import new_potential
from camp.training.module import TrainingModule
from camp.training.sets import read_sets
from tests.training.small_training import SETTINGS, TINY, clusters

LABELS = ("energy", "forces")


def plain(atoms, labels=LABELS, keys=LABELS, **info):
    """A structure with its labels under names of their own, without a calculator."""
    found = atoms.calc.results
    copy = Atoms(atoms.numbers, atoms.positions, info=info)
    if "energy" in labels:
        copy.info[keys[0]] = found["energy"]
    if "forces" in labels:
        copy.arrays[keys[1]] = found["forces"]
    return copy


def lone_atom(energy, **info):
    atoms = Atoms("Ar", info={"config_type": "IsolatedAtom", **info})
    atoms.calc = SinglePointCalculator(atoms, energy=energy)
    return atoms


@pytest.fixture
def job(tmp_path):
    """Writes structures and settings of a training; returns the file of settings."""

    def written(structures, validation=None, **settings):
        content = {"train": structures, "validation": validation or clusters(3, seed=9)}
        for part, frames in content.items():
            write(tmp_path / f"{part}.xyz", frames, format="extxyz")
        config = {
            **{part: str(tmp_path / f"{part}.xyz") for part in content},
            "model": {"channels": 4, "max_rank": 1, "layers": 1, "cutoff": 4.0},
            # Epochs are between validations, and these far apart by default.
            "training": {"max_epochs": 2, "validate_every": 3, "compile": False, "ema_start": 1},
            **settings,
        }
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))
        return str(tmp_path / "mine.yaml")

    return written


def trained(config, tmp_path, *options):
    arguments = ["train", config, "--seed", "1", "--out", str(tmp_path / "run"), *options]
    assert main(arguments) == 0
    return camp.load(tmp_path / "run" / "model.safetensors")


def refusal(config, tmp_path, capsys, *options):
    assert main(["train", config, "--seed", "1", "--out", str(tmp_path / "run"), *options]) == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("how", ["options", "settings"])
def test_other_names_give_the_same_model(job, tmp_path, how, capsys):
    keys = {"energy": "U", "forces": "grad"}
    frames, validation = clusters(4), clusters(3, seed=9)
    expected = trained(job(frames, validation), tmp_path / "usual").state_dict()
    named = [[plain(a, keys=("U", "grad")) for a in part] for part in (frames, validation)]
    said = {"keys": keys} if how == "settings" else {}
    options = [] if said else ["--energy-key", "U", "--forces-key", "grad"]
    found = trained(job(*named, **said), tmp_path / "named", *options)
    for name, value in found.state_dict().items():
        assert (value == expected[name]).all(), name
    file, out = str(tmp_path / "train.xyz"), str(tmp_path / "errors.json")
    model = str(tmp_path / "named" / "run" / "model.safetensors")
    names = ["--energy-key", "U", "--forces-key", "grad"]
    assert main(["evaluate", model, file, "--json", out, *names]) == 0
    assert json.loads((tmp_path / "errors.json").read_text())["metrics"].keys() > {"forces_mae"}


def test_a_name_that_no_frame_has_is_refused_with_those_it_has(job, tmp_path, capsys):
    """Although the usual name would be there."""
    said = refusal(job(clusters(4)), tmp_path, capsys, "--forces-key", "grad", "--energy-key", "U")
    assert "frame 0: no energy and no forces (the frame has: energy, forces); understood" in said


def test_conversion_gives_the_usual_names(tmp_path, capsys):
    frames = clusters(3)
    write(tmp_path / "named.xyz", [plain(a, keys=("U", "grad")) for a in frames], format="extxyz")
    named, out = str(tmp_path / "named.xyz"), tmp_path / "out.xyz"
    assert main(["convert", named, str(out), "--energy-key", "U", "--forces-key", "grad"]) == 0
    for atoms, expected in zip(read(out, ":"), frames, strict=True):
        assert atoms.get_potential_energy() == pytest.approx(expected.get_potential_energy())
        np.testing.assert_allclose(atoms.get_forces(), expected.get_forces(), rtol=1e-7, atol=1e-8)
    assert main(["convert", named, str(out), "--energy-key", "W"]) == 2
    assert "no energy (the frame has: U, grad)" in capsys.readouterr().err


@pytest.mark.parametrize("kept", [("energy",), ("forces",)])
def test_one_kind_of_label_alone(job, tmp_path, kept, capsys):
    frames, validation = (
        [plain(a, labels=kept) for a in part] for part in (clusters(4), clusters(3, seed=9))
    )
    trained(job(frames, validation), tmp_path)
    said = capsys.readouterr()
    assert f"validation {kept[0]} MAE" in said.out
    absent = {"energy": "forces: not learnt", "forces": "energy: only by its derivatives learnt"}
    assert f"no training structure has {absent[kept[0]]}" in said.err


def test_frames_with_different_labels_together(job, tmp_path):
    kinds = [("energy",), ("forces",), LABELS]
    trained(job([plain(a, kinds[k % 3]) for k, a in enumerate(clusters(6))]), tmp_path)


def test_lone_atoms_are_the_baseline_and_not_trained_on(job, tmp_path, capsys):
    model = trained(job([lone_atom(-1.5), *clusters(4)]), tmp_path)
    assert "4 training, 3 validation" in capsys.readouterr().err
    assert model.energy_shift.tolist() == [-1.5]


def test_given_energies_come_before_lone_atoms(job, tmp_path):
    options = {"max_steps": 2, "compile": False, "atomic_energies": {"Ar": -2.0}}
    model = trained(job([lone_atom(-1.5), *clusters(4)], training=options), tmp_path)
    assert model.energy_shift.tolist() == [-2.0]


def test_lone_atoms_that_contradict_each_other(job, tmp_path, capsys):
    config = job([lone_atom(-1.5), lone_atom(-1.0), *clusters(4)])
    assert "different energies of Ar: -1.5 and -1 eV" in refusal(config, tmp_path, capsys)


def test_doubts_are_said_and_do_not_stop_a_training(job, tmp_path, capsys):
    frames = clusters(4)
    shared = frames[2].copy()
    shared.calc = frames[2].calc
    for atoms in frames:
        atoms.calc.results["forces"] = 500 * atoms.calc.results["forces"]
        atoms.info["charge"] = -1
    trained(job([*frames, frames[0]], [shared, *clusters(2, seed=9)]), tmp_path)
    said = capsys.readouterr().err
    assert "1 frames are in the training and in the validation set" in said
    assert "1 pairs of equal frames, first 0 and 4" in said
    assert "are they in kcal/mol/Å" in said
    assert "5 training frames have a charge, first frame 0" in said


def test_usual_data_raise_no_doubt(job, tmp_path, capsys):
    trained(job(clusters(4)), tmp_path)
    assert "warning: " not in capsys.readouterr().err.replace("Warning: ", "")


def test_one_file_for_both_parts(job, tmp_path, capsys):
    config = job(clusters(3), validation=clusters(3))
    content = yaml.safe_load((tmp_path / "mine.yaml").read_text())
    content["validation"] = content["train"]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    assert "for training and for validation" in refusal(config, tmp_path, capsys)


def test_cutoff_without_neighbours(job, tmp_path, capsys):
    config = job(clusters(3), model={"cutoff": 1.0})
    assert "neighbour within the cutoff of 1 Å" in refusal(config, tmp_path, capsys)


def test_shares_and_splits_of_other_structures(tmp_path, capsys):
    data, split = tmp_path / "data.xyz", tmp_path / "split.json"
    write(data, clusters(15))
    shares = ["--train", "0.8", "--validation", "0.1", "--seed", "0"]
    assert main(["split", str(data), str(split), *shares]) == 0
    drawn = json.loads(split.read_text())
    assert [len(drawn[part]) for part in ("train", "validation", "test")] == [12, 1, 2]
    content = {"data": str(data), "split": str(split)}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    write(data, clusters(15, seed=3))
    said = refusal(str(tmp_path / "mine.yaml"), tmp_path, capsys)
    assert "split.json: drawn from other structures than these (data.xyz)" in said


def test_a_split_without_validation_is_refused(tmp_path, capsys):
    data, split = tmp_path / "data.xyz", tmp_path / "split.json"
    write(data, clusters(5))
    sizes = ["--train", "4", "--validation", "0", "--seed", "0"]
    assert main(["split", str(data), str(split), *sizes]) == 0
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"data": str(data), "split": str(split)}))
    said = refusal(str(tmp_path / "mine.yaml"), tmp_path, capsys)
    assert "no structures to validate with" in said


@pytest.mark.parametrize("compiled", [False, True])
def test_a_weight_counts_as_often_as_the_structure(compiled):
    """Of all labels, also in the traced step."""
    frames = clusters(2)
    twice = [*frames, frames[1]]
    frames[1] = frames[1].copy()
    frames[1].calc, frames[1].info["config_weight"] = twice[1].calc, 2.0
    job = SETTINGS.model_copy(update={"model": TINY})
    potential = new_potential(job, GraphDataset(twice, 4.0), seed=1)
    module = TrainingModule([potential], job.training)
    losses = []
    for structures in (twice, frames):
        dataset = GraphDataset(structures, 4.0)
        batch = dataset.batch(range(len(dataset)))
        if compiled:
            losses.append(TracedLoss(module.loss, [potential], backend=None)([batch])[0])
        else:
            losses.append(module.loss(potential, batch))
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-6)


def test_weights_by_kind_and_of_single_frames(job, tmp_path):
    frames = clusters(4)
    for atoms, kind in zip(frames, ["a", "b", "a", "b"], strict=True):
        atoms.info["config_type"] = kind
    frames[3].info["config_weight"] = 0.5
    options = {"max_steps": 2, "compile": False, "config_weights": {"b": 3.0}}
    config = load_training(job(frames, training=options))
    found = [weight_of(atoms) for atoms in read_sets(config).training]
    assert found == [1.0, 3.0, 1.0, 1.5]


def test_a_weight_that_is_none(job, tmp_path, capsys):
    frames = clusters(3)
    frames[1].info["config_weight"] = -1.0
    assert "config_weight is -1.0" in refusal(job(frames), tmp_path, capsys)
