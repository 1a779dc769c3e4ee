"""The loss and its gradient as one compiled function.

Forces are derivatives of the energy, so the gradient of the loss differentiates twice. Traced
through both derivatives, the whole step is a plain function of tensors that the compiler fuses.
"""

import shutil
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.fx.experimental import _config as tracing
from torch.fx.experimental.proxy_tensor import make_fx

from camp.data.graphs import LabelledBatch
from camp.graph import AtomicGraph

Loss = Callable[[nn.Module, LabelledBatch], Tensor]


class CompiledLoss:
    """Calls ``loss(model, batch)`` compiled; its result can be differentiated as usual.

    The first call traces and compiles, which takes a minute or two. Batches with an axis of
    length one take the plain way, because a compiled axis of another length cannot serve them.

    :param backend: of ``torch.compile``.
    """

    def __init__(self, loss: Loss, model: nn.Module, *, backend: str = "inductor"):
        self.loss = loss
        self.model = model
        self.backend = backend
        self.trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.compiled: Callable[..., Sequence[Tensor]] | None = None

    def __call__(self, batch: LabelledBatch) -> Tensor:
        tensors = _to_tensors(batch)
        if any(length == 1 for tensor in tensors for length in tensor.shape):
            return self.loss(self.model, batch)
        return _Precomputed.apply(self, tensors, *self.trained.values())

    def loss_and_gradient(
        self, parameters: Sequence[Tensor], tensors: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        if self.compiled is None:
            traced = self._trace(parameters, tensors)
            self.compiled = torch.compile(traced, dynamic=True, backend=self.backend)
        return self.compiled(parameters, tensors)

    def _trace(
        self, parameters: Sequence[Tensor], tensors: Sequence[Tensor]
    ) -> Callable[..., Sequence[Tensor]]:
        def step(parameters: Sequence[Tensor], tensors: Sequence[Tensor]) -> list[Tensor]:
            leaves = [p.detach().requires_grad_(True) for p in parameters]
            replaced = dict(zip(self.trained, leaves, strict=True))
            with torch.enable_grad():
                loss = torch.func.functional_call(
                    _Bound(self.loss, self.model),
                    {f"model.{name}": leaf for name, leaf in replaced.items()},
                    (_from_tensors(tensors),),
                )
                gradient = torch.autograd.grad(loss, leaves, materialize_grads=True)
            return [loss.detach(), *gradient]

        # Axes that happen to be equally long in the first batch are different axes all the same.
        with tracing.patch(use_duck_shape=False):  # type: ignore[attr-defined]
            return make_fx(step, tracing_mode="symbolic", _allow_non_fake_inputs=True)(
                parameters, tensors
            )


def _to_tensors(batch: LabelledBatch) -> tuple[Tensor, ...]:
    return (*batch.graph.tensors(), batch.energies, batch.forces, batch.sizes)


def _from_tensors(tensors: Sequence[Tensor]) -> LabelledBatch:
    *graph, energies, forces, sizes = tensors
    return LabelledBatch(AtomicGraph(*graph), energies, forces, sizes)


class _Bound(nn.Module):
    """A loss bound to its model, so that the model's parameters can be exchanged."""

    def __init__(self, loss: Loss, model: nn.Module):
        super().__init__()
        self.loss = loss
        self.model = model

    def forward(self, batch: LabelledBatch) -> Tensor:
        return self.loss(self.model, batch)


class _Precomputed(torch.autograd.Function):
    """The loss, with the gradient that was computed along with it."""

    @staticmethod
    def forward(ctx, owner: CompiledLoss, tensors: tuple[Tensor, ...], *parameters: Tensor):
        loss, *gradient = owner.loss_and_gradient(parameters, tensors)
        ctx.save_for_backward(*gradient)
        return loss

    @staticmethod
    def backward(ctx, outer: Tensor):
        return None, None, *(outer.to(g.dtype) * g for g in ctx.saved_tensors)


def can_compile() -> bool:
    """Whether a C++ compiler is there, which compilation for the CPU needs."""
    return any(shutil.which(name) for name in ("c++", "g++", "clang++"))
