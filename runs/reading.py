"""Finding a session or an item of a run by its ID, for reading in the terminal."""

from __future__ import annotations

from rapidfuzz import process

from corpus.errors import RunError
from corpus.records import ApplicationItem, Session, UnderstandingItem
from runs.folder import Run
from runs.items import read_items
from runs.written import read_sessions


def find_record(run: Run, key: str) -> Session | UnderstandingItem | ApplicationItem:
    """Return the session or item with ID ``key``; raises RunError with the nearest ID."""
    known = []
    for session in read_sessions(run):
        if session.id == key:
            return session
        known.append(session.id)
    if run.items_path.exists():
        for item in read_items(run):
            if item.qid == key:
                return item
            known.append(item.qid)
    nearest = process.extractOne(key, known)
    hint = f"; did you mean {nearest[0]}?" if nearest else "; the run has no sessions yet"
    raise RunError(f"{run.path} holds no session or item {key!r}{hint}")
