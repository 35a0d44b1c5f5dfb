"""A run folder with a handful of items, one of them hostile, and one that the judge set aside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from corpus.jsonl import write_jsonl
from corpus.records import ApplicationItem, UnderstandingItem
from review.items import ReviewItem
from runs.folder import Run, open_run
from runs.recipe import Recipe

_Item = UnderstandingItem | ApplicationItem
HOSTILE = """<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1"> **{{ 7 * 7 }}** `$&<b>"""


def make_eu(number: int, cell: str = "mixed emotions", **changes: Any) -> UnderstandingItem:
    told = {
        "qid": f"s1-{number:05}-m0",
        "scenario": f"Noor put chair {number} back into the hall.",
        "subject": "Noor",
        "explanation": f"The chair stands there, which is why {number} is right.",
        "coarse_category": "complex_emotions",
        "finegrained_category": cell,
        "emotion_choices": ("Joy", "Relief", "Fear", "Anger"),
        "emotion_label": "Relief",
        "cause_choices": ("the chair is back", "the hall is cold", "it rains", "nobody came"),
        "cause_label": "the chair is back",
    }
    return UnderstandingItem.model_validate(told | changes)


def make_ea(number: int, **changes: Any) -> ApplicationItem:
    told = {
        "qid": f"s1-{number:05}-m1",
        "scenario": f"Noor asks Per for chair {number}.",
        "subject": "Per",
        "explanation": "A chair is what is asked for.",
        "category": "Personal-Others",
        "question type": "Response",
        "choices": ("Here you are", "Which chair?", "I am busy", "Not now"),
        "label": "Here you are",
    }
    return ApplicationItem.model_validate(told | changes)


@pytest.fixture
def items() -> list[ReviewItem]:
    return [ReviewItem(make_eu(1)), ReviewItem(make_ea(2)), ReviewItem(make_eu(3), "blind answers disagree")]


def write_run(
    folder: Path, kept: Sequence[_Item], aside: Sequence[tuple[_Item, str]] | None = None, curated: bool = True
) -> Run:
    """Write a run folder with these items; without a file of aside ones where it is None."""
    recipe = Recipe.model_validate({"name": "hall", "lms": {"teacher": {"model": "scripted/counsel"}}})
    with open_run(folder, recipe) as run:
        write_jsonl(run.items_path, (_row(item) for item in kept))
        if aside is not None:
            write_jsonl(run.aside_path, ({**_row(item), "reason": reason} for item, reason in aside))
        if curated:
            run.finish("curate", 1.0, {})
        return run


def _row(item: _Item) -> dict[str, Any]:
    return {"split": "train", **item.model_dump(mode="json", by_alias=True)}
