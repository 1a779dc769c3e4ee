"""Axes that people can read."""

import pytest
from matplotlib.figure import Figure

from camp.report.style import plain_logarithmic


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0.8, 30, ["1", "2", "5", "10", "20"]),
        (22, 38, ["25", "30", "35"]),
        (1e-3, 1e4, ["0.001", "0.01", "0.1", "1", "10", "100", "1000", "10000"]),
    ],
)
def test_logarithmic_axes_have_several_plain_numbers(low, high, shown):
    axis = Figure().subplots()
    axis.set(yscale="log", ylim=(low, high))
    plain_logarithmic(axis.yaxis)
    labels = [t.get_text() for t in axis.get_yticklabels() + axis.get_yticklabels(minor=True)]
    assert [label for label in labels if label] == shown
