"""Published weights: the reference results, and files that are not such weights."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress

import camp
from camp.errors import InputError
from camp.potential.saving import save

ORACLES = {
    "water": "water",
    "lips-100": "LiPS/training_size-100",
    "md17-aspirin": "md17/training_size-950/aspirin",
    "md17-ethanol": "md17/training_size-950/ethanol",
}


def checkpoint(shared_data, name):
    return shared_data / "mirror" / "camp_run" / "models" / ORACLES[name] / "checkpoint.ckpt"


def oracle_structures(data):
    """Structures and reference energies (eV), forces (eV/Å) and stresses (eV/Å³)."""
    for k in range(int(data["count"])):
        keys = ("numbers", "positions", "cell", "pbc", "energy", "forces", "stress", "edges")
        v = {key: data[f"{k}_{key}"] for key in keys}
        yield Atoms(v["numbers"], v["positions"], cell=v["cell"], pbc=v["pbc"]), v


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_agrees_with_the_independent_implementation(shared_data, shared_oracle, name, dtype):
    """float64 to rounding; float32 to what single precision allows."""
    potential = camp.load(checkpoint(shared_data, name))
    potential = potential.double() if dtype == "float64" else potential.float()
    tolerance = 1e-10 if dtype == "float64" else 5e-5
    with np.load(shared_oracle / f"{name}.npz") as data:
        assert potential.cutoff == data["cutoff"]
        assert potential.species == tuple(data["species"])
        for atoms, expected in oracle_structures(data):
            assert potential.graph(atoms).number_of_edges == expected["edges"]
            result = potential.evaluate(atoms)
            assert result.energies[0] == pytest.approx(expected["energy"], abs=10 * tolerance)
            np.testing.assert_allclose(result.forces[0], expected["forces"], atol=tolerance)
            np.testing.assert_allclose(
                full_3x3_to_voigt_6_stress(result.stresses[0]), expected["stress"], atol=tolerance
            )


def test_import_keeps_every_bit(shared_data, tmp_path):
    """Saved in our format and loaded again, a model computes the same numbers."""
    potential = camp.load(checkpoint(shared_data, "md17-ethanol"))
    save(potential, tmp_path / "ethanol.safetensors")
    atoms = Atoms("CCOH", [[0, 0, 0], [1.5, 0, 0], [2.0, 1.3, 0], [2.9, 1.2, 0.2]])
    again = camp.load(tmp_path / "ethanol.safetensors").evaluate(atoms)
    first = potential.evaluate(atoms)
    assert again.energies[0] == first.energies[0]
    np.testing.assert_array_equal(again.forces[0], first.forces[0])


def test_all_published_files_load(shared_data):
    files = sorted((shared_data / "mirror" / "camp_run" / "models").rglob("*.ckpt"))
    assert len(files) >= 11
    for file in files:
        assert camp.load(file).settings.envelope_on == "basis"


@pytest.fixture
def content(shared_data):
    """A published checkpoint as a dictionary that a test may damage."""
    return torch.load(checkpoint(shared_data, "lips-100"), weights_only=True, map_location="cpu")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (("hyper_parameters",), "'hyper_parameters' is missing"),
        (("hyper_parameters", "other_hparams", "model", "max_v"), "'max_v' is missing"),
        (("state_dict", "ema.ema_model.layers.1.linear_channel_feats.0.weight"), "feats.0.weight"),
        (("state_dict", "ema.ema_model.readout.out_layers.1.layers.0.bias"), "readout.mlp.0.bias"),
    ],
)
def test_missing_keys_are_named(content, tmp_path, keys, message):
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    del inner[keys[-1]]
    torch.save(content, tmp_path / "damaged.ckpt")
    with pytest.raises(InputError, match=message) as caught:
        camp.load(tmp_path / "damaged.ckpt")
    assert "damaged.ckpt" in str(caught.value)


def test_wrong_shapes_are_named(content, tmp_path):
    content["state_dict"]["ema.ema_model.layers.0.atom_moment.radial.c"] = torch.zeros(2, 2, 17, 9)
    torch.save(content, tmp_path / "damaged.ckpt")
    with pytest.raises(InputError, match=r"coefficients has shape \(2, 2, 9, 17\)"):
        camp.load(tmp_path / "damaged.ckpt")


def test_files_that_run_code_are_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "made-by-pickle"), "w"))

    torch.save({"state_dict": Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(InputError, match=r"evil\.ckpt: not a checkpoint that can be read safely"):
        camp.load(tmp_path / "evil.ckpt")
    assert not (tmp_path / "made-by-pickle").exists()


def test_foreign_and_truncated_files_are_refused(shared_data, tmp_path):
    whole = checkpoint(shared_data, "lips-100").read_bytes()
    for name, data in (("cut.ckpt", whole[: len(whole) // 2]), ("text.ckpt", b"not a model")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=name):
            camp.load(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        camp.load(tmp_path / "absent.ckpt")
