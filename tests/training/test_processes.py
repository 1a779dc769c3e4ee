"""Several processes that share every step of a training."""

import json
import subprocess
import sys

import yaml
from ase.io import write

import camp
from camp.training.folder import MODEL_FILE, SUMMARY_FILE
from tests.training.small_training import clusters, settings


def test_processes_end_together_when_their_time_is_up(tmp_path):
    """Although each has begun at another moment: none waits for one that has ended."""
    files = {}
    for part, structures in (("train", clusters(6)), ("validation", clusters(3, seed=9))):
        files[part] = str(tmp_path / f"{part}.xyz")
        write(files[part], structures)
    chosen = settings(max_epochs=100_000, max_time=2 / 3600, schedule="cosine")
    (tmp_path / "training.yaml").write_text(chosen.to_yaml() + yaml.safe_dump(files))
    command = [sys.executable, "-m", "camp", "train", str(tmp_path / "training.yaml")]
    command += ["--seed", "1", "--out", str(tmp_path / "out"), "--device", "cpu", "--devices", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "out" / SUMMARY_FILE).read_text())
    assert summary["stop_reason"] == "its time is up"
    assert summary["budget"]["structures_per_step"] == 4
    camp.load(tmp_path / "out" / MODEL_FILE)
