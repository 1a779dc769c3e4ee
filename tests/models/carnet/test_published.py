"""Networks of the original: the reference results, and files that are no such networks."""

import json
import shutil

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress

import camp
from camp.cartesian.natural.decomposition import split_packed
from camp.cartesian.natural.tensors import unpack
from camp.cartesian.voigt import stiffness_to_voigt
from camp.errors import InputError
from camp.graph.edges import Edges
from camp.models.carnet.published import read
from camp.potential.saving import save
from camp.targets import TARGETS

POTENTIALS = [f"potential-{k}" for k in range(1, 6)]
HEADS = ["dipole", "polarizability", "shielding", "elastic"]
TOLERANCES = {"float64": 1e-10, "float32": 1e-4}


def reference(shared_carnet, name):
    """Structures and all that the reference file has of them."""
    with np.load(shared_carnet / f"{name}.npz") as data:
        for k in range(int(data["count"])):
            found = {key.partition("_")[2]: data[key] for key in data if key.startswith(f"{k}_")}
            atoms = Atoms(
                found["numbers"], found["positions"], cell=found["cell"], pbc=found["pbc"]
            )
            yield atoms, found


def load(shared_carnet, name, dtype="float64"):
    return camp.load(shared_carnet / f"{name}.json").to(getattr(torch, dtype))


def close(found, expected, tolerance):
    """Relative to the largest of the expected numbers."""
    expected = np.asarray(expected)
    np.testing.assert_allclose(
        np.asarray(found), expected, rtol=0, atol=tolerance * np.abs(expected).max()
    )


def entries(packed, rank):
    """Packed natural tensors (…, 2l+1) → all their entries (…, 3^l)."""
    return unpack(packed, rank).reshape(*packed.shape[:-1], -1)


def edges_of(potential, graph):
    vectors = graph.edge_vectors().to(potential.dtype)
    return Edges(
        potential.species_index[graph.numbers],
        vectors,
        graph.neighbours,
        graph.mask,
        graph.reverse,
    )


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", POTENTIALS)
def test_energies_forces_and_stress(shared_carnet, name, dtype):
    potential = load(shared_carnet, name, dtype)
    tolerance = TOLERANCES[dtype]
    for atoms, expected in reference(shared_carnet, name):
        assert potential.graph(atoms).number_of_edges == expected["edges"]
        result = potential.evaluate(atoms)
        close(result.atomic_energies[0], expected["energies"], tolerance)
        close(result.energies, expected["energy"][None], tolerance)
        close(result.forces[0], expected["forces"], tolerance)
        if not np.isnan(expected["stress"]).any():
            stress = full_3x3_to_voigt_6_stress(result.stresses[0])
            close(stress, expected["stress"], tolerance)


@pytest.mark.parametrize("name", POTENTIALS)
def test_features_after_every_layer(shared_carnet, name):
    """Of all ranks, taken from packed to full form: (n, u, Σ 3^l)."""
    potential = load(shared_carnet, name)
    network, compared = potential.model, 0
    for atoms, expected in reference(shared_carnet, name):
        edges = edges_of(potential, potential.graph(atoms))
        with torch.no_grad():
            one_hot = network.one_hot(edges.species, potential.dtype)
            moments = network.atomic_moments(edges)
            found = network.features(one_hot, moments)
        for t, features in enumerate(found):
            if f"features_{t}" in expected:
                full = [entries(x.mT, rank) for rank, x in enumerate(features)]
                close(torch.cat(full, dim=2), expected[f"features_{t}"], 1e-10)
                compared += 1
    assert compared


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", HEADS)
def test_tensors_and_their_natural_parts(shared_carnet, name, dtype):
    potential = load(shared_carnet, name, dtype)
    tolerance = TOLERANCES[dtype]
    (target,) = potential.targets.values()
    assert target == TARGETS[name]
    for atoms, expected in reference(shared_carnet, name):
        chosen = expected.get("selector", np.ones(len(atoms), bool)) if target.of_atoms else [0]
        found = np.asarray(potential.evaluate(atoms).properties[name])
        tensors = found.reshape(-1, *target.shape)[chosen]
        close(tensors, expected["tensor"], tolerance)
        if name == "elastic":
            close(stiffness_to_voigt(torch.tensor(tensors)), expected["voigt"], tolerance)
        graph = potential.graph(atoms)
        edges = edges_of(potential, graph)
        with torch.no_grad():
            parts = potential.property_of(name).natural_parts(
                potential.model(edges)[name], edges.species, graph
            )
        for rank, part in split_packed(parts, target.symmetry).items():
            close(entries(part, rank)[chosen], expected[f"natural_{rank}"], tolerance)


@pytest.mark.parametrize("name", [*POTENTIALS, *HEADS])
def test_numbers_of_parameters(shared_carnet, name):
    """As many as the original trains; its energies of the elements are a shift of ours."""
    content = json.loads((shared_carnet / f"{name}.json").read_text())
    found = sum(p.numel() for p in load(shared_carnet, name).parameters() if p.requires_grad)
    if content["kind"] == "potential" and content["architecture"]["element_bias"]:
        found += len(content["species"])
    assert found == content["parameters"]


def checkpoint_of(shared_carnet, name, tmp_path, **changes):
    """The same network as a Lightning checkpoint: other numbers under ``model.``, constants beside
    the parameters, and for structures scale and shift as buffers.
    """
    content = json.loads((shared_carnet / f"{name}.json").read_text())
    architecture = {**content["architecture"], **changes}
    with np.load(shared_carnet / f"{name}-weights.npz") as data:
        weights = {key: torch.from_numpy(data[key]).float() for key in data}
    if content["kind"] == "structure":
        for kind in ("scale", "shift"):
            for rank, value in architecture.pop(f"target_{kind}").items():
                weights[f"readout.target_{kind}.{rank}"] = torch.tensor(value)
    weights["backbone.layers.0.atomic_moment.tp.H_combined.0"] = torch.zeros(3)
    state = {f"model.{key}": torch.zeros_like(value) for key, value in weights.items()}
    state |= {f"ema.ema_model.{key}": value for key, value in weights.items()}
    data = {"atomic_number": content["species"], "r_cut": architecture.pop("r_cut")}
    path = tmp_path / f"{name}.ckpt"
    torch.save(
        {
            "hyper_parameters": {"other_hparams": {"model": architecture, "data": data}},
            "state_dict": state,
        },
        path,
    )
    return path


@pytest.mark.parametrize("name", ["potential-3", *HEADS])
def test_checkpoints_say_the_same(shared_carnet, tmp_path, name):
    """The averaged weights of a Lightning checkpoint, in float32."""
    potential = camp.load(checkpoint_of(shared_carnet, name, tmp_path))
    assert potential.dtype == torch.float32
    potential = potential.double()
    for atoms, expected in reference(shared_carnet, name):
        result = potential.evaluate(atoms)
        if name == "potential-3":
            close(result.forces[0], expected["forces"], 1e-5)
            continue
        found = np.asarray(result.properties[name]).reshape(-1, *potential.targets[name].shape)
        chosen = expected.get("selector", slice(None))
        close(found[chosen], expected["tensor"], 1e-5)


def test_names_left_out_have_the_defaults_of_the_original(shared_carnet, tmp_path):
    path = checkpoint_of(shared_carnet, "potential-2", tmp_path)
    content = torch.load(path)
    model = content["hyper_parameters"]["other_hparams"]["model"]
    for name in ("max_degree", "radial_basis_type", "tp_path_mode", "residual", "use_zbl"):
        del model[name]
    torch.save(content, path)
    potential = camp.load(path).double()
    atoms, expected = next(reference(shared_carnet, "potential-2"))
    close(potential.evaluate(atoms).forces[0], expected["forces"], 1e-5)


def test_saved_again_it_is_the_same(shared_carnet, tmp_path):
    """In our own format: targets, scales, shifts and conventions are kept."""
    atoms, expected = next(reference(shared_carnet, "shielding"))
    save(load(shared_carnet, "shielding"), tmp_path / "shielding.safetensors")
    found = camp.load(tmp_path / "shielding.safetensors").evaluate(atoms).properties["shielding"]
    close(found[0][expected["selector"]], expected["tensor"], 1e-10)


def copy_pair(shared_carnet, name, folder, architecture=None, **changes):
    """The two files in another folder, the description changed."""
    content = json.loads((shared_carnet / f"{name}.json").read_text())
    content["architecture"].update(architecture or {})
    content.update(changes)
    (folder / "copy.json").write_text(json.dumps(content))
    shutil.copy(shared_carnet / f"{name}-weights.npz", folder / "copy-weights.npz")
    return folder / "copy.json"


@pytest.mark.parametrize(
    ("architecture", "options", "expected"),
    [
        ({}, {}, ("polarizability", "Å³", "sum")),
        ({"reduce": "mean"}, {}, ("dielectric", "1", "mean")),
        ({"reduce": "mean"}, {"target": "quadrupole"}, ("quadrupole", "", "mean")),
        ({}, {"target": "polarizability"}, ("polarizability", "Å³", "sum")),
    ],
)
def test_target_of_a_head(shared_carnet, tmp_path, architecture, options, expected):
    """By symmetry and reduction from the table of targets, or as the user says."""
    path = copy_pair(shared_carnet, "polarizability", tmp_path, architecture)
    (target,) = read(path, options).targets
    assert (target.name, target.unit, target.reduce) == expected


def test_target_that_the_table_lacks_is_named_by_its_symmetry(shared_carnet, tmp_path):
    path = copy_pair(shared_carnet, "elastic", tmp_path, {"reduce": "sum"})
    (target,) = read(path, {}).targets
    assert target.name == target.symmetry == "ijkl=jikl=klij"
    assert target.shape == (3, 3, 3, 3)


@pytest.mark.parametrize(
    ("architecture", "changes", "options", "message"),
    [
        ({"max_L": "two"}, {}, {}, "max_rank"),
        ({"max_L": 90}, {}, {}, "max_rank"),
        ({"F": None}, {}, {}, "channels"),
        ({"tp_path_mode": "heavy"}, {}, {}, "paths"),
        ({"num_atom_types": 4}, {}, {}, "num_atom_types does not fit 3 species"),
        ({"target_scale": "large"}, {}, {}, "not a CarNet network of the original"),
        ({"reduce": "largest"}, {}, {}, "reduce is 'largest'"),
        ({"radial_mlp_hidden_layers": 3}, {}, {}, r"radial_mlp\.layers\.6\.weight' is missing"),
        ({}, {"symmetry": "ij=jk"}, {}, "'ij=jk' is no symmetry of indices"),
        ({}, {"symmetry": "ijk"}, {}, "the file's head has"),
        ({}, {"species": "water"}, {}, "not a CarNet network of the original"),
        ({}, {}, {"target": "dielectric"}, "the file's head is no dielectric"),
        ({}, {}, {"symmetry": "i"}, "the file's head has"),
    ],
)
def test_what_does_not_fit_is_named(
    shared_carnet, tmp_path, architecture, changes, options, message
):
    path = copy_pair(shared_carnet, "polarizability", tmp_path, architecture, **changes)
    with pytest.raises(InputError, match=message) as caught:
        read(path, options)
    assert "\n" not in str(caught.value)
    assert "copy" in str(caught.value) or "head" in str(caught.value) or "ij" in str(caught.value)


def test_weights_that_are_missing_or_damaged(shared_carnet, tmp_path):
    path = copy_pair(shared_carnet, "dipole", tmp_path)
    weights = tmp_path / "copy-weights.npz"
    whole = weights.read_bytes()
    for content in (whole[: len(whole) // 2], b"no archive"):
        weights.write_bytes(content)
        with pytest.raises(InputError, match=r"copy-weights\.npz: damaged or not an npz file"):
            read(path, {})
    np.savez(weights, evil=np.array([{}], dtype=object))
    with pytest.raises(InputError, match=r"copy-weights\.npz: damaged or not an npz file"):
        read(path, {})
    np.savez(weights, words=np.array(["none"]))
    with pytest.raises(InputError, match="'words' is no array of numbers"):
        read(path, {})
    weights.unlink()
    with pytest.raises(InputError, match=r"copy-weights\.npz: no such file; it belongs beside"):
        read(path, {})


def test_weights_of_other_shapes_are_refused(shared_carnet, tmp_path):
    path = copy_pair(shared_carnet, "potential-2", tmp_path)
    with np.load(tmp_path / "copy-weights.npz") as data:
        weights = dict(data)
    weights["backbone.atom_embedding.weight"] = np.zeros((3, 7))
    np.savez(tmp_path / "copy-weights.npz", **weights)
    with pytest.raises(InputError, match=r"embedding has shape \(3, 7\)"):
        camp.load(path)


def test_other_files_are_left_to_others(tmp_path):
    """Not asked to read more of them than tells that they are others."""
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "settings.json").write_text('{"architecture": "carnet"}')
    (tmp_path / "text.ckpt").write_text("not a model")
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    torch.save(
        {"hyper_parameters": {"other_hparams": {"model": {"max_u": 3}, "data": {}}}},
        tmp_path / "camp.ckpt",
    )
    for path in tmp_path.iterdir():
        assert read(path, {}) is None


def test_broken_json_is_one_line(tmp_path):
    (tmp_path / "broken.json").write_text('{"architecture": {"F": 3,')
    with pytest.raises(InputError, match=r"broken\.json: not a JSON file"):
        read(tmp_path / "broken.json", {})


def test_files_that_run_code_are_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "made-by-pickle"), "w"))

    torch.save({"hyper_parameters": Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(InputError, match=r"evil\.ckpt: not a checkpoint that can be read safely"):
        read(tmp_path / "evil.ckpt", {})
    assert not (tmp_path / "made-by-pickle").exists()


@pytest.mark.parametrize("key", ["hyper_parameters", "state_dict"])
def test_checkpoints_without_a_part(shared_carnet, tmp_path, key):
    path = checkpoint_of(shared_carnet, "dipole", tmp_path)
    content = torch.load(path)
    del content[key]
    torch.save(content, path)
    if key == "hyper_parameters":
        assert read(path, {}) is None
    else:
        with pytest.raises(InputError, match="the key 'state_dict' is missing"):
            read(path, {})
