"""What the training benchmarks train: rows of a small scripted corpus, and a student from scratch."""

from __future__ import annotations

import subprocess
import sys
from itertools import chain
from pathlib import Path

from benchmarks.table import ROOT
from finetune.config import ScratchConfig, TrainConfig
from finetune.job import read_result, write_job
from finetune.rows import Row
from finetune.scratch import make_student
from finetune.sft import TrainResult
from runs.folder import Run, read_run
from runs.stages.train import Material

SIZE = ScratchConfig(vocabulary=8000, hidden=128, layers=4, heads=4)  # the quickstart's


def make_corpus(folder: Path, *settings: str, recipe: str = "recipes/quickstart.yaml") -> Run:
    """Run a recipe up to its kept items."""
    changes = [part for setting in settings for part in ("--set", setting)]
    for stage in ("generate", "verify", "curate"):
        command = [sys.executable, "-m", "cli", stage, recipe, "--out", str(folder), *changes]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return read_run(folder)


def make_base(material: Material, folder: Path) -> Path:
    """Make a student with random weights whose tokenizer knows the rows."""
    messages = chain.from_iterable(chain(row["prompt"], row["completion"]) for row in material.rows)
    make_student((message["content"] for message in messages), SIZE, 1024, 7, folder)
    return folder


def train_apart(folder: Path, base: Path, config: TrainConfig, rows: list[Row], looked_at: list[Row]) -> TrainResult:
    """Train in a process of its own, whose peak memory is nobody else's."""
    write_job(folder, str(base), config, 7, rows, looked_at)
    done = subprocess.run(start_command(folder), cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"training failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return read_result(folder)


def start_command(folder: Path) -> list[str]:
    """Return the command that trains a job folder."""
    return [sys.executable, "-m", "finetune", str(folder)]
