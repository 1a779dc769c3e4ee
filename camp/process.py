"""Settings of the whole process, made by the command line and nowhere else."""

import ctypes
import ctypes.util
import logging
import threading
import warnings

# Parameters of mallopt(3), from malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def quiet_lightning() -> None:
    """Keep Lightning's advice out of the output, and what TensorBoard's thread says of a full disk,
    of which it tells its caller too. What Lightning has to warn of stays.
    """
    threading.excepthook = _say_unless_told
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    advice = (
        ".*isinstance.treespec, LeafSpec.*",
        "Checkpoint directory .* exists",
        ".*`srun` command.*",
    )
    for message in advice:
        warnings.filterwarnings("ignore", message=message)


def _say_unless_told(failure: threading.ExceptHookArgs) -> None:
    if not isinstance(failure.exc_value, OSError):
        threading.__excepthook__(failure)


def reuse_freed_memory() -> None:
    """Let malloc keep freed blocks of up to 1 GiB instead of returning them to the system.

    Intermediate results of a network are a few MiB each; by default every one of them is mapped
    from and returned to the system, which takes a third of the time of a step. Without glibc
    nothing happens.
    """
    name = ctypes.util.find_library("c")
    try:
        mallopt = ctypes.CDLL(name).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_MMAP_THRESHOLD, 1 << 30)
    mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
