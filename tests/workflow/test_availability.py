"""What can be made where a public file could not be had."""

import json

import pytest

from camp.settings import Run
from camp.workflow import fetching
from camp.workflow.availability import Availability
from tests.workflow.scales import OWN, PUBLISHED, changed, scale_of

ITEMS = (
    "data-water",
    "weights-water-camp",
    "weights-water-cace",
    "start-water-300K",
    "reference-xray-2014",
)
FILES = "results/known/evaluation/water"


@pytest.fixture
def available(tmp_path):
    """Availability of published weights, from files that say what could not be had."""

    def with_lost(*items):
        for item in ITEMS:
            record = {"reason": f"no {item}"} if item in items else {}
            (tmp_path / f"{item}.json").write_text(json.dumps(record), encoding="utf-8")
        scale = scale_of(tmp_path, PUBLISHED)
        return Availability(scale, lambda item: tmp_path / f"{item}.json")

    return with_lost


def test_public_files_are_found_by_what_needs_them(tmp_path):
    scale = scale_of(tmp_path, PUBLISHED)
    assert fetching.items(scale) == {
        "data-water": ["dataset/water/test_water.json"],
        "weights-water-camp": ["models/water/checkpoint.ckpt"],
        "weights-water-cace": ["cacefit/fit-water/best_model.pth"],
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
    assert own.evaluations("md17-aspirin") == [
        "results/small/evaluation/md17-aspirin/camp-seed-1.json"
    ]
    assert fetching.names_by_file(scale) == {"md17_aspirin.npz": "MD17 aspirin"}


def test_all_is_made_where_all_could_be_had(available):
    everything = available()
    made = [f"{FILES}/camp-published.json", f"{FILES}/cace-published.json"]
    assert everything.all_evaluations() == made
    assert everything.all_analyses() == ["results/known/md/water-300K/analysis.json"]
    assert everything.all_speeds() == ["results/known/speed/water-300K.json"]
    assert everything.starting_structures("water-300K") == ["cache/public/md/water/liquid-64.xyz"]


def test_without_data_a_task_says_why(available):
    known = available("data-water")
    run = Run("camp", "published")
    assert known.why_no_evaluation("water", run) == "no data-water"
    assert known.runs("water") == []
    assert known.missing_evaluation("water", run) == {
        "task": "water",
        "architecture": "camp",
        "reason": "no data-water",
    }


def test_a_test_set_is_not_made_without_the_frames_that_it_must_not_have(tmp_path):
    """It would hold structures that the model was trained on."""
    content = changed(PUBLISHED, ("datasets/water/without", ["water_rdf/exp-gor-water.txt"]))
    scale = scale_of(tmp_path, content)
    for item in fetching.items(scale):
        record = {"reason": "lost"} if item == "without-water" else {}
        (tmp_path / f"{item}.json").write_text(json.dumps(record), encoding="utf-8")
    known = Availability(scale, lambda item: tmp_path / f"{item}.json")
    assert known.why_no_evaluation("water", Run("camp", "published")) == "lost"


def test_without_its_weights_an_architecture_says_why_and_the_others_are_evaluated(available):
    known = available("weights-water-camp")
    assert known.evaluations("water") == [
        f"{FILES}/unavailable/camp-published.json",
        f"{FILES}/cace-published.json",
    ]
    assert known.predictions("water") == [f"{FILES}/cace-published.npz"]
    assert known.fetched("weights-water-camp") == []
    # The simulation is made by it.
    assert known.why_no_simulation("water-300K") == "no weights-water-camp"
    assert available("weights-water-cace").why_no_simulation("water-300K") is None


def test_without_a_structure_a_simulation_says_why(available):
    known = available("start-water-300K")
    assert known.why_no_evaluation("water", Run("camp", "published")) is None
    assert known.all_analyses() == ["results/known/md/water-300K/unavailable.json"]
    assert known.missing_analysis("water-300K")["unavailable"] == "no start-water-300K"
    assert known.all_speeds() == []
