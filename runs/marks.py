"""Marks of an exam, one journal per student, mode, and benchmark: exam/STUDENT-MODE-BENCHMARK.jsonl of a run.

Further orders of the options have journals of their own beside it, the second one …-order-2.jsonl.
"""

from __future__ import annotations

from pathlib import Path

from eval.config import Mode
from eval.scores import Mark, Stage
from runs.folder import Run
from runs.journal import Journal

HELDOUT, EMOBENCH = "held-out synthetic", "EmoBench"
HELDOUT_OF = "held-out of"  # and the name that `exam.also` gives the other run


def marks_path(run: Run, stage: Stage, mode: Mode, benchmark: str, order: int = 0) -> Path:
    """Path of the journal that holds the marks of a student on a benchmark.

    Args:
        order: of the options, see `eval.benchmarks.reordered`; 0 is the published one, which all scores are of.
    """
    further = f"-order-{order + 1}" if order else ""
    return run.path / "exam" / f"{stage}-{mode}-{benchmark.replace(' ', '-').lower()}{further}.jsonl"


def read_marks(run: Run, stage: Stage, mode: Mode, benchmark: str) -> dict[str, Mark]:
    """Return item ID → mark; raises RunError, see `Journal.rows`."""
    rows = Journal(marks_path(run, stage, mode, benchmark)).latest()
    return {key: Mark.model_validate(row) for key, row in rows.items()}
