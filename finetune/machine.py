"""What this machine has: devices, free memory, and the packages that make training faster or smaller."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

Device = Literal["cuda", "mps", "cpu"]
# Distributions that a plan asks about; the first of each pair is what pip calls it, the second what it is imported as.
PACKAGES = (
    "torch", "transformers", "trl", "peft", "accelerate",
    "flash-attn", "liger-kernel", "bitsandbytes", "deepspeed", "tensorboard", "trackio",
)  # fmt: skip
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Gpu:
    """One CUDA device: memory in bytes, and its compute capability, (8, 0) for an A100."""

    name: str
    memory: int
    free: int
    capability: tuple[int, int]


@dataclass(frozen=True)
class Machine:
    """One machine; ``ram_free`` in bytes, ``versions`` maps a distribution that is installed to its version."""

    device: Device
    gpus: tuple[Gpu, ...] = ()
    ram_free: int = 0
    cores: int = 1
    versions: Mapping[str, str] = field(default_factory=dict)

    def has(self, package: str) -> bool:
        """Whether a distribution is installed, by its name at pip."""
        return package in self.versions

    @property
    def free(self) -> int:
        """Bytes that a training can have on one device: of the fullest GPU, else of the main memory."""
        return min(gpu.free for gpu in self.gpus) if self.gpus else self.ram_free

    @property
    def capability(self) -> tuple[int, int]:
        """Compute capability that all GPUs have; (0, 0) without one."""
        return min((gpu.capability for gpu in self.gpus), default=(0, 0))

    def __str__(self) -> str:
        if self.gpus:
            return ", ".join(
                f"{gpu.name} ({gpu.free / 1e9:.1f} of {gpu.memory / 1e9:.1f} GB free)" for gpu in self.gpus
            )
        return f"{self.device}, {self.cores} cores, {self.ram_free / 1e9:.1f} GB free"


def look() -> Machine:
    """Return this machine; a process that `accelerate launch` started sees all GPUs of its machine."""
    import torch

    gpus = tuple(_gpu(number) for number in range(torch.cuda.device_count())) if torch.cuda.is_available() else ()
    device: Device = "cuda" if gpus else "mps" if torch.backends.mps.is_available() else "cpu"
    return Machine(device, gpus, _ram_free(), _cores(), {name: found for name in PACKAGES if (found := _version(name))})


def _gpu(number: int) -> Gpu:
    import torch

    free, memory = torch.cuda.mem_get_info(number)
    return Gpu(torch.cuda.get_device_name(number), memory, free, torch.cuda.get_device_capability(number))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cores() -> int:
    """Cores that this process may use, which in a container can be fewer than the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ram_free() -> int:
    """Free main memory; a container's limit counts where it is lower."""
    import psutil

    free: int = psutil.virtual_memory().available
    try:
        limit, used = ((_CGROUP / f"memory.{what}").read_text().strip() for what in ("max", "current"))
        inactive = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())["inactive_file"]
    except OSError:  # not Linux, or no container
        return free
    return free if limit == "max" else min(free, int(limit) - int(used) + int(inactive))
