"""Results made chunk by chunk are those made at once, and so are their derivatives."""

import pytest
import torch

from camp.models.chunks import in_chunks


@pytest.mark.parametrize("slots", [1, 8, 1000])
def test_values_and_gradients(slots):
    torch.manual_seed(0)
    neighbours = torch.randint(0, 7, (7, 4))
    own = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    shared = torch.randn(7, 2, 3, dtype=torch.float64, requires_grad=True)
    counts = torch.arange(7)

    def function(own, of_neighbours):
        (values, counts), (features,) = own, of_neighbours
        values = values * counts[:, None]
        return features.sum((1, 2)).sin() * values, (features * values[:, None, None]).sum(1) ** 2

    results = []
    for chunked in (True, False):
        if chunked:
            values = in_chunks(function, (own, counts), (shared,), neighbours, slots=slots)
        else:
            values = function((own, counts), (shared[neighbours],))
        total = values[0].square().sum() + values[1].sum()
        results.append([*values, *torch.autograd.grad(total, (own, shared))])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-13)
