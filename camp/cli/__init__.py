"""The command line: one verb for each kind of rule of the workflow.

Every verb imports what it needs when it runs, so that ``camp --help`` answers at once.
"""

import argparse
import errno
import sys
from collections.abc import Sequence

from camp import __version__
from camp.cli import benchmark, data, models, plan, results, simulations
from camp.errors import InputError

# What the system refuses for reasons that the user can mend.
_USERS_ERRORS = {errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EROFS, errno.EPERM}

VERBS = (
    models.add_train,
    models.add_evaluate,
    models.add_import,
    simulations.add_md,
    simulations.add_analyse,
    simulations.add_scan,
    benchmark.add_benchmark,
    data.add_fetch,
    data.add_generate,
    data.add_convert,
    data.add_split,
    data.add_select,
    results.add_table,
    results.add_figure,
    results.add_scoreboard,
    plan.add_plan,
)


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
        for problem in str(error).splitlines():
            print(f"camp: error: {problem}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in _USERS_ERRORS:
            raise
        print(f"camp: error: {error.filename or ''}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("camp: interrupted", file=sys.stderr)
        return 130
    return 0
