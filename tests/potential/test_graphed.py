"""The evaluation for GPUs: its trace, its buffers and its ways out, all tested on the CPU."""

import copy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from ase import Atoms

import camp
from camp.graph import batch_graphs, build_graph
from camp.potential import accelerated, graphed
from camp.potential.accelerated import AcceleratedPotential
from camp.potential.graphed import FusedFunction, GraphedEvaluation, check, within_cutoff
from camp.runtime import library
from tests.models.camp.test_network import make_potential
from tests.physics import random_structure


def small_potential(**changes):
    changes = {"channels": 4, "max_rank": 1, "radial_hidden": [5], **changes}
    return AcceleratedPotential(make_potential(**changes), compiled=False)


@pytest.fixture(scope="module")
def potential():
    return small_potential()


@pytest.fixture(scope="module")
def traces():
    return {}


@pytest.fixture(autouse=True)
def traced_once(traces, monkeypatch):
    """Tracing takes seconds, and equal potentials have equal traces."""
    trace = graphed._traced

    def known_trace(potential, example):
        key = (potential.dtype, str(potential.settings))
        if key not in traces:
            traces[key] = trace(potential, example)
        return traces[key]

    monkeypatch.setattr(graphed, "_traced", known_trace)


class Recorder:
    """A stand-in for CUDA graphs: the same results again and again, computed anew by replay."""

    def __init__(self):
        self.shapes = []

    def __call__(self, function, inputs):
        self.shapes.append(tuple(inputs[5].shape))
        results = [result.clone() for result in function(*inputs)]
        addresses = [tensor.data_ptr() for tensor in inputs]

        def replay():
            assert addresses == [tensor.data_ptr() for tensor in inputs]
            for result, new in zip(results, function(*inputs), strict=True):
                result.copy_(new)
            return results

        return replay


def lists_of(structures, reach):
    return batch_graphs([build_graph(atoms, reach) for atoms in structures])


def batches(potential):
    """Crystals and molecules of many sizes, cells below the cutoff, atoms without neighbours."""
    crystals = [
        random_structure(potential, seed=seed, atoms=4 + 5 * seed, cell=4.5 + seed)
        for seed in range(3)
    ]
    tiny = Atoms("HO", [[0, 0, 0], [0.4, 1.1, 1.3]], cell=[2.4, 2.6, 2.9], pbc=True)
    molecule = random_structure(potential, atoms=7, periodic=False)
    lonely = molecule + Atoms("C", [[90.0, 0, 0]])
    return [[crystals[1]], crystals, [tiny, molecule], [Atoms("H")], [lonely, tiny, crystals[2]]]


def assert_same(found, expected, tolerance=1e-9):
    for one, other in zip(found[:4], expected[:4], strict=True):
        scale = max(float(other.detach().abs().max()), 1.0)
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * scale)


def plainly(potential, graph):
    with torch.no_grad():
        return potential(graph)


@pytest.mark.parametrize(("backend", "max_rank"), [("eager", 2), ("aot_eager", 1)])
def test_one_trace_serves_all_batches(backend, max_rank):
    """Energies, forces and virials of the plain potential, from lists that reach too far."""
    potential = small_potential(max_rank=max_rank)
    compilations = []

    def counting(*arguments, **options):
        compilations.append(1)
        return torch._dynamo.lookup_backend(backend)(*arguments, **options)

    evaluation = GraphedEvaluation(potential, backend=counting)
    for structures in batches(potential):
        expected = plainly(potential, lists_of(structures, potential.cutoff))
        for skin in (0.0, 0.5, 1.7):
            found = evaluation(lists_of(structures, potential.cutoff + skin))
            assert_same(found, expected)
    assert len(compilations) == 1


def test_published_convention_has_nothing_beyond_the_cutoff():
    """There the radial functions do not vanish, and only the mask keeps distant pairs out."""
    potential = small_potential(envelope_on="basis")
    evaluation = GraphedEvaluation(potential, backend="eager")
    structures = batches(potential)[1]
    expected = plainly(potential, lists_of(structures, potential.cutoff))
    assert_same(evaluation(lists_of(structures, potential.cutoff + 0.5)), expected)


@pytest.mark.skipif(library.compiler() is None, reason="needs a C++ compiler")
def test_compiled_to_machine_code():
    potential = small_potential(max_rank=1, layers=1)
    check(GraphedEvaluation(potential, record=Recorder()), potential)


def test_moving_atoms_are_replayed(potential):
    """A shape is recorded once; lists and structures of that shape take its place."""
    recorder = Recorder()
    evaluation = GraphedEvaluation(potential, backend="eager", record=recorder)
    rng = np.random.default_rng(0)
    structures = [random_structure(potential, seed=seed, atoms=9) for seed in range(2)]
    wide = lists_of(structures, potential.cutoff + 0.5)
    for step in range(8):
        if step == 6:
            wide = lists_of([structures[1], structures[0][:6]], potential.cutoff + 0.3)
            assert wide.mask.shape[0] == 15
        moved = wide.positions + torch.from_numpy(rng.normal(scale=0.02, size=wide.positions.shape))
        graph = replace(wide, positions=moved)
        assert_same(evaluation(graph), plainly(potential, within_cutoff(graph, potential.cutoff)))
    assert 1 <= len(recorder.shapes) == len(set(recorder.shapes)) <= 2
    assert all(rows % 8 == 0 and slots % 8 == 0 for rows, slots in recorder.shapes)


def test_positions_changed_in_place_are_noticed(potential):
    evaluation = GraphedEvaluation(potential, backend="eager", record=Recorder())
    graph = lists_of([random_structure(potential)], potential.cutoff + 0.5)
    for _ in range(5):
        graph.positions[0] += 0.03
        assert_same(evaluation(graph), plainly(potential, within_cutoff(graph, potential.cutoff)))


def test_only_shapes_that_come_back_are_recorded(potential):
    recorder = Recorder()
    evaluation = GraphedEvaluation(potential, backend="eager", record=recorder)
    graphs = [
        lists_of([random_structure(potential, atoms=4, cell=9.0)] * copies, 4.0)
        for copies in range(1, 8)
    ]
    for graph in graphs:
        evaluation(graph)
    assert len(evaluation._buffers) == graphed.MOST_SHAPES
    assert not recorder.shapes
    for _ in range(graphed.RECORDED_AT):
        assert_same(evaluation(graphs[0]), plainly(potential, graphs[0]))
    assert len(recorder.shapes) == 1


def test_large_systems_are_not_recorded(potential, monkeypatch):
    monkeypatch.setattr(graphed, "MOST_RECORDED_SLOTS", 10)
    recorder = Recorder()
    evaluation = GraphedEvaluation(potential, backend="eager", record=recorder)
    graph = lists_of([random_structure(potential)], potential.cutoff)
    for _ in range(5):
        assert_same(evaluation(graph), plainly(potential, graph))
    assert not recorder.shapes


@pytest.fixture
def on_device(potential, monkeypatch):
    """Makes a potential that takes the CPU for a GPU, with a backend of ``torch.compile``."""

    def make(backend="eager", record=None):
        monkeypatch.setitem(graphed.RECORDS, "cpu", record or Recorder())
        evaluation = partial(GraphedEvaluation, backend=backend)
        monkeypatch.setattr(accelerated, "GraphedEvaluation", evaluation)
        fast = copy.deepcopy(potential)
        fast.graphed = True
        return fast

    return make


def test_calculator_follows_a_walk_on_a_device(potential, on_device, capsys):
    atoms = random_structure(potential)
    atoms.calc = camp.Calculator(on_device(), dtype="float64")
    rng = np.random.default_rng(0)
    for _ in range(12):
        atoms.positions += rng.normal(scale=0.03, size=atoms.positions.shape)
        expected = potential.evaluate(atoms)
        assert atoms.get_potential_energy() == pytest.approx(expected.energies[0], rel=1e-12)
        np.testing.assert_allclose(atoms.get_forces(), expected.forces[0], atol=1e-9)
        np.testing.assert_allclose(atoms.get_stress(voigt=False), expected.stresses[0], atol=1e-10)
    assert atoms.calc.model.graphed
    assert atoms.calc.model._evaluation is not None
    assert capsys.readouterr().err == ""


def test_precision_can_be_changed_and_copies_made(potential, on_device):
    fast = on_device()
    atoms = random_structure(potential)
    expected = potential.evaluate(atoms).forces[0]
    scale = np.abs(expected).max()
    for convert, tolerance in ((torch.nn.Module.double, 1e-9), (torch.nn.Module.float, 1e-5)):
        convert(fast)
        for used in (fast, copy.deepcopy(fast)):
            found = used.evaluate(atoms).forces[0]
            np.testing.assert_allclose(found, expected, atol=tolerance * scale)
            assert used.graphed


def no_backend(module, inputs):
    raise OSError("no\ncompiler here")


def wrong_backend(module, inputs):
    def run(*arguments):
        energies, atomic, forces, virials = module(*arguments)
        return energies, atomic, forces * (1 + 1e-3), virials

    return run


def stale_record(function, inputs):
    """As if a recording had missed that its inputs change."""
    results = function(*inputs)
    return lambda: results


@pytest.mark.parametrize(
    ("backend", "record", "reason"),
    [
        (no_backend, None, "no compiler here"),
        (wrong_backend, None, "wrong forces"),
        ("eager", stale_record, "wrong"),
    ],
)
def test_failures_lead_to_plain_torch(potential, on_device, capsys, backend, record, reason):
    """One line on stderr, and the right numbers, also for lists that reach too far."""
    fast = on_device(backend, record)
    atoms = random_structure(potential)
    expected = plainly(potential, lists_of([atoms], potential.cutoff))
    with torch.no_grad():
        for _ in range(3):
            assert_same(fast(lists_of([atoms], potential.cutoff + 0.5)), expected, 1e-12)
    message = capsys.readouterr().err
    assert reason in message
    assert message.endswith(": evaluation with plain torch\n")
    assert message.count("\n") == 1
    assert not fast.graphed


def test_not_compiled_if_not_wanted(potential, on_device, capsys):
    fast = on_device(no_backend)
    fast.graphed = False
    atoms = random_structure(potential)
    expected = plainly(potential, lists_of([atoms], potential.cutoff))
    with torch.no_grad():
        assert_same(fast(lists_of([atoms], potential.cutoff + 0.5)), expected, 1e-12)
    assert capsys.readouterr().err == ""


def test_results_are_the_callers(potential):
    """The next call does not overwrite them, though a recording always fills the same tensors."""
    recorder = Recorder()
    evaluation = GraphedEvaluation(potential, backend="eager", record=recorder)
    structures = [random_structure(potential, seed=seed, atoms=8) for seed in range(6)]
    graphs = [lists_of([atoms], potential.cutoff) for atoms in structures]
    results = [evaluation(graph) for graph in graphs]
    for graph, result in zip(graphs, results, strict=True):
        assert_same(result, plainly(potential, graph))
    assert recorder.shapes


def test_large_systems_are_evaluated_in_chunks(potential, monkeypatch):
    """The plain way with splines, some atoms at a time: the same numbers."""
    structures = batches(potential)[-1]
    graph = lists_of(structures, potential.cutoff)
    expected = plainly(potential, graph)
    monkeypatch.setattr("camp.potential.potential.SLOTS_PER_CHUNK", 40)
    with torch.no_grad():
        assert_same(plainly(potential, graph), expected, 1e-12)


def test_fused_functions(capsys):
    def function(x, y):
        return [x * y.exp(), x - y]

    x, y = torch.linspace(1, 2, 8, dtype=torch.float64).reshape(2, 4)

    def wrong(module, inputs):
        return lambda *arguments: [result + 1e-6 for result in module(*arguments)]

    for backend, reason in (("eager", ""), (no_backend, "no compiler here"), (wrong, "not close")):
        fused = FusedFunction(function, backend=backend)
        for length in (4, 3):
            found, expected = fused(x[:length], y[:length]), function(x[:length], y[:length])
            for one, other in zip(found[:4], expected[:4], strict=True):
                torch.testing.assert_close(one, other, rtol=1e-14, atol=0)
        message = capsys.readouterr().err
        assert message.count("\n") == bool(reason)
        assert reason in message


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_on_a_gpu(dtype, capsys):
    """Recorded CUDA graphs against the plain potential on the CPU, along a walk."""
    plain = make_potential()
    atoms = random_structure(plain)
    atoms.calc = camp.Calculator(plain, device="cuda", dtype=dtype)
    rng = np.random.default_rng(0)
    for _ in range(12):
        atoms.positions += rng.normal(scale=0.03, size=atoms.positions.shape)
        expected = plain.evaluate(atoms).forces[0]
        tolerance = {"float32": 1e-4, "float64": 1e-6}[dtype] * np.abs(expected).max()
        np.testing.assert_allclose(atoms.get_forces(), expected, atol=tolerance)
    assert atoms.calc.model.graphed
    assert capsys.readouterr().err == ""
