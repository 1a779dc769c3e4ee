"""Seconds from the command `camp train` to the end of its first step.

    python benchmarks/first_step.py TRAINING.yaml [--runs 3] [--device cpu]

The settings are those of a training, of one's own or of the workflow (results/SCALE/training/TASK/
ARCHITECTURE-seed-N.yaml); they are cut to a single step. Every run is a process of its own, which
loads the libraries anew; the first fills an empty cache of graphs, the others find it full.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

MARK = "first step at "


def train(arguments: list[str]) -> int:
    """The command itself, which prints the clock when its first step is done."""
    from torch.optim.optimizer import register_optimizer_step_post_hook

    from camp.__main__ import main

    def first(*_: object) -> None:
        print(f"{MARK}{time.monotonic()}", flush=True)
        hook.remove()

    hook = register_optimizer_step_post_hook(first)
    return main(["train", *arguments])


def measure(settings: Path, folder: Path, device: str) -> tuple[float, float]:
    """Seconds to the first step and to the end of one run."""
    command = [sys.executable, __file__, "--train", str(settings), "--seed", "1"]
    command += ["--out", tempfile.mkdtemp(dir=folder), "--cache", str(folder / "cache")]
    command += ["--device", device]
    begin = time.monotonic()
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    end = time.monotonic()
    reached = next(line for line in run.stdout.splitlines() if line.startswith(MARK))
    return float(reached.removeprefix(MARK)) - begin, end - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("settings", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    settings = yaml.safe_load(arguments.settings.read_text())
    settings.setdefault("training", {})["max_steps"] = 1
    with tempfile.TemporaryDirectory() as name:
        short = Path(name) / "training.yaml"
        short.write_text(yaml.safe_dump(settings))
        print("| cache of graphs | first step after | one step, validation, model saved |")
        print("|---|---|---|")
        for run in range(arguments.runs):
            first, whole = measure(short, Path(name), arguments.device)
            print(f"| {'full' if run else 'empty'} | {first:.1f} s | {whole:.1f} s |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        sys.exit(train(sys.argv[2:]))
    main()
