"""Calibration of the seeds of a task: numbers by hand, and the figure that shows them."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from camp.errors import InputError
from camp.report.calibration import Calibration, calibrations
from camp.report.results import collect

from .conftest import draw, texts, write_evaluation

ATOMS = 3


@pytest.fixture
def seeds(tmp_path):
    """Evaluations of three seeds, whose errors are normal with another width for each frame."""
    random = np.random.default_rng(0)
    frames = 400
    widths = np.exp(random.uniform(-4, -1, frames))
    of_atoms = np.repeat(widths, ATOMS)[:, None]
    reference = {
        "energies": random.normal(-12.0, 0.1, frames),
        "forces": random.normal(0.0, 1.0, (ATOMS * frames, 3)),
    }
    # An error that all seeds share, as large as what they differ by.
    shared = {
        "energies": widths * random.normal(size=frames),
        "forces": of_atoms * random.normal(size=(ATOMS * frames, 3)),
    }
    files = []
    for seed in range(3):
        own = {
            "energies": widths * random.normal(size=frames),
            "forces": of_atoms * random.normal(size=(ATOMS * frames, 3)),
        }
        file = write_evaluation(tmp_path, "water", seed)
        np.savez(
            file.with_suffix(".npz"),
            atoms=np.full(frames, ATOMS),
            numbers=np.tile([8, 1, 1], frames),
            **{name: reference[name] + shared[name] + own[name] for name in own},
            **{f"reference_{name}": values for name, values in reference.items()},
        )
        files.append(file)
    return files


def found(files):
    return calibrations(collect(files, "quick").of_task("water")[0])


def test_deviations_and_errors_are_those_of_numpy(seeds):
    arrays = [dict(np.load(file.with_suffix(".npz"))) for file in seeds]
    values = found(seeds)
    energies = np.array([one["energies"] for one in arrays])
    np.testing.assert_allclose(values["energy"].deviations, energies.std(0) / ATOMS)
    errors = np.abs(energies.mean(0) - arrays[0]["reference_energies"]) / ATOMS
    np.testing.assert_allclose(values["energy"].errors, errors)
    forces = np.array([one["forces"] for one in arrays])
    apart = np.sqrt(np.square(forces - forces.mean(0)).sum(-1).mean(0))
    np.testing.assert_allclose(values["forces"].deviations, apart)
    errors = np.linalg.norm(forces.mean(0) - arrays[0]["reference_forces"], axis=1)
    np.testing.assert_allclose(values["forces"].errors, errors)


def test_numbers_of_errors_of_known_size(seeds):
    """With M members of variance s² and a common error of variance s², the mean has an error of
    (1 + 1/M) s² and the members a variance of (1 − 1/M) s²: a ratio of √2 for three.
    """
    forces = found(seeds)["forces"]
    assert forces.ratio() == pytest.approx(np.sqrt(2), rel=0.05)
    rank = spearmanr(forces.deviations, forces.errors).statistic
    assert forces.rank_correlation() == rank > 0.6
    deviations, errors = forces.binned()
    assert len(deviations) == 12 and (np.diff(deviations) > 0).all()
    # All bins are of 100 atoms.
    assert np.square(errors).mean() == pytest.approx(np.square(forces.errors).mean())
    assert errors[-1] > 5 * errors[0]


def test_seeds_that_agree_tell_nothing():
    values = Calibration(np.zeros(5), np.arange(5.0))
    assert np.isnan(values.rank_correlation())
    assert values.ratio() == np.inf


def test_figure(seeds, this_work):
    said = texts(draw(this_work, "calibration", task="water", evaluations=seeds))
    forces = found(seeds)["forces"]
    assert f"rank correlation {forces.rank_correlation():.2f}" in said
    assert "Deviation of the energy over seeds (meV/atom)" in said
    assert "seeds 0, 1, 2" in said
    said = texts(draw(this_work, "calibration", task="water", evaluations=seeds[:1]))
    assert "missing: no model with several seeds" in said


def test_seeds_of_other_structures_are_refused(seeds):
    path = seeds[1].with_suffix(".npz")
    arrays = dict(np.load(path))
    arrays["reference_energies"][0] += 1.0
    np.savez(path, **arrays)
    with pytest.raises(InputError, match="of other structures than"):
        found(seeds)
