"""The TorchSim model: TorchSim's own contract, and the same values as the potential."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import make_supercell

from camp.errors import InputError
from camp.graph import build_graph
from camp.graph.from_pairs import graph_from_pairs
from camp.potential import graphed
from camp.runtime import library
from tests.models.camp.test_network import make_potential
from tests.physics import random_structure

torch_sim = pytest.importorskip("torch_sim")
torchsim = pytest.importorskip("camp.potential.torchsim")


WAYS = [{"compiled": library.compiler() is not None}, {"compiled": False}]


def small_potential(**changes):
    return make_potential(channels=4, max_rank=2, radial_hidden=[5], **changes)


@pytest.fixture
def potential():
    return small_potential()


def periodic_structures(potential):
    """Different sizes and cells, one far below the cutoff, one with atoms outside its cell."""
    structures = [
        random_structure(potential, seed=seed, atoms=4 + 3 * seed, cell=4.5 + seed)
        for seed in range(3)
    ]
    structures.append(Atoms("HO", [[0, 0, 0], [0.4, 1.1, 1.3]], cell=[2.4, 2.6, 2.9], pbc=True))
    outside = structures[1].copy()
    outside.positions += np.random.default_rng(1).integers(-3, 4, (len(outside), 3)) @ outside.cell
    return [*structures, outside]


def molecules(potential):
    structures = [
        random_structure(potential, seed=seed, atoms=3 + 2 * seed, periodic=False)
        for seed in range(3)
    ]
    structures[1].cell = None
    return [*structures, Atoms("C", [[50.0, 0, 0]])]


def state_of(structures, dtype=torch.float64):
    return torch_sim.io.atoms_to_state(structures, torch.device("cpu"), dtype)


def test_torchsim_accepts_the_model():
    model = torchsim.TorchSimModel(small_potential(species=(14, 26)), dtype="float64")
    torch_sim.models.interface.validate_model_outputs(model, model.device, model.dtype)


@pytest.mark.parametrize("make", [periodic_structures, molecules])
def test_same_as_the_potential(potential, make):
    structures = make(potential)
    expected = potential.evaluate(structures)
    for options, tolerance in (({"accelerate": False}, 1e-10), *((w, 1e-7) for w in WAYS)):
        model = torchsim.TorchSimModel(potential, dtype="float64", **options)
        result = model(state_of(structures))
        np.testing.assert_allclose(result["energy"], expected.energies, rtol=tolerance)
        forces = np.concatenate(expected.forces)
        np.testing.assert_allclose(result["forces"], forces, atol=tolerance)
        np.testing.assert_allclose(result["stress"], expected.stresses, atol=tolerance)


@pytest.mark.parametrize("cell", [[2.4, 2.6, 2.9], [[2.4, 0, 0], [0.9, 2.5, 0], [-0.7, 0.8, 2.7]]])
def test_stress_is_the_derivative_of_the_energy_that_torchsim_sees(potential, cell):
    """In eV/Å³ and ASE's sign, by strains of a cell far below the cutoff, as a barostat makes them;
    columns of TorchSim's cell are vectors.
    """
    atoms = Atoms("HO", [[0, 0, 0], [0.4, 1.1, 1.3]], cell=cell, pbc=True)
    model = torchsim.TorchSimModel(potential, dtype="float64", accelerate=False)

    def energies(strain):
        state = state_of([atoms, atoms])
        for system, deformation in enumerate((np.eye(3) + strain, np.eye(3) - strain)):
            deform = torch.from_numpy(deformation)
            own = state.system_idx == system
            state.positions[own] = state.positions[own] @ deform.T
            state.cell[system] = deform @ state.cell[system]
        return model(state)["energy"].numpy()

    stress, step = model(state_of([atoms]))["stress"][0].numpy(), 1e-5
    for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)):
        strain = np.zeros((3, 3))
        strain[i, j] += step / 2
        strain[j, i] += step / 2
        more, less = energies(strain)
        expected = (more - less) / (2 * step * atoms.get_volume())
        assert stress[i, j] == pytest.approx(expected, rel=1e-6, abs=1e-7)
        assert abs(stress[i, j]) > 1e-4


def assert_same(model, potential, structures):
    bare = [Atoms(atoms.numbers, atoms.positions, cell=atoms.cell) for atoms in structures]
    state = state_of(bare)  # which knows one periodicity only
    pbc = np.array([atoms.pbc for atoms in structures])
    cells = state.cell.mT
    result = model.evaluate(state.positions, state.atomic_numbers, state.system_idx, cells, pbc)
    expected = potential.evaluate(structures)
    np.testing.assert_allclose(result.energies, expected.energies, rtol=1e-9)
    np.testing.assert_allclose(result.forces, np.concatenate(expected.forces), atol=1e-7)


@pytest.mark.parametrize("options", WAYS)
def test_list_is_kept_along_a_walk(options, monkeypatch):
    """Fresh evaluations at every step, whatever changes; radial functions do not end smoothly."""
    potential = small_potential(envelope_on="basis")
    model = torchsim.TorchSimModel(potential, dtype="float64", **options)
    made = []
    new_list = model._new_list
    monkeypatch.setattr(model, "_new_list", lambda *given: made.append(1) or new_list(*given))
    structures = periodic_structures(potential)
    rng = np.random.default_rng(0)
    steps = 20
    for _ in range(steps):
        for atoms in structures:
            atoms.positions += rng.normal(scale=0.02, size=atoms.positions.shape)
        assert_same(model, potential, structures)
    if model.potential.skips_distant:
        assert 1 < len(made) < steps / 2
    changed = structures[0].copy()
    changed.numbers[:2] = changed.numbers[1::-1]
    assert_same(model, potential, [changed, *structures[1:]])
    changed.set_cell(1.01 * changed.cell.array)
    assert_same(model, potential, [changed, *structures[1:]])
    changed.pbc = (1, 1, 0)
    assert_same(model, potential, [changed, *structures[1:]])
    # Replicas that leave, and as many atoms in other systems.
    assert_same(model, potential, structures[1:3])
    assert_same(model, potential, structures[2:0:-1])


def test_list_with_a_skin_on_a_device(potential, monkeypatch):
    """As on a GPU: pairs beyond the cutoff are left to the potential."""
    monkeypatch.setitem(graphed.RECORDS, "cpu", None)
    model = torchsim.TorchSimModel(potential, dtype="float64", compiled=False)
    structures = periodic_structures(potential)
    for _ in range(3):
        assert_same(model, potential, structures)
        structures[0].positions += 0.1


def test_state_changed_in_place(potential):
    model = torchsim.TorchSimModel(potential, dtype="float64")
    structures = periodic_structures(potential)
    state = state_of(structures)
    before = model(state)["energy"]
    state.positions[0] += 0.5
    after = model(state)["energy"]
    structures[0].positions[0] += 0.5
    np.testing.assert_allclose(after, potential.evaluate(structures).energies, rtol=1e-9)
    assert abs(after - before)[0] > 1e-6


def test_atoms_that_meet_are_found_with_a_kept_list(potential):
    """Also if they were near from the start, and move less than the skin allows."""
    model = torchsim.TorchSimModel(potential, dtype="float64")
    for apart in (0.2, 1.0):
        pair = Atoms("HO", [[0, 0, 0], [apart, 0, 0]])
        assert_same(model, potential, [Atoms("C"), pair])
        pair.positions[1] = 0.0
        with pytest.raises(InputError, match="system 1: atoms 0 and 1 coincide"):
            assert_same(model, potential, [Atoms("C"), pair])
        pair.positions[1] = np.nan
        with pytest.raises(InputError, match="system 1: the position of atom 1 is not a number"):
            assert_same(model, potential, [Atoms("C"), pair])


def test_what_cannot_be_accelerated_is_evaluated_plainly(potential, monkeypatch, capsys):
    monkeypatch.setattr("camp.runtime.splines.MOST_BYTES", 1000)
    model = torchsim.TorchSimModel(potential, dtype="float64")
    assert "not fit into memory: evaluation without acceleration\n" in capsys.readouterr().err
    assert_same(model, potential, periodic_structures(potential))


def test_mixed_periodicity(potential):
    """A slab, a wire and a molecule in one batch, as the simulations use the model."""
    structures = periodic_structures(potential)[:3]
    for atoms, pbc in zip(structures, [(1, 1, 0), (0, 0, 1), (0, 0, 0)], strict=True):
        atoms.pbc = pbc
    state = state_of(structures)
    result = torchsim.TorchSimModel(potential, dtype="float64", accelerate=False).evaluate(
        state.positions,
        state.atomic_numbers,
        state.system_idx,
        state.cell.mT,
        np.array([atoms.pbc for atoms in structures]),
    )
    expected = potential.evaluate(structures)
    np.testing.assert_allclose(result.energies, expected.energies, rtol=1e-10)
    np.testing.assert_allclose(result.forces, np.concatenate(expected.forces), atol=1e-10)


def test_precision(potential):
    """Results have the dtype of the state; the network has its own; the caller's stays as it is."""
    structures = periodic_structures(potential)
    expected = potential.evaluate(structures)
    model = torchsim.TorchSimModel(potential)
    assert model.dtype == torch.float32
    assert potential.dtype == torch.float64
    for dtype in (torch.float32, torch.float64):
        result = model(state_of(structures, dtype))
        assert {value.dtype for value in result.values()} == {dtype}
        np.testing.assert_allclose(result["energy"], expected.energies, rtol=1e-4)


def test_state_as_a_dictionary(potential):
    atoms = random_structure(potential)
    state = state_of([atoms])
    fields = {name: getattr(state, name) for name in ("positions", "cell", "pbc", "atomic_numbers")}
    result = torchsim.TorchSimModel(potential, dtype="float64")(fields)
    assert float(result["energy"]) == pytest.approx(potential.evaluate(atoms).energies[0])


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        (Atoms("Xe"), "system 1: the model does not know Xe; it was made for H, C, O"),
        (Atoms("CHH", [[9, 0, 0], [0, 0, 0], [0, 0, 0]]), "system 1: atoms 1 and 2 coincide"),
        (Atoms("HH", [[0, 0, 0], [0, 0, np.nan]]), "system 1: the position of atom 1 is not a"),
    ],
)
def test_bad_systems_are_named(potential, structure, message):
    model = torchsim.TorchSimModel(potential, dtype="float64")
    with pytest.raises(InputError, match=message) as caught:
        model(state_of([Atoms("H"), structure, Atoms("O")]))
    assert caught.value.system == 1


def test_a_cell_without_volume_is_named(potential):
    structures = [random_structure(potential), Atoms("H", cell=[0, 0, 0], pbc=True)]
    model = torchsim.TorchSimModel(potential, dtype="float64")
    with pytest.raises(InputError, match="system 1: the cell has no volume"):
        model(state_of(structures))


def test_unknown_dtype(potential):
    with pytest.raises(ValueError, match="float16"):
        torchsim.TorchSimModel(potential, dtype="float16")


def edges(graph):
    """Vectors of all edges with their atoms, in an order that does not depend on the slots."""
    i, slot = graph.mask.nonzero(as_tuple=True)
    j, vectors = graph.neighbours[i, slot], graph.edge_vectors()[i, slot]
    table = np.column_stack([i, j, vectors.numpy().round(9)])
    return table[np.lexsort(table.T[::-1])]


@pytest.mark.parametrize("largest", [0, 500], ids=["linked cells", "all pairs"])
@pytest.mark.parametrize("make", [periodic_structures, molecules])
def test_lists_for_gpus_have_the_same_pairs(potential, make, largest, monkeypatch):
    """TorchSim's lists, which the model uses on GPU, run on the CPU too."""
    monkeypatch.setattr(torchsim, "ALL_PAIRS_ATOMS", largest)
    structures = make(potential)
    state = state_of(structures)
    cells = state.cell.mT.contiguous()
    pbc = np.array([atoms.pbc for atoms in structures])
    graphs = [
        graph_from_pairs(
            state.positions,
            state.atomic_numbers.long(),
            state.system_idx,
            cells,
            search(state.positions, state.system_idx, cells, pbc, 4.0),
        )
        for search in (torchsim.pairs_on_host, torchsim.pairs_on_device)
    ]
    np.testing.assert_allclose(edges(graphs[1]), edges(graphs[0]), atol=1e-8)
    first = 0
    for atoms in structures:
        single = edges(build_graph(atoms, 4.0))
        single[:, :2] += first
        rows = (edges(graphs[0])[:, 0] >= first) & (edges(graphs[0])[:, 0] < first + len(atoms))
        np.testing.assert_allclose(edges(graphs[0])[rows], single, atol=1e-8)
        first += len(atoms)
    for graph in graphs:
        vectors = graph.edge_vectors()
        back = vectors[graph.neighbours, graph.reverse]
        np.testing.assert_allclose(back[graph.mask], -vectors[graph.mask], atol=1e-12)


def test_lists_for_gpus_refuse_the_same(potential):
    pbc = np.zeros((2, 3), dtype=bool)
    state = state_of([Atoms("H"), Atoms("OH2", [[9, 0, 0], [0, 0, 0], [0, 0, 0]])])
    arguments = state.positions, state.system_idx, state.cell.mT
    with pytest.raises(InputError, match="system 1: atoms 1 and 2 coincide"):
        torchsim.pairs_on_device(*arguments, pbc, 4.0)
    with pytest.raises(InputError, match="system 0: the cell has no volume"):
        torchsim.pairs_on_device(*arguments, ~pbc, 4.0)


def test_supercell_on_the_device_list(potential):
    """Linked cells in a cell of several cutoffs."""
    atoms = make_supercell(random_structure(potential, cell=5.0), np.diag([3, 2, 3]))
    state = state_of([atoms])
    cells = state.cell.mT.contiguous()
    pairs = torchsim.pairs_on_device(
        state.positions, state.system_idx, cells, np.ones((1, 3), dtype=bool), 4.0
    )
    graph = build_graph(atoms, 4.0)
    assert 2 * len(pairs[0]) == graph.number_of_edges


def test_torchsim_is_not_imported_with_the_package():
    code = "import sys, camp.potential.calculator; assert 'torch_sim' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_torchsim_the_message_says_what_to_install():
    code = (
        "import sys; sys.modules['torch_sim'] = None\n"
        "from camp.errors import InputError\n"
        "try:\n    import camp.potential.torchsim\n"
        "except ImportError as error:\n"
        "    assert 'pip install camp-repro[torchsim]' in str(error)\n"
        "    assert isinstance(error, InputError)\n"
        "else:\n    raise SystemExit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
