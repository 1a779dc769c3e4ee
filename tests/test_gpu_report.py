"""The report for GPUs, with stand-ins: what it says without one, of failures, and of time."""

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def report(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("gpu_report")


def part(report, code, **options):
    options = {"unit": "s", "key": "seconds", **options}
    return report.Part("a part", (sys.executable, "-c", code), **options)


def test_without_a_gpu_it_is_one_line_and_no_files(report, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    said = report.main(["--out", str(tmp_path / "out")])
    # As an exit code it is 1, with the line on stderr.
    assert isinstance(said, str) and "no GPU" in said and "\n" not in said
    assert not (tmp_path / "out").exists()


def test_record_of_a_part(report, tmp_path):
    """The last line, or a file; with the time that it took."""
    one = part(report, "print('compiling'); print('{\"seconds\": 6.0}')", atoms=3)
    found = one.run(30)
    assert (found["seconds"], one.value(found)) == (6.0, "2")
    assert found["wall_seconds"] >= 0
    file = tmp_path / "record.json"
    writes = f"open({str(file)!r}, 'w').write('{{\"seconds\": 0.25}}')"
    one = part(report, writes, record=file)
    assert one.value(one.run(30)) == "0.25"
    one = part(report, "print('7 passed in 1 s')", key="summary")
    assert one.value(one.run(30)) == "7 passed in 1 s"


def test_a_part_that_fails_or_finds_no_time_says_so(report):
    assert part(report, "").run(0) == {"failed": "no time left"}
    assert part(report, "import time; time.sleep(9)").run(0.2)["failed"].startswith("not done")
    found = part(report, "import sys; sys.exit('out of memory')").run(30)
    assert found["failed"] == "out of memory"


def test_report_has_every_part(report, tmp_path, monkeypatch):
    """Two of them without a number: the exit code says so, and the table why."""

    def run(part, seconds):
        if part.key == "seconds":
            return {"failed": "no C++ compiler"}
        return {part.key: "44 passed" if part.key == "summary" else 24.0, "wall_seconds": 3.0}

    monkeypatch.setattr(report.Part, "run", run)
    arguments = ["--device", "cpu", "--quick", "--out", str(tmp_path)]
    assert report.main(arguments) == 1
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["machine"]["device"].startswith("cpu: ")
    rows = (tmp_path / "report.md").read_text().splitlines()[4:]
    assert len(rows) == len(content["parts"]) == 6
    assert rows[0] == "| GPU tests | 44 passed |  | 3 s |"
    assert "| energy and forces, 24 atoms | 1 | s/atom | 3 s |" in rows
    assert sum("no C++ compiler" in row for row in rows) == 2
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == [
        "24-atoms.xyz",
        "model.safetensors",
    ]
