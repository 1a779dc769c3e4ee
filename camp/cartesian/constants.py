"""Constants that are made once."""

from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec, TypeVar, cast

import torch

P = ParamSpec("P")
T = TypeVar("T")


def constant(function: Callable[P, T]) -> Callable[P, T]:
    """Make each value once, as plain tensors on the CPU, whatever mode or default device the first
    caller is in.
    """

    @cache
    @wraps(function)
    def made(*arguments: P.args, **named: P.kwargs) -> T:
        with torch.inference_mode(False), torch.no_grad(), torch.device("cpu"):
            return function(*arguments, **named)

    return cast(Callable[P, T], made)
