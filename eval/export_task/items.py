"""What the tasks for both tools share: EmoBench's rows, the prompt of each, and the marking of an answer.

This module is exported: `eval.export_task.bundle` writes it, and what it imports from EmoReason, into the task of
others.  It therefore imports nothing that they may lack.
"""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

from eval.export_task.prompts import PROMPTS, QUESTIONS
from eval.reading import read_answer
from signatures.formats import LETTERS

HUB = "hub"
HUB_DATASET = "SahandSab/EmoBench"
HUB_CONFIGS = {"EA": "emotional_application", "EU": "emotional_understanding"}
# Per question: the input field that holds its options, the column with its label, and the fields of an answer.
PARTS = {
    "EA": (("choices", "label", "answer", "option"),),
    "EU": (
        ("emotion_choices", "emotion_label", "answer_q1", "emotion"),
        ("cause_choices", "cause_label", "answer_q2", "cause"),
    ),
}
CATEGORY = {"EA": "category", "EU": "coarse_category"}


def load_items(task: str, lang: str, data: str) -> list[dict[str, Any]]:
    """Return the items of a task in a language, prepared by `prepare`.

    Args:
        task: EA or EU.
        lang: en or zh.
        data: folder with EA.jsonl and EU.jsonl, or "hub" for the data set on the Hugging Face hub.
    """
    if data == HUB:
        from datasets import load_dataset

        splits = load_dataset(HUB_DATASET, HUB_CONFIGS[task])
        rows = [row for name in splits for row in splits[name]]
    else:
        text = (Path(data) / f"{task}.jsonl").read_text(encoding="utf-8")
        rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    found = [prepare(task, row) for row in rows if row.get("language", "en") == lang]
    if not found:
        raise ValueError(f"{data}: no items of {task} in {lang}")
    return found


def prepare(task: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return an item with all that a prompt and a mark need.

    ``options`` are the options of each question, ``keys`` the indices of the right ones; ``answers`` are all answers
    that name one letter per question, as JSON, and ``gold`` the index of the right one.
    """
    parts = PARTS[task]
    by_subject = QUESTIONS[task][row.get("question type", "")]
    subject = row["subject"]
    asked = by_subject.get(subject, by_subject["{subject}"])
    options = [list(row[choices]) for choices, *_ in parts]
    keys = [row[choices].index(row[label]) for choices, label, *_ in parts]
    answers = [
        json.dumps({part[2]: LETTERS[pick] for part, pick in zip(parts, picks, strict=True)})
        for picks in product(*(range(len(shown)) for shown in options))
    ]
    right = json.dumps({part[2]: LETTERS[key] for part, key in zip(parts, keys, strict=True)})
    lettered = {
        f"lettered_{part[0]}": "\n".join(f"{LETTERS[n]}) {option}" for n, option in enumerate(shown))
        for part, shown in zip(parts, options, strict=True)
    }
    return {
        "id": f"{task}-{row['qid']}",
        "task": task,
        "category": row[CATEGORY[task]],
        "scenario": row["scenario"],
        **{field: question.replace("{subject}", subject) for field, question in asked.items()},
        **lettered,
        "options": options,
        "keys": keys,
        "answers": answers,
        "gold": answers.index(right),
    }


def fill(item: dict[str, Any], answer_format: str) -> str:
    """Return the prompt of an item."""
    return re.sub(r"\{\{(\w+)\}\}", lambda field: str(item[field[1]]), PROMPTS[item["task"]][answer_format])


def mark(item: dict[str, Any], raw: str) -> dict[str, int]:
    """Return ``{"answered", "strict", "lenient"}``, each 0 or 1: for EU 1 only when emotion and cause both are."""
    alone = len(item["options"]) == 1
    readings = [
        read_answer(raw, field, text_field, options, alone)
        for (_, _, field, text_field), options in zip(PARTS[item["task"]], item["options"], strict=True)
    ]
    return {
        "answered": int(all(reading.lenient is not None for reading in readings)),
        "strict": int([reading.strict for reading in readings] == item["keys"]),
        "lenient": int([reading.lenient for reading in readings] == item["keys"]),
    }
