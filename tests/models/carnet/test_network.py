"""CarNet obeys the laws of physics and equals its equations written out literally."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from torch.fx.experimental.proxy_tensor import make_fx

from camp.cartesian.natural.decomposition import split_packed
from camp.cartesian.natural.tensors import unpack
from camp.errors import InputError
from camp.graph import batch_graphs, build_graph, edges
from camp.graph.edges import Edges
from camp.models.carnet.network import CarNet, paths_of
from camp.targets import ENERGY, TARGETS
from tests import literal_carnet
from tests.models.carnet.potentials import (
    CONFIGURATIONS,
    GENERAL_RANK_3,
    ORIGINAL,
    SPECIES,
    make_potential,
    settings,
)
from tests.physics import PotentialPhysics, random_rotation, random_structure, transformed

ALL = {**CONFIGURATIONS, **ORIGINAL}
TENSORS = ["dipole", "polarizability", "shielding", "piezoelectric", "elastic", GENERAL_RANK_3]


def name_of(target):
    return target if isinstance(target, str) else target.name


class TestPhysics(PotentialPhysics):
    @pytest.fixture(params=CONFIGURATIONS)
    def potential(self, request):
        return make_potential(**CONFIGURATIONS[request.param])


class TestPhysicsBesideTensors(PotentialPhysics):
    """One model of energy, forces, dipole and polarizability."""

    @pytest.fixture
    def potential(self):
        return make_potential("energy", "dipole", "polarizability")


def edge_list(graph):
    centre, slot = torch.nonzero(graph.mask, as_tuple=True)
    return centre, slot, graph.neighbours[centre, slot]


def network_edges(potential, graph, vectors):
    species = potential.species_index[graph.numbers]
    return Edges(species, vectors, graph.neighbours, graph.mask, graph.reverse)


def forces_from(energy, vectors, centre, neighbour, atoms):
    """F_i = Σ_j (G_ij − G_ji) of a list of edges."""
    (gradient,) = torch.autograd.grad(energy, vectors, create_graph=True)
    zero = torch.zeros(atoms, 3, dtype=gradient.dtype)
    return zero.index_add(0, centre, gradient).index_add(0, neighbour, -gradient)


@pytest.mark.parametrize("name", ALL)
def test_equals_the_literal_equations(name):
    """Energies, forces and the gradient of a force loss, to 1e-10, against full 3^l tensors."""
    potential = make_potential(**ALL[name])
    # Close enough for the repulsion to count.
    structure = random_structure(potential, atoms=6, cell=4.0)
    structure.positions[1] = structure.positions[0] + [0.4, -0.3, 0.2]
    graph = potential.graph(structure)
    centre, slot, neighbour = edge_list(graph)
    vectors = graph.edge_vectors()[centre, slot].requires_grad_(True)
    reference = literal_carnet.values(
        potential.model, graph.numbers, SPECIES, (centre, neighbour, vectors)
    )
    expected = reference["energy"].sum() + reference.get("repulsion", torch.zeros(1)).sum()
    expected_forces = forces_from(expected, vectors, centre, neighbour, 6)

    ours = graph.edge_vectors().requires_grad_(True)
    values = potential.model(network_edges(potential, graph, ours))
    assert set(values) == set(reference)
    for key, value in values.items():
        scale = reference[key].abs().max().item()
        np.testing.assert_allclose(
            value.detach(), reference[key].detach(), rtol=0, atol=1e-12 * scale
        )
    total = sum(value.sum() for value in values.values())
    (gradient,) = torch.autograd.grad(total, ours, create_graph=True)
    forces = (gradient - edges.reverse_edges(gradient, graph.neighbours, graph.reverse)).sum(1)
    scale = expected_forces.abs().max().item()
    np.testing.assert_allclose(forces.detach(), expected_forces.detach(), atol=1e-10 * scale)
    trained = [p for p in potential.model.parameters() if p.requires_grad]
    found = torch.autograd.grad(forces.square().sum(), trained, materialize_grads=True)
    wanted = torch.autograd.grad(expected_forces.square().sum(), trained, materialize_grads=True)
    largest = max(g.abs().max().item() for g in wanted)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10 * largest)


@pytest.mark.parametrize("target", TENSORS, ids=name_of)
@pytest.mark.parametrize(
    "changes",
    [{}, {"polar_only": False, "axial_parts": "features", "head_layers": "last"}],
    ids=["new", "original"],
)
def test_heads_equal_the_literal_equations(target, changes):
    potential = make_potential(target, max_rank=4, channels=2, max_degree=2, **changes)
    graph = potential.graph(random_structure(potential, atoms=5, cell=5.0))
    centre, slot, neighbour = edge_list(graph)
    vectors = graph.edge_vectors()
    with torch.no_grad():
        reference = literal_carnet.values(
            potential.model, graph.numbers, SPECIES, (centre, neighbour, vectors[centre, slot])
        )
        values = potential.model(network_edges(potential, graph, vectors))
    (definition,) = potential.targets.values()
    for rank, part in split_packed(values[definition.name], definition.symmetry).items():
        expected = reference[definition.name][rank]
        found = unpack(part, rank).reshape(expected.shape)
        atol = 1e-11 * expected.abs().max().item()
        np.testing.assert_allclose(found, expected, atol=atol)


def rotated(tensor, matrix, rank):
    """Every one of the last ``rank`` indices turned."""
    for axis in range(tensor.ndim - rank, tensor.ndim):
        tensor = np.moveaxis(np.tensordot(tensor, matrix, axes=([axis], [1])), -1, axis)
    return tensor


@pytest.mark.parametrize("paths", ["full", "lite"])
@pytest.mark.parametrize("target", TENSORS, ids=name_of)
def test_tensors_turn_along(target, paths):
    """Under rotations, inversion and reflections, to 1e-10; none of their parts vanishes."""
    potential = make_potential(target, max_rank=4, channels=3, max_degree=2, paths=paths)
    (definition,) = potential.targets.values()
    structure = random_structure(potential, atoms=8)
    before = np.array(potential.evaluate(structure).properties[definition.name])
    graph = potential.graph(structure)
    parts = potential.model(network_edges(potential, graph, graph.edge_vectors()))
    for part in split_packed(parts[definition.name], definition.symmetry).values():
        assert part.abs().max() > 1e-6
    for matrix in (random_rotation(1), -np.eye(3), -random_rotation(2)):
        after = potential.evaluate(transformed(structure, matrix)).properties[definition.name]
        expected = rotated(before, matrix, definition.rank)
        np.testing.assert_allclose(np.array(after), expected, atol=1e-10 * np.abs(before).max())


def test_original_heads_break_inversion():
    """The known defect: the antisymmetric part of a shielding read from polar features."""
    changes = {"max_rank": 2, "axial_parts": "features"}
    potential = make_potential("shielding", **changes)
    structure = random_structure(potential)
    before, after = (
        potential.evaluate(atoms).properties["shielding"][0]
        for atoms in (structure, transformed(structure, -np.eye(3)))
    )
    assert np.abs(before - after).max() > 1e-3


def test_dielectric_tensor_has_the_symmetry_of_the_crystal():
    """Isotropic in a cubic crystal, uniaxial in a hexagonal one, by construction."""
    potential = make_potential("dielectric", species=(6, 8))
    cubic = bulk("CO", "rocksalt", a=3.1, basis=[[0, 0, 0], [0.5, 0.5, 0.5]])
    tensor = potential.evaluate(cubic).properties["dielectric"][0]
    scale = np.abs(tensor).max()
    np.testing.assert_allclose(tensor, np.trace(tensor) / 3 * np.eye(3), atol=1e-10 * scale)
    hexagonal = bulk("CO", "wurtzite", a=2.5, c=4.2)
    tensor = potential.evaluate(hexagonal).properties["dielectric"][0]
    uniaxial = np.diag([tensor[0, 0], tensor[0, 0], tensor[2, 2]])
    np.testing.assert_allclose(tensor, uniaxial, atol=1e-10 * np.abs(tensor).max())
    assert abs(tensor[0, 0] - tensor[2, 2]) > 1e-3 * np.abs(tensor).max()


def test_tensors_of_batches_permutations_and_distant_copies():
    """A sum is extensive and a mean is not; single results come back from batches."""
    potential = make_potential("dipole", "elastic", max_rank=4, channels=2)
    one = random_structure(potential, periodic=False)
    far = one.copy()
    far.positions += [500.0, 0.0, 0.0]
    order = np.random.default_rng(3).permutation(len(one))
    found = potential.evaluate([one, one + far, one[order]]).properties
    for name, factor in (("dipole", 2), ("elastic", 1)):
        single, double, permuted = found[name]
        np.testing.assert_allclose(double, factor * single, rtol=1e-9)
        np.testing.assert_allclose(permuted, single, rtol=1e-9, atol=1e-12)


def test_tensors_of_an_isolated_atom_are_isotropic():
    potential = make_potential("dipole", "polarizability", "shielding")
    alone = potential.evaluate(Atoms("O", [[0.0, 0.0, 0.0]])).properties
    assert not alone["dipole"].any()
    for tensor in (alone["polarizability"][0], alone["shielding"][0][0]):
        np.testing.assert_allclose(tensor, tensor[0, 0] * np.eye(3), atol=1e-12)


def test_tensors_are_smooth_at_the_cutoff():
    """A pair that crosses the cutoff changes a dipole with the third power of the distance."""
    potential = make_potential("dipole")

    def dipole(distance):
        pair = Atoms("OH", [[0, 0, 0], [distance, 0, 0]])
        return potential.evaluate(pair).properties["dipole"][0, 0]

    near = [abs(dipole(potential.cutoff - d)) for d in (5e-3, 2.5e-3, 1.25e-3)]
    assert dipole(potential.cutoff + 0.1) == 0.0
    assert near[0] / near[1] == pytest.approx(8.0, rel=0.3)
    assert near[1] / near[2] == pytest.approx(8.0, rel=0.3)


def test_published_convention_has_a_step_at_the_cutoff():
    """The known defect of the original: MLP(0) ≠ 0 when a pair crosses the cutoff."""
    jumps = {}
    for convention in ("radial", "basis"):
        potential = make_potential(cutoff_on=convention)
        pair = [Atoms("OH", [[0, 0, 0], [4.0 + d, 0, 0]]) for d in (-1e-6, 1e-6)]
        inside, outside = potential.evaluate(pair).energies
        jumps[convention] = abs(inside - outside)
    assert jumps["radial"] < 1e-10
    assert jumps["basis"] > 1e-3


@pytest.mark.parametrize(("kind", "jump"), [("smooth", 0.0), ("published", 5.25)])
def test_repulsion_where_two_atoms_touch(kind, jump):
    """O–H at the sum of the covalent radii, 0.97 Å: a step of 5.25 eV in the original."""
    energies = {}
    for repulsion in (kind, "none"):
        potential = make_potential(repulsion=repulsion)
        pair = [Atoms("OH", [[0, 0, 0], [0.97 + d, 0, 0]]) for d in (-1e-6, 1e-6)]
        energies[repulsion] = potential.evaluate(pair).energies
    (inside, outside) = energies[kind] - energies["none"]
    assert outside == pytest.approx(0.0, abs=1e-9)
    assert inside == pytest.approx(jump, abs=0.01)


def test_repulsion_of_bare_nuclei():
    """Very close, Coulomb's law but for a little screening: Z Z e²/(4πε₀ r)."""
    pair = Atoms("OO", [[0, 0, 0], [0, 0, 0.002]])
    energies = [
        make_potential(repulsion=kind).evaluate(pair).energies[0] for kind in ("smooth", "none")
    ]
    assert energies[0] - energies[1] == pytest.approx(64 * 14.3996 / 0.002, rel=0.03)


@pytest.mark.parametrize(
    ("mode", "polar_only", "numbers"),
    [
        ("lite", False, (9, 16, 25)),
        ("full", True, (11, 23, 42)),
        ("full", False, (15, 34, 65)),
    ],
)
def test_numbers_of_paths(mode, polar_only, numbers):
    """Of L = 2, 3, 4."""
    for max_rank, number in zip((2, 3, 4), numbers, strict=True):
        given = settings(max_rank=max_rank, paths=mode, polar_only=polar_only)
        assert sum(map(len, paths_of(given, max_rank, max_rank))) == number


def test_sums_by_reversal_are_the_same(monkeypatch):
    """What a GPU does instead of scattered additions, and what is done without reversed edges."""
    potential = make_potential()
    graph = potential.graph(random_structure(potential))
    species = potential.species_index[graph.numbers]

    def gradient(reverse):
        vectors = graph.edge_vectors().requires_grad_(True)
        given = Edges(species, vectors, graph.neighbours, graph.mask, reverse)
        return torch.autograd.grad(potential.model(given)["energy"].sum(), vectors)[0]

    expected = gradient(graph.reverse)
    torch.testing.assert_close(gradient(None), expected)
    monkeypatch.setattr(edges, "_by_reversal", lambda values, edges: True)
    torch.testing.assert_close(gradient(graph.reverse), expected)


@pytest.mark.parametrize("name", ["default", "lite", "SO(3)"])
def test_chunks_of_atoms_give_the_same(name):
    """Sums by the receiving atom from its neighbours' features, some atoms at a time."""
    potential = make_potential(**ALL[name])
    graph = potential.graph(random_structure(potential))
    species = potential.species_index[graph.numbers]

    def values(**options):
        vectors = graph.edge_vectors().requires_grad_(True)
        given = Edges(species, vectors, graph.neighbours, graph.mask)
        energies = potential.model(given, **options)["energy"]
        (gradient,) = torch.autograd.grad(energies.sum(), vectors)
        forces = gradient - edges.reverse_edges(gradient, graph.neighbours, graph.reverse)
        return energies.detach(), forces.sum(1)

    torch.testing.assert_close(values(slots_per_chunk=100), values())


def test_precision_is_not_lost_on_the_way():
    """A network that was in float32 has its constants in full precision again."""
    network = CarNet(settings(), SPECIES).double()
    there_and_back = CarNet(settings(), SPECIES).float().double()
    for (name, a), (_, b) in zip(
        network.named_buffers(), there_and_back.named_buffers(), strict=True
    ):
        assert torch.equal(a, b), name
        assert a.dtype == torch.float64


def test_can_be_traced_for_any_number_of_atoms():
    """One trace serves structures of other sizes."""
    potential = make_potential("energy", "dipole", max_degree=2, max_rank=1)
    graphs = [
        potential.graph(random_structure(potential, atoms=atoms, seed=atoms)) for atoms in (5, 9)
    ]

    def gradient(species, vectors, neighbours, mask, reverse):
        vectors = vectors.detach().requires_grad_(True)
        values = potential.model(Edges(species, vectors, neighbours, mask, reverse))
        total = values["energy"].sum() + values["dipole"].sum()
        return torch.autograd.grad(total, vectors)[0]

    def arguments(graph):
        species = potential.species_index[graph.numbers]
        return species, graph.edge_vectors(), graph.neighbours, graph.mask, graph.reverse

    traced = make_fx(gradient, tracing_mode="symbolic", _allow_non_fake_inputs=True)(
        *arguments(graphs[0])
    )
    # Traced once more under vmap, a graph may not ask an index for its length.
    assert torch.ops.aten.sym_numel.default not in {node.target for node in traced.graph.nodes}
    for graph in graphs:
        torch.testing.assert_close(traced(*arguments(graph)), gradient(*arguments(graph)))


def test_several_sets_of_parameters_at_once():
    """As when seeds are trained together: stacked parameters give what each gives alone."""
    potentials = [make_potential("energy", "shielding", seed=seed) for seed in (0, 1)]
    graph = batch_graphs(
        [build_graph(random_structure(potentials[0], seed=seed), 4.0) for seed in (0, 1)]
    )
    network = potentials[0].model
    parameters, buffers = torch.func.stack_module_state([p.model for p in potentials])
    given = network_edges(potentials[0], graph, graph.edge_vectors())

    def values(of_parameters, of_buffers):
        return torch.func.functional_call(network, (of_parameters, of_buffers), (given,))

    together = torch.vmap(values)(parameters, buffers)
    for k, potential in enumerate(potentials):
        for name, value in potential.model(given).items():
            torch.testing.assert_close(together[name][k], value)


def test_ranks_beyond_the_features_are_refused():
    with pytest.raises(InputError, match="'elastic' has natural tensors up to rank 4, the model's"):
        CarNet(settings(max_rank=3), SPECIES, [ENERGY, TARGETS["elastic"]])


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="level2', which needs a level"):
        settings(paths="level2")
