"""The verb benchmark: how fast a model is on this machine."""

import argparse
from pathlib import Path

from camp.cli.device import (
    add_accelerate,
    add_device,
    check_device,
    positive_count,
    positive_number,
)
from camp.errors import InputError


def run_benchmark(arguments: argparse.Namespace) -> None:
    from camp.data.readers import read_structures
    from camp.files import write_json
    from camp.md.benchmark import benchmark, describe
    from camp.potential.saving import load
    from camp.process import reuse_freed_memory

    reuse_freed_memory()
    check_device(arguments.device)
    potential = load(arguments.model)
    (atoms,) = read_structures(arguments.structure, targets=(), first=1)
    try:
        potential.check(atoms)
    except InputError as error:
        raise InputError(f"{arguments.structure}: {error}") from None

    def measured(*, accelerate: bool) -> dict:
        return benchmark(
            potential,
            atoms,
            device=arguments.device,
            dtype=arguments.dtype,
            accelerate=accelerate,
            engine=arguments.engine,
            replicas=arguments.replicas,
            seconds=arguments.seconds,
        )

    record = measured(accelerate=arguments.accelerate)
    print(describe(record))
    if arguments.plain_too:
        record["plain"] = measured(accelerate=False)
        print(describe(record["plain"]))
    if arguments.json:
        write_json(arguments.json, record)


def add_benchmark(verbs) -> None:
    parser = verbs.add_parser("benchmark", help="speed of a model on this machine")
    parser.add_argument("model", type=Path, help="model of ours, or a published checkpoint")
    parser.add_argument("structure", type=Path, help="any supported format; the first one counts")
    parser.add_argument("--json", type=Path, metavar="OUT", help="the record, with its machine")
    add_device(parser)
    add_accelerate(parser, default=True)
    parser.add_argument("--plain-too", action="store_true", help="then also the plain model")
    parser.add_argument("--engine", choices=("ase", "torchsim"), default="ase")
    parser.add_argument(
        "--replicas", type=positive_count, default=1, metavar="N", help="in one batch (torchsim)"
    )
    parser.add_argument(
        "--seconds", type=positive_number, default=5.0, metavar="S", help="of each (default 5)"
    )
    parser.set_defaults(run=run_benchmark)
