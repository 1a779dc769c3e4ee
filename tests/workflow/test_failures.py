"""Why a number is missing: the first job behind it that has no result, and what its log says."""

import json
from pathlib import Path

import pytest

from camp.settings import Run
from camp.workflow import failures
from camp.workflow.failures import RulePaths
from tests.workflow.scales import OTHER, OWN, PUBLISHED, changed, scale_of

RULES = {
    "generate": RulePaths(["data/{dataset}.xyz.gz"], "logs/generate-{dataset}.log"),
    "split": RulePaths(["splits/{task}.json"], "logs/split-{task}.log"),
    "train": RulePaths(["training/{task}-{architecture}-{seed}"], "logs/train-{task}-{seed}.log"),
    "train_together": RulePaths(["training/{task}-{architecture}"], "logs/train-{task}.log"),
    "evaluate": RulePaths(["raw/{task}-{run}.json", "{run}.npz"], "logs/evaluate-{task}.log"),
    "label": RulePaths(["{scale}/{result}.json"], "logs/label.log"),
    "start": RulePaths(["start/{simulation}.xyz"], "logs/start.log"),
    "simulate": RulePaths(["md/{simulation}-{part}.json"], "logs/simulate.log"),
    "analyse": RulePaths(["analysis/{simulation}.json"], "logs/analyse.log"),
    "speed": RulePaths(["speed/{simulation}.json"], "logs/speed.log"),
    "fetch": RulePaths(["fetched/{item}.json"], "logs/fetch-{item}.log"),
}
MADE = ["data/ethanol.xyz.gz", "splits/md17-ethanol.json", "training/md17-ethanol-camp-1"]
FIRST = Run("camp", "own", 1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("{}", encoding="utf-8")


def why(scale):
    jobs = failures.jobs_of_evaluation(scale, "md17-ethanol", FIRST)
    return failures.why_not_done(scale, jobs, RULES)


def test_the_first_job_without_a_result_is_named(folder):
    scale = scale_of(folder, OWN)
    assert why(scale) == "job generate ethanol was not run"
    touch(*MADE[:2])
    (folder / "logs").mkdir()
    log = folder / "logs" / "train-md17-ethanol-1.log"
    log.write_text("epoch 1\ncamp: error: out of memory: none left\n\n", encoding="utf-8")
    assert why(scale) == (
        "job train md17-ethanol camp 1 failed: out of memory: none left "
        "(see logs/train-md17-ethanol-1.log)"
    )
    log.write_text("\n", encoding="utf-8")
    assert "its log is empty; it was killed" in why(scale)


def test_half_of_the_outputs_are_no_result(folder):
    scale = scale_of(folder, OWN)
    touch(*MADE, "raw/md17-ethanol-camp-seed-1.json")
    assert why(scale) == "job evaluate md17-ethanol camp-seed-1 was not run"
    touch("camp-seed-1.npz", "small/evaluation/md17-ethanol/camp-seed-1.json")
    assert why(scale) == ""


def test_seeds_that_train_together_have_one_job(folder):
    """Unless there is only one."""
    together = changed(OWN, ("tasks/md17-ethanol/seeds_together", True))
    touch(*MADE[:2])
    scale = scale_of(folder, changed(together, ("seeds", [1, 2])))
    assert why(scale) == "job train_together md17-ethanol camp was not run"
    assert why(scale_of(folder, together)) == "job train md17-ethanol camp 1 was not run"


def test_what_could_not_be_had_is_the_reason(folder):
    scale = scale_of(folder, PUBLISHED)
    (folder / "fetched").mkdir()
    record = json.dumps({"reason": "file not available: x"})
    (folder / "fetched/data-water.json").write_text(record, encoding="utf-8")
    jobs = failures.jobs_of_evaluation(scale, "water", Run("camp", "published"))
    assert failures.why_not_done(scale, jobs, RULES) == "file not available: x"


def test_reasons_are_those_of_each_architecture(folder):
    """What stops all models of one is said once, and the others have nothing to do with it."""
    content = changed(
        OWN,
        ("seeds", [1, 2]),
        ("tasks/md17-ethanol/models/cace", {"model": OTHER}),
        ("speed", {"simulations": ["ethanol"]}),
    )
    content["tasks"].pop("md17-aspirin")
    content["simulations"].pop("aspirin")
    scale = scale_of(folder, content)
    touch(*MADE, "training/md17-ethanol-camp-2")
    for seed in (1, 2):
        touch(f"raw/md17-ethanol-cace-seed-{seed}.json", f"cace-seed-{seed}.npz")
        touch(f"training/md17-ethanol-cace-{seed}")
        touch(f"small/evaluation/md17-ethanol/cace-seed-{seed}.json")
    touch("raw/md17-ethanol-camp-seed-1.json", "camp-seed-1.npz")
    touch("small/evaluation/md17-ethanol/camp-seed-1.json", "start/ethanol.xyz")
    reasons = failures.reasons_so_far(scale, RULES)
    assert reasons.evaluations["md17-ethanol", FIRST] == ""
    missing = "job evaluate md17-ethanol camp-seed-2 was not run"
    assert reasons.of_architecture("md17-ethanol", "camp") == missing
    assert reasons.of_architecture("md17-ethanol", "cace") == ""
    assert reasons.analyses == {"ethanol": "job simulate ethanol replica-1 was not run"}
    assert reasons.speeds == {"ethanol": "job speed ethanol was not run"}
    Path(MADE[0]).unlink()
    assert failures.reasons_so_far(scale, RULES).of_architecture("md17-ethanol", "camp") == (
        "job generate ethanol was not run"
    )
