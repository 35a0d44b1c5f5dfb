"""Items as rows: in EmoBench's form, with what we added, and as training rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from corpus.records import ApplicationItem, Task, UnderstandingItem
from finetune.config import TrainConfig
from finetune.rows import make_rows

Row = dict[str, Any]

# EmoBench's fields, names and order to the letter (Sabour et al., ACL 2024; data/EU.jsonl and EA.jsonl).
OFFICIAL: dict[Task, tuple[str, ...]] = {
    "EU": (
        "qid", "language", "coarse_category", "finegrained_category", "scenario", "subject", "emotion_choices",
        "emotion_label", "cause_choices", "cause_label",
    ),
    "EA": ("qid", "language", "category", "question type", "scenario", "subject", "choices", "label"),
}  # fmt: skip
ADDED = ("session", "people", "explanation", "misreadings", "teacher", "agreement", "guessed")


def official_rows(items: Iterable[UnderstandingItem | ApplicationItem], task: Task) -> list[Row]:
    """Return the items of a task as EmoBench has them."""
    return [_pick(item, OFFICIAL[task]) for item in items if item.task == task]


def full_rows(items: Iterable[UnderstandingItem | ApplicationItem], task: Task) -> list[Row]:
    """Return the items of a task in EmoBench's form, and behind it what we added."""
    return [_pick(item, (*OFFICIAL[task], *ADDED)) for item in items if item.task == task]


def training_rows(items: Sequence[UnderstandingItem | ApplicationItem], config: TrainConfig, seed: int) -> list[Row]:
    """Return prompt/completion rows in the recipe's formats, each item once in each, under its own names."""
    rows = make_rows(items, dict.fromkeys(config.formats, 1), seed)
    return [{"prompt": row["prompt"], "completion": row["completion"]} for row in rows]


def chat_rows(rows: Iterable[Row]) -> list[Row]:
    """Return prompt/completion rows as whole conversations, ``{"messages": […]}``."""
    return [{"messages": [*row["prompt"], *row["completion"]]} for row in rows]


def _pick(item: UnderstandingItem | ApplicationItem, names: Iterable[str]) -> Row:
    values = item.model_dump(mode="json", by_alias=True)
    return {name: values[name] for name in names}
