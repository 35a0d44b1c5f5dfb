"""Training rows: exam questions and their right answers, rendered exactly as in an exam."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from corpus.assemble import place
from corpus.records import ApplicationItem, UnderstandingItem
from corpus.seeds import rng_for
from finetune.rename import rename_people
from signatures.exam import exam_answer, exam_inputs, exam_signature
from signatures.exam_adapter import ExamAdapter, render_answer
from signatures.formats import AnswerFormat


class Row(TypedDict):
    """One row: which item it shows, what the student sees, and what it learns to write."""

    id: str
    prompt: list[dict[str, str]]
    completion: list[dict[str, str]]


def make_rows(
    items: Sequence[UnderstandingItem | ApplicationItem],
    formats: Mapping[AnswerFormat, int],
    seed: int,
    rename: bool = False,
) -> list[Row]:
    """Return shuffled prompt/completion rows: each item so many times in each format, options in seeded orders.

    The first order of each format is the item's own; with ``rename`` every row but the first of an item has other
    names.
    """
    rows: list[Row] = []
    for item in items:
        shown = itertools.count()
        for answer_format, times in formats.items():
            for order in range(times):
                variant = reorder(item, order, seed) if order else item
                if (number := next(shown)) and rename:
                    variant = rename_people(variant, seed, number)
                rows.append(make_row(variant, answer_format))
    rng_for(seed, "rows").shuffle(rows)
    return rows


def make_row(item: UnderstandingItem | ApplicationItem, answer_format: AnswerFormat) -> Row:
    """Render one item: its id, the exam's messages, and the right answer as the assistant's message."""
    prompt: list[dict[str, Any]] = ExamAdapter().format(exam_signature(item.task, answer_format), [], exam_inputs(item))
    return {
        "id": item.qid,
        "prompt": prompt,
        "completion": [{"role": "assistant", "content": render_answer(exam_answer(item, answer_format))}],
    }


def reorder(item: UnderstandingItem | ApplicationItem, order: int, seed: int) -> UnderstandingItem | ApplicationItem:
    """Return the item with its options in seeded order number ``order``; labels are texts and stay right."""

    def shuffled(choices: tuple[str, ...], what: str) -> tuple[str, ...]:
        key = (seed, item.qid, order, what)
        return place(choices[0], choices[1:], rng_for("place", *key).randrange(len(choices)), *key)

    if isinstance(item, UnderstandingItem):
        return item.model_copy(
            update={
                "emotion_choices": shuffled(item.emotion_choices, "emotion"),
                "cause_choices": shuffled(item.cause_choices, "cause"),
            }
        )
    return item.model_copy(update={"choices": shuffled(item.choices, "option")})
