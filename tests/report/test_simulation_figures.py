"""Figures of simulations: what is drawn, what is said, what stands where something is missing."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from camp.errors import InputError
from camp.report.crystal import find_tetrahedra
from camp.report.lips import overlap
from camp.report.simulations import Profile, collect_simulations

from .conftest import draw, write_analysis, write_evaluation, write_pair_scan
from .test_figures import texts

SIMULATED = ("figure-3", "figure-4", "figure-s2", "figure-s3", "figure-drift")


def labels(panel) -> list[str]:
    return [text.get_text() for text in panel.get_legend().get_texts()]


def lines(panel, label: str) -> list:
    return [line for line in panel.get_lines() if line.get_label() == label]


def write_reference(path: Path, analysis: Path, factor: float = 1.0) -> Path:
    """The sections of an analysis as those of AIMD, g(r) times a factor."""
    content = json.loads(analysis.read_text())
    content = {key: content[key] for key in ("rdf", "adf", "msd")}
    everything = content["rdf"]["pairs"]["all"]
    everything["mean"] = [factor * value for value in everything["mean"]]
    species = content["msd"]["species"]["Li"]
    species |= {
        "replicas_A2": species["replicas_A2"][:1],
        "diffusion_cm2_per_s": {"values": [1.3e-5]},
    }
    content |= {
        "reference": True,
        "generated": False,
        "frames": 1194,
        "data": "real (subset)",
        "title": "",
    }
    path.write_text(json.dumps(content))
    return path


def test_figure_3(tmp_path, camp):
    analysis = write_analysis(tmp_path / "md", "lips", weights="published", train_size=100)
    aimd = write_reference(tmp_path / "aimd.json", analysis, factor=1.1)
    figure = draw(
        camp,
        "figure-3",
        analyses=[tmp_path / "md"],
        references={"aimd": aimd},
    )
    a, b, c = figure.axes
    content = json.loads(analysis.read_text())
    r, g = (np.array(x) for x in (content["rdf"]["r_A"], content["rdf"]["pairs"]["all"]["mean"]))
    valid = r <= 5.6
    (drawn,) = lines(a, "this work")
    assert drawn.get_ydata() == pytest.approx(g[valid])
    area = 0.1 * np.trapezoid(g[valid], r[valid])
    assert labels(a) == ["this work", f"AIMD: ∫|Δg| dr = {area:.2f} Å"]
    assert lines(a, labels(a)[1])[0].get_linestyle() == "--"
    assert len(a.collections) == 1  # the band of one standard deviation
    assert labels(b) == ["this work: peak at 110.5°", "AIMD: peak at 110.5°"]
    assert labels(c) == ["run 1", "run 2", "AIMD"]
    assert lines(c, "run 2")[0].get_ydata()[-1] == pytest.approx(0.6 * 1.2 * 20)
    (window,) = c.patches
    assert (window.get_x(), window.get_width()) == (2.0, 8.0)
    said = texts(figure)
    assert "this work: D = 1.10 (0.14) · 10⁻⁵ cm²/s   (slope from 2 to 10 ps, shaded)" in said
    assert "AIMD: D = 1.30 · 10⁻⁵" in said
    assert "paper (reported): D = 1.08 (0.08) · 10⁻⁵" in said
    assert "data: real (subset); weights: published (100 training structures)" in said
    assert "2 runs of 20 ps, 520 K, 0.25 fs. Dashed: AIMD, 1194 frames" in said


def test_figure_3_without_reference(tmp_path, camp):
    write_analysis(tmp_path, "lips", generated=True)
    reason = tmp_path / "aimd.json"
    reason.write_text(json.dumps({"unavailable": "file not available: LiPS"}))
    figure = draw(camp, "figure-3", analyses=[tmp_path / "lips"])
    assert "No AIMD reference was given" in texts(figure)
    assert "generated data are not comparable" in texts(figure)
    figure = draw(camp, "figure-3", analyses=[tmp_path / "lips"], references={"aimd": reason})
    assert "No AIMD reference: file not available: LiPS" in texts(figure)
    assert labels(figure.axes[2]) == ["run 1", "run 2"]


def test_overlap_of_known_curves():
    x = np.linspace(0.0, 2.0, 201)
    zero = np.zeros_like(x)
    ramp, flat = Profile(x, x, zero), Profile(x[::2], 0 * x[::2], zero[::2])
    # ∫ x dx
    assert overlap(ramp, flat) == pytest.approx(2.0)
    assert overlap(ramp, flat, up_to=1.0) == pytest.approx(0.5)
    assert overlap(ramp, ramp) == 0.0


def test_figure_s2(tmp_path, camp):
    write_analysis(tmp_path / "md", "lips-1fs", timestep=1.0, diffusion=(1.1e-5, 1.1e-5))
    figure = draw(
        camp,
        "figure-s2",
        analyses=[tmp_path / "md"],
    )
    said = texts(figure)
    assert "this work: D = 1.10 (0.00)" in said
    assert "paper (reported): D = 1.11 (0.11)" in said
    assert "2 runs of 20 ps, 520 K, 1 fs" in said


def test_figure_4(tmp_path, camp):
    write_analysis(tmp_path / "md", "water-300K", species="O", temperature=300.0)
    goo = tmp_path / "goo.gdr"
    goo.write_text("5.0 0.0\n5.34 2.736\n6.0 1.0\n9.0 1.0\n20.0 1.0\n")
    figure = draw(camp, "figure-4", analyses=[tmp_path / "md"], references={"revpbe0": goo})
    (panel,) = figure.axes
    assert labels(panel) == [
        "this work, 300 K: 2.60 at 2.78 Å",
        "revPBE0-D3 reference, 300 K: 2.74 at 2.83 Å",
    ]
    # ours as far as the cell allows
    assert lines(panel, labels(panel)[0])[0].get_xdata()[-1] == pytest.approx(5.575)
    said = texts(figure)
    assert "Not given: x-ray, 295 K (Skinner 2014); x-ray, 295 K (Skinner 2013); neutron" in said


def test_digits_of_figure_4_are_those_that_the_runs_allow(tmp_path, camp):
    file = write_analysis(tmp_path, "water-300K", species="O", temperature=300.0)
    content = json.loads(file.read_text())
    oxygen = content["rdf"]["pairs"]["O-O"]
    oxygen["std"] = [0.74 for _ in oxygen["mean"]]
    file.write_text(json.dumps(content))
    (panel,) = draw(camp, "figure-4", analyses=[file]).axes
    assert labels(panel) == ["this work, 300 K: 2.60 (0.74) at 2.78 Å"]
    content["replicas"], oxygen["std"] = content["replicas"][:1], None
    file.write_text(json.dumps(content))
    (panel,) = draw(camp, "figure-4", analyses=[file]).axes
    assert labels(panel) == ["this work, 300 K: 2.6 at 2.78 Å"]


def test_drifts_of_any_size_have_three_digits(tmp_path, camp):
    shown = []
    for drift in (7.5085e-6, 7.5085e-2, -7.5085e3):
        write_analysis(tmp_path, "nve-smooth", drift=drift, stable=(20.0,))
        panel = draw(camp, "figure-drift", analyses=[tmp_path]).axes[0]
        shown += labels(panel)
    assert shown == [
        f"smooth: drift {text}/atom/ps" for text in ("7.51 µeV", "75.1 meV", "−7510 eV")
    ]


def test_figure_s3(tmp_path, camp):
    for kelvin, diffusion in ((300, 2.5e-5), (1500, 50e-5)):
        write_analysis(
            tmp_path,
            f"water-{kelvin}K",
            species="O",
            temperature=float(kelvin),
            diffusion=(diffusion, diffusion),
        )
    unavailable = {"simulation": "water-900K", "architecture": "camp", "scale": "quick"}
    path = tmp_path / "unavailable.json"
    path.write_text(json.dumps(unavailable | {"unavailable": "no weights"}))
    figure = draw(camp, "figure-s3", analyses=[tmp_path])
    a, b = figure.axes
    assert labels(a) == ["300 K", "1500 K"]
    assert labels(b)[1] == "1500 K\nD = 50.0 (0.0) · 10⁻⁵ cm²/s"
    assert b.get_xscale() == b.get_yscale() == "log"
    assert len(b.get_lines()) == 4
    said = texts(figure)
    assert "water-900K: no weights" in said
    assert "Not run at this scale: water-600K, water-1200K" in said
    assert "2 runs of 20 ps, 1500 K" in said


def test_figure_5(tmp_path, camp):
    for molecule, stable in (("aspirin", (50.0, 50.0)), ("ethanol", (50.0, 30.0))):
        write_analysis(tmp_path / "md", molecule, length=50.0, stable=stable, weights="published")
    evaluation = write_evaluation(
        tmp_path / "e", "md17-aspirin-9500", None, forces=0.0052, weights="published"
    )
    figure = draw(
        camp,
        "figure-5",
        analyses=[tmp_path / "md"],
        evaluations=[evaluation],
    )
    assert len(figure.axes) == 6
    forces, stability, speed = figure.axes[:3]
    # eight models of the literature, CAMP as reported, ours
    names = [text.get_text() for text in forces.get_yticklabels()]
    assert len(names) == 10
    assert names[-2:] == ["CAMP (reported)", "this work,\npublished weights"]
    assert [bar.get_width() for bar in forces.patches][-2:] == pytest.approx([5.5, 5.2])
    assert [bar.get_width() for bar in stability.patches][-2:] == [300.0, 50.0]
    said = texts(figure)
    assert "50.0 (0.0), 2 runs of 50 ps, all stable to the end" in said
    assert "40 (14), 2 runs of 50 ps" in said
    assert "missing: no evaluation of task md17-ethanol-9500 at scale quick" in said
    # our speed is from another machine: hatched, the machine named, all others solid
    assert [bool(bar.get_hatch()) for bar in speed.patches] == 9 * [False] + [True]
    assert "31.0 (1.4) on cpu, 2 threads" in said
    assert "speeds on one V100" in said


def test_figure_5_without_simulations(tmp_path, camp):
    figure = draw(camp, "figure-5")
    said = texts(figure)
    assert said.count("missing: simulation aspirin is not run at scale quick") == 2


def test_figure_drift(tmp_path, camp):
    for name, drift in (("nve-smooth", 1e-7), ("nve-published", -4e-5)):
        write_analysis(tmp_path / "md", name, drift=drift, length=10.0, stable=(10.0, 10.0))
    scans = [write_pair_scan(tmp_path, True, 0.0), write_pair_scan(tmp_path, False, 0.004)]
    figure = draw(camp, "figure-drift", analyses=[tmp_path / "md"], scans=scans)
    a, b = figure.axes
    assert labels(a) == [
        "smooth: drift 0.100 (0.000) µeV/atom/ps",
        "published convention: drift −40.0 (0.0) µeV/atom/ps",
    ]
    # −4e-5 eV/atom/ps for 10 ps, on top of an oscillation of 1e-3 meV/atom
    (drawn,) = lines(a, labels(a)[1])
    assert drawn.get_ydata()[-1] == pytest.approx(-0.4, abs=0.002)
    assert labels(b) == ["Li–S, smooth: no step", "Li–S, published convention: step of 4 meV"]
    published = lines(b, labels(b)[1])[0].get_ydata()
    assert published[0] == pytest.approx(-54.0) and published[-1] == 0.0
    assert "Pair Li-S: data: real (subset); weights: published" in texts(figure)


def test_figure_drift_with_one_of_two(tmp_path, camp):
    write_analysis(tmp_path, "nve-smooth", length=10.0)
    figure = draw(camp, "figure-drift", analyses=[tmp_path])
    said = texts(figure)
    assert "Missing: simulation nve-published is not run at scale quick" in said
    assert "missing: no scan of a pair across the cutoff was given" in said
    scan = write_pair_scan(tmp_path, True, 0.0)
    content = json.loads(scan.read_text())
    for change, message in (
        ({"smooth_at_cutoff": "other"}, "not the scan of a pair"),
        ({"cutoff_A": 9.0}, "no energies on both sides of the cutoff"),
        ({"scale": "paper"}, "of scale paper, not quick"),
        ({"r_A": "no"}, "not the scan of a pair"),
    ):
        scan.write_text(json.dumps(content | change))
        with pytest.raises(InputError, match=message):
            draw(camp, "figure-drift", scans=[scan])


@pytest.fixture
def crystal() -> Atoms:
    """Two PS₄ of 2.05 Å, one of them across the faces of the cell, and one S alone."""
    corners = 2.05 / 3**0.5 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    centres = np.array([[5.0, 5.0, 5.0], [0.5, 0.5, 0.5]])
    positions = np.concatenate([centres, *(centre + corners for centre in centres), [[5, 5, 0]]])
    atoms = Atoms("P2S9", positions, cell=[10.0, 10.0, 10.0], pbc=True)
    atoms.wrap()
    return atoms


def test_tetrahedra_are_found_across_the_faces_of_the_cell(crystal):
    found = find_tetrahedra(crystal)
    assert len(found) == 2
    for centre, corners in zip(crystal.positions[:2], found, strict=True):
        assert np.linalg.norm(corners - centre, axis=1) == pytest.approx(np.full(4, 2.05))
        assert corners.mean(axis=0) == pytest.approx(centre)


def test_figure_s1(tmp_path, crystal, camp):
    path = tmp_path / "start.xyz"
    write(path, crystal, format="extxyz")
    figure = draw(camp, "figure-s1", structure=path, data="generated (GFN-xTB)")
    said = texts(figure)
    assert "data: generated (GFN-xTB); P₂S₉, 2 tetrahedra PS₄" in said
    (panel,) = figure.axes
    assert labels(panel) == ["P", "S"]
    kinds = [type(patch).__name__ for patch in panel.patches]
    # two tetrahedra of four faces; the atoms, and three sulphur atoms beyond the cell
    assert kinds.count("Polygon") == 8
    assert kinds.count("Circle") == 11 + 3
    with pytest.raises(InputError, match="a figure of a structure needs --data"):
        draw(camp, "figure-s1", structure=path)
    crystal.pbc = False
    write(path, crystal, format="extxyz")
    with pytest.raises(InputError, match=r"start\.xyz: the first structure has no periodic cell"):
        draw(camp, "figure-s1", structure=path, data="real")
    figure = draw(camp, "figure-s1")
    assert "missing: no starting structure was given" in texts(figure)


@pytest.mark.parametrize("name", SIMULATED)
def test_without_simulations_a_figure_says_so(name, camp):
    figure = draw(camp, name)
    said = texts(figure)
    assert "is not run at scale quick" in said
    assert "scale quick — no simulation" in said


@pytest.mark.parametrize("name", SIMULATED[:4])
def test_sections_without_numbers_say_why(tmp_path, name, camp):
    """A run that exploded at once still gives a figure."""
    reason = {"reason": "no replica has a stable part"}
    for simulation in ("lips", "lips-1fs", "water-300K"):
        write_analysis(tmp_path, simulation, rdf=reason, adf=reason, msd=reason)
    figure = draw(camp, name, analyses=[tmp_path])
    said = texts(figure)
    assert "missing: no replica has a stable part" in said.replace("missing: rdf", "missing:")


def test_unknown_reference_is_refused(tmp_path, camp):
    with pytest.raises(
        InputError, match="figure-4 has no reference 'x-ray'; its references are: xray-2014"
    ):
        draw(camp, "figure-4", references={"x-ray": tmp_path})


def test_names_of_figures(camp):
    with pytest.raises(InputError) as error:
        draw(camp, "figure-9")
    assert all(name in str(error.value) for name in camp.figures)


def test_collecting_is_for_one_scale(tmp_path, camp):
    path = write_analysis(tmp_path, "lips", scale="paper")
    assert collect_simulations([path], "paper").only("lips", "camp")
    with pytest.raises(InputError, match="of scale paper, not quick"):
        draw(camp, "figure-3", analyses=[path])
