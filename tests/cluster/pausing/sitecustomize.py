"""Makes each training stop once after a few epochs, until it is woken; on SIGUSR2 it eats memory.

Python imports this at its start when PYTHONPATH leads here. All happens in the main thread, so that
no training ends meanwhile. Not SIGSTOP: SLURM without cgroups loses sight of stopped processes when
it has ended their parents.
"""

import _thread
import os
import signal
import sys
import time
from pathlib import Path
from threading import Thread

EPOCHS = 4
LONGEST_PAUSE = 300  # s
MIB = 1 << 20


def pause(*_: object) -> None:
    """Until nothing stands any more in a file, which now gets the number of the process; until
    SIGTERM; or until nobody can be waiting any more.
    """
    ended: list[int] = []
    handler = signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    paused.write_text(str(os.getpid()))
    latest = time.monotonic() + LONGEST_PAUSE
    while paused.read_text() and not ended and time.monotonic() < latest:
        time.sleep(0.01)
    signal.signal(signal.SIGTERM, handler)
    if ended:
        signal.raise_signal(signal.SIGTERM)


def eat_memory(*_: object) -> None:
    hoard = [os.urandom(MIB) for _ in range(1500)]
    time.sleep(100)
    del hoard


def wait_for_epochs() -> None:
    while not table.exists() or len(table.read_text().splitlines()) <= EPOCHS:
        time.sleep(0.01)
    _thread.interrupt_main(signal.SIGUSR1)


if sys.orig_argv[2:3] == ["train"]:
    out = Path(sys.orig_argv[sys.orig_argv.index("--out") + 1])
    table, paused = out / "metrics.csv", out / "paused"
    signal.signal(signal.SIGUSR1, pause)
    signal.signal(signal.SIGUSR2, eat_memory)
    if not paused.exists():
        Thread(target=wait_for_epochs, daemon=True).start()
