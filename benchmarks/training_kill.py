"""A training that is killed three times and goes on, against one that is left in peace."""

from __future__ import annotations

import random
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.table import ROOT, Row, most
from benchmarks.training_material import start_command, train_apart
from finetune.config import TrainConfig
from finetune.job import is_finished, read_result, write_job
from runs.stages.train import Material

KILLS, STEPS = 3, 120
KEYS = {"formats": {"open": 1}, "max_steps": STEPS, "checkpoint_steps": 20, "learning_rate": 2e-3, "max_length": 512}


def measure(material: Material, base: Path, root: Path) -> Iterator[Row]:
    """Yield the rows."""
    config = TrainConfig.model_validate({"base": str(base), **KEYS})
    rows, looked_at = material.rows[:1000], material.validation[:20]
    calm = train_apart(root / "calm", base, config, rows, looked_at)
    folder = root / "killed"
    write_job(folder, str(base), config, 7, rows, looked_at)
    rng = random.Random(0)
    for moment in sorted(rng.uniform(0.15, 0.95) * STEPS for _ in range(KILLS)):
        _kill_at(folder, moment)
    subprocess.run(start_command(folder), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    killed = read_result(folder)
    for name in ("train_loss", "validation_loss"):
        first, again = getattr(calm, name)[-1], getattr(killed, name)[-1]
        assert first[0] == again[0]
        what = name.replace("_", " ")
        yield most(f"killed {KILLS} times: last {what}, relative difference", abs(again[1] / first[1] - 1), "", 1e-3, 6)
    shutil.rmtree(root)


def _kill_at(folder: Path, moment: float) -> None:
    """Train until a logged step reaches ``moment``, then kill -9."""
    with subprocess.Popen(start_command(folder), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            step = re.match(r"step (\d+)/", line)
            if step and int(step[1]) >= moment:
                break
        assert not is_finished(folder), "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
