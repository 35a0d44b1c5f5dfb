"""The exam's prompts as templates: the text of signatures/exam.py, rendered once with names where an item would stand.

A template has ``{{field}}`` where the input field of an item belongs, and ``{{lettered_FIELD}}`` on a line of its own
where its lettered options do; that is Jinja, which lm-evaluation-harness fills, and `eval.export_task.items.fill` too.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal, get_args

from corpus.records import ApplicationItem, Task, UnderstandingItem
from signatures.exam import ADDRESSED, exam_inputs, exam_signature
from signatures.exam_adapter import render_question
from signatures.formats import LETTERS, AnswerFormat

# `open` shows no options, and its answers are told apart by likelihood: other tools do that in other ways.
Shown = Literal["letter", "reasoned", "option"]
SHOWN: tuple[Shown, ...] = get_args(Shown)
TASKS: tuple[Task, ...] = ("EA", "EU")
_ANYONE = "{subject}"
_NOTHING: dict[str, Any] = {"qid": "", "language": "en", "scenario": "", "explanation": ""}


def template_of(task: Task, answer_format: AnswerFormat) -> str:
    """Return the prompt of a task as a template."""
    signature = exam_signature(task, answer_format)
    names: dict[str, Any] = {}
    for name, value in exam_inputs(_item(task, _ANYONE, "Action")).items():
        names[name] = f"{{{{{name}}}}}" if isinstance(value, str) else (f"{{{{lettered_{name}}}}}",)
    return render_question(signature, names).replace(f"{LETTERS[0]}) {{{{lettered_", "{{lettered_")


def questions_of(task: Task) -> dict[str, dict[str, dict[str, str]]]:
    """Return what is asked: question type ("" for EU) → subject → input field → question.

    The subject is one that has a form of its own ("I", "you"), or ``{subject}``, which stands for any other.
    """
    subjects = (*ADDRESSED, _ANYONE)
    kinds = ("Action", "Response") if task == "EA" else ("",)
    return {kind: {subject: _asked(_item(task, subject, kind)) for subject in subjects} for kind in kinds}


def name_prompt(task: Task, answer_format: AnswerFormat) -> str:
    """Return a name that changes with every word of the prompt: ``emoreason-exam-EA-letter-1a2b3c4d``."""
    words = f"{template_of(task, answer_format)}\n{questions_of(task)}"
    return f"emoreason-exam-{task}-{answer_format}-{hashlib.sha256(words.encode()).hexdigest()[:8]}"


def _asked(item: UnderstandingItem | ApplicationItem) -> dict[str, str]:
    return {name: str(value) for name, value in exam_inputs(item).items() if name.startswith("question")}


def _item(task: Task, subject: str, kind: str) -> UnderstandingItem | ApplicationItem:
    """An item that has nothing but a subject and a type."""
    if task == "EU":
        return UnderstandingItem.model_validate(
            _NOTHING
            | {"task": task, "subject": subject, "coarse_category": "", "finegrained_category": ""}
            | {"emotion_choices": (), "emotion_label": "", "cause_choices": (), "cause_label": ""}
        )
    return ApplicationItem.model_validate(
        _NOTHING | {"task": task, "subject": subject, "category": "", "question type": kind, "choices": (), "label": ""}
    )


PROMPTS: dict[str, dict[str, str]] = {task: {shown: template_of(task, shown) for shown in SHOWN} for task in TASKS}
PROMPT_NAMES: dict[str, dict[str, str]] = {task: {shown: name_prompt(task, shown) for shown in SHOWN} for task in TASKS}
QUESTIONS: dict[str, dict[str, dict[str, dict[str, str]]]] = {task: questions_of(task) for task in TASKS}
