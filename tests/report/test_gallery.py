"""The page of what a scale has so far: its numbers with what they were made of, small pictures."""

import csv
import json
import os

import pytest
from PIL import Image

from camp.cli import main

from .conftest import (
    PAPERS,
    write_analysis,
    write_evaluation,
    write_predictions,
    write_training,
)
from .test_figures import write_metrics

DAY = 1_790_000_000  # 2026-09-21


@pytest.fixture
def results(tmp_path):
    """Two seeds of a task of CAMP's Table 1, and a simulation of its Figure 3."""
    folder = tmp_path / "results" / "quick"
    for seed in (1, 2):
        file = write_evaluation(folder / "evaluation", "lips-100", seed, forces=0.02 + 0.01 * seed)
        write_predictions(file)
        place = folder / "training/lips-100" / f"camp-seed-{seed}"
        write_metrics(folder / "training/lips-100", seed).parent.rename(place)
        summary = {"seed": seed, "steps": 3850, "seconds": 360.8}
        file = write_training(folder / "training", "lips-100", "camp", **summary)
        os.utime(file, (DAY, DAY))
    write_analysis(folder / "md", "lips", weights="published")
    return folder


def gallery(results, *figures):
    """(exit code, rows, page, folder)."""
    out = results.parents[1] / "page"
    command = ["gallery", str(results), "--machine", "two cores", "--papers", str(PAPERS)]
    code = main([*command, "--out", str(out), "--figures", *figures])
    if code:
        return code, [], "", out
    rows = list(csv.DictReader((out / "quick.csv").open(encoding="utf-8")))
    return code, rows, (out / "quick.md").read_text(encoding="utf-8"), out


def test_every_number_says_what_it_was_made_of(results):
    _, rows, page, _ = gallery(results)
    forces = next(row for row in rows if row["quantity"] == "Forces MAE")
    assert forces == {
        "of": "lips-100",
        "model": "CAMP",
        "weights": "own",
        "quantity": "Forces MAE",
        "unit": "meV/Å",
        "value": "35.0 (7.1)",
        "paper": "21.6 (0.6)",
        "made_from": "seeds 1, 2",
        "training": "3,850 steps, 6.01 min",
        "device": "cpu",
        "date": "2026-09-21",
        "data": "real (subset)",
        "note": "",
    }
    diffusivity = next(row for row in rows if row["quantity"] == "Diffusivity of Li")
    assert (diffusivity["value"], diffusivity["paper"]) == ("1.10 (0.14)", "1.08 (0.08)")
    assert diffusivity["made_from"] == "2 runs of 20 ps, 520 K, 0.25 fs"
    assert "Machine: two cores." in page
    assert "| Forces MAE (meV/Å) | 35.0 (7.1), paper: 21.6 (0.6) |" in page
    assert "| Training | 3,850 steps, 6.01 min |" in page


def test_rivals_stand_beside_our_models(results):
    """With what their evaluations say of their trainings; what else they wrote is not looked at."""
    rival = results / "rivals/lips-100/mace-seed-1.json"
    ours = json.loads((results / "evaluation/lips-100/camp-seed-1.json").read_text())
    told = {"seed": 1, "steps": 550, "seconds": 349.0, "seeds_together": [1], "device": "cpu"}
    rival.parent.mkdir(parents=True)
    rival.write_text(json.dumps(ours | {"architecture": "MACE", "training": told}))
    mean = ours | {"architecture": "mean of the training set", "weights": "", "seed": None}
    (rival.parent / "mean.json").write_text(json.dumps(mean))
    (rival.parent / "mace-seed-1").mkdir()
    (rival.parent / "mace-seed-1/record.json").write_text("{}")
    # Figures are of our models: rivals keep no predictions.
    _, rows, page, _ = gallery(results, "parity-lips-100")
    theirs = next(row for row in rows if row["model"] == "MACE")
    assert (theirs["training"], theirs["paper"]) == ("550 steps, 5.82 min", "")
    assert "|  | CAMP, own weights | MACE, own weights | mean of the training set |" in page


def test_pictures_are_small_and_say_where_they_are_from(results):
    names = ("parity-lips-100", "training-lips-100", "figure-2", "figure-3")
    _, _, page, out = gallery(results, *names)
    for name in names:
        assert f"](quick-{name}.png)" in page
        assert (out / f"quick-{name}.png").stat().st_size < 150_000
        with Image.open(out / f"quick-{name}.png") as picture:
            picture.verify()
    assert page.count("scale quick — ") == len(names)


def test_refusals(results, tmp_path, capsys):
    assert gallery(results, "figure-99")[0] == 2
    assert "no figure 'figure-99'; choose of figure-2" in capsys.readouterr().err
    empty = tmp_path / "results" / "nothing"
    empty.mkdir()
    assert gallery(empty)[0] == 2
    assert "no evaluation and no analysis; run something first" in capsys.readouterr().err
