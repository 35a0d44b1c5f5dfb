"""Rows as Parquet with their types, so that `datasets.load_dataset` gives back what was written.

Categories and labels stay texts, as in EmoBench: numbers (ClassLabel) would need a table to be read, and `label` is one
of an item's own options.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset, Features, List, Value, disable_progress_bars

from corpus.records import Task
from runs.export.rows import ADDED, OFFICIAL, Row

_TEXT, _TEXTS = Value("string"), List(Value("string"))
_TYPES: dict[str, Any] = {
    "emotion_choices": _TEXTS,
    "cause_choices": _TEXTS,
    "choices": _TEXTS,
    "people": List({"name": _TEXT, "pronouns": _TEXT}),
    "misreadings": _TEXTS,
    "agreement": Value("float64"),
    "guessed": Value("bool"),
}
_MESSAGES = List({"role": _TEXT, "content": _TEXT})
CHAT = Features({"messages": _MESSAGES})
PROMPT_COMPLETION = Features({"prompt": _MESSAGES, "completion": _MESSAGES})


def item_features(task: Task) -> Features:
    """Return the types of a task's fields, in order; what has no type of its own is a text."""
    return Features({name: _TYPES.get(name, _TEXT) for name in (*OFFICIAL[task], *ADDED)})


def write_parquet(path: Path, rows: list[Row], features: Features) -> None:
    """Write rows, fields in the order of ``features``; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    disable_progress_bars()  # of a write that takes no time
    Dataset.from_list([{name: row[name] for name in features} for row in rows], features=features).to_parquet(path)
