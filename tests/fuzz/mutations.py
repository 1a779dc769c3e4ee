"""Changes of a file's bytes, or of its parsed content."""

import copy
import math
import random
from typing import Any

import numpy as np
import torch

from tests.fuzz.kinds import Kind


def mutated_bytes(chance: random.Random, whole: bytes) -> bytes:
    """Bytes replaced, pieces cut out, doubled or zeroed, or the end cut off."""
    content = bytearray(whole)
    if chance.random() < 0.15:
        return bytes(content[: chance.randrange(len(content))])
    for _ in range(chance.randint(1, 6)):
        first = chance.randrange(len(content) or 1)
        piece = content[first : first + chance.choice((1, 1, 4, 20, 200))]
        new = chance.choice(
            (
                bytes([chance.choice(b'0123456789.-eE"[]{}:,&*!|> \n\t\x00\xff')]),
                chance.randbytes(1),
                bytes(len(piece)),
                bytes(2 * piece),
                b"",
            )
        )
        content[first : first + len(piece)] = new
    return bytes(content)


STRANGE: tuple[Any, ...] = (
    *(None, True, 0, -1, 3, 0.5, 10**12, 10**30, -(10**400), 1e308, math.nan, -math.inf),
    *("", "text", "a\nb", "\x1b[2J", "../a", "1", "O", "ethanol", [], [[]], [None], [1, 2, 3]),
    *({}, {"a": {"b": [None]}}, {"": 1}, {"a\nb": 1}, [{"a": 1}], ["a", 1], list(range(300))),
)
STRANGE_TENSORS: tuple[Any, ...] = (
    *(torch.zeros(0), torch.zeros(2, 3), torch.tensor(3), torch.full((2, 2), math.nan)),
    *(torch.zeros(2, 2, dtype=torch.int64), torch.zeros(2, 2, dtype=torch.complex64)),
    *(torch.zeros(2, 2, dtype=torch.bfloat16), torch.zeros(2, 2).bool(), torch.tensor(-1e30)),
)
STRANGE_IN_CHECKPOINTS = (
    *STRANGE_TENSORS,
    torch.zeros(1).expand(10**6, 10**6),
    torch.zeros(2, 2).to_sparse(),
    torch.zeros(2, 2, device="meta"),
)
STRANGE_ARRAYS: tuple[Any, ...] = (
    *(np.zeros(0), np.zeros((3, 5)), np.array(7), np.full((3, 5, 3), np.nan), np.zeros((3, 5, 3))),
    *(np.array([{}, None]), np.array(["a", "b"]), np.array([1j]), np.array([-1, 500, 3, 4, 5])),
    *(np.full((3, 1), 1e300), np.full(5, 6.5), np.array([True] * 5), np.zeros((3, 5, 3), "f2")),
)


def strange(kind: Kind) -> tuple[Any, ...]:
    if kind.name.endswith(".npz"):
        return STRANGE_ARRAYS
    if kind.name.endswith(".safetensors"):
        return STRANGE + STRANGE_TENSORS
    return STRANGE + (STRANGE_IN_CHECKPOINTS if kind.name.endswith(".ckpt") else ())


def containers(content: Any) -> list[Any]:
    """All mappings and lists in a structure, itself included."""
    found, waiting = [], [content]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict | list):
            found.append(one)
            waiting += one.values() if isinstance(one, dict) else one
    return [one for one in found if one]


def mutated_content(chance: random.Random, content: Any, values: tuple[Any, ...]) -> Any:
    """A value replaced, left out, put under another key or in the place of another."""
    content = copy.deepcopy(content)
    for _ in range(chance.choice((1, 1, 2))):
        inside = chance.choice(containers(content) or [{"": None}])
        keys = [*inside] if isinstance(inside, dict) else [*range(len(inside))]
        key, other = chance.choice(keys), chance.choice(keys)
        action = chance.randrange(6)
        if action == 0:
            del inside[key]
        elif action == 1:
            inside[key], inside[other] = inside[other], inside[key]
        elif action == 2 and isinstance(inside, dict):
            inside[chance.choice(("", "a\nb", "unknown", f"{key} ", 7))] = inside.pop(key)
        else:
            inside[key] = copy.deepcopy(chance.choice(values))
    return content
