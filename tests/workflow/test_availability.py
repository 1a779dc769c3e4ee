"""What can be made where a public file could not be had."""

import json

import pytest

from camp.workflow import fetching
from camp.workflow.availability import Availability
from camp.workflow.figures import FigureInputs
from tests.workflow.scales import OWN, PUBLISHED, scale_of

FIGURE = {
    "simulations": ["water-300K", "no such"],
    "references": ["xray-2014", "neutron"],
    "evaluations": True,
    "speeds": True,
    "structure": ["no such", "water-300K"],
    "scans": ("dimer", ["water-300K"]),
}


@pytest.fixture
def available(tmp_path):
    """Availability of published weights, from files that say what could not be had."""

    def with_lost(*items):
        for item in ("data-water", "weights-water", "start-water-300K", "reference-xray-2014"):
            record = {"reason": f"no {item}"} if item in items else {}
            (tmp_path / f"{item}.json").write_text(json.dumps(record), encoding="utf-8")
        scale = scale_of(tmp_path, PUBLISHED)
        return Availability(scale, lambda item: tmp_path / f"{item}.json")

    return with_lost


def test_public_files_are_found_by_what_needs_them(tmp_path):
    scale = scale_of(tmp_path, PUBLISHED)
    assert fetching.items(scale) == {
        "data-water": ["dataset/water/test_water.json"],
        "weights-water": ["models/water/checkpoint.ckpt"],
        "start-water-300K": ["md/water/liquid-64.xyz"],
        "reference-xray-2014": ["water_rdf/exp-gor-water.txt"],
    }
    assert fetching.optional_items(scale) == [*fetching.items(scale)]


def test_a_training_cannot_do_without_its_data(tmp_path):
    """There is no record to ask: its files are outputs, and a missing one is a failed job."""
    scale = scale_of(tmp_path, OWN)
    own = Availability(scale, lambda item: pytest.fail(f"asks for the record of {item}"))
    assert own.fetched("data-aspirin") == ["cache/public/md17_aspirin.npz"]
    assert own.fetched("data-ethanol") == []
    assert own.evaluations("md17-aspirin") == ["results/small/evaluation/md17-aspirin/seed-1.json"]
    assert fetching.names_by_file(scale) == {"md17_aspirin.npz": "MD17 aspirin"}


def test_all_is_made_where_all_could_be_had(available):
    everything = available()
    assert everything.all_evaluations() == ["results/known/evaluation/water/published.json"]
    assert everything.all_analyses() == ["results/known/md/water-300K/analysis.json"]
    assert everything.all_speeds() == ["results/known/speed/water-300K.json"]
    assert everything.starting_structures("water-300K") == ["cache/public/md/water/liquid-64.xyz"]
    assert everything.results_of("water", ["parity"]) == [
        "results/known/evaluation/water/published.json",
        "results/known/figures/parity-water.png",
    ]


@pytest.mark.parametrize("lost", ["data-water", "weights-water"])
def test_without_data_or_weights_a_task_says_why(available, lost):
    known = available(lost)
    assert known.why_no_evaluation("water") == f"no {lost}"
    assert known.results_of("water", ["parity"]) == [
        "results/known/evaluation/water/unavailable.json"
    ]
    assert known.fetched(lost) == []


def test_without_a_structure_a_simulation_says_why(available):
    known = available("start-water-300K")
    assert known.why_no_evaluation("water") is None
    assert known.all_analyses() == ["results/known/md/water-300K/unavailable.json"]
    assert known.all_speeds() == []


def test_a_figure_has_what_could_be_had(available):
    whole = FigureInputs(FIGURE, available())
    assert whole.references == {"xray-2014": "cache/public/water_rdf/exp-gor-water.txt"}
    assert whole.structure == ["results/known/md/water-300K/start.xyz"]
    assert whole.arguments() == [
        *("--evaluations", "results/known/evaluation/water/published.json"),
        *("--analyses", "results/known/md/water-300K/analysis.json"),
        *("--speeds", "results/known/speed/water-300K.json"),
        *("--scans", "results/known/scans/dimer/water-300K.json"),
        *("--structure", "results/known/md/water-300K/start.xyz", "--data", "real"),
        *("--reference", "xray-2014=cache/public/water_rdf/exp-gor-water.txt"),
    ]
    without = FigureInputs(FIGURE, available("start-water-300K", "reference-xray-2014"))
    assert without.analyses == ["results/known/md/water-300K/unavailable.json"]
    assert not (without.references or without.structure or without.scans or without.speeds)


def test_a_reference_alone_makes_no_figure(available):
    assert FigureInputs({"references": ["xray-2014"]}, available()).references == {}
