"""What the accelerated forms of all models share: tables, and code for each precision."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from camp.graph.edges import Edges
from camp.runtime.splines import SplineTables

M = TypeVar("M", bound=nn.Module)
P = TypeVar("P")


class CompiledModel(ABC, Generic[M, P]):
    """A trained model as compiled code for the CPU, differentiable once in the edge vectors.

    :param model: its weights are copied on first use and after :meth:`forget`.
    :param splines: its radial functions.
    :param dtype: a precision to compile for now; others follow when they are used.
    :raises InputError: a model that is not compiled, or see :func:`camp.runtime.library.load`.
    """

    def __init__(self, model: M, splines: SplineTables, dtype: torch.dtype):
        self.model = model
        self.splines = splines
        self._packed: dict[torch.dtype, P] = {}
        self.packed(dtype)

    def __getstate__(self):
        """Addresses are not for a copy."""
        return {**self.__dict__, "_packed": {}}

    def forget(self) -> None:
        """The weights have changed."""
        self._packed.clear()

    def packed(self, dtype: torch.dtype) -> P:
        """What the code of one precision reads."""
        if dtype not in self._packed:
            self._packed[dtype] = self._pack(dtype)
        return self._packed[dtype]

    @abstractmethod
    def _pack(self, dtype: torch.dtype) -> P: ...

    @abstractmethod
    def __call__(self, edges: Edges) -> dict[str, Tensor]:
        """Energies of atoms, as the model gives them."""


class TabulatedModel(nn.Module, Generic[M]):
    """A trained model with tabulated radial functions; arguments and results are the same.

    :param model: is copied.
    :param radial_functions: of a model at distances (k,) in Å, as :class:`SplineTables` takes them.
    :param cutoff: Å.
    :raises InputError: the radial functions cannot be tabulated.
    """

    #: Its compiled form.
    compiled_form: ClassVar[type[CompiledModel[Any, Any]]]

    def __init__(
        self, model: M, radial_functions: Callable[[M, Tensor], list[Tensor]], cutoff: float
    ):
        super().__init__()
        self.model = copy.deepcopy(model)
        self.compiled: CompiledModel[Any, Any] | None = None
        exact = copy.deepcopy(model).to("cpu", torch.float64)
        self.splines = SplineTables(lambda lengths: radial_functions(exact, lengths), cutoff)
        self.to(next(model.parameters()))

    def compile_for_cpu(self) -> None:
        """Use compiled code from now on while on the CPU.

        :raises InputError: a model that is not compiled, no compiler, or it fails.
        """
        dtype = next(self.parameters()).dtype
        self.compiled = self.compiled_form(self.model, self.splines, dtype)

    def compiled_for(self, edges: Edges) -> CompiledModel[Any, Any] | None:
        """The compiled code, if there is any and the edges are on the CPU."""
        return self.compiled if edges.vectors.device.type == "cpu" else None

    def _apply(self, fn, recurse=True):
        """What compiled code reads is packed anew after a change of precision."""
        if self.compiled is not None:
            self.compiled.forget()
        return super()._apply(fn, recurse)
