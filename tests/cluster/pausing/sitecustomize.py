"""Makes each training stop once after a few epochs, until SIGUSR1; on SIGUSR2 it eats memory.

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
MIB = 1 << 20


def pause(*_: object) -> None:
    """Until SIGUSR1 or SIGTERM; meanwhile the number of the process stands in a file."""
    came: list[int] = []

    def note(number: int, _: object) -> None:
        came.append(number)

    handlers = {number: signal.signal(number, note) for number in (signal.SIGUSR1, signal.SIGTERM)}
    paused.write_text(str(os.getpid()))
    while not came:
        time.sleep(0.01)
    paused.write_text("")
    for number, handler in handlers.items():
        signal.signal(number, handler)
    if signal.SIGTERM in came:
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
