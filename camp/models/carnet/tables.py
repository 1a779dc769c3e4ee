"""Constant tables of a module that stay exact when its precision changes."""

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn


class ExactTables(nn.Module):
    """A module whose tables are rounded from float64 once, whatever it was converted to before."""

    def __init__(self) -> None:
        super().__init__()
        self._exact: dict[str, Tensor] = {}

    def add_table(self, name: str, values: Tensor) -> None:
        """A buffer that is not saved.

        :param values: float64.
        """
        self._exact[name] = values
        self.register_buffer(name, values.to(torch.get_default_dtype()), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        for name, values in self._exact.items():
            setattr(self, name, values.to(self.get_buffer(name)))
        return self

    def table(self, *parts: Any) -> Tensor:
        """The table of this name, given in parts."""
        return self.get_buffer("_".join(str(part) for part in parts))
