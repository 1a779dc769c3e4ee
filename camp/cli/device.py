"""Where a verb computes: its options, a check of the device, and GPUs of its own."""

import argparse
import math
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from errno import EADDRINUSE
from itertools import takewhile
from pathlib import Path

from camp.errors import InputError

VISIBLE = "CUDA_VISIBLE_DEVICES"


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu", help="cpu, cuda (one that is free), cuda:1, …")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")


def add_accelerate(parser: argparse.ArgumentParser, *, default: bool) -> None:
    parser.add_argument(
        "--accelerate",
        action=argparse.BooleanOptionalAction,
        default=default,
        help="tables and compiled code, with forces that agree to 10⁻⁶, or the plain model",
    )


def add_models(parser: argparse.ArgumentParser) -> None:
    """The models of a verb that takes one or an ensemble."""
    parser.add_argument(
        "models",
        type=Path,
        nargs="+",
        metavar="MODEL",
        help="model of ours, or published weights; of several, such as the seeds of a training, "
        "the mean counts, and how far they lie apart is told with it",
    )


def positive_count(text: str) -> int:
    """The type of an option that counts something.

    :raises argparse.ArgumentTypeError: not a whole number, or smaller than one.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def positive_number(text: str) -> float:
    """The type of an option that measures something.

    :raises argparse.ArgumentTypeError: not a number above zero, or no finite one.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return number


def check_device(device: str) -> None:
    """:raises InputError: it is not there, or torch cannot use it."""
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--device {device} cannot be used: {reason}") from None


def visible_gpus() -> list[str]:
    """Names of the GPUs that this process may use, as in CUDA_VISIBLE_DEVICES.

    Without this variable, a number for each device file of NVIDIA's driver. On Linux only.
    """
    if sys.platform != "linux":
        return []
    given = os.environ.get(VISIBLE)
    if given is None:
        return [str(number) for number, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]
    # As CUDA does: nothing counts that follows an invalid name.
    names = (name.strip() for name in given.split(","))
    return list(takewhile(lambda name: name not in ("", "-1"), names))


@contextmanager
def own_gpus(device: str, count: int = 1) -> Iterator[None]:
    """Show this process those GPUs only which no other process of camp on this machine has claimed.

    Must begin before torch looks for GPUs. When too few are free it says so and waits. A claim
    ends with its process, however that ends. Where there is nothing to choose, because ``device``
    names a GPU or there are not more than ``count``, they are used at once, claimed or not; the
    free ones among them are claimed, so that others take another.

    :param device: ``cuda``, ``cuda:N``, or any other, such as ``cpu``, for which GPUs are hidden.
    :param count: how many are needed.
    """
    before = os.environ.get(VISIBLE)
    kind, _, index = device.partition(":")
    names = visible_gpus()
    with ExitStack() as claims:
        if kind != "cuda":
            os.environ[VISIBLE] = ""
        elif index or len(names) <= count:
            for number, name in enumerate(names):
                if index in ("", str(number)) and (claim := _claim(name)):
                    claims.enter_context(claim)
        else:
            own = _wait_for(names, count)
            for claim in own.values():
                claims.enter_context(claim)
            os.environ[VISIBLE] = ",".join(own)
            print(f"computes on GPU {', '.join(own)} of {', '.join(names)}", file=sys.stderr)
        try:
            yield
        finally:
            os.environ.pop(VISIBLE, None)
            if before is not None:
                os.environ[VISIBLE] = before


def _wait_for(names: Sequence[str], count: int) -> dict[str, socket.socket]:
    """Claims on so many of these GPUs, as soon as they are free."""
    waited = False
    while not (claims := _claim_free(names, count)):
        if not waited:
            print(
                f"waits for {count} of the GPUs {', '.join(names)}: other processes of camp have "
                f"them (to share one, set {VISIBLE} to it)",
                file=sys.stderr,
                flush=True,
            )
        waited = True
        time.sleep(1)
    return claims


def _claim_free(names: Sequence[str], count: int) -> dict[str, socket.socket]:
    """Claims on so many of these GPUs, or on none if fewer are free."""
    claims: dict[str, socket.socket] = {}
    for name in names:
        if len(claims) < count and (claim := _claim(name)):
            claims[name] = claim
    if len(claims) == count:
        return claims
    for claim in claims.values():
        claim.close()
    return {}


def _claim(name: str) -> socket.socket | None:
    """A claim on a GPU, held until it is closed; None when another process has one."""
    # In a job of SLURM the numbers may count the GPUs of the job.
    job = os.environ.get("SLURM_JOB_ID", "")
    claim = socket.socket(socket.AF_UNIX)
    try:
        # The zero makes it a name without a file, which Linux forgets with its last owner.
        claim.bind(f"\0camp-gpu/{job}/{name}")
    except OSError as error:
        claim.close()
        if error.errno != EADDRINUSE:
            raise
        return None
    return claim
