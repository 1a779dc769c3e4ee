"""What is counted as the memory of this process."""

import subprocess
import sys

import numpy as np

from camp.memory import peak_memory

ROOM = 400_000_000  # bytes


def test_peak_has_what_was_used_and_released():
    before = peak_memory("cpu").bytes
    np.ones(ROOM // 8).sum()
    assert peak_memory("cpu").bytes > before + 0.5 * ROOM or before > ROOM


def test_peak_is_not_that_of_the_program_that_started_this_one():
    kept = np.ones(ROOM // 8)
    code = "from camp.memory import peak_memory; print(peak_memory('cpu').bytes)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(found.stdout) < kept.nbytes
