"""Made-up evaluations and analyses in the schema of the project, to check by hand."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from camp.report.declarations import Paper, load_paper
from camp.report.figures import draw_figure
from camp.report.inputs import read_inputs

PAPERS = Path(__file__).resolve().parents[2] / "config" / "papers"


def write_evaluation(
    folder: Path,
    task: str,
    seed: int | None,
    *,
    energy: float | None = 1.0e-3,
    forces: float | None = 50.0e-3,
    data: str = "real (subset)",
    architecture: str = "camp",
    weights: str = "own",
    scale: str = "quick",
    **more,
) -> Path:
    """One evaluation; all energy metrics (eV) and all forces metrics (eV/Å) get one value."""
    run = "published" if seed is None else f"seed-{seed}"
    path = folder / task / f"{architecture}-{run}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    energies = ("energy_mae_per_atom", "energy_rmse_per_atom", "energy_mae", "energy_rmse")
    metrics = {**dict.fromkeys(energies, energy), "forces_mae": forces, "forces_rmse": forces}
    content = {
        "task": task,
        "seed": seed,
        "scale": scale,
        "data": data,
        "generated": False,
        "architecture": architecture,
        "weights": weights,
        "targets": {"energy": "eV", "forces": "eV/Å"},
        "frames": 5,
        "note": "",
        "metrics": metrics,
        "unavailable": {},
        **more,
    }
    path.write_text(json.dumps(content))
    return path


def write_training(
    folder: Path,
    task: str,
    architecture: str,
    *,
    seed: int = 1,
    steps: int = 100,
    seconds: float = 5.0,
    seeds: Sequence[int] = (1,),
    **more: object,
) -> Path:
    """What a finished training tells of itself."""
    path = folder / task / f"{architecture}-seed-{seed}" / "training.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "task": task,
        "architecture": architecture,
        "seed": seed,
        "steps": steps,
        "seconds": seconds,
        "seeds_together": list(seeds),
        "device": "cpu",
        **more,
    }
    path.write_text(json.dumps(content))
    return path


def write_predictions(evaluation: Path, frames: int = 40, seed: int = 0) -> Path:
    """Arrays beside an evaluation: frames of one Li and two P atoms, errors of known width."""
    random = np.random.default_rng(seed)
    reference_energies = random.normal(-12.0, 0.1, frames)
    reference_forces = random.normal(0.0, 1.0, (3 * frames, 3))
    path = evaluation.with_suffix(".npz")
    np.savez(
        path,
        energies=reference_energies + random.normal(0, 0.01, frames),
        reference_energies=reference_energies,
        atoms=np.full(frames, 3),
        forces=reference_forces + random.normal(0.0, 0.05, (3 * frames, 3)),
        reference_forces=reference_forces,
        numbers=np.tile([3, 15, 15], frames),
    )
    return path


def gaussian(x: np.ndarray, centre: float, width: float) -> np.ndarray:
    return np.exp(-0.5 * ((x - centre) / width) ** 2)


def rdf(r: np.ndarray, first: float, height: float) -> np.ndarray:
    """A liquid-like RDF whose first peak has about this height."""
    tail = 1 / (1 + np.exp(-(r - first - 0.35) / 0.08))
    waves = 0.25 * np.cos(2 * np.pi * (r - 1.6 * first) / first) * np.exp(-(r - first) / 3)
    return height * gaussian(r, first, 0.13) + tail * (1 + waves - gaussian(r, first, 0.5))


def write_analysis(
    folder: Path,
    simulation: str,
    *,
    species: str = "Li",
    diffusion: Sequence[float] = (1.00e-5, 1.20e-5),
    stable: Sequence[float] = (20.0, 20.0),
    length: float = 20.0,
    temperature: float = 520.0,
    timestep: float = 0.25,
    ensemble: str = "nvt",
    task: str = "some-task",
    data: str = "real (subset)",
    architecture: str = "camp",
    weights: str = "own",
    scale: str = "quick",
    drift: float = 1e-6,
    **more,
) -> Path:
    """One analysis with all sections: MSD of each run is 6 D t, the ADF peaks at 111°."""
    runs = range(len(stable))
    r, angles = np.arange(0.025, 6.0, 0.05), np.arange(0.5, 180.0)
    times = np.linspace(0, length, 201)
    all_pairs, oxygen = rdf(r, 2.1, 3.0), rdf(r, 2.775, 2.6)
    adf = gaussian(angles, 110.5, 8.0)
    energies = [(1e-6 * np.sin(40 * times + k) + drift * times).tolist() for k in runs]
    content = {
        "simulation": simulation,
        "title": f"Simulation {simulation}",
        "scale": scale,
        "task": task,
        "architecture": architecture,
        "weights": weights,
        "data": data,
        "generated": False,
        "train_size": None,
        "note": "",
        "settings": {
            "length": length,
            "timestep": timestep,
            "temperature": temperature,
            "ensemble": ensemble,
        },
        "structure": {"formula": "Li27P12S44", "atoms": 83, "cell": [], "pbc": [True] * 3},
        "engine": "ase",
        "device": "cpu",
        "threads": 2,
        "replicas": [
            {
                "replica": k + 1,
                "seed": k + 1,
                "end": "completed",
                "reason": "",
                "time_ps": length,
                "stable_ps": stable[k],
                "steps_per_second": 30.0 + 2 * k,
                "temperature_K": temperature,
                "temperature_std_K": 20.0,
                "drift_eV_per_atom_per_ps": drift,
            }
            for k in runs
        ],
        "stability": {"criterion": "rdf", "limit_ps": length, "values_ps": list(stable)},
        "rdf": {
            "r_A": r.tolist(),
            "valid_to_A": 5.6,
            "pairs": {
                "all": {"mean": all_pairs.tolist(), "std": (0.03 * all_pairs).tolist()},
                "O-O": {"mean": oxygen.tolist(), "std": None},
            },
        },
        "adf": {
            "angle_deg": angles.tolist(),
            "triples": {
                "S-P-S": {"cutoff_A": 2.6, "mean": (adf / adf.sum()).tolist(), "std": None}
            },
        },
        "msd": {
            "time_ps": times.tolist(),
            "species": {
                species: {
                    "replicas_A2": [(6e4 * d * times).tolist() for d in diffusion],
                    "fit_ps": [0.1 * length, 0.5 * length],
                    "diffusion_cm2_per_s": {"values": list(diffusion)},
                }
            },
        },
        "energy": {"time_ps": times.tolist(), "conserved_eV_per_atom": energies},
        **more,
    }
    path = folder / simulation / "analysis.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def write_speeds(
    folder: Path,
    simulation: str,
    *,
    seconds: dict[str, float] | None = None,
    device: str = "cpu: Some Processor",
    data: str = "real (subset)",
    scale: str = "quick",
    task: str = "some-task",
    weights: str = "published",
    generated: bool = False,
    unavailable: dict[str, str] | None = None,
) -> Path:
    """Measured speeds; MD is at 80 % of the rate of bare evaluations.

    :param seconds: of our kinds of contestants, by kind.
    :param unavailable: reasons of peers, by name; both peers are always listed.
    """
    labels = {
        "simulation": simulation,
        "scale": scale,
        "task": task,
        "architecture": "camp",
        "weights": weights,
        "data": data,
        "generated": generated,
        "note": "",
    }
    seconds = seconds or {"accelerated": 0.02, "plain": 0.1, "literal": 0.4}
    names = {"accelerated": "CAMP", "plain": "CAMP, plain", "literal": "CAMP, literal"}
    records = [
        {
            **labels,
            "contestant": names[kind],
            "kind": kind,
            "structure": "H128O64",
            "atoms": 192,
            "edges": 10322,
            "cutoff_A": 5.0,
            "device": device,
            "dtype": "float32",
            "threads": 2,
            "versions": {"torch": "2.13.0"},
            "seconds_per_energy_forces": duration,
            "md_steps_per_second": 0.8 / duration,
            "peak_memory_bytes": 500 * 2**20,
            "engine": "ase",
            "timestep_fs": 1.0,
        }
        for kind, duration in seconds.items()
    ]
    peers = dict.fromkeys(("MACE", "NequIP"), "not asked for") | (unavailable or {})
    records += [
        {**labels, "contestant": name, "kind": "peer", "unavailable": reason}
        for name, reason in peers.items()
    ]
    path = folder / f"{simulation}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(records))
    return path


def write_pair_scan(folder: Path, smooth: bool, step: float, pair: str = "Li-S") -> Path:
    """A pair whose energy (eV) rises at the cutoff of 5 Å by ``step``."""
    distances = np.linspace(4.0, 5.5, 151)
    inside = distances <= 5.0
    content = {
        "pair": pair,
        "cutoff_A": 5.0,
        "smooth_at_cutoff": smooth,
        "r_A": distances.tolist(),
        "energy_eV": (inside * (-step - 0.05 * (5 - distances) ** 3)).tolist(),
        "scale": "quick",
        "weights": "published",
        "data": "real (subset)",
        "generated": False,
    }
    path = folder / f"{pair}-{smooth}.json"
    path.write_text(json.dumps(content))
    return path


def draw(paper: Paper, name: str, scale: str = "quick", **given) -> Figure:
    """A figure from files by kind."""
    return draw_figure(name, read_inputs(paper, scale, **given))


def texts(figure: Figure) -> str:
    """All texts of a figure: titles, labels, legends, provenance."""
    panels = figure.axes
    found = [text.get_text() for text in figure.texts]
    for panel in panels:
        found += [panel.get_xlabel(), panel.get_ylabel(), *(t.get_text() for t in panel.texts)]
        legend = panel.get_legend()
        if legend:
            found += [legend.get_title().get_text()]
            found += [text.get_text() for text in legend.get_texts()]
    return "\n".join(found).replace("\n", " ")


@pytest.fixture(scope="session")
def camp() -> Paper:
    """The CAMP paper."""
    return load_paper(PAPERS / "camp")


@pytest.fixture(scope="session")
def this_work() -> Paper:
    """What no paper prints."""
    return load_paper(PAPERS / "this-work")
