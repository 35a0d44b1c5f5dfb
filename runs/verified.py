"""Reading what the verify stage left: what the rules dropped, and what the judge found."""

from __future__ import annotations

from corpus.jsonl import iter_objects
from corpus.records import Judgement, SessionJudgement
from corpus.screening import Drop
from runs.folder import Run
from runs.journal import Journal


def read_screened(run: Run) -> list[Drop]:
    """Return what the rules dropped, in ID order."""
    return [Drop(**row) for _, row in iter_objects(run.path / "data" / "screened.jsonl")]


def read_judgements(run: Run) -> dict[str, Judgement]:
    """Return the judgement of each draft that has one."""
    rows = Journal(run.journal_path("judgements")).latest()
    return {key: Judgement.model_validate(row["judgement"]) for key, row in rows.items() if row["ok"]}


def read_session_judgements(run: Run) -> dict[str, SessionJudgement]:
    """Return the judgement of each session that has one."""
    rows = Journal(run.journal_path("session-judgements")).latest()
    return {key: SessionJudgement.model_validate(row["judgement"]) for key, row in rows.items() if row["ok"]}
