"""Training on several devices: accelerate's configs, and the command that starts a job folder with one of them."""

from __future__ import annotations

import sys
from pathlib import Path

from finetune.config import TrainConfig
from finetune.machine import Machine

HERE = Path(__file__).parent


def launch_command(folder: Path, config: TrainConfig, machine: Machine) -> list[str]:
    """Return the command that trains ``folder`` in ``train.processes`` processes, by default one per GPU."""
    processes = config.processes or max(1, len(machine.gpus))
    on_cpu = [] if machine.gpus else ["--cpu"]
    return [
        sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(HERE / f"{config.launch}.yaml"),
        "--num_processes", str(processes), *on_cpu, "-m", "finetune", str(folder),
    ]  # fmt: skip
