"""Radial functions on a grid in training, and from tables in validation, where there are many more
edges than points of these.

The networks of the radial functions then cost the same for any number of edges, in time and in the
memory of what their gradient needs; see :mod:`camp.runtime.interpolation`.
"""

import torch

from camp.data.dataset import GraphDataset
from camp.potential.potential import Potential
from camp.runtime.accelerated import TabulatedModel
from camp.runtime.interpolation import intervals
from camp.runtime.splines import FEWEST_INTERVALS, table_points
from camp.settings.architectures import find_architecture

# In a validation set, for each point that a table is made from; these take slopes and float64.
SLOTS_FOR_A_POINT = 5


def with_radial_grid(potential: Potential) -> Potential:
    """The same potential, parameters included, for one evaluation while they are what they are."""
    form = _tabulated_form(potential)
    assert form is not None
    return potential.with_network(form.in_training(potential.model, potential.cutoff))


def is_worth_a_grid(
    potential: Potential, training: GraphDataset, batch_size: int, device: torch.device
) -> bool:
    """Whether batches have so many neighbour slots that a grid is cheaper on this device."""
    if (form := _tabulated_form(potential)) is None:
        return False
    points = form.pairs(len(potential.species)) * (intervals(potential.cutoff) + 1)
    enough = form.slots_for_a_point(potential.model, device) * points
    return batch_size * training.most_slots > enough


def is_worth_tables(potential: Potential, validation: GraphDataset, structures: int) -> bool:
    """Whether so many structures have so many neighbour slots that it is cheaper to make tables for
    their evaluation.
    """
    if (form := _tabulated_form(potential)) is None:
        return False
    points = form.pairs(len(potential.species)) * table_points(FEWEST_INTERVALS)
    return structures * validation.most_slots > SLOTS_FOR_A_POINT * points


def _tabulated_form(potential: Potential) -> type[TabulatedModel] | None:
    record = find_architecture(potential.architecture)
    form = record.resolve(record.runtime) if record.runtime else None
    is_known = isinstance(form, type) and issubclass(form, TabulatedModel)
    return form if is_known else None
