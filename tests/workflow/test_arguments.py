"""What commands are told, as the command line understands it."""

import pytest

from camp.cli import make_parser
from camp.settings import Run
from camp.settings.sections import ResourceSettings
from camp.workflow import arguments, identity, paths
from tests.workflow.scales import OTHER, OWN, PUBLISHED, changed, scale_of

FIRST = Run("camp", "own", 1)


@pytest.fixture
def own(tmp_path):
    return scale_of(tmp_path, OWN)


@pytest.fixture
def published(tmp_path):
    return scale_of(tmp_path, PUBLISHED)


def understood(verb, *words):
    return make_parser().parse_args([verb, *words])


def test_a_split_is_drawn_by_the_settings_of_its_task(tmp_path):
    more = {"sources": {"test": "b.xyz"}, "exclude": ["rigid-bilayers"], "seed": 3}
    settings = {**OWN["tasks"]["md17-ethanol"]["split"], **more}
    content = changed(OWN, ("tasks/md17-ethanol/split", settings))
    content["datasets"]["ethanol"] = {"files": [str(tmp_path / "a.xyz"), str(tmp_path / "b.xyz")]}
    for name in "ab":
        (tmp_path / f"{name}.xyz").touch()
    said = arguments.splitting(scale_of(tmp_path, content), "md17-ethanol")
    found = understood("split", "data", "out", *said)
    assert (found.train, found.validation, found.test, found.seed) == (12, 4, "rest", 3)
    assert (found.test_source, found.train_source) == ("b.xyz", None)
    assert found.exclude == ["rigid-bilayers"]


def test_conversion_has_the_options_of_its_dataset(tmp_path):
    options = {"every": 5, "kcal_per_mol": 0.0433635, "molecule": "aspirin"}
    content = changed(OWN, ("datasets/aspirin", {"fetch": ["MD17 aspirin"], **options}))
    said = arguments.converting(scale_of(tmp_path, content), "aspirin")
    found = understood("convert", "file", "out", *said)
    assert {name: getattr(found, name) for name in options} == options


def test_frames_are_kept_by_their_numbers(tmp_path):
    limits = {"keep_below": {"symmetry_error": 0.05, "atoms": 9}, "keep_above": {"gap": -1e-3}}
    content = changed(OWN, ("datasets/aspirin", {"fetch": ["MD17 aspirin"], **limits}))
    said = arguments.converting(scale_of(tmp_path, content), "aspirin")
    found = understood("convert", "file", "out", *said)
    assert {name: dict(getattr(found, name)) for name in limits} == limits


def test_numbers_of_one_species_are_taken(tmp_path):
    only_of = {"wannier_displacement": "O"}
    content = changed(OWN, ("datasets/aspirin", {"fetch": ["MD17 aspirin"], "only_of": only_of}))
    said = arguments.converting(scale_of(tmp_path, content), "aspirin")
    assert dict(understood("convert", "file", "out", *said).only_of) == only_of


def test_an_evaluation_of_a_training_is_of_its_test_set(tmp_path):
    reason = "the energies have another zero"
    content = changed(
        OWN,
        ("tasks/md17-ethanol/unavailable", {"energy": reason}),
        ("tasks/md17-ethanol/keys", {"energy": "e", "forces": "f"}),
    )
    said = arguments.evaluating(scale_of(tmp_path, content), "md17-ethanol", FIRST)
    found = understood("evaluate", "model", "data", *said)
    assert str(found.split) == "results/small/splits/md17-ethanol.json" and found.part == "test"
    assert (found.seed, found.weights, found.scale) == (1, "own", "small")
    assert found.unavailable == [("energy", reason)] and found.generated
    assert (found.energy_key, found.forces_key, found.stress_key) == ("e", "f", None)


def test_an_evaluation_of_published_weights_is_of_all_frames(published):
    said = arguments.evaluating(published, "water", Run("cace", "published"))
    found = understood("evaluate", "model", "data", *said)
    assert (found.split, found.seed, found.weights) == (None, None, "published")
    assert not found.generated


def test_a_peer_is_trained_again_for_another_time_or_batch_but_not_for_a_label(tmp_path):
    task, training = "md17-ethanol", "tasks/md17-ethanol/models/camp/training"

    def of(*changes):
        content = changed(OWN, (f"{training}/max_time", 0.1), *changes)
        return identity.of_peer(scale_of(tmp_path, content), task)

    assert of() == of((f"tasks/{task}/note", "small"), (f"{training}/learning_rate", 0.003))
    assert of() != of((f"{training}/max_time", 0.2))
    assert of() != of((f"{training}/batch_size", 1))


def test_a_training_is_another_one_with_labels_of_another_name_or_unit(tmp_path):
    task = "md17-ethanol"

    def of(*changes):
        return identity.of_training(scale_of(tmp_path, changed(OWN, *changes)), task, "camp")

    assert of() == of((f"tasks/{task}/note", "small"))
    assert of() != of((f"tasks/{task}/keys", {"energy": "e"}))
    assert of() != of((f"tasks/{task}/units", {"dipole": "D"}))


def test_a_peer_has_the_threads_and_reasons_of_its_task(tmp_path):
    content = changed(OWN, ("tasks/md17-ethanol/unavailable", {"energy": "a, b"}))
    said = arguments.training_peer(scale_of(tmp_path, content), "md17-ethanol")
    assert said == ["--threads", "1", "--unavailable", "energy=a, b", "--generated"]


def test_gpus_are_those_of_the_resources(tmp_path):
    content = changed(OWN, ("tasks/md17-ethanol/resources", {"gpu": 2}))
    scale = scale_of(tmp_path, content)
    said = arguments.training_device(scale, "md17-ethanol")
    assert understood("train", "x", "--seed", "1", "--out", "y", *said).devices == 2
    assert (
        understood("evaluate", "x", "y", *arguments.device(ResourceSettings(gpu=1))).device
        == "cuda"
    )
    said = arguments.training_device(scale, "md17-aspirin")
    assert understood("train", "x", "--seed", "1", "--out", "y", *said).device == "cpu"


def test_simulations_start_from_structures_that_their_model_has_not_seen(tmp_path, own):
    found = understood("select", "data", "out", *arguments.starting(own, "ethanol"))
    assert str(found.split) == "results/small/splits/md17-ethanol.json" and found.part == "test"
    content = changed(OWN, ("simulations/ethanol/start/dataset", "aspirin"))
    said = arguments.starting(scale_of(tmp_path, content), "ethanol")
    assert understood("select", "data", "out", *said).split is None


def test_a_job_simulates_its_replica():
    files = ["model", "start", "--config", "md.yaml", "--out", "out"]
    assert [*understood("md", *files, *arguments.replicas("replica-3")).replicas] == [3]
    assert understood("md", *files, *arguments.replicas("all")).replicas is None


def test_an_analysis_knows_of_what_it_is(own, published):
    files = ["folder", "--config", "x", "--out", "y"]
    found = understood("analyse", *files, *arguments.analysing(own, "ethanol"))
    assert (found.task, found.train_size, found.weights) == ("md17-ethanol", 12, "own")
    assert (found.architecture, found.generated) == ("camp", True)
    found = understood("analyse", *files, *arguments.analysing(published, "water-300K"))
    assert (found.train_size, found.weights) == (None, "published")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("evaluation/md17-ethanol/camp-seed-1", ("generated (GFN-xTB)", "small; old", None)),
        ("evaluation/md17-aspirin/camp-seed-1", ("real", None, None)),
        ("md/ethanol/analysis", ("generated (GFN-xTB)", "short", "Ethanol, 500 K")),
        ("rivals/md17-aspirin/mace-seed-1", ("real", None, None)),
        ("speed/ethanol", ("generated (GFN-xTB)", "short", None)),
        ("scans/interlayer/md17-aspirin/camp-seed-1", ("real", None, None)),
        ("scans/dimer/ethanol", ("generated (GFN-xTB)", None, None)),
    ],
)
def test_labels_are_those_of_the_task_or_the_simulation(tmp_path, result, expected):
    content = changed(
        OWN,
        ("tasks/md17-ethanol/note", "small"),
        ("tasks/md17-ethanol/models/camp/note", "old"),
        ("simulations/ethanol/note", "short"),
        ("simulations/ethanol/title", "Ethanol, 500 K"),
    )
    said = arguments.labels(scale_of(tmp_path, content), result)
    found = understood("label", "a.json", "b.json", *said)
    assert (found.data_label, found.note, found.title) == expected


def test_results_lie_where_the_rules_put_them(own, published):
    assert paths.model_file(own, "md17-ethanol", FIRST) == (
        "results/small/training/md17-ethanol/camp-seed-1/model.safetensors"
    )
    assert paths.simulated_model(published, "water-300K") == (
        "results/known/published/water/camp-published/model.safetensors"
    )
    assert paths.metrics_files(published, "water") == paths.split_files(published, "water") == []
    assert paths.summary_files(own, "aspirin") == ["results/small/md/aspirin/all/simulation.json"]


def test_a_simulation_is_made_by_the_model_that_it_names(tmp_path):
    """Another architecture of its task than the first."""
    content = changed(
        OWN,
        ("tasks/md17-ethanol/models/cace", {"model": OTHER}),
        ("simulations/ethanol/model", "cace"),
    )
    scale = scale_of(tmp_path, content)
    model = "results/small/training/md17-ethanol/cace-seed-1/model.safetensors"
    assert paths.simulated_model(scale, "ethanol") == model
    found = understood(
        "analyse", "x", "--config", "x", "--out", "y", *arguments.analysing(scale, "ethanol")
    )
    assert found.architecture == "cace"
