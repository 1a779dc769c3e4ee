"""Sums over neighbours of a large system, some atoms at a time.

What a model makes on edges takes far more memory than all that it keeps of atoms. Here only the
edges of one chunk of atoms exist at any time: the reverse pass makes them once more.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

# Values of r atoms (r, …) and of their neighbours (r, K, …) → results for these atoms (r, …).
OfRows = Callable[[Sequence[Tensor], Sequence[Tensor]], Sequence[Tensor]]


def in_chunks(
    function: OfRows,
    own: Sequence[Tensor],
    shared: Sequence[Tensor],
    neighbours: Tensor,
    *,
    slots: int,
) -> list[Tensor]:
    """The results of ``function`` for all n atoms, chunk by chunk.

    Differentiable once with respect to ``own`` and ``shared``; whatever else the function uses
    counts as constant.

    :param function: is called with own[rows] and shared[neighbours[rows]].
    :param own: values (n, …) of what only the atom itself needs, or of its edges (n, K, …).
    :param shared: values (n, …) of atoms that their neighbours need.
    :param neighbours: (n, K) indices.
    :param slots: at most so many neighbour slots in a chunk, if more than one atom.
    :return: one tensor (n, …) for each result of the function.
    """
    rows = max(1, slots // neighbours.shape[1])
    return list(_InChunks.apply(function, rows, neighbours, len(own), *own, *shared))


class _InChunks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, function: OfRows, rows: int, neighbours: Tensor, count: int, *values: Tensor):
        ctx.function, ctx.rows, ctx.count = function, rows, count
        ctx.save_for_backward(neighbours, *values)
        results = [
            function(inputs[:count], inputs[count:])
            for _, inputs in _chunks(rows, neighbours, count, values)
        ]
        return tuple(torch.cat(parts) for parts in zip(*results, strict=True))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *gradients: Tensor):
        neighbours, *values = ctx.saved_tensors
        wanted = [k for k in range(len(values)) if ctx.needs_input_grad[4 + k]]
        totals = {k: torch.zeros_like(values[k]) for k in wanted}
        for part, inputs in _chunks(ctx.rows, neighbours, ctx.count, values):
            leaves = [inputs[k].requires_grad_(True) for k in wanted]
            with torch.enable_grad():
                results = ctx.function(inputs[: ctx.count], inputs[ctx.count :])
            outer = [gradient[part] for gradient in gradients]
            found = torch.autograd.grad(results, leaves, outer, materialize_grads=True)
            for k, gradient in zip(wanted, found, strict=True):
                if k < ctx.count:
                    totals[k][part] = gradient
                else:
                    totals[k].index_add_(0, neighbours[part].flatten(), gradient.flatten(0, 1))
        return None, None, None, None, *(totals.get(k) for k in range(len(values)))


def _chunks(
    rows: int, neighbours: Tensor, count: int, values: Sequence[Tensor]
) -> Iterator[tuple[slice, list[Tensor]]]:
    """For every chunk: its rows, and what the function gets for these."""
    for first in range(0, len(neighbours), rows):
        part = slice(first, first + rows)
        own = [value[part].detach() for value in values[:count]]
        yield part, own + [value[neighbours[part]] for value in values[count:]]
