"""Young's modulus by direction, against the closed form of cubic crystals."""

import numpy as np
import pytest

from camp.report.declarations import load_paper
from camp.report.elastic import section

from .conftest import PAPERS, draw, write_evaluation

COPPER = (168.4, 121.4, 75.4)  # GPa: C₁₁, C₁₂, C₄₄


def cubic(c11: float, c12: float, c44: float) -> np.ndarray:
    unit = np.eye(3)
    anisotropy = np.einsum("ia,ja,ka,la->ijkl", unit, unit, unit, unit)
    shear = np.einsum("ik,jl->ijkl", unit, unit) + np.einsum("il,jk->ijkl", unit, unit)
    volume = np.einsum("ij,kl->ijkl", unit, unit)
    return c12 * volume + c44 * shear + (c11 - c12 - 2 * c44) * anisotropy


def test_section_of_copper_is_that_of_nye():
    """1/E = S₁₁ − 2 (S₁₁ − S₁₂ − S₄₄/2) (l²m² + m²n² + n²l²); 67, 130 and 191 GPa along [100],
    [110] and [111].
    """
    c11, c12, c44 = COPPER
    s11 = (c11 + c12) / ((c11 - c12) * (c11 + 2 * c12))
    s12 = -c12 / ((c11 - c12) * (c11 + 2 * c12))
    angles = np.radians(np.arange(361))
    first, second = np.array([1, 1, 0]) / 2**0.5, np.array([0, 0, 1])
    n = np.outer(np.cos(angles), first) + np.outer(np.sin(angles), second)
    mixed = (n**2 * np.roll(n, 1, axis=1) ** 2).sum(1)
    expected = 1 / (s11 - 2 * (s11 - s12 - 1 / (2 * c44)) * mixed)
    found = section(cubic(*COPPER), [1, 1, 0], [0, 0, 1])
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    along = {"100": found[90], "110": found[0], "111": found.max()}
    assert along == pytest.approx({"100": 66.7, "110": 130.3, "111": 191.1}, rel=0.01)


def write_crystals(folder, predicted):
    evaluation = write_evaluation(
        folder, "elastic", 1, architecture="carnet", targets={"elastic": "GPa"}, metrics={}
    )
    reference = np.array([cubic(*COPPER), cubic(107.3, 60.9, 28.3), cubic(250.0, 100.0, 75.0)])
    np.savez(
        evaluation.with_suffix(".npz"),
        atoms=[1, 1, 2],
        numbers=[29, 13, 11, 17],
        elastic=predicted(reference),
        reference_elastic=reference,
    )
    return evaluation


def test_crystals_are_ordered_by_their_anisotropy(tmp_path):
    paper = load_paper(PAPERS / "carnet")
    file = write_crystals(tmp_path, lambda reference: 1.1 * reference)
    figure = draw(paper, "young-modulus", evaluations=[file], task="elastic")
    titles = [panel.get_title().partition(",")[0] for panel in figure.axes[::3]]
    assert titles == ["ClNa", "Al", "Cu"]
    # A tensor 1.1 times as large is 1.1 times as stiff in every direction.
    predicted, reference = (line.get_ydata() for line in figure.axes[0].lines)
    np.testing.assert_allclose(predicted, 1.1 * reference)


def test_a_prediction_without_a_modulus_says_so(tmp_path):
    paper = load_paper(PAPERS / "carnet")
    file = write_crystals(tmp_path, np.negative)
    figure = draw(paper, "young-modulus", evaluations=[file], task="elastic")
    said = " ".join(text.get_text() for text in figure.axes[0].texts).replace("\n", " ")
    assert "not positive definite" in said


def test_without_an_evaluation_there_is_a_reason():
    figure = draw(load_paper(PAPERS / "carnet"), "young-modulus", task="elastic")
    assert "no evaluation of task elastic" in figure.axes[0].texts[0].get_text().replace("\n", " ")
