"""Mutated files are read correctly, or refused with one line; nothing hangs.

CAMP_FUZZ=10 in the environment takes ten times as many.
"""

import os
import random

import pytest

from tests.fuzz.kinds import KINDS
from tests.fuzz.mutations import mutated_bytes, mutated_content, strange
from tests.fuzz.reading import result_of

# Of each kind of file; there are twenty kinds.
FILES = 150 * int(os.environ.get("CAMP_FUZZ", "1"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_mutated_files_are_read_correctly_or_refused(kind, tmp_path):
    chance = random.Random(kind.name)
    original, path = tmp_path / "original" / kind.name, tmp_path / kind.name
    original.parent.mkdir()
    kind.make(original)
    whole = original.read_bytes()
    path.write_bytes(whole)
    expected = kind.read(path)
    assert expected is not None
    content = kind.parse(original) if kind.parse else None
    refused = 0
    for number in range(FILES):
        if kind.build and number % 2:
            kind.build(mutated_content(chance, content, strange(kind)), path)
            found = result_of(kind.read, path)
        else:
            path.write_bytes(mutated_bytes(chance, whole))
            found = result_of(kind.read, path)
            assert not kind.checked or found in (None, expected)
        refused += found is None
    assert refused > FILES / 10 or kind.name == "graphs.safetensors"
