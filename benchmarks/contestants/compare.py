"""All contestants on one structure in one run, one after another, each in its own process.

    python benchmarks/contestants/compare.py MODEL STRUCTURE --out JSON [--peer RECORD …]

The structure is first brought to the temperature of the measurement by our model. Ours are the
model accelerated, the model plain and, of CAMP, the literal equations on full 3^v tensors. The
others have an environment of their own, of which install.py wrote the record. Writes a list with
one record for each contestant, which says what kind it is of; who was not measured says why.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ase.io

import camp
from camp.cli.device import own_gpus
from camp.files import read_json, write_json
from camp.md.benchmark import equilibrated

HERE = Path(__file__).resolve().parent
NAMES = {"mace": "MACE", "nequip": "NequIP"}
# The architecture whose equations literal.py has.
LITERAL = "camp"
LABELS = ("simulation", "scale", "task", "data", "weights", "note")


def measured(command: Sequence[object], threads: int) -> dict[str, Any]:
    """The record of one contestant.

    :param command: without the option --json.
    :raises subprocess.CalledProcessError: it failed.
    """
    variables = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(variables, str(threads))}
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.json"
        full = [*map(str, command), "--json", str(record)]
        print("+", *full, flush=True)
        done = subprocess.run(
            full, env=environment, stderr=subprocess.PIPE, text=True, errors="replace", check=False
        )
        sys.stderr.write(done.stderr)
        done.check_returncode()
        return read_json(record)


def measured_literal(architecture: str, options: Sequence[object], threads: int) -> dict[str, Any]:
    """The record of the equations as they are written, or why there is none."""
    if architecture != LITERAL:
        return {"contestant": "literal equations", "unavailable": "written out for CAMP only"}
    return measured([sys.executable, HERE / "literal.py", *options], threads)


def measured_peer(
    peer: Mapping[str, Any], options: Sequence[object], threads: int, script: str = "peer"
) -> dict[str, Any]:
    """The record of a peer, or why there is none.

    :param script: what its name begins with.
    """
    name = peer["peer"]
    if "reason" in peer:
        return {"contestant": NAMES[name], "unavailable": peer["reason"]}
    try:
        return measured([peer["python"], HERE / f"{script}_{name}.py", *options], threads)
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:] or [str(error)]
        return {"contestant": NAMES[name], "unavailable": f"it failed: {last[0]}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("structure", type=Path)
    parser.add_argument("--out", type=Path, required=True, metavar="JSON")
    parser.add_argument("--peer", type=Path, action="append", default=[], metavar="JSON")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each quantity")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    for label in LABELS:
        parser.add_argument(f"--{label}", default="", help="kept with the records")
    parser.add_argument("--generated", action="store_true", help="the data are not the paper's")
    arguments = parser.parse_args()
    with own_gpus(arguments.device), tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "start.xyz"
        potential = camp.load(arguments.model)
        atoms = equilibrated(potential, ase.io.read(arguments.structure, index=0))
        ase.io.write(start, atoms, format="extxyz")
        compare(arguments, start, potential.architecture)


def compare(arguments: argparse.Namespace, structure: Path, architecture: str) -> None:
    """Measure all contestants and write their records.

    :param architecture: of our model.
    """
    model = arguments.model
    options = [structure, "--seconds", arguments.seconds, "--device", arguments.device]
    engine = "ase" if arguments.device == "cpu" else "torchsim"
    camp = [sys.executable, "-m", "camp", "benchmark", model, *options, "--engine", engine]
    ours = {"accelerated": camp, "plain": [*camp, "--no-accelerate"]}
    records = [
        {"kind": kind, **measured(command, arguments.threads)} for kind, command in ours.items()
    ]
    literal = measured_literal(architecture, [*options, "--model", model], arguments.threads)
    records.append({"kind": "literal", **literal})
    given = {peer["peer"]: peer for peer in map(read_json, arguments.peer)}
    for name in NAMES:
        peer = given.get(name, {"peer": name, "reason": "not asked for"})
        records.append({"kind": "peer", **measured_peer(peer, options, arguments.threads)})
    kept = {label: getattr(arguments, label) for label in (*LABELS, "generated")}
    write_json(
        arguments.out, [{**kept, "architecture": architecture, **record} for record in records]
    )


if __name__ == "__main__":
    main()
