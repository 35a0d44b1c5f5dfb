"""Answers as `eval.mistakes` takes them: from the marks of a run's exam, and from the rows of an exam of any model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

from corpus.records import Task, UnderstandingItem
from eval.answers import AnswerRow
from eval.benchmarks import Question, reordered
from eval.config import Mode
from eval.exam import keys_of
from eval.examined import Examined
from eval.item_analysis import QUESTIONS
from eval.mistakes import Asked, Mistakes, Outcome, Reply, Slice, find_mistakes, share_by_category
from eval.scores import Mark, Stage

Key = TypeVar("Key", bound=Hashable)


class StudentMistakes(Mistakes):
    """The mistakes of one student of a run in one mode, and the share right per category."""

    benchmark: str
    task: Task
    mode: Mode
    stage: Stage
    categories: dict[str, Slice]


def mistakes_of_students(examined: Iterable[Examined]) -> list[StudentMistakes]:
    """Return the mistakes per benchmark, task, mode, and student, in the order of appearance."""
    examined = list(examined)
    others = _others(
        ((one.benchmark, one.item.qid), one.item.scenario, one.item.subject, one.item.emotion_label)
        for one in examined
        if isinstance(one.item, UnderstandingItem)
    )
    groups: dict[tuple[str, Task, Mode, Stage], list[Reply]] = defaultdict(list)
    for one in examined:
        for (stage, mode), mark in one.marks.items():
            groups[one.benchmark, one.item.task, mode, stage].append(
                _reply(one, mark, mode, others.get((one.benchmark, one.item.qid), frozenset()))
            )
    return [
        StudentMistakes(
            benchmark=benchmark,
            task=task,
            mode=mode,
            stage=stage,
            categories=share_by_category(replies),
            **dict(find_mistakes(replies)),
        )
        for (benchmark, task, mode, stage), replies in groups.items()
    ]


def replies_of_rows(questions: Sequence[Question], rows: Iterable[AnswerRow], shown: bool = True) -> list[Reply]:
    """Return the answers of an exam whose questions have options.

    Args:
        questions: as published; rows: answers to them, in any order and sample; shown: whether the options were.
    """
    known = {question.id: question for question in questions}
    others = _others(
        (question.id, question.cluster, question.about.get("subject", ""), part.choices[part.key])
        for question in questions
        for part in question.parts
        if part.text_field == "emotion"
    )
    return [_reply_of_row(known[row.question], row, others.get(row.question, frozenset()), shown) for row in rows]


def _reply(one: Examined, mark: Mark, mode: Mode, others: frozenset[str]) -> Reply:
    item = one.item
    asked = zip(QUESTIONS[item.task], item.questions, keys_of(item), mark.picks, strict=True) if mark.picks else ()
    return Reply(
        item=item.qid,
        scenario=item.scenario,
        category=one.cell,
        outcome=_outcome(mark.lenient, mark.answered, mark.raw),
        asked=tuple(Asked(name, choices, key, pick) for name, (choices, _), key, pick in asked),
        before=one.before,
        others=others,
        shown=mode == "generate",
    )


def _reply_of_row(question: Question, row: AnswerRow, others: frozenset[str], shown: bool) -> Reply:
    parts = reordered(question, row.order).parts
    picks = row.lenient or (None,) * len(parts)
    return Reply(
        item=question.id,
        scenario=question.cluster,
        category=question.category,
        outcome="failed" if row.error else _outcome(row.lenient == row.keys, row.answered, row.raw),
        asked=tuple(
            Asked(part.text_field, part.choices, part.key, None if pick is None else int(pick))
            for part, pick in zip(parts, picks, strict=True)
        ),
        others=others,
        shown=shown,
    )


def _outcome(right: bool, answered: bool, raw: str) -> Outcome:
    if answered:
        return "right" if right else "wrong"
    return "unread" if raw.strip() else "empty"


def _others(asked: Iterable[tuple[Key, str, str, str]]) -> dict[Key, frozenset[str]]:
    """Return what other people feel in the scenario of each item, from (item, scenario, subject, emotion)."""
    asked = list(asked)
    felt: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for _, scenario, subject, emotion in asked:
        felt[scenario].add((subject, emotion))
    return {
        item: frozenset(emotion for who, emotion in felt[scenario] if who != subject)
        for item, scenario, subject, _ in asked
    }
