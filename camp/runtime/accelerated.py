"""What the accelerated forms of all models share: tables, and code for each precision."""

import copy
from abc import ABC, abstractmethod
from functools import partial
from typing import Any, ClassVar, Generic, Self, TypeVar

import torch
from torch import Tensor, nn

from camp.graph.edges import Edges
from camp.runtime.interpolation import GridTables
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
    :param cutoff: Å.
    :raises InputError: the radial functions cannot be tabulated.
    """

    #: Its compiled form.
    compiled_form: ClassVar[type[CompiledModel[Any, Any]]]
    splines: SplineTables | GridTables

    @staticmethod
    def pairs(species: int) -> int:
        """How many pairs of species have radial functions of their own."""
        return 1

    @staticmethod
    def slots_for_a_point(model: Any, device: torch.device) -> float:
        """With how many neighbour slots for each point of a grid training on it is cheaper."""
        return 2

    @staticmethod
    @abstractmethod
    def radial_functions(model: Any, lengths: Tensor) -> list[Tensor]:
        """Of a model at distances (k,) in Å, as :class:`SplineTables` takes them."""

    def __init__(self, model: M, cutoff: float):
        super().__init__()
        self.model = copy.deepcopy(model)
        self.compiled: CompiledModel[Any, Any] | None = None
        exact = copy.deepcopy(model).to("cpu", torch.float64)
        self.splines = SplineTables(partial(self.radial_functions, exact), cutoff)
        self.to(next(model.parameters()))

    @classmethod
    def in_training(cls, model: M, cutoff: float) -> Self:
        """The model itself as its parameters are now, with gradients to them."""
        live = cls.__new__(cls)
        nn.Module.__init__(live)
        live.model = model
        live.compiled = None
        like = next(model.parameters())
        live.splines = GridTables(partial(cls.radial_functions, model), cutoff, like)
        return live

    def compile_for_cpu(self) -> None:
        """Use compiled code from now on while on the CPU.

        :raises InputError: a model that is not compiled, no compiler, or it fails.
        """
        dtype = next(self.parameters()).dtype
        assert isinstance(self.splines, SplineTables)
        self.compiled = self.compiled_form(self.model, self.splines, dtype)

    def compiled_for(self, edges: Edges) -> CompiledModel[Any, Any] | None:
        """The compiled code, if there is any and the edges are on the CPU."""
        return self.compiled if edges.vectors.device.type == "cpu" else None

    def _apply(self, fn, recurse=True):
        """What compiled code reads is packed anew after a change of precision."""
        if self.compiled is not None:
            self.compiled.forget()
        return super()._apply(fn, recurse)
