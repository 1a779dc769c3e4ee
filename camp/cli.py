"""The command line: one verb for each kind of rule of the workflow.

Every verb imports what it needs when it runs, so that ``camp --help`` answers at once.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from camp import __version__
from camp.errors import InputError

Verb = Callable[[argparse.Namespace], None]


def run_import(arguments: argparse.Namespace) -> None:
    from camp.potential.published import import_published
    from camp.potential.saving import save

    save(import_published(arguments.published), arguments.out)


def add_import(verbs) -> None:
    parser = verbs.add_parser("import", help="convert a published checkpoint to our format")
    parser.add_argument("published", type=Path, help="checkpoint of the authors (.ckpt)")
    parser.add_argument("out", type=Path, help="model file to write (.safetensors)")
    parser.set_defaults(run=run_import)


VERBS: list[Callable[..., None]] = [add_import]


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="camp",
        description="Cartesian atomic moment potentials: train, evaluate, reproduce the paper.",
        epilog="'camp VERB --help' explains a verb.",
    )
    parser.add_argument("--version", action="version", version=f"camp {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for add in VERBS:
        add(verbs)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code: 0, or 2 with one line on stderr for bad input."""
    parsed = make_parser().parse_args(arguments)
    try:
        parsed.run(parsed)
    except InputError as error:
        print(f"camp: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("camp: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
