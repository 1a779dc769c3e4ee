"""Training with radial functions on a grid, where a batch has many more edges than the grid points.

The networks of the radial functions then cost the same for any number of edges, in time and in the
memory of what their gradient needs; see :mod:`camp.runtime.interpolation`.
"""

from camp.data.dataset import GraphDataset
from camp.potential.potential import Potential
from camp.runtime.accelerated import TabulatedModel
from camp.runtime.interpolation import intervals
from camp.settings.architectures import find_architecture


def with_radial_grid(potential: Potential) -> Potential:
    """The same potential, parameters included, for one evaluation while they are what they are."""
    form = _tabulated_form(potential)
    assert form is not None
    return potential.with_network(form.in_training(potential.model, potential.cutoff))


def is_worth_a_grid(potential: Potential, training: GraphDataset, batch_size: int) -> bool:
    """Whether batches have so many neighbour slots that a grid is cheaper."""
    if (form := _tabulated_form(potential)) is None:
        return False
    points = form.pairs(len(potential.species)) * (intervals(potential.cutoff) + 1)
    return batch_size * training.most_slots > form.slots_for_a_point * points


def _tabulated_form(potential: Potential) -> type[TabulatedModel] | None:
    record = find_architecture(potential.architecture)
    form = record.resolve(record.runtime) if record.runtime else None
    is_known = isinstance(form, type) and issubclass(form, TabulatedModel)
    return form if is_known else None
