"""The training loss: a weighted sum over targets."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from camp.data.labelled import LabelledBatch
from camp.potential.derivatives import Results
from camp.potential.properties import Property, with_sign_of
from camp.targets import ENERGY, FORCES, STRESS

# What counts of each error.
_Square = Callable[[Tensor], Tensor]


def training_loss(
    predicted: Results,
    batch: LabelledBatch,
    weights: Mapping[str, float],
    property_of: Callable[[str], Property],
    *,
    total_energies: bool = False,
    huber_delta: float | None = None,
) -> Tensor:
    """Eqs. 13 and 14, w_E (ΔE/N)² + w_F Σ|ΔF|²/3N, and for every other target w |ΔT|²/(3^rank σ²),
    summed over the structures of a batch; for a target of atoms the mean over those of a structure.
    What is not given (NaN) does not count; every structure counts by its weight. Where the sign of
    a target is free, T or −T is taken for each structure, whichever is nearer.

    :param weights: by target.
    :param total_energies: (ΔE)² instead of (ΔE/N)².
    :param huber_delta: size of an error from which on it counts linearly, see :func:`huber`: eV
        for energies, per atom or in total, and for virials per atom, eV/Å for components of
        forces, σ for all else.
    :param property_of: the model's other targets by name, with their spread σ.
    :return: a scalar, float64.
    """
    square = Tensor.square if huber_delta is None else partial(huber, delta=huber_delta)
    terms = []
    for name, labels in batch.labels.items():
        if name == ENERGY.name and total_energies:
            error = difference(predicted.energies, labels)
            terms.append(weights[name] * (square(error) * batch.weights).sum())
        elif term := _SPECIAL.get(name):
            terms.append(weights[name] * term(predicted, labels, batch, square))
        else:
            found, of = predicted.properties[name], property_of(name)
            terms.append(weights[name] * _mean_square(found, labels, batch, of, square))
    return sum(terms[1:], start=terms[0])


def absolute_error(
    name: str, predicted: Results, batch: LabelledBatch, property_of: Callable[[str], Property]
) -> Tensor:
    """|predicted − labelled| of one target: of energies per atom (s,), of all else by component;
    arguments as for :func:`training_loss`.
    """
    labels = batch.labels[name]
    if name == ENERGY.name:
        return ((predicted.energies - labels) / batch.sizes).abs()
    if name == FORCES.name:
        return (predicted.forces - labels).abs()
    if name == STRESS.name:
        return (predicted.virials.double() / batch.graph.volumes()[:, None, None] - labels).abs()
    found = predicted.properties[name]
    return (found - _oriented(labels, found, batch, property_of(name))).abs()


def huber(error: Tensor, delta: float) -> Tensor:
    """Of each number x its square up to |x| = δ, and then the tangent 2 δ |x| − δ²: twice the loss
    of Huber, Ann. Math. Stat. 35, 73 (1964), so that weights mean the same as with squares.
    """
    size = error.abs()
    return torch.where(size <= delta, error.square(), delta * (2.0 * size - delta))


def difference(predicted: Tensor, labels: Tensor) -> Tensor:
    """Predicted minus labelled; zero where the label is NaN."""
    return torch.where(labels.isnan(), 0.0, predicted - labels)


def _energy(predicted: Results, labels: Tensor, batch: LabelledBatch, square: _Square) -> Tensor:
    error = difference(predicted.energies, labels) / batch.sizes
    return (square(error) * batch.weights).sum()


def _forces(predicted: Results, labels: Tensor, batch: LabelledBatch, square: _Square) -> Tensor:
    per_atom = square(difference(predicted.forces, labels)).sum(1)
    per_atom = per_atom.double() / (3.0 * batch.sizes[batch.graph.system])
    return (per_atom * batch.weights[batch.graph.system]).sum()


def _stress(predicted: Results, labels: Tensor, batch: LabelledBatch, square: _Square) -> Tensor:
    """Of the virial per atom, which is an energy as that of Eq. 13."""
    volumes = batch.graph.volumes()[:, None, None]
    error = difference(predicted.virials.double(), volumes * labels) / batch.sizes[:, None, None]
    return (square(error).flatten(1).mean(1) * batch.weights).sum()


def _mean_square(
    predicted: Tensor, labels: Tensor, batch: LabelledBatch, of: Property, square: _Square
) -> Tensor:
    error = difference(predicted, _oriented(labels, predicted, batch, of)) / of.spread
    squares = square(error).reshape(len(error), -1).mean(1)
    weights = batch.weights.to(squares.dtype)
    if not of.target.of_atoms:
        return (squares * weights).sum()
    given = ~labels.reshape(len(labels), -1).isnan().all(1)
    counts = torch.zeros_like(batch.sizes).index_add(0, batch.graph.system, given.long())
    squares = squares / counts.clamp(min=1)[batch.graph.system]
    return (squares * weights[batch.graph.system]).sum()


def _oriented(labels: Tensor, predicted: Tensor, batch: LabelledBatch, of: Property) -> Tensor:
    """Labels as they are, or with the sign of the predictions where their own is not known."""
    if of.target.sign == "fixed":
        return labels
    return with_sign_of(labels, predicted, batch.graph.system if of.target.of_atoms else None)


_Term = Callable[[Results, Tensor, LabelledBatch, _Square], Tensor]
_SPECIAL: dict[str, _Term] = {
    ENERGY.name: _energy,
    FORCES.name: _forces,
    STRESS.name: _stress,
}
