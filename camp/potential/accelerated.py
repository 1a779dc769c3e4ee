"""Fast evaluation of a trained potential: energies, forces and virials, no training."""

import sys
from dataclasses import replace

import torch
from torch import nn

from camp.errors import InputError
from camp.graph import AtomicGraph
from camp.models.description import Description
from camp.potential.derivatives import Results
from camp.potential.ensemble import Ensemble
from camp.potential.graphed import (
    RECORDS,
    GraphedEvaluation,
    check,
    say_why_plain,
    within_cutoff,
)
from camp.potential.potential import Potential
from camp.potential.prediction import Predictor
from camp.runtime.geometry import evaluate_compiled
from camp.settings.architectures import find_architecture

# Neighbour slots that are evaluated at once on a GPU; more of them take up to 5 kB each.
MOST_GRAPHED_SLOTS = 4_000_000


class AcceleratedNetwork(nn.Module):
    """What an architecture's ``runtime`` makes of a trained network: the same function of edges."""

    model: nn.Module  # a copy of the network

    def compile_for_cpu(self) -> None:
        """Use compiled code from now on while on the CPU.

        :raises InputError: there is no compiler, or it fails.
        """
        raise NotImplementedError


class AcceleratedPotential(Potential):
    """A potential for evaluation only, with the results of the one it is made from.

    It may be moved to another device or precision like any other; tables keep the precision in
    which it was made.

    :param potential: is copied.
    :param compiled: on the CPU, use compiled code for the sums over neighbours; on a GPU, compile
        the whole evaluation at its first use (a minute), compare it with plain torch, and replay
        it as a CUDA graph. Where that fails a line on stderr says that plain torch does it.
    :raises InputError: an architecture without acceleration, or see :class:`SplineTables`.
    """

    def __init__(self, potential: Potential, *, compiled: bool = True):
        record = find_architecture(potential.architecture)
        if record.runtime is None:
            raise InputError(f"no acceleration for the architecture {potential.architecture!r}")
        # The random numbers that the model starts from are replaced and must not be missed.
        with torch.random.fork_rng(devices=[]):
            super().__init__(
                potential.settings,
                species=potential.species,
                targets=tuple(potential.targets.values()),
                energy_scale=potential.energy_scale.tolist(),
                energy_shift=potential.energy_shift.tolist(),
                normalisation=potential.normalisation,
                origin=potential.origin,
            )
        is_fast = isinstance(potential, AcceleratedPotential)
        trained = potential.model.model if is_fast else potential.model
        self.model: AcceleratedNetwork = record.resolve(record.runtime)(trained)
        self.compiled = compiled and _compile(self.model)
        self.graphed = compiled
        self._evaluation: GraphedEvaluation | None = None
        self.to(potential.device, potential.dtype)
        self.requires_grad_(False)

    def description(self) -> Description:
        """That of the potential it was made from."""
        return replace(super().description(), parameters=self.model.model.state_dict())

    def _apply(self, fn, recurse=True):
        """What was traced holds for one device and precision."""
        self._evaluation = None
        return super()._apply(fn, recurse)

    def __getstate__(self):
        """Recorded kernels are not for a copy."""
        return {**super().__getstate__(), "_evaluation": None}

    @property
    def is_accelerated(self) -> bool:
        return True

    @property
    def skips_distant(self) -> bool:
        return self.device.type in RECORDS or self._compiled_here

    @property
    def _compiled_here(self) -> bool:
        return self.compiled and self.device.type == "cpu"

    def forward(self, graph: AtomicGraph) -> Results:
        """As for any potential; a graph on another device is brought to this one."""
        if not self.skips_distant:
            return super().forward(graph)
        if self._compiled_here and not torch.is_grad_enabled():
            graph = graph.to(self.device)
            species = self.species_index[graph.numbers]
            tensors, values = evaluate_compiled(
                self.atomic_values, species, graph, self.dtype, self.cutoff
            )
            return Results(*tensors, self.properties_of(values, species, graph))
        fits = graph.mask.numel() <= MOST_GRAPHED_SLOTS and not self.properties
        if self.graphed and fits and self.device.type in RECORDS and not torch.is_grad_enabled():
            try:
                if self._evaluation is None:
                    evaluation = GraphedEvaluation(self, record=RECORDS[self.device.type])
                    check(evaluation, self)
                    self._evaluation = evaluation
                return self._evaluation(graph)
            except Exception as error:
                say_why_plain(self.device, error)
                self.graphed, self._evaluation = False, None
        return super().forward(within_cutoff(graph.to(self.device), self.cutoff))


def accelerated(model: Predictor, *, compiled: bool) -> Predictor:
    """A potential, or every member of an ensemble, accelerated; or the model itself, and then a
    line on stderr says why.

    :param compiled: see :class:`AcceleratedPotential`.
    """
    if model.is_accelerated:
        return model
    try:
        if isinstance(model, Ensemble):
            members = model.potentials
            return Ensemble(AcceleratedPotential(one, compiled=compiled) for one in members)
        assert isinstance(model, Potential)
        return AcceleratedPotential(model, compiled=compiled)
    except InputError as error:
        print(f"{error}: evaluation without acceleration", file=sys.stderr)
        return model


def _compile(model: AcceleratedNetwork) -> bool:
    """Let a model use compiled code if possible; says on stderr why it is not."""
    try:
        model.compile_for_cpu()
    except InputError as error:
        print(f"{error}: evaluation without compiled code", file=sys.stderr)
        return False
    return True
