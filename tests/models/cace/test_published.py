"""Published weights: the results of the published program, and files that are no such weights."""

from itertools import product

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress

import camp
from camp.errors import InputError
from camp.graph import build_graph
from camp.models.cace.network import Cace
from camp.models.cace.published import EV_PER_KCAL_MOL, read
from camp.models.cace.symmetrise import number_of_features
from tests.models.cace import published_module as published
from tests.models.cace.edges import edges_of

WEIGHTS = {
    "water": "cacefit/fit-water/best_model.pth",
    "ethanol": "cacefit/legacy/fit-ethanol/best_model.pth",
    "3bpa": "cacefit/fit-bpa3/best_model.pth",
    "hea": "cacefit/fit-hea/best_model.pth",
    "water-T0": "cace-lr-fit/fit-water/fit-water-mp0-sr/best_model.pth",
    "licl-gaf3": "cace-lr-fit/fit-solid-LiCl-GaF3/best_models/best_model_SR-0.pth",
    "dimers": "cace-lr-fit/fit-lode/fit-lode-CP-r5-sr/model.pth",
}


def structures(results):
    """Number, structure, and what the published program says of it."""
    for k in range(int(results["count"])):
        names = ("numbers", "positions", "cell", "pbc")
        numbers, positions, cell, pbc = (results[f"{k}_{name}"] for name in names)
        yield k, Atoms(numbers, positions, cell=cell, pbc=pbc)


def check(path, results, dtype, *, tolerance):
    """Energies, forces and stress of all structures; energies with E0 where it is known."""
    potential = camp.load(path).to(dtype)
    ev = float(results["to_eV"]) if "to_eV" in results else 1.0
    assert potential.cutoff == results["cutoff"]
    assert potential.species == tuple(sorted(results["species"]))
    for k, atoms in structures(results):
        assert build_graph(atoms, potential.cutoff).number_of_edges == results[f"{k}_edges"]
        found = potential.evaluate(atoms)
        with_e0 = f"{k}_energy_with_E0" in results
        energy = ev * float(results[f"{k}_energy_with_E0" if with_e0 else f"{k}_energy"])
        if dtype == torch.float64:
            assert found.energies[0] == pytest.approx(energy, rel=1e-9, abs=1e-9)
        np.testing.assert_allclose(
            found.forces[0], ev * results[f"{k}_forces"], rtol=0, atol=tolerance
        )
        if atoms.cell.rank == 3 and atoms.pbc.all():
            stress = full_3x3_to_voigt_6_stress(found.stresses[0])
            np.testing.assert_allclose(
                stress, ev * results[f"{k}_stress"], rtol=0, atol=0.01 * tolerance
            )


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-8), (torch.float32, 1e-3)], ids=str
)
@pytest.mark.parametrize("name", WEIGHTS)
def test_published_weights_give_the_published_results(shared_data, oracle, name, dtype, tolerance):
    """In eV, eV/Å and eV/Å³: to rounding in float64, to what single precision allows in float32."""
    with np.load(oracle / "published" / f"{name}.npz") as results:
        check(shared_data / "mirror" / WEIGHTS[name], results, dtype, tolerance=tolerance)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-8), (torch.float32, 1e-3)], ids=str
)
def test_random_architectures_give_the_published_results(oracle, dtype, tolerance):
    for path in sorted((oracle / "random").glob("*.npz")):
        with np.load(path) as results:
            check(path, results, dtype, tolerance=tolerance)


def test_features_are_the_published_ones(shared_data, oracle):
    """B of every layer to 1e-9 of the largest, and the A basis where the file has it."""
    paths = {path: path for path in (oracle / "random").glob("*.npz")}
    for name, weights in WEIGHTS.items():
        paths[oracle / "published" / f"{name}.npz"] = shared_data / "mirror" / weights
    for path, weights in paths.items():
        potential = camp.load(weights).double()
        with np.load(path) as results:
            for k, atoms in structures(results):
                if f"{k}_B" in results:
                    check_features(potential, atoms, results[f"{k}_B"], results.get(f"{k}_A"))


def check_features(potential, atoms, expected_b, expected_a):
    """Expected are arrays (atoms, N, features or monomials, C, T + 1), of the first atoms only."""
    settings = potential.model.settings
    shape = (len(atoms), -1, settings.radial_functions, settings.channels)
    edges = edges_of(potential, potential.graph(atoms))
    for t, (a, b) in enumerate(potential.model.layers(edges)):
        found = b.detach().view(shape).transpose(1, 2)[: len(expected_b)].numpy()
        largest = max(1.0, np.abs(expected_b[..., t]).max())
        np.testing.assert_allclose(found, expected_b[..., t], rtol=0, atol=1e-9 * largest)
        if expected_a is not None:
            # The published program's vectors point the other way.
            signed = torch.cat([(-1) ** degree * one for degree, one in enumerate(a)])
            found = signed.detach().movedim(0, 1).reshape(shape).transpose(1, 2).numpy()
            largest = max(1.0, np.abs(expected_a[..., t]).max())
            np.testing.assert_allclose(found, expected_a[..., t], rtol=0, atol=1e-9 * largest)


def test_energies_of_ethanol_are_converted(shared_data):
    """Published in kcal/mol; E0 of hydrogen by its least-squares fit, in eV."""
    description = read(shared_data / "mirror" / WEIGHTS["ethanol"], {})
    assert description.energy_scale == (EV_PER_KCAL_MOL,)
    assert description.energy_shift[0] == pytest.approx(-14223.773967801664 * EV_PER_KCAL_MOL)


def test_unknown_e0_is_said(shared_data, capsys):
    """One line on stderr where E0 is taken as zero, none where it is known, or known to be zero."""
    for name, lines in (("dimers", 1), ("water", 0), ("hea", 0)):
        description = read(shared_data / "mirror" / WEIGHTS[name], {})
        said = capsys.readouterr().err.splitlines()
        assert len(said) == lines and all("E0" in line for line in said)
        assert any(description.energy_shift) == (name == "water")


# Files such as the published program writes


@pytest.fixture
def make(monkeypatch):
    torch.manual_seed(0)
    return published.classes(monkeypatch)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "best_model.pth"


def test_a_pickled_module(make, path):
    """Settings from shapes and attributes; species ascending; every weight in its place."""
    module = published.potential(make)
    torch.save(module, path)
    description = read(path, {})
    settings = description.settings
    assert (settings.embedding, settings.max_l, settings.max_nu) == (2, 1, 2)
    assert (settings.memory, settings.message_ar, settings.message_bchi) == (True, True, True)
    assert (settings.cutoff, settings.cutoff_order, settings.norm) == (3.0, 5, 0.5)
    assert settings.radial_trainable and not settings.shared_embedding
    assert (settings.readout_hidden, settings.direction_epsilon) == ([5, 3], 1e-9)
    assert description.species == (1, 6, 8)

    state = module.state_dict()
    ours = description.parameters
    sender = state["representation.node_embedding_sender.embedding_weights"]
    torch.testing.assert_close(ours["sender"], sender[[1, 2, 0]], rtol=0, atol=0)
    readout = state["output_modules.0.outnet.0.linear.weight"]
    hnet = state["representation.message_passing_list.0.2.hnet.0.linear.weight"]
    features = number_of_features(1, 2)
    n_n, n_c, n_t = published.N, published.C, 2
    for n, k, c in product(range(n_n), range(features), range(n_c)):
        theirs, own = (n * features + k) * n_c + c, (k * n_n + n) * n_c + c
        assert torch.equal(ours["passes.0.bchi.network.0.weight"][:, own], hnet[:, theirs])
        for t in range(n_t):
            column = t * features * n_n * n_c + own
            assert torch.equal(
                ours["readout.mlp.0.weight"][:, column], readout[:, theirs * n_t + t]
            )
    network = Cace(settings, description.species)
    network.load_state_dict(dict(ours))
    counted = sum(p.numel() for p in module.parameters())
    assert counted == sum(p.numel() for p in network.parameters())


def test_one_embedding_for_both_ends(make, path):
    module = published.potential(make, of=published.representation(make, shared_embedding=True))
    torch.save(module, path)
    description = read(path, {})
    assert description.settings.shared_embedding and "receiver" not in description.parameters


def test_a_combination_of_one_model_is_that_model(make, path):
    model = published.potential(make)
    torch.save(published.combined(make, model), path)
    combined = read(path, {})
    torch.save(model, path)
    for name, value in read(path, {}).parameters.items():
        assert torch.equal(combined.parameters[name], value)


def test_a_module_that_does_not_say_its_norm_needs_it(make, path):
    representation = published.representation(make)
    del representation.mp_norm_factor
    torch.save(published.potential(make, of=representation), path)
    with pytest.raises(InputError, match="give it as mp_norm_factor"):
        read(path, {})
    assert read(path, {"mp_norm_factor": "0.25"}).settings.norm == 0.25


def test_state_dicts(make, path):
    """The average is read, and the same numbers as from the module; the norm must be given."""
    module = published.potential(make)
    torch.save(module, path)
    whole = read(path, {})
    average = {f"module.{name}": value for name, value in module.state_dict().items()}
    other = {name: torch.zeros_like(value) for name, value in module.state_dict().items()}
    checkpoint = path.with_name("checkpoint.pt")
    content = {"model_state_dict": other, "model_ema_state_dict": {**average, "n_averaged": 7}}
    for written in (content, module.state_dict()):
        torch.save(written, checkpoint)
        description = read(checkpoint, {"mp_norm_factor": "0.5"})
        assert description.settings == whole.settings
        for name, value in whole.parameters.items():
            assert torch.equal(description.parameters[name], value)
        with pytest.raises(InputError, match=r"checkpoint\.pt: .*give it as mp_norm_factor"):
            read(checkpoint, {})
        for wrong in ("many", "0", "-1", "inf", "nan"):
            with pytest.raises(InputError, match="mp_norm_factor is"):
                read(checkpoint, {"mp_norm_factor": wrong})
    given = {"mp_norm_factor": "0.5", "energy_unit": "kcal/mol"}
    assert read(checkpoint, given).energy_scale == (EV_PER_KCAL_MOL,)
    with pytest.raises(InputError, match="energy_unit is 'Ha'; choose from eV, kcal/mol"):
        read(checkpoint, {**given, "energy_unit": "Ha"})


def test_models_of_other_methods_are_refused(make, path):
    """With the reason: long-range, charged, combined, undirected, or without a readout."""
    readout = published.readout
    ewald = make("cace.modules.ewald.EwaldPotential")
    undirected = make("cace.modules.type.EdgeEncoder", directed=False)
    gaussian = make("cace.modules.radial.GaussianRBF")
    switch = make("cace.modules.cutoff.SwitchFunction")
    charged = readout(make, feature_key=["node_feats", "total_charge"])

    def of(**changes):
        return published.potential(make, of=published.representation(make, **changes))

    def with_outputs(*outputs):
        return published.potential(make, outputs=list(outputs))

    for module, message in (
        (with_outputs(readout(make), readout(make), ewald), "latent Ewald"),
        (with_outputs(readout(make), ewald), "latent Ewald"),
        (with_outputs(readout(make), make("cace.modules.polarization.Polarization")), "Polariz"),
        (with_outputs(charged), "total_charge.*state of charge"),
        (with_outputs(readout(make, aggregation_mode="avg")), "aggregation_mode = avg"),
        (published.combined(make, of(), of()), "combines 2 models"),
        (published.representation(make), "without a readout"),
        (of(edge_coding=undirected), "undirected"),
        (of(radial_basis=gaussian), "radial_basis of GaussianRBF"),
        (of(cutoff_fn=switch), "cutoff function SwitchFunction"),
        (of(charge_embedding=make("cace.modules.type.ChargeEmbedding")), "charge_embedding"),
    ):
        torch.save(module, path)
        with pytest.raises(InputError, match=rf"best_model\.pth: .*{message}"):
            read(path, {})


def test_wrong_shapes_are_refused(make, path):
    """A readout that takes more than the features, and channels that are no pairs of embeddings."""
    longer = published.readout(make)
    longer.outnet = published.network(make, 2 * published.FEATURES + 1, 5, 3, 1)
    torch.save(published.potential(make, outputs=[longer]), path)
    with pytest.raises(InputError, match="readout of 33 features"):
        read(path, {})
    model = published.potential(make)
    model.representation.radial_transform.weights[0] = torch.nn.Parameter(torch.randn(3, 2, 5))
    torch.save(model, path)
    with pytest.raises(InputError, match="5 channels for embeddings of width 2"):
        read(path, {})


def test_other_files_are_left_to_others(tmp_path):
    (tmp_path / "text").write_text("not a model")
    torch.save({"state_dict": {"weight": torch.zeros(3)}}, tmp_path / "other.ckpt")
    np.savez(tmp_path / "data.npz", R=np.zeros((2, 3)))
    for name in ("text", "other.ckpt", "data.npz", "absent"):
        assert read(tmp_path / name, {}) is None
