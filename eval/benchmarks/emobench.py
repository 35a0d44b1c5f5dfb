"""EmoBench as two exams: application (EA, one question an item) and understanding (EU, emotion and cause).

Sabour et al., ACL 2024; English and Chinese, 200 items each.  The data are read by `eval.emobench`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from corpus.records import ApplicationItem, Task, UnderstandingItem
from eval.benchmarks.base import Part, Question
from eval.benchmarks.choice import choice_benchmark
from eval.emobench import Language, load_emobench

if TYPE_CHECKING:
    import dspy

# Per question of a task: the answer's letter field and text field, and the input field that shows the choices.
_FIELDS: dict[Task, tuple[tuple[str, str, str], ...]] = {
    "EA": (("answer", "option", "choices"),),
    "EU": (("answer_q1", "emotion", "emotion_choices"), ("answer_q2", "cause", "cause_choices")),
}
_SOURCE = "a folder with EA.jsonl and EU.jsonl, or `hub`"


def question_of(item: UnderstandingItem | ApplicationItem, lang: Language | None = None) -> Question:
    """Return an EmoBench item, or one of ours, as a question of the exam.

    Args:
        lang: the language in which it is asked; that of the item's texts by default.
    """
    from signatures.exam import exam_inputs
    from signatures.exam_zh import chinese_inputs

    lang = lang or item.language
    inputs = chinese_inputs(item) if lang == "zh" else exam_inputs(item)
    kind = item.question_type if isinstance(item, ApplicationItem) else ""
    fine = item.finegrained_category if isinstance(item, UnderstandingItem) else ""
    return Question(
        id=item.qid,
        lang=lang,
        cluster=item.scenario,
        category=item.category if isinstance(item, ApplicationItem) else item.coarse_category,
        texts={name: text for name, text in inputs.items() if isinstance(text, str)},
        parts=tuple(
            Part(*fields, choices, choices.index(label))
            for fields, (choices, label) in zip(_FIELDS[item.task], item.questions, strict=True)
        ),
        about={"task": item.task, "subject": item.subject, "question type": kind, "fine category": fine},
    )


def _load(task: Task, source: str, lang: Language) -> list[Question]:
    return [question_of(item) for item in load_emobench(source, (lang,)) if item.task == task]


def _signature(task: Task, question: Question, thinking: bool) -> type[dspy.Signature]:
    from signatures.exam import exam_signature
    from signatures.exam_zh import chinese_signature

    if question.lang == "zh":
        return chinese_signature(task, thinking)
    return exam_signature(task, "reasoned" if thinking else "letter")


APPLICATION = choice_benchmark(
    "emobench-ea", "EmoBench, emotional application", ("en", "zh"), _SOURCE,
    partial(_load, "EA"), partial(_signature, "EA"),
)  # fmt: skip
UNDERSTANDING = choice_benchmark(
    "emobench-eu", "EmoBench, emotional understanding", ("en", "zh"), _SOURCE,
    partial(_load, "EU"), partial(_signature, "EU"),
)  # fmt: skip
