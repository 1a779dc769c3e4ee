"""Figure 6: what is drawn, the numbers in it, and what stands where nothing can be drawn."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from camp.data.bilayers import STACKINGS
from camp.errors import InputError
from camp.report.style import save_figure

from .conftest import draw
from .test_figures import texts


def make_scan(seed: int = 1, raised: float = 0.0, **changes) -> dict:
    """A scan in the schema of the project: simple functions, ``raised`` by so many meV/atom."""
    distances = np.arange(2.5, 6.5, 0.1)
    well = 20.0 * ((distances - 3.4) ** 2 - 1.0) + raised
    shift = np.linspace(0, 1, 7)
    differences = {
        "SP-AB": {"model_meV_per_atom": 0.7 + raised, "reference_meV_per_atom": 0.58},
        "AA-AB": {"model_meV_per_atom": 3.0 + raised, "reference_meV_per_atom": None},
    }
    return {
        "task": "graphene",
        "seed": seed,
        "scale": "quick",
        "weights": "own",
        "data": "GFN-xTB",
        "generated": True,
        "note": "",
        "lattice_constant_A": 2.46,
        "zero": {"model": "monolayer", "reference": "aligned with the model at 5.00 Å"},
        "mae": {
            "total_energy_meV_per_atom": 7.0 + raised,
            "total_energy_bilayers": 6,
            "interlayer_meV_per_atom": 2.0 + raised,
            "interlayer_bilayers": 5,
        },
        "differences": {
            "own_minimum": differences,
            "fixed_distance": {"distance_A": 3.4, **differences},
        },
        "curves": {"distance_A": distances.tolist(), **dict.fromkeys(STACKINGS, well.tolist())},
        "surface": {
            "distance_A": 3.4,
            "shift": shift.tolist(),
            "model_meV_per_atom": np.add.outer(shift, 2 * shift).tolist(),
            "reference_shift": [[0.0, 0.0], [0.1, 0.3]],
            "reference_meV_per_atom": [6.0, 1.0],
        },
        "path": {
            "distance_A": 3.4,
            "stackings": ["AB", "SP", "AA"],
            "stackings_position_A": [0.0, 0.7, 1.9],
            "position_A": [0.0, 0.7, 1.9],
            "model_meV_per_atom": [0.0, 0.7 + raised, 5.0 + raised],
            "reference_position_A": [0.0, 1.9],
            "reference_meV_per_atom": [0.0, 6.0],
        },
        "references": {
            "stacking": ["AB", "AB", "AA", "SP", "AB", "AB"],
            "distance_A": [3.0, 3.4, 3.6, 3.4, 5.0, 3.4],
            "reference_interlayer_meV_per_atom": [-5.0, -20.0, -15.0, -19.0, 0.0, None],
        },
        **changes,
    }


def bands(panel: Axes) -> list[PolyCollection]:
    return [one for one in panel.collections if isinstance(one, PolyCollection)]


@pytest.fixture
def interlayer(tmp_path, camp):
    """Figure 6 of scans, or of files of them."""

    def make(scans, scale="quick"):
        files = []
        for number, scan in enumerate(scans):
            if not isinstance(scan, Path):
                file = tmp_path / f"given-{number}.json"
                file.write_text(json.dumps(scan))
                scan = file
            files.append(scan)
        return draw(camp, "figure-6", scale, scans=files)

    return make


def test_all_panels_of_one_model(tmp_path, interlayer):
    figure = interlayer([make_scan()])
    ab, sp, aa, curves, surface, path, colours = figure.axes
    assert [panel.get_title() for panel in (ab, sp, aa)] == ["AB", "SP", "AA"]
    assert colours.get_ylabel() == "E − E(AB) at 3.4 Å (meV/atom)"
    said = texts(figure)
    assert "scale quick — data: GFN-xTB; weights: own; seed 1." in said
    assert "of the reference: aligned with the model at 5.00 Å." in said
    assert "all 6 rigid bilayers: MAE 7.00 meV/atom" in said
    assert "MAE 2.00 meV/atom (5 bilayers, all stackings)" in said
    assert "SP − AB, own minima: 0.70 / 0.58" in said
    assert "AA − AB, at 3.4 Å: 3.00 / unknown" in said
    assert "not comparable with the paper" in said
    # Distances are counted from 3.4 Å; a reference without an energy is not drawn.
    lines = {line.get_label(): line for line in curves.get_lines()}
    assert lines["AB"].get_xdata()[0] == pytest.approx(-0.9)
    dots = [line for line in curves.get_lines() if line.get_marker() in ("o", "s")]
    assert [len(line.get_xdata()) for line in dots] == [3, 1]
    assert dots[0].get_xdata() == pytest.approx([-0.4, 0.0, 1.6])
    assert not curves.collections and not bands(path)
    # x is the first shift: the value at (1, 0) is 1, at (0, 1) it is 2.
    mesh = surface.collections[0]
    values = np.asarray(mesh.get_array()).reshape(7, 7)
    assert (values[0, -1], values[-1, 0]) == pytest.approx((1.0, 2.0))
    # One range of colours for model and reference, and it holds both.
    assert surface.collections[1].get_clim() == mesh.get_clim() == (0.0, 6.0)
    save_figure(figure, tmp_path / "figure-6.png")
    assert (tmp_path / "figure-6.pdf").exists()


@pytest.mark.parametrize(("column", "on_top"), [(0, 1), (1, 0), (2, 2)])
def test_drawn_stackings(column, on_top, interlayer):
    """Of the two atoms of a cell, AB has one below a top atom, SP none, AA both."""
    panel = interlayer([make_scan()]).axes[column]
    layers = [line for line in panel.get_lines() if line.get_marker() == "o"]
    bottom, top = (np.transpose(layer.get_data()) for layer in layers)
    assert layers[0].get_markerfacecolor() != "none"
    assert layers[1].get_markerfacecolor() == "none"
    middle = bottom[np.abs(bottom).max(axis=1) < 1.0]
    nearest = np.linalg.norm(middle[:, None] - top[None], axis=-1).min(axis=1)
    assert np.isclose(nearest, 0.0, atol=1e-6).mean() == pytest.approx(on_top / 2, abs=0.2)
    # Every bond has the length of a bond.
    bonds = [line for line in panel.get_lines() if line.get_marker() == "None"]
    lengths = [np.linalg.norm(np.diff(np.transpose(b.get_data()), axis=0)) for b in bonds]
    assert lengths == pytest.approx(np.full(len(bonds), 3**-0.5))


def test_several_models_are_a_mean_and_a_band(tmp_path, interlayer):
    files = []
    for seed, raised in ((1, 0.0), (2, 1.0), (3, 2.0)):
        files.append(tmp_path / f"seed-{seed}.json")
        files[-1].write_text(json.dumps(make_scan(seed, raised)))
    figure = interlayer(files)
    curves, path = figure.axes[3], figure.axes[5]
    line = next(line for line in curves.get_lines() if line.get_label() == "AB")
    assert line.get_ydata()[9] == pytest.approx(-19.0)
    band = curves.collections[0].get_paths()[0].vertices
    at_minimum = band[np.isclose(band[:, 0], 0.0)][:, 1]
    assert (at_minimum.min(), at_minimum.max()) == pytest.approx((-20.0, -18.0))
    assert len(bands(path)) == 1
    said = texts(figure)
    assert "seeds 1, 2, 3" in said
    assert "MAE 3.0 (1.0) meV/atom (5 bilayers" in said
    assert "SP − AB, own minima: 1.7 (1.0) / 0.58" in said


def test_a_model_without_a_minimum(interlayer):
    scan = make_scan()
    scan["differences"] = copy.deepcopy(scan["differences"])
    scan["differences"]["own_minimum"]["SP-AB"]["model_meV_per_atom"] = None
    assert "SP − AB, own minima: no minimum / 0.58" in texts(interlayer([scan]))


def test_references_that_lack_everything_but_distances(interlayer):
    """No reference at the fixed distance, and no error known: only the curves have dots."""
    scan = make_scan()
    for key in ("reference_shift", "reference_meV_per_atom"):
        scan["surface"][key] = []
    for key in ("reference_position_A", "reference_meV_per_atom"):
        scan["path"][key] = []
    scan["mae"]["interlayer_meV_per_atom"] = None
    assert "all stackings" not in texts(interlayer([scan]))


def test_reason_where_nothing_could_be_scanned(interlayer):
    reason = {"scale": "quick", "unavailable": "file not available: weights"}
    assert "missing: file not available: weights" in texts(interlayer([reason]))
    assert "missing: no scan of bilayers at scale quick" in texts(interlayer([]))


def test_refusals(tmp_path, interlayer):
    file: Path = tmp_path / "scan.json"
    file.write_text(json.dumps(make_scan()))
    with pytest.raises(InputError, match=r"scan\.json: of scale quick, not subset"):
        interlayer([file], "subset")
    file.write_text(json.dumps({"scale": "quick", "task": "graphene"}))
    with pytest.raises(InputError, match=r"scan\.json: not a scan of bilayers \(no 'data'\)"):
        interlayer([file])
    with pytest.raises(InputError, match="other data, weights or points"):
        interlayer([make_scan(), make_scan(2, data="real")])
    with pytest.raises(InputError, match="other data, weights or points"):
        interlayer([make_scan(), make_scan(2, lattice_constant_A=2.5)])
