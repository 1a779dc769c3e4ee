"""Learning curves of declared tasks: values, spreads and slopes, and what is missing by name."""

import json
from dataclasses import replace

import numpy as np
import pytest

from camp.errors import InputError
from camp.report.declarations import FigureDeclaration, Paper, load_paper

from .conftest import PAPERS, draw, texts, write_evaluation

CURVES = {"one": ("first", "second", "third"), "other": ("fourth",)}
SIZES = {"third": 20, "first": 80, "second": 320, "fourth": 50}


@pytest.fixture
def paper() -> Paper:
    figure = FigureDeclaration(
        name="Curves",
        caption="",
        draw="camp.report.learning_curve:learning_curves",
        targets=("dipole", "polarizability"),
        curves=CURVES,
    )
    return replace(load_paper(PAPERS / "carnet"), figures={"curves": figure})


def write(folder, task, seed=1, *, factor=1.0, **more):
    """Errors 0.6 e·Å · n^−0.5 and 9 Å³ · n^−0.75, times a factor."""
    size = SIZES[task]
    metrics = {"dipole_mae": 0.6 * factor * size**-0.5}
    metrics["polarizability_mae"] = 9.0 * factor * size**-0.75
    given = {
        "architecture": "carnet",
        "targets": {"dipole": "e·Å", "polarizability": "Å³"},
        "metrics": metrics,
        "train_size": size,
    }
    return write_evaluation(folder, task, seed, **{**given, **more})


def test_means_spreads_and_slopes_over_the_sizes_that_the_evaluations_tell(tmp_path, paper):
    for task in SIZES:
        for seed, factor in ((1, 0.9), (2, 1.1)):
            write(tmp_path, task, seed, factor=factor)
    figure = draw(paper, "curves", evaluations=[tmp_path])
    dipole, polarizability = figure.axes
    assert dipole.get_xscale() == dipole.get_yscale() == "log"
    assert dipole.get_ylabel() == "Dipole MAE (e·Å)"
    assert polarizability.get_ylabel() == "Polarizability MAE (Å³)"
    points, _, (bars,) = dipole.containers[0].lines
    sizes = np.array([20.0, 80.0, 320.0])
    assert list(points.get_xdata()) == sizes.tolist()
    assert points.get_ydata() == pytest.approx(0.6 / np.sqrt(sizes))
    # Of 0.9 and 1.1 the standard deviation (ddof = 1) is √0.02.
    lengths = [np.ptp(segment[:, 1]) for segment in bars.get_segments()]
    assert lengths == pytest.approx(2 * np.sqrt(0.02) * 0.6 / np.sqrt(sizes))
    labels = [text.get_text() for text in dipole.get_legend().get_texts()]
    # One size has no slope.
    assert labels == ["one, slope −0.50", "other"]
    assert "one, slope −0.75" in texts(figure)
    assert "model: CarNet; data: real (subset); weights: own; seeds 1, 2" in texts(figure)
    assert "missing" not in texts(figure)


def test_what_is_missing_is_named_with_the_reason(tmp_path, paper):
    write(tmp_path, "first", generated=True)
    write(tmp_path, "second", metrics={"dipole_mae": 0.1}, unavailable={"polarizability": "no MAE"})
    failed = {"task": "fourth", "architecture": "carnet", "reason": "job train failed"}
    (tmp_path / "failed.json").write_text(json.dumps(failed))
    figure = draw(paper, "curves", evaluations=[tmp_path])
    said = texts(figure)
    assert "second: missing because no MAE." in said
    assert "third: missing because there is no evaluation at scale quick." in said
    assert "fourth: missing because job train failed." in said
    assert "not comparable" in said
    dipole, polarizability = figure.axes
    assert [len(panel.containers) for panel in figure.axes] == [1, 1]
    assert list(dipole.containers[0].lines[0].get_xdata()) == [80, 320]
    assert list(polarizability.containers[0].lines[0].get_xdata()) == [80]


def test_tasks_with_one_reason_are_named_together(tmp_path, paper):
    figure = draw(paper, "curves")
    reason = "there is no evaluation at scale quick"
    assert f"first, second, third, fourth: missing because {reason}." in texts(figure)
    assert [panel.texts[0].get_text().replace("\n", " ") for panel in figure.axes] == [
        f"missing: {reason}"
    ] * 2
    file = write(tmp_path, "first", train_size=None)
    said = texts(draw(paper, "curves", evaluations=[file]))
    assert "first: missing because the evaluation does not tell the number of training" in said


def test_models_that_do_not_belong_together_are_refused(tmp_path, paper):
    write(tmp_path, "first")
    other = write(tmp_path, "second", targets={"dipole": "e·a₀", "polarizability": "Å³"})
    with pytest.raises(InputError, match="the curves have the dipole in e·Å and in e·a₀; give one"):
        draw(paper, "curves", evaluations=[tmp_path])
    other.unlink()
    write(tmp_path, "first", None, weights="published")
    with pytest.raises(InputError, match=r"first is given with several models or weights"):
        draw(paper, "curves", evaluations=[tmp_path])
