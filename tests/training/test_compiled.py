"""The training step as one traced and compiled function."""

import threading

import pytest
import torch

import camp
from camp.data.dataset import GraphDataset
from camp.data.labelled import collate
from camp.training.compiled import TracedLoss
from camp.training.module import TrainingModule
from tests.training.small_training import SETTINGS, SMALL, TINY, clusters


def test_traced_step_equals_the_plain_one():
    """Loss and all gradients, also for a batch of another shape than the traced one.

    What the compiler makes of the trace is compared by benchmarks/training_step.py; it takes
    minutes.
    """
    structures = clusters(4)
    dataset = GraphDataset(structures, 4.0)
    potential = camp.Potential(SMALL, species=[18]).double()
    module = TrainingModule([potential], SETTINGS.training)
    traced = TracedLoss(module.loss, [potential], backend="eager")
    trained = [p for p in potential.parameters() if p.requires_grad]
    for members in ((0, 1), (1, 2, 3), (3,)):
        batch = collate([dataset[k] for k in members])
        plain = module.loss(potential, batch)
        loss = traced([batch])[0]
        assert loss.item() == pytest.approx(plain.item(), rel=1e-12)
        ours = torch.autograd.grad(loss, trained)
        for a, b in zip(ours, torch.autograd.grad(plain, trained), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_step_is_traced_in_the_background_once(monkeypatch):
    """Then calls have it ready, and give what plain steps do."""
    dataset = GraphDataset(clusters(3), 4.0)
    potential = camp.Potential(TINY, species=[18]).double()
    module = TrainingModule([potential], SETTINGS.training)
    traced = TracedLoss(module.loss, [potential], backend="eager")
    first, second = collate([dataset[0], dataset[1]]), collate([dataset[1], dataset[2]])
    compiled, may_compile = traced._call, threading.Event()
    monkeypatch.setattr(traced, "_call", lambda *a: may_compile.wait() and compiled(*a))
    traced.prepare([first])
    traced.prepare([second])
    assert len(traced.functions) == 1
    assert traced.is_compiling
    may_compile.set()
    assert traced([second]).item() == pytest.approx(
        module.loss(potential, second).item(), rel=1e-12
    )
    assert len(traced.functions) == 1
    assert not traced.is_compiling


def test_what_is_compiled_in_the_background_is_what_steps_run():
    """Not compiled a second time by the first call, which has no gradients."""
    compiled = []

    def backend(graph, _inputs):
        compiled.append(threading.current_thread())
        return graph.forward

    dataset = GraphDataset(clusters(2), 4.0)
    potential = camp.Potential(TINY, species=[18]).double()
    module = TrainingModule([potential], SETTINGS.training)
    traced = TracedLoss(module.loss, [potential], backend=backend)
    traced.prepare([collate([dataset[0], dataset[1]])])
    traced([collate([dataset[1], dataset[0]])])
    assert len(compiled) == 1
    assert compiled[0] is not threading.main_thread()
