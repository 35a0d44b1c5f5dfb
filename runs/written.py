"""Reading what the writers of a run wrote: sessions and drafts, from their journals."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import TypeAdapter

from corpus.records import Draft, Session
from runs.folder import Run
from runs.journal import Journal

_DRAFT: TypeAdapter[Draft] = TypeAdapter(Draft)


def read_sessions(run: Run) -> Iterator[Session]:
    """Yield the finished sessions of a run in journal order."""
    for row in Journal(run.journal_path("sessions")).latest().values():
        if row["ok"]:
            yield Session.model_validate(row["session"])


def read_drafts(run: Run) -> Iterator[Draft]:
    """Yield the drafts of a run in journal order."""
    for row in Journal(run.journal_path("drafts")).latest().values():
        for draft in row["drafts"]:
            yield _DRAFT.validate_python(draft)
