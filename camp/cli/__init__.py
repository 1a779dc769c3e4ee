"""The command line: one verb for each kind of rule of the workflow.

Every verb imports what it needs when it runs, so that ``camp --help`` answers at once.
"""

import argparse
import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import NoReturn

from camp import __version__
from camp.cli import benchmark, data, lammps, models, plan, results, simulations
from camp.cli.device import own_gpus
from camp.errors import InputError

# What the system refuses for reasons that the user can mend.
_USERS_ERRORS = {errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EROFS, errno.EPERM}
# How torch on a GPU, torch on the CPU, the system, and its loader of libraries say it.
_LACK_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "Cannot allocate memory",
    "failed to map segment",
)

VERBS = (
    models.add_train,
    models.add_fine_tune,
    models.add_evaluate,
    models.add_predict,
    models.add_rival,
    models.add_info,
    models.add_import,
    simulations.add_md,
    simulations.add_analyse,
    simulations.add_scan,
    lammps.add_lammps,
    benchmark.add_benchmark,
    data.add_fetch,
    data.add_generate,
    data.add_convert,
    data.add_split,
    data.add_select,
    results.add_label,
    results.add_table,
    results.add_figure,
    results.add_scoreboard,
    results.add_gallery,
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


class _SignalReceived(BaseException):
    """Not KeyboardInterrupt: Lightning would end the process without a word."""


@contextmanager
def _raised_signals() -> Iterator[None]:
    """SIGINT and SIGTERM become an exception, so that the last line of a log can tell of them."""

    def tell(number: int, frame: FrameType | None) -> NoReturn:
        raise _SignalReceived(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code.

    0; 2 for bad input; 128 + N after signal N, as in a shell; 1 for what else went wrong. The last
    line on stderr says why.
    """
    parsed = make_parser().parse_args(arguments)
    try:
        with ExitStack() as stack:
            stack.enter_context(_raised_signals())
            if "device" in parsed:
                stack.enter_context(own_gpus(parsed.device, getattr(parsed, "devices", 1)))
            parsed.run(parsed)
            sys.stdout.flush()
    except BrokenPipeError:
        # Who read our output needs no more of it, as in 'camp plan … | head'.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except _SignalReceived as received:
        number = received.args[0]
        print(f"camp: interrupted by signal {signal.Signals(number).name}", file=sys.stderr)
        return 128 + number
    except Exception as error:
        code, reason = _explain(error)
        for problem in reason.splitlines():
            print(f"camp: error: {problem}", file=sys.stderr)
        return code
    return 0


def _explain(error: Exception) -> tuple[int, str]:
    """Exit code and reason; for a mistake of our own, the traceback goes to stderr before it."""
    if isinstance(error, InputError):
        return 2, str(error)
    if isinstance(error, OSError) and error.errno in _USERS_ERRORS:
        return 2, f"{error.filename or ''}: {error.strerror}"
    first_line = str(error).strip().partition("\n")[0]
    if isinstance(error, MemoryError) or any(text in str(error) for text in _LACK_OF_MEMORY):
        return 1, f"out of memory: {first_line or 'the system gives no more'}"
    traceback.print_exc()
    return 1, f"unexpected {type(error).__name__}: {first_line}"
