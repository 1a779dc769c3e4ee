"""Where a verb computes: its options, and a check of the device."""

import argparse

from camp.errors import InputError


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, …")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")


def add_accelerate(parser: argparse.ArgumentParser, *, default: bool) -> None:
    parser.add_argument(
        "--accelerate",
        action=argparse.BooleanOptionalAction,
        default=default,
        help="tables and compiled code, with forces that agree to 10⁻⁶, or the plain model",
    )


def check_device(device: str) -> None:
    """:raises InputError: it is not there, or torch cannot use it."""
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--device {device} cannot be used: {reason}") from None
