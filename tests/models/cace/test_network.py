"""CACE obeys the laws of physics and equals its formulas written out literally."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from pydantic import ValidationError
from torch.fx.experimental.proxy_tensor import make_fx

from camp.graph import build_graph
from camp.models.cace.edge_basis import cutoff_function
from camp.models.cace.network import Cace
from camp.models.cace.settings import CaceSettings
from camp.models.cace.symmetrise import number_of_features
from camp.potential.potential import Potential
from tests import literal_cace
from tests.models.cace.edges import edges_of
from tests.physics import PotentialPhysics, random_structure

ALL_MESSAGES = dict(memory=True, message_ar=True, message_bchi=True)
SMALL = dict(
    cutoff=4.0,
    embedding=2,
    raw_radial_functions=4,
    radial_functions=3,
    readout_hidden=[6, 5],
    average_neighbours=9.0,
)


def make_settings(**changes):
    return CaceSettings(**{**SMALL, **changes})


def make_potential(seed=0, species=(1, 6, 8), **changes):
    torch.manual_seed(seed)
    potential = Potential(
        make_settings(**changes),
        species=species,
        energy_scale=0.7,
        energy_shift=[-1.0 * k for k in range(1, len(species) + 1)],
    ).double()
    # As after training: the initial Bessel functions have a zero at the cutoff of their own.
    potential.model.edge_basis.radial.frequencies.data *= 1.1
    return potential


class TestPhysicsOfTheWaterModel(PotentialPhysics):
    @pytest.fixture
    def potential(self):
        return make_potential()


class TestPhysicsOfAllMessages(PotentialPhysics):
    @pytest.fixture
    def potential(self):
        return make_potential(max_l=4, max_nu=4, message_passes=2, **ALL_MESSAGES)


class TestPhysicsOfSharedMessagesAndEmbeddings(PotentialPhysics):
    @pytest.fixture
    def potential(self):
        return make_potential(
            shared_embedding=True, shared_channels=True, shared_degrees=True, cutoff_order=2
        )


ARCHITECTURES = [
    dict(max_l=0, max_nu=1, message_passes=0, embedding=1),
    dict(max_l=1, max_nu=2, message_passes=0, shared_embedding=True),
    dict(max_l=2, max_nu=2, shared_channels=True, shared_degrees=True),
    dict(max_l=2, max_nu=3, message_passes=2, shared_degrees=True, radial_functions=5),
    dict(max_l=3, max_nu=3, message_passes=2, shared_channels=True),
    dict(max_l=3, max_nu=3, memory=True, message_bchi=False),
    dict(max_l=3, max_nu=4, message_ar=True, message_bchi=False, cutoff_function="cosine"),
    dict(max_l=3, max_nu=3, message_hidden=[7, 6], message_norm=1.0, readout_linear=False),
    dict(max_l=3, max_nu=3, triples_of_pairs=True, cutoff_function="mollifier"),
    dict(max_l=4, max_nu=4, embedding=1, direction_epsilon=1e-3, **ALL_MESSAGES),
    dict(max_l=4, max_nu=3, triples_of_pairs=True, message_passes=1, embedding=3),
    dict(max_l=5, max_nu=4, message_passes=0, readout_hidden=[]),
    dict(max_l=6, max_nu=4, message_passes=0, embedding=1, radial_functions=2),
]


@pytest.mark.parametrize("changes", ARCHITECTURES, ids=str)
def test_equals_the_literal_formulas(changes):
    """A, B, energies, forces on edges, and the gradient of a loss on these, against plain loops."""
    potential = make_potential(**changes)
    network = potential.model
    edges = edges_of(potential, build_graph(random_structure(potential, atoms=6, cell=5.0), 4.0))
    literal_edges = literal_cace.edge_list(edges.mask, edges.neighbours, edges.vectors)

    ours = network.layers(edges)
    theirs = literal_cace.layers(network, edges.species, literal_edges)
    for (a, b), (literal_a, literal_b) in zip(ours, theirs, strict=True):
        n, functions, _, channels = literal_a.shape
        # The vectors point the other way.
        for degree, of_degree in enumerate(a):
            columns = [sum(u) == degree for u in literal_cace.monomial_list(len(a) - 1)]
            expected = (-1) ** degree * literal_a[:, :, columns]
            found = of_degree.view(-1, n, functions, channels).permute(1, 2, 0, 3)
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-11)
        found = b.view(n, -1, functions, channels).transpose(1, 2)
        torch.testing.assert_close(found, literal_b, rtol=1e-9, atol=1e-11)

    energies = network(edges)["energy"]
    literal_energies = literal_cace.atomic_energies(network, edges.species, literal_edges)
    torch.testing.assert_close(energies, literal_energies, rtol=1e-10, atol=1e-10)
    trained = [p for p in network.parameters() if p.requires_grad]
    gradients = []
    for value in (energies, literal_energies):
        (forces,) = torch.autograd.grad(value.sum(), edges.vectors, create_graph=True)
        loss = forces.square().sum() + value.square().sum()
        of_parameters = torch.autograd.grad(loss, trained, materialize_grads=True)
        gradients.append([forces.detach(), *of_parameters])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9 * float(b.abs().max()) + 1e-14)


def test_numbers_of_features():
    """S of the paper's program for ν_max = 1 … 4 and l_max = 0 … 6."""
    counted = [[number_of_features(max_l, nu) for nu in range(1, 5)] for max_l in range(7)]
    assert counted == [
        [1, 1, 1, 1],
        [1, 2, 2, 2],
        [1, 3, 4, 4],
        [1, 4, 6, 7],
        [1, 5, 9, 13],
        [1, 6, 12, 22],
        [1, 7, 16, 36],
    ]


def test_parameter_counts_of_the_published_models():
    """69,320 for water, 261,616 for ethanol, 263,546 for 3BPA and 91,232 for HEA25."""
    molecules = dict(embedding=4, max_l=4, **ALL_MESSAGES)
    for species, changes, expected in (
        ((1, 8), {}, 69_320),
        ((1, 6, 8), molecules, 261_616),
        ((1, 6, 7, 8), dict(molecules, raw_radial_functions=8), 263_546),
        (
            tuple(range(21, 46)),
            dict(embedding=4, radial_functions=8, readout_hidden=[24, 12]),
            91_232,
        ),
    ):
        network = Cace(CaceSettings(**changes), species)
        assert sum(p.numel() for p in network.parameters() if p.requires_grad) == expected


@pytest.mark.parametrize(
    ("kind", "derivatives"), [("polynomial", 2), ("cosine", 1), ("mollifier", 3)]
)
def test_cutoff_functions_vanish_with_derivatives(kind, derivatives):
    """One at zero; at x = 1 the value and so many derivatives vanish, and all beyond."""
    ends = torch.tensor([0.0, 1.0, 1.5], dtype=torch.float64)
    assert cutoff_function(ends, kind, 6).tolist() == pytest.approx([1.0, 0.0, 0.0], abs=1e-15)
    x = torch.tensor(1 - 1e-3, dtype=torch.float64, requires_grad=True)
    value = cutoff_function(x, kind, 6)
    for order in range(derivatives + 1):
        assert abs(value.item()) < 100 * (1e-3) ** (derivatives + 1 - order) * 60**order
        (value,) = torch.autograd.grad(value, x, create_graph=True)


def test_polynomial_of_order_six_is_the_usual_one():
    x = torch.linspace(0, 1, 11, dtype=torch.float64)
    expected = 1 - 28 * x**6 + 48 * x**7 - 21 * x**8
    torch.testing.assert_close(cutoff_function(x, "polynomial", 6), expected, rtol=0, atol=1e-13)


def test_a_new_model_starts_with_different_embeddings_and_exact_directions():
    """Equal ones make χ symmetric in its channels (a, b) and (b, a), which then learn the same."""
    network = make_potential().model
    assert not torch.isclose(network.sender, network.receiver).any()
    assert network.settings.direction_epsilon == 0


def test_initial_features_are_of_the_size_of_one():
    """Neither vanishing nor exploding, for one species or many, few neighbours or many."""
    for species, cell in (((8,), 5.0), ((1, 6, 8), 6.0), (tuple(range(21, 46)), 9.0)):
        sizes = []
        for seed in range(4):
            potential = make_potential(seed=seed, species=species, message_passes=0, embedding=4)
            structure = random_structure(potential, seed=seed, atoms=25, cell=cell)
            ((_, b),) = potential.model.layers(edges_of(potential, build_graph(structure, 4.0)))
            sizes.append(b.square().mean().sqrt().item())
        assert 0.05 < np.mean(sizes) < 50


def test_without_reverse_slots_the_same():
    potential = make_potential(message_passes=2, **ALL_MESSAGES)
    edges = edges_of(potential, build_graph(random_structure(potential), 4.0))
    results = []
    for one in (edges, replace(edges, reverse=None)):
        energy = potential.model(one)["energy"]
        results += [energy, *torch.autograd.grad(energy.sum(), edges.vectors)]
    torch.testing.assert_close(results[0], results[2])
    torch.testing.assert_close(results[1], results[3])


def test_traces_with_any_sizes_and_for_several_models():
    """The gradient of a loss on forces as one traced function: sizes symbolic, models together."""
    potential = make_potential(max_l=1, max_nu=2, message_passes=1, **ALL_MESSAGES)
    network = potential.model
    names = [name for name, p in network.named_parameters() if p.requires_grad]

    def step(parameters, species, vectors, neighbours, mask, reverse):
        leaves = [p.detach().requires_grad_(True) for p in parameters]
        vectors = vectors.detach().requires_grad_(True)
        edges = type(first)(species, vectors, neighbours, mask, reverse)
        given = dict(zip(names, leaves, strict=True))
        with torch.enable_grad():
            energy = torch.func.functional_call(network, given, (edges,))["energy"].sum()
            (forces,) = torch.autograd.grad(energy, vectors, create_graph=True)
            return torch.autograd.grad(forces.square().sum(), leaves, materialize_grads=True)

    def tensors(edges):
        return edges.species, edges.vectors.detach(), edges.neighbours, edges.mask, edges.reverse

    first, second = (
        edges_of(potential, build_graph(random_structure(potential, seed=k, atoms=7 + k), 4.0))
        for k in range(2)
    )
    parameters = [network.get_parameter(name).detach() for name in names]
    traced = make_fx(step, tracing_mode="symbolic", _allow_non_fake_inputs=True)(
        parameters, *tensors(first)
    )
    expected = step(parameters, *tensors(second))
    found = traced(parameters, *tensors(second))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)

    for node in traced.graph.nodes:
        # vmap knows only plain tensors.
        if node.target == torch.ops.aten.sym_size.int:
            node.target = torch.Tensor.size
    traced.recompile()
    others = [p + 0.1 * torch.randn_like(p) for p in parameters]
    together = torch.vmap(traced)(
        [torch.stack(pair) for pair in zip(parameters, others, strict=True)],
        *(torch.stack([t, t]) for t in tensors(second)),
    )
    apart = step(others, *tensors(second))
    for a, first_model, second_model in zip(together, expected, apart, strict=True):
        torch.testing.assert_close(a, torch.stack([first_model, second_model]))


def test_partly_periodic_cells_forget_the_other_direction():
    """A slab's energy does not depend on the cell vector out of the plane."""
    potential = make_potential()
    structure = random_structure(potential)
    structure.pbc = (True, True, False)
    taller = structure.copy()
    taller.set_cell(structure.cell.array + np.array([[0, 0, 0], [0, 0, 0], [1.0, 2.0, 7.0]]))
    one, other = potential.evaluate([structure, taller]).energies
    assert one == pytest.approx(other, rel=1e-12)


def test_lone_atoms_of_all_elements_differ_by_their_shifts_only():
    potential = make_potential()
    alone = potential.evaluate([Atoms([z], [[0, 0, 0]]) for z in potential.species]).energies
    np.testing.assert_allclose(np.diff(alone), [-1.0, -1.0], rtol=1e-12)


def test_passes_without_any_message_are_refused():
    with pytest.raises(ValidationError, match="message_passes needs memory"):
        make_settings(message_passes=1, message_bchi=False)
