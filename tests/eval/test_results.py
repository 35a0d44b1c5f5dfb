"""The score of an exam in points: both readings, and an interval on the scale of the points."""

from __future__ import annotations

import pytest

from eval.answers import AnswerRow, mark_answer, row_id
from eval.benchmarks import BENCHMARKS, Question
from eval.results import score_exam

EQ_BENCH = BENCHMARKS["eq-bench"]
NAMES = ("Relief", "Worry", "Pride", "Envy")
STRICTLY, BOLD, UNREAD = "{}: {}", "**{}**: {}", "{} is felt"


def asked(number: int) -> Question:
    return Question(f"EQ-{number}", "en", f"dialogue {number}", "", {}, reference=dict.fromkeys(NAMES, 3.0))


def said(question: Question, form: str, rating: int) -> AnswerRow:
    raw = "\n".join(form.format(name, rating) for name in NAMES)
    answer = EQ_BENCH.read(raw, question)
    return AnswerRow(
        id=row_id(question, 0, 0), question=question.id, order=0, sample=0, raw=raw,
        **mark_answer(EQ_BENCH, question, answer),
    )  # fmt: skip


def test_points_are_told_by_both_readings() -> None:
    questions = [asked(number) for number in range(4)]
    forms = ((STRICTLY, 3), (STRICTLY, 3), (BOLD, 10), (UNREAD, 0))
    result = score_exam(EQ_BENCH, questions, [said(q, *form) for q, form in zip(questions, forms, strict=True)])
    far = EQ_BENCH.metric((10, 10, 10, 10), questions[0])
    assert far is not None
    assert far < 0
    assert result.strict_points == 100
    assert result.points == pytest.approx((200 + 10 * far) / 3)
    assert (result.strict_read, result.answered) == (0.5, 0.75)
    assert not result.valid
    assert result.strict is result.lenient is None


def test_the_interval_of_points_is_in_points() -> None:
    several = [asked(number) for number in range(12)]
    result = score_exam(EQ_BENCH, several, [said(q, STRICTLY, 3 + n % 3) for n, q in enumerate(several)])
    assert result.points is not None
    assert result.points_interval is not None
    assert 0 < result.points_interval[0] < result.points < result.points_interval[1] < 100
    one = score_exam(EQ_BENCH, several[:1], [said(several[0], STRICTLY, 4)])
    assert one.points_interval == (0, 100), "of one dialogue nothing is known beyond it"
