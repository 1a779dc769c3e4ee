"""An environment of its own for a peer from the package index, or the reason why there is none.

python benchmarks/contestants/install.py mace FOLDER --out JSON
"""

import argparse
import shutil
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

from camp.files import write_json

# Distribution and the module that it brings.
PEERS = {"mace": ("mace-torch==0.3.16", "mace"), "nequip": ("nequip==0.19.1", "nequip")}


def why_not(python: Path, requirements: list[str], module: str) -> str:
    """Install; the reason why that failed, or an empty text."""
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in ([*pip, *requirements], [python, "-c", f"import {module}"]):
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        sys.stderr.write(done.stderr)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "rror" in line]
            return (errors or ["it failed without a word"])[-1].strip()
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("folder", type=Path, help="of the environment; is emptied first")
    parser.add_argument("--out", type=Path, required=True, metavar="JSON")
    arguments = parser.parse_args()
    distribution, module = PEERS[arguments.peer]
    # The same torch as ours, so that the kernels beneath are the same.
    requirements = [f"torch=={version('torch').partition('+')[0]}", distribution]
    shutil.rmtree(arguments.folder, ignore_errors=True)
    venv.create(arguments.folder, with_pip=True)
    python = arguments.folder.absolute() / "bin" / "python"
    record = {"peer": arguments.peer, "packages": requirements}
    if reason := why_not(python, requirements, module):
        record["reason"] = f"{distribution} could not be installed: {reason}"
    else:
        record["python"] = str(python)
    write_json(arguments.out, record)


if __name__ == "__main__":
    main()
