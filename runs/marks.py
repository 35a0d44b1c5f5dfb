"""Marks of an exam, one journal per student, mode, and benchmark: exam/STUDENT-MODE-BENCHMARK.jsonl of a run."""

from __future__ import annotations

from pathlib import Path

from eval.config import Mode
from eval.scores import Mark, Stage
from runs.folder import Run
from runs.journal import Journal

HELDOUT, EMOBENCH = "held-out synthetic", "EmoBench"
HELDOUT_OF = "held-out of"  # and the name that `exam.also` gives the other run


def marks_path(run: Run, stage: Stage, mode: Mode, benchmark: str) -> Path:
    """Path of the journal that holds the marks of a student on a benchmark."""
    return run.path / "exam" / f"{stage}-{mode}-{benchmark.replace(' ', '-').lower()}.jsonl"


def read_marks(run: Run, stage: Stage, mode: Mode, benchmark: str) -> dict[str, Mark]:
    """Return item ID → mark; raises RunError, see `Journal.rows`."""
    rows = Journal(marks_path(run, stage, mode, benchmark)).latest()
    return {key: Mark.model_validate(row) for key, row in rows.items()}
