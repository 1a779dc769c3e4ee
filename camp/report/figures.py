"""Figures by name, as their paper declares them."""

from matplotlib.figure import Figure

from camp.errors import InputError
from camp.report.declarations import resolve
from camp.report.inputs import Inputs


def draw_figure(name: str, inputs: Inputs) -> Figure:
    """The figure of this name.

    Figures are drawn whatever is missing: a panel without its input says why.

    :param inputs: a figure of one task needs the task's name.
    :raises InputError: unknown name, a reference that the figure does not have, or a bad input.
    """
    figure = inputs.paper.figure(name)
    if unknown := sorted(inputs.references.keys() - set(figure.references)):
        known = ", ".join(figure.references) or "none"
        raise InputError(f"{name} has no reference {unknown[0]!r}; its references are: {known}")
    if figure.covers == "task" and not inputs.task:
        raise InputError(f"{name} shows one task; give --task")
    return resolve(figure.draw)(figure, inputs)
