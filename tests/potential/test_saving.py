"""Saved models come back as they were; files that are not models are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

import camp
from camp.errors import InputError
from camp.potential.accelerated import AcceleratedPotential
from camp.potential.saving import CHECKSUM, FORMAT, read_header, save, with_checksum
from tests.models.camp.test_network import make_potential
from tests.physics import random_structure


@pytest.fixture
def potential():
    return make_potential()


@pytest.fixture
def saved(potential, tmp_path):
    save(potential, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_round_trip_is_exact(potential, saved):
    structure = random_structure(potential)
    before, after = potential.evaluate(structure), camp.load(saved).evaluate(structure)
    assert after.energies[0] == before.energies[0]
    np.testing.assert_array_equal(after.forces[0], before.forces[0])


def test_an_accelerated_potential_is_saved_as_the_one_it_was_made_from(potential, saved, tmp_path):
    path = tmp_path / "fast.safetensors"
    save(AcceleratedPotential(potential, compiled=False), path)
    assert path.read_bytes() == saved.read_bytes()


def test_header_tells_what_the_model_is(potential, saved):
    header = read_header(saved)
    assert header["species"] == [1, 6, 8]
    assert header["cutoff"] == 4.0
    assert header["units"] == {"energy": "eV", "length": "Å"}
    assert header["energy_shift"] == [-1.0, -2.0, -3.0]
    assert header["hyperparameters"]["max_rank"] == 3


def test_shift_and_scale_stay_float64(saved):
    potential = camp.load(saved).float()
    assert str(potential.energy_shift.dtype) == "torch.float64"
    assert str(potential.dtype) == "torch.float32"


def rewritten(path, change):
    header, tensors = read_header(path), load_file(path)
    change(header)
    save_file(tensors, path, metadata={FORMAT: json.dumps(with_checksum(header, tensors))})


def test_newer_format_is_refused(saved):
    rewritten(saved, lambda header: header.update(format_version=99))
    with pytest.raises(InputError, match="newer"):
        camp.load(saved)


def test_tensors_must_fit_the_header(saved):
    rewritten(saved, lambda header: header["hyperparameters"].update(channels=7))
    with pytest.raises(InputError, match=r"embedding.weight has shape \(5, 3\), but .* \(7, 3\)"):
        camp.load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "mace"}, "architecture is 'mace'; it must be one of "),
        ({"species": [1, 8, 6]}, "species is not ascending"),
        ({"species": [1, 6, 6]}, "species holds 6 more than once"),
        ({"cutoff": 0}, "cutoff is 0; it must be a number above 0"),
        ({"energy_scale": float("nan")}, "energy_scale is nan; it must be a number"),
        ({"energy_shift": [0.0, 0.0]}, "energy_shift has 2 numbers, not one for each species"),
    ],
)
def test_headers_of_impossible_models_are_refused(saved, change, message):
    rewritten(saved, lambda header: header.update(change))
    with pytest.raises(InputError, match=message):
        camp.load(saved)


def test_a_model_that_could_not_be_loaded_is_not_saved(tmp_path):
    with pytest.raises(InputError, match="species is not ascending"):
        save(make_potential(species=(8, 6, 1)), tmp_path / "model.safetensors")


def test_changed_weights_are_noticed(saved):
    content = bytearray(saved.read_bytes())
    content[-100] ^= 1
    saved.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        camp.load(saved)


def test_files_from_before_checksums_are_read(potential, saved):
    header, tensors = read_header(saved) | {"format_version": 1}, load_file(saved)
    del header[CHECKSUM]
    save_file(tensors, saved, metadata={FORMAT: json.dumps(header)})
    assert camp.load(saved).settings == potential.settings


def test_foreign_files_are_refused(saved, tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(saved.read_bytes()[:100])
    save_file(load_file(saved), tmp_path / "foreign.safetensors")
    for name in ("cut", "foreign", "absent"):
        with pytest.raises(InputError, match=name):
            camp.load(tmp_path / f"{name}.safetensors")


def test_a_failed_save_leaves_the_old_file(potential, saved, monkeypatch):
    def full_disk(*_args, **_kwargs):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    before = saved.read_bytes()
    monkeypatch.setattr("safetensors.torch.save_file", full_disk)
    with pytest.raises(InputError, match="No space left"):
        save(potential, saved)
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize("version", [1, 2])
def test_models_saved_by_earlier_versions_give_their_energies_and_forces(version):
    """The stored files, and their results, are from the code that wrote these formats."""
    model = camp.load(Path(__file__).parent / "stored" / f"format-{version}.safetensors")
    first = [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]
    second = [[2.8, 0.3, 0.2], [3.1, 1.2, 0.4], [3.3, -0.5, 0.1]]
    dimer = Atoms("OHHOHH", [*first, *second])
    result = model.double().evaluate(dimer)
    assert result.energies[0] == pytest.approx(-9.903145592745329, abs=1e-12)
    assert result.forces[0][0] == pytest.approx(
        [0.03747614158602733, 0.0038881478085436537, -0.0020898040349323363], abs=1e-13
    )
