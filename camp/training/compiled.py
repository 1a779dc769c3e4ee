"""The loss and its gradient as one function, traced and compiled, for one model or for several.

Forces are derivatives of the energy, so the gradient of the loss differentiates twice. Traced
through both derivatives, the whole step is a plain function of tensors that the compiler fuses.
Several models of the same shape become one function with an axis more: a device that a single
small model leaves idle has work for all of them.
"""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields
from itertools import chain

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.fx.experimental import _config as tracing
from torch.fx.experimental.proxy_tensor import make_fx

from camp.data.labelled import LabelledBatch
from camp.graph import AtomicGraph

GRAPH_TENSORS = len(fields(AtomicGraph))
Loss = Callable[[nn.Module, LabelledBatch], Tensor]
# Parameters and batch of one model → loss and gradients; of several: one list for each of them.
Step = Callable[..., Sequence[Tensor]]


class TracedLoss:
    """Calls ``loss(model, batch)`` for every model; the results can be differentiated as usual.

    The first call traces and compiles, which takes a minute or two; so does the first with other
    axes of length one, which are traced apart. Batches of several models must have the same shape;
    no model's result depends, to the last bit, on the parameters or batches of the others.

    :param backend: of ``torch.compile``; None runs what was traced as it is.
    """

    def __init__(self, loss: Loss, models: Sequence[nn.Module], *, backend: str | None):
        self.loss = loss
        self.models = list(models)
        self.backend = backend
        self.names = [n for n, p in self.models[0].named_parameters() if p.requires_grad]
        self.trained = [[model.get_parameter(name) for name in self.names] for model in self.models]
        self.functions: dict[tuple[bool, ...], Step] = {}
        self._compiling: dict[tuple[bool, ...], Future] = {}
        self.labels: tuple[str, ...] = ()

    def __call__(self, batches: Sequence[LabelledBatch]) -> Tensor:
        """One batch for each model; returns their losses (models,)."""
        self.labels = tuple(batches[0].labels)
        tensors = [_to_tensors(batch) for batch in batches]
        return _Precomputed.apply(self, tensors, *chain.from_iterable(self.trained))

    def prepare(self, batches: Sequence[LabelledBatch]) -> None:
        """Trace now, and compile in the background; the first call waits until that is done, and so
        does the end of the process, which the compiler would not survive in order.
        """
        self.labels = tuple(batches[0].labels)
        tensors = [_to_tensors(batch) for batch in batches]
        kind = _kind(tensors)
        if kind in self.functions:
            return
        parameters = [[p.detach().clone() for p in trained] for trained in self.trained]
        function = self._function(kind, parameters, tensors)
        background = ThreadPoolExecutor(1)
        self._compiling[kind] = background.submit(self._call, function, parameters, tensors)
        background.shutdown(wait=False)

    @property
    def is_compiling(self) -> bool:
        """Whether what was prepared is not ready yet."""
        return not all(future.done() for future in self._compiling.values())

    def losses_and_gradients(
        self, parameters: Sequence[Sequence[Tensor]], tensors: Sequence[Sequence[Tensor]]
    ) -> tuple[Tensor, list[Tensor]]:
        """Losses (models,) and the gradients of all parameters, one model after the other."""
        kind = _kind(tensors)
        if kind in self._compiling:
            self._compiling.pop(kind).result()
        return self._call(self._function(kind, parameters, tensors), parameters, tensors)

    def _function(
        self,
        kind: tuple[bool, ...],
        parameters: Sequence[Sequence[Tensor]],
        tensors: Sequence[Sequence[Tensor]],
    ) -> Step:
        if kind not in self.functions:
            traced = self._trace(parameters, tensors)
            self.functions[kind] = (
                torch.compile(traced, dynamic=True, backend=self.backend)
                if self.backend
                else traced
            )
        return self.functions[kind]

    def _call(
        self,
        function: Step,
        parameters: Sequence[Sequence[Tensor]],
        tensors: Sequence[Sequence[Tensor]],
    ) -> tuple[Tensor, list[Tensor]]:
        # Always plain tensors without gradients: for others the compiler makes other code.
        values = [[parameter.detach() for parameter in own] for own in parameters]
        with torch.no_grad():
            if len(self.models) == 1:
                loss, *gradient = function(values[0], tensors[0])
                return loss[None], gradient
            losses, *gradients = function(values, tensors)
        by_model = zip(*(gradient.unbind() for gradient in gradients), strict=True)
        return losses, [gradient for model in by_model for gradient in model]

    def _trace(
        self, parameters: Sequence[Sequence[Tensor]], tensors: Sequence[Sequence[Tensor]]
    ) -> GraphModule:
        step = _traced(lambda *arguments: self._step(*arguments), parameters[0], tensors[0])
        if len(self.models) == 1:
            return step
        for node in step.graph.nodes:
            # This form knows only plain tensors.
            if node.target == torch.ops.aten.sym_size.int:
                node.target = torch.Tensor.size
        step.recompile()

        def together(
            parameters: Sequence[Sequence[Tensor]], tensors: Sequence[Sequence[Tensor]]
        ) -> list[Tensor]:
            stacked = (
                [torch.stack(same) for same in zip(*members, strict=True)]
                for members in (parameters, tensors)
            )
            return list(torch.vmap(step)(*stacked))

        return _traced(together, parameters, tensors)

    def _step(self, parameters: Sequence[Tensor], tensors: Sequence[Tensor]) -> list[Tensor]:
        leaves = [p.detach().requires_grad_(True) for p in parameters]
        with torch.enable_grad():
            loss = torch.func.functional_call(
                _Bound(self.loss, self.models[0]),
                {f"model.{name}": leaf for name, leaf in zip(self.names, leaves, strict=True)},
                (_from_tensors(tensors, self.labels),),
            )
            gradient = torch.autograd.grad(loss, leaves, materialize_grads=True)
        return [loss.detach(), *gradient]


def _traced(function: Step, *arguments: Sequence) -> GraphModule:
    # Axes that happen to be equally long in the first batch are different axes all the same.
    with tracing.patch(use_duck_shape=False):  # type: ignore[attr-defined]
        return make_fx(function, tracing_mode="symbolic", _allow_non_fake_inputs=True)(*arguments)


def _kind(tensors: Sequence[Sequence[Tensor]]) -> tuple[bool, ...]:
    """Which axes have length one: others are traced apart."""
    return tuple(length == 1 for tensor in tensors[0] for length in tensor.shape)


def _to_tensors(batch: LabelledBatch) -> tuple[Tensor, ...]:
    return (*batch.graph.tensors(), batch.sizes, batch.weights, *batch.labels.values())


def _from_tensors(tensors: Sequence[Tensor], names: Sequence[str]) -> LabelledBatch:
    """:param names: of the labels, in their order."""
    graph, (sizes, weights, *labels) = tensors[:GRAPH_TENSORS], tensors[GRAPH_TENSORS:]
    by_name = dict(zip(names, labels, strict=True))
    return LabelledBatch(AtomicGraph(*graph), by_name, sizes, weights)


class _Bound(nn.Module):
    """A loss bound to its model, so that the model's parameters can be exchanged."""

    def __init__(self, loss: Loss, model: nn.Module):
        super().__init__()
        self.loss = loss
        self.model = model

    def forward(self, batch: LabelledBatch) -> Tensor:
        return self.loss(self.model, batch)


class _Precomputed(torch.autograd.Function):
    """The losses, with the gradients that were computed along with them."""

    @staticmethod
    def forward(ctx, owner: TracedLoss, tensors: list[tuple[Tensor, ...]], *flat: Tensor):
        count = len(owner.names)
        parameters = [flat[k : k + count] for k in range(0, len(flat), count)]
        losses, gradients = owner.losses_and_gradients(parameters, tensors)
        ctx.save_for_backward(*gradients)
        ctx.models = len(parameters)
        return losses

    @staticmethod
    def backward(ctx, outer: Tensor):
        gradients = ctx.saved_tensors
        count = len(gradients) // ctx.models
        factors = outer.to(gradients[0].dtype).repeat_interleave(count).unbind()
        return None, None, *(f * g for f, g in zip(factors, gradients, strict=True))


def can_compile() -> bool:
    """Whether a C++ compiler is there, which compilation for the CPU needs."""
    return any(shutil.which(name) for name in ("c++", "g++", "clang++"))
