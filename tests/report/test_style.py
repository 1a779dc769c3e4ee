"""Axes that people can read, numbers without noise, and writing that lies on nothing drawn."""

import json

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camp.report.paper import significant
from camp.report.style import plain_logarithmic

from .conftest import (
    draw,
    write_analysis,
    write_evaluation,
    write_pair_scan,
    write_predictions,
)
from .test_figures import write_metrics
from .test_interlayer import make_scan
from .test_simulation_figures import write_reference


def labels_of(axis: Axes) -> list[str]:
    """The labels on a vertical axis."""
    low, high = axis.get_ylim()
    ticks = axis.get_yticklabels() + axis.get_yticklabels(minor=True)
    return [t.get_text() for t in ticks if t.get_text() and low <= t.get_position()[1] <= high]


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0.8, 30, ["1", "2", "5", "10", "20"]),
        (22, 38, ["25", "30", "35"]),
        (22, 88, ["30", "40", "60", "80"]),
        (1e-3, 1e4, ["0.001", "0.01", "0.1", "1", "10", "100", "1000", "10000"]),
    ],
)
def test_logarithmic_axes_have_several_plain_numbers(low, high, shown):
    axis = Figure().subplots()
    axis.set(yscale="log", ylim=(low, high))
    plain_logarithmic(axis.yaxis)
    assert labels_of(axis) == shown


@pytest.mark.parametrize("ratio", [1.02, 1.3, 2, 5, 9, 30, 300, 1e7])
def test_logarithmic_axes_have_two_different_numbers_wherever_they_end(ratio):
    axis = Figure().subplots()
    plain_logarithmic(axis.yaxis)
    for low in np.geomspace(1e-4, 1e4, 57):
        axis.set(yscale="log", ylim=(low, ratio * low))
        plain_logarithmic(axis.yaxis)
        assert len(set(labels_of(axis))) >= 2, f"from {low} to {ratio * low}"


def digits_behind_the_point(text: str) -> int:
    return len(text.partition(".")[2])


@pytest.mark.parametrize("std", [None, 0.0, 3e-4, 0.049, 0.0999, 1.64, 82.3, 12345.6])
def test_numbers_have_no_digits_beyond_their_uncertainty(std):
    for value in (0.0, 1.96, -2.7e-6, 9.996, 70.12, 75085.2, -123456.7):
        text = significant(value, std)
        shown, _, deviation = text.rstrip(")").partition(" (")
        digits = shown.replace(".", "").lstrip("-0")
        assert len(digits) <= 3 or not digits[3:].strip("0")
        if std:
            assert digits_behind_the_point(shown) == digits_behind_the_point(deviation)
            # At most two digits, whose rounding is at most a twentieth of the number.
            assert len(deviation.replace(".", "").strip("0")) <= 2
        if std is None:
            assert float(shown) == pytest.approx(value, rel=5.1e-3)


def test_numbers_by_hand():
    assert significant(1.9642, 1.641) == "2.0 (1.6)"
    assert significant(2.6285, 0.3238) == "2.63 (0.32)"
    assert significant(75085.0, None) == "75100"
    assert significant(-0.0004, 0.5) == "0.00 (0.50)"
    # Without a standard deviation beside it, the first unsure digit is the last.
    assert significant(6.2468, None, 1.7) == "6"
    assert significant(6.2468, None, 0.03) == "6.25"


def drawn_in(panel: Axes) -> np.ndarray:
    """Points in pixels, close together on all that is plotted in data coordinates."""
    lines = [
        panel.transData.transform(line.get_xydata())
        for line in panel.lines
        if line.get_transform() == panel.transData and len(line.get_xydata())
    ]
    lines += [
        panel.transData.transform(path.vertices)
        for one in panel.collections
        if one.get_transform() == panel.transData
        for path in one.get_paths()
    ]
    lines += [patch.get_transform().transform(patch.get_path().vertices) for patch in panel.patches]
    steps = np.linspace(0, 1, 50)[:, None, None]
    points = [(line[:-1] + steps * np.diff(line, axis=0)).reshape(-1, 2) for line in lines]
    ends = [line[-1:] for line in lines]
    return np.concatenate([np.empty((0, 2)), *points, *ends])


def assert_writing_is_clear(figure: Figure) -> None:
    """No text and no legend of a panel lies on what is plotted inside of it."""
    figure.draw_without_rendering()
    for panel in figure.axes:
        points = drawn_in(panel)
        frame = panel.get_window_extent()
        visible = [frame.x0, frame.y0] <= points
        visible &= points <= [frame.x1, frame.y1]
        points = points[visible.all(axis=1)]
        legend = panel.get_legend()
        writing = [text for text in panel.texts if text.get_text()]
        for artist in [*writing, *([legend] if legend else [])]:
            box = artist.get_window_extent()
            inside = (points > [box.x0, box.y0]) & (points < [box.x1, box.y1])
            name = panel.get_ylabel()
            assert not inside.all(axis=1).any(), f"{artist} lies on what is drawn: {name}"


@pytest.mark.parametrize(("runs", "length"), [(1, 0.2), (3, 50.0)])
def test_writing_lies_on_nothing_in_figures_of_simulations(tmp_path, camp, runs, length):
    spread = 1e-5 * np.array([1.0, 0.2, 3.0])[:runs]
    names = [("lips", 520), ("lips-1fs", 520), ("nve-smooth", 300), ("nve-published", 300)]
    names += [(f"water-{kelvin}K", kelvin) for kelvin in (300, 600, 900, 1200, 1500)]
    for name, kelvin in names:
        write_analysis(
            tmp_path,
            name,
            species="O" if "water" in name else "Li",
            diffusion=spread * kelvin / 300,
            stable=runs * [length],
            length=length,
            temperature=kelvin,
            drift=(-1) ** ("smooth" in name) * 0.075,
        )
    scans = [write_pair_scan(tmp_path, True, 0.0), write_pair_scan(tmp_path, False, 0.2)]
    references = {"aimd": write_reference(tmp_path / "aimd", tmp_path / "lips/analysis.json", 1.4)}
    for name in ("figure-3", "figure-4", "figure-s2", "figure-s3", "figure-drift"):
        given = {"scans": scans} if name == "figure-drift" else {}
        given |= {"references": references} if name == "figure-3" else {}
        found = [tmp_path / one for one, _ in names]
        assert_writing_is_clear(draw(camp, name, analyses=found, **given))


@pytest.mark.parametrize("slope", [-90.0, 5.0])
def test_writing_lies_on_nothing_along_the_path_of_bilayers(tmp_path, camp, slope):
    """Whatever a model of a few steps says of the stackings."""
    files = []
    for seed in (1, 2, 3):
        scan = make_scan(seed, raised=float(seed))
        energies = [0.0, seed * slope / 3, seed * slope]
        scan["path"] |= {"model_meV_per_atom": energies}
        files.append(tmp_path / f"{seed}.json")
        files[-1].write_text(json.dumps(scan))
    figure = draw(camp, "figure-6", scans=files)
    figure.delaxes(figure.axes[4])  # of colours, all over
    assert_writing_is_clear(figure)


def test_writing_lies_on_nothing_in_trainings_and_parities(tmp_path, this_work):
    file = write_evaluation(tmp_path, "lips-10", 1)
    write_predictions(file)
    assert_writing_is_clear(draw(this_work, "parity", task="lips-10", evaluations=[file]))
    metrics = [write_metrics(tmp_path, 1, epochs=30)]
    given = {"task": "lips-10", "metrics": metrics, "data": "real"}
    assert_writing_is_clear(draw(this_work, "training", **given))
