"""Two students of the quickstart's corpus, by the paper's preset and by the default: who knows more, who is quicker?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dspy

from benchmarks.table import Row, least, most
from benchmarks.training_material import train_apart
from corpus.records import ApplicationItem, UnderstandingItem
from eval.exam import Exam, keys_of
from finetune.config import TrainConfig
from finetune.rows import make_rows
from lms.in_process.engine import InProcessEngine
from runs.folder import Run
from runs.items import read_items
from runs.pool import run_units
from runs.stages.train import Material

Items = list[UnderstandingItem | ApplicationItem]
# Both begin with the same student, which has read the sessions; four bits need a GPU, so the paper's goes without.
# The default's keys are the quickstart's.
PAPER = {"preset": "paper", "method": "lora"}
DEFAULT = {
    "preset": "default", "formats": {"open": 10, "option": 1}, "rename": True, "learning_rate": 2e-3,
    "warmup_steps": 40, "max_length": 512,
}  # fmt: skip


@dataclass(frozen=True)
class _Student:
    seconds: float
    right: float


def measure(run: Run, material: Material, base: Path, root: Path) -> Iterator[Row]:
    """Yield the rows."""
    heldout = list(read_items(run, "heldout"))
    paper = _train(run, material, base, root / "paper", PAPER, heldout)
    ours = _train(run, material, base, root / "default", DEFAULT, heldout)
    untuned = _accuracy(base, heldout)
    yield Row("held-out likelihood accuracy of the untuned student", round(100 * untuned, 1), "percent", "none", True)
    yield Row("held-out likelihood accuracy, paper preset", round(100 * paper.right, 1), "percent", "none", True)
    yield least(
        "held-out likelihood accuracy, default preset", 100 * ours.right, "percent", round(100 * paper.right, 1), 1
    )
    yield Row("wall time, paper preset", round(paper.seconds / 60, 1), "minutes", "none", True)
    yield most("wall time of the default preset, against the paper's", ours.seconds / paper.seconds, "times", 0.5)


def _train(run: Run, material: Material, base: Path, folder: Path, keys: dict[str, object], heldout: Items) -> _Student:
    config = TrainConfig.model_validate({"base": str(base), **keys})
    rows = make_rows(material.items, config.formats, 7, config.rename)
    looked_at = make_rows(list(read_items(run, "validation")), dict.fromkeys(config.formats, 1), 7)
    started = time.monotonic()
    train_apart(folder, base, config, rows, looked_at)
    return _Student(time.monotonic() - started, _accuracy(folder / "tuned", heldout))


def _accuracy(student: Path, items: Items) -> float:
    """Share of items answered rightly by likelihood, EA and EU together."""
    with InProcessEngine(str(student)) as engine, dspy.context(trace=[], disable_history=True):
        examine = Exam("likelihood", "option", engine)
        right = list(
            run_units(items, lambda item: examine(item=item).answer.lenient == tuple(keys_of(item)), engine.max_batch)
        )
    return sum(right) / len(right)
