"""Figures: valid files, provenance, the fitted slope, and what stands where data are missing."""

import json
from pathlib import Path

import numpy as np
import pytest

from camp.cli import main
from camp.errors import InputError
from camp.report.learning_curve import power_law
from camp.report.style import COLOURS

from .conftest import PAPERS, draw, texts, write_evaluation, write_predictions


def write_metrics(folder: Path, seed: int, epochs: int = 4) -> Path:
    path = folder / f"seed-{seed}" / "metrics.csv"
    path.parent.mkdir(parents=True)
    lines = ["epoch,step,train_loss,validation_energy_mae,validation_forces_mae"]
    lines += [f"{k},{5 * (k + 1)},1.0,{0.002 / (k + 1)},{0.2 / (k + 1)}" for k in range(epochs)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def lips(tmp_path) -> Path:
    """Evaluations whose errors are 5 meV/atom · n^−0.5 and 250 meV/Å · n^−0.25."""
    folder = tmp_path / "evaluation"
    for task, size in (("lips-10", 10), ("lips-100", 100), ("lips-1000", 400)):
        for seed in (1, 2):
            write_evaluation(
                folder,
                task,
                seed,
                energy=0.005 * size**-0.5,
                forces=0.25 * size**-0.25,
                data="generated (GFN-xTB)",
                generated=True,
                train_size=size,
            )
    return folder


def test_exact_power_law_is_recovered():
    sizes = np.array([10.0, 100.0, 1000.0, 2500.0])
    prefactor, exponent = power_law(sizes, 7.0 * sizes**-0.62)
    assert prefactor == pytest.approx(7.0)
    assert exponent == pytest.approx(-0.62)


def test_palette_is_the_colour_blind_one():
    seaborn = pytest.importorskip("seaborn")
    assert list(COLOURS) == list(seaborn.color_palette("colorblind").as_hex())


def test_learning_curve(lips, camp):
    figure = draw(camp, "figure-2", evaluations=[lips])
    assert len(figure.axes) == 2
    said = texts(figure)
    assert "this work, own weights, slope −0.50" in said
    assert "this work, own weights, slope −0.25" in said
    assert "paper (reported)" in said
    assert "Energy MAE (meV/atom)" in said and "Forces MAE (meV/Å)" in said
    assert "data: generated (GFN-xTB); weights: own; seeds 1, 2" in said
    assert "scale quick" in said
    assert "not comparable" in said
    energies, forces = figure.axes
    for panel in (energies, forces):
        assert panel.get_xscale() == panel.get_yscale() == "log"
    # Table 1: 10 → 1.63, 2500 → 0.08
    reported = energies.containers[0].lines[0]
    assert list(reported.get_xdata()) == [10, 100, 1000, 2500]
    assert list(reported.get_ydata()) == [1.63, 0.44, 0.12, 0.08]
    assert reported.get_markerfacecolor() == "none"
    ours = energies.containers[1].lines[0]
    assert list(ours.get_xdata()) == [10, 100, 400]
    assert ours.get_ydata() == pytest.approx([5 / 10**0.5, 0.5, 0.25])


@pytest.mark.parametrize("sizes", [[], ["lips-10"]])
def test_learning_curve_with_too_few_sizes_has_no_slope(tmp_path, camp, sizes):
    files = [write_evaluation(tmp_path, task, 1) for task in sizes]
    figure = draw(camp, "figure-2", evaluations=files)
    said = texts(figure)
    assert "paper (reported), slope" in said
    assert "weights, slope" not in said
    assert ("own weights" in said) == bool(sizes)


def test_learning_curve_says_why_a_size_is_missing(lips, camp):
    reason = {"task": "lips-2500", "architecture": "camp", "reason": "job train failed"}
    (lips / "reason.json").write_text(json.dumps(reason))
    said = texts(draw(camp, "figure-2", evaluations=[lips]))
    assert "lips-2500: missing because job train failed" in said


def test_training_curves(tmp_path, this_work):
    metrics = [write_metrics(tmp_path, seed) for seed in (1, 2)]
    given = {"task": "lips-10", "metrics": metrics, "data": "generated (GFN-xTB)"}
    figure = draw(this_work, "training", **given)
    said = texts(figure)
    assert "Training of lips-10" in figure.get_suptitle()
    assert "seed 1" in said and "seed 2" in said
    assert "data: generated (GFN-xTB); weights: own; seed 1, seed 2" in said
    lines = figure.axes[1].get_lines()
    assert list(lines[0].get_xdata()) == [5, 10, 15, 20]
    assert lines[0].get_ydata() == pytest.approx([200, 100, 200 / 3, 50])


@pytest.mark.parametrize("frames", [40, 1200])
def test_parity_and_errors(tmp_path, frames, this_work):
    files = [write_evaluation(tmp_path, "lips-10", seed) for seed in (1, 2)]
    for seed, file in enumerate(files):
        write_predictions(file, frames, seed)
    figure = draw(this_work, "parity", task="lips-10", evaluations=files)
    said = texts(figure)
    # energy 1 meV/atom and forces 50 meV/Å for both seeds
    assert "MAE 1.00 (0.00) meV/atom" in said
    assert "MAE 50.0 (0.0) meV/Å" in said
    assert "Reference force (eV/Å)" in said
    assert "data: real (subset); weights: own; seeds 1, 2" in said
    figure = draw(this_work, "errors", task="lips-10", evaluations=files)
    said = texts(figure)
    assert "Li, MAE" in said and "P, MAE" in said
    assert "Energy error (meV/atom)" in said
    counts = sum(patch.get_height() for patch in figure.axes[0].patches)
    assert counts == 2 * frames
    arrays = [np.load(file.with_suffix(".npz")) for file in files]
    errors = [1e3 * (a["energies"] - a["reference_energies"]) / a["atoms"] for a in arrays]
    heights, edges = np.histogram(np.concatenate(errors), bins=30)
    bars = figure.axes[0].patches
    assert [bar.get_height() for bar in bars] == heights.tolist()
    np.testing.assert_allclose([bar.get_x() for bar in bars], edges[:-1])


def test_errors_by_species_by_hand(tmp_path, this_work):
    file = write_evaluation(tmp_path, "water", 1)
    np.savez(
        file.with_suffix(".npz"),
        energies=[-1.0],
        reference_energies=[-1.0],
        atoms=[2],
        forces=[[0.010, -0.010, 0.010], [0.0, 0.0, 0.060]],
        reference_forces=np.zeros((2, 3)),
        numbers=[8, 1],
    )
    said = texts(draw(this_work, "errors", task="water", evaluations=[file]))
    assert "O, MAE 10 meV/Å" in said
    assert "H, MAE 20 meV/Å" in said


@pytest.mark.parametrize("kind", ["parity", "errors"])
def test_energies_that_may_not_be_reported_are_not_drawn(tmp_path, this_work, kind):
    reason = {"energy": "energies of this set are interpolated"}
    file = write_evaluation(tmp_path, "md17-ethanol", 1, energy=None, unavailable=reason)
    write_predictions(file)
    figure = draw(this_work, kind, task="md17-ethanol", evaluations=[file])
    assert "missing: energies of this set are interpolated" in texts(figure)
    assert not figure.axes[0].lines and not figure.axes[0].patches


@pytest.mark.parametrize("kind", ["parity", "errors"])
def test_model_that_could_not_be_had(tmp_path, this_work, kind):
    reason = {"energy": "file not available: weights", "forces": "file not available: weights"}
    file = write_evaluation(tmp_path, "water", 1, energy=None, forces=None, unavailable=reason)
    figure = draw(this_work, kind, task="water", evaluations=[file])
    assert texts(figure).count("missing: file not available: weights") == 2


@pytest.mark.parametrize("kind", ["parity", "errors", "training"])
def test_unavailable_task_gives_a_figure_with_the_reason(tmp_path, this_work, kind):
    path = tmp_path / "unavailable.json"
    reason = "file not available: test set"
    path.write_text(json.dumps({"task": "water", "architecture": "camp", "reason": reason}))
    figure = draw(this_work, kind, task="water", evaluations=[path])
    assert f"missing: {reason}" in texts(figure)


def test_a_row_for_each_architecture_and_a_panel_for_each_target(tmp_path, this_work):
    camp, cace = (
        write_evaluation(tmp_path, "water", 1, architecture=name) for name in ("camp", "cace")
    )
    write_predictions(camp, 40)
    write_predictions(cace, 50)
    figure = draw(this_work, "errors", task="water", evaluations=[camp, cace])
    # Sorted by architecture: CACE stands above.
    counts = [sum(p.get_height() for p in figure.axes[k].patches) for k in (0, 2)]
    assert counts == [50, 40]
    for text in ("model: ", "seed 1"):
        assert text in texts(figure)


@pytest.mark.parametrize("kind", ["parity", "errors"])
def test_other_targets_are_drawn_by_their_names(tmp_path, this_work, kind):
    metrics = {"dipole_mae": 0.02, "dipole_rmse": 0.03}
    file = write_evaluation(tmp_path, "water", 1, targets={"dipole": "e·Å"}, metrics=metrics)
    random = np.random.default_rng(0)
    reference = random.normal(size=(20, 3))
    np.savez(
        file.with_suffix(".npz"),
        atoms=np.full(20, 3),
        numbers=np.tile([8, 1, 1], 20),
        dipole=reference + random.normal(size=(20, 3)),
        # The label of one structure is not given.
        reference_dipole=np.where(np.arange(20)[:, None] == 7, np.nan, reference),
    )
    figure = draw(this_work, kind, task="water", evaluations=[file])
    assert len(figure.axes) == 1
    said = texts(figure)
    if kind == "parity":
        assert "Reference dipole (e·Å)" in said
        assert "MAE 0.0200 e·Å RMSE 0.0300 e·Å" in said
    else:
        assert "Dipole error (e·Å)" in said
        assert sum(patch.get_height() for patch in figure.axes[0].patches) == 57


def test_files_are_png_and_pdf_and_repeatable(tmp_path, lips):
    arguments = ["figure", "figure-2", "--evaluations", str(lips)]
    arguments += ["--paper", str(PAPERS / "camp"), "--scale", "quick", "--out"]
    for folder in ("a", "b"):
        assert main([*arguments, str(tmp_path / folder / "figure-2.png")]) == 0
    png, pdf = (tmp_path / "a" / f"figure-2.{suffix}" for suffix in ("png", "pdf"))
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert pdf.read_bytes().startswith(b"%PDF-") and b"%%EOF" in pdf.read_bytes()[-16:]
    # 200 dots per inch; the size stands in bytes 16 to 24 of a PNG
    width, height = np.frombuffer(png.read_bytes()[16:24], ">u4")
    assert (width, height) == (1800, 880)
    assert sorted(path.name for path in png.parent.iterdir()) == ["figure-2.pdf", "figure-2.png"]
    for path in (png, pdf):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_refusals(tmp_path, lips, camp, this_work):
    with pytest.raises(InputError, match="no figure 'figure-9'; choose one of figure-2"):
        draw(camp, "figure-9")
    with pytest.raises(InputError, match="parity shows one task; give --task"):
        draw(this_work, "parity", evaluations=[lips])
    with pytest.raises(InputError, match="the training of water needs --metrics and --data"):
        draw(this_work, "training", task="water")
    with pytest.raises(InputError, match=r"seed-1\.npz: no such file"):
        draw(this_work, "parity", task="lips-10", evaluations=[lips])
    (lips / "lips-10" / "camp-seed-1.npz").write_text("not numpy")
    with pytest.raises(InputError, match=r"seed-1\.npz: not the arrays of an evaluation"):
        draw(this_work, "parity", task="lips-10", evaluations=[lips])
    empty = write_metrics(tmp_path, 1, epochs=0)
    with pytest.raises(InputError, match="no epoch was finished"):
        draw(this_work, "training", task="water", metrics=[empty], data="real")
    empty.write_text("epoch,loss\n1,2\n")
    with pytest.raises(InputError, match="not the metrics of a training"):
        draw(this_work, "training", task="water", metrics=[empty], data="real")
