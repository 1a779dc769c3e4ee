"""The most memory that this process has taken so far."""

import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class PeakMemory:
    """How much, and what was counted."""

    bytes: int
    of: str

    def record(self) -> dict[str, Any]:
        """What files keep of it."""
        return {"peak_memory_bytes": self.bytes, "peak_memory_of": self.of}


def peak_memory(device: torch.device | str) -> PeakMemory:
    """That of tensors on a GPU, else that of the whole process with its libraries."""
    if torch.device(device).type == "cuda":
        return PeakMemory(torch.cuda.max_memory_allocated(device), "tensors on the GPU")
    return PeakMemory(_peak_of_process(), "the whole process, libraries included")


def _peak_of_process() -> int:
    """Bytes. Where Linux tells it, of this program alone: getrusage knows also what the program had
    that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        if "VmHWM" in fields:
            return int(fields["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
