"""From the rows of an exam to its score: both readings, orders, samples, categories, baselines."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from statistics import fmean

from pydantic import BaseModel, ConfigDict

from eval.answers import AnswerRow
from eval.baselines import measure_baselines
from eval.benchmarks import Benchmark, Question
from eval.mistakes import Mistakes, Slice, find_mistakes, share_by_category
from eval.orders import OrderScore, Posed, interval_of, score_orders, vote
from eval.replies import replies_of_rows
from eval.statistics import mean_score

MAJORITY = "original-2024"


class ExamResult(BaseModel):
    """The score of one model on one benchmark; shares in 0..1.

    ``rows`` is the number of answers asked for, ``failed`` of those that never came, which count as wrong and have no
    vote (``reasons`` counts why), ``cut`` of those that ended at max_tokens; ``rules`` counts how all were read.
    ``answered`` is the share of answers, or of majorities, that could be read; ``strict`` and ``lenient`` are means
    over questions, orders, and samples, ``interval`` is the 95% interval of ``lenient`` with scenarios resampled;
    ``accuracy_answered`` is the lenient share of the answered.  ``orders`` says what option orders did, where there
    were several; ``categories`` are lenient shares, and ``mistakes`` says what went wrong, answer by answer.

    Of a benchmark that is scored in points (EQ-Bench) shares are None.  ``points`` is the score, at most 100, over the
    items that could be read leniently, ``points_interval`` its interval, and ``valid`` whether those are enough;
    ``strict_points`` is the score over the share ``strict_read`` that could be read strictly.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    benchmark: str
    lang: str
    n: int
    rows: int
    failed: int
    reasons: dict[str, int] = {}
    answered: float
    strict: float | None = None
    lenient: float | None = None
    interval: tuple[float, float] | None = None
    accuracy_answered: float | None = None
    points: float | None = None
    points_interval: tuple[float, float] | None = None
    strict_points: float | None = None
    strict_read: float | None = None
    valid: bool = True
    orders: OrderScore | None = None
    categories: dict[str, Slice] = {}
    baselines: dict[str, float] = {}
    rules: dict[str, int] = {}
    mistakes: Mistakes | None = None
    cut: int = 0


def score_exam(
    benchmark: Benchmark,
    questions: Sequence[Question],
    rows: Sequence[AnswerRow],
    majority: bool = False,
    shown: bool = True,
) -> ExamResult:
    """Score all rows of one exam.

    Args:
        questions: as published; rows: one per question, order, and sample.
        shown: whether the options stood in a list, as they do not where their texts' likelihoods are compared.
        majority: whether the samples of one order count as one answer, the most common one.
    """
    asked = rows
    rows = _vote(rows) if majority else rows
    by_question: dict[str, list[AnswerRow]] = defaultdict(list)
    for row in rows:
        by_question[row.question].append(row)
    known = {
        "benchmark": benchmark.name,
        "lang": questions[0].lang,
        "n": len(questions),
        "rows": len(asked),
        "failed": sum(bool(row.error) for row in asked),
        "reasons": dict(Counter(row.error for row in asked if row.error).most_common()),
        "answered": fmean(row.answered for row in rows),
        "rules": dict(Counter(rule for row in asked for rule in row.rules).most_common()),
        "cut": sum(row.finish == "length" for row in asked),
    }
    if not questions[0].parts:
        return ExamResult(**known, **_points(benchmark, questions, rows))
    shares = [fmean(row.points or 0.0 for row in by_question[question.id]) for question in questions]
    clusters = [question.cluster for question in questions]
    replies = replies_of_rows(questions, rows, shown)
    read = [row.points or 0.0 for row in rows if row.answered]
    return ExamResult(
        **known,
        strict=fmean(row.strict_points or 0.0 for row in rows),
        lenient=fmean(shares),
        interval=interval_of(shares, clusters),
        accuracy_answered=fmean(read) if read else None,
        orders=_orders(questions, rows),
        categories=share_by_category(replies),
        mistakes=find_mistakes(replies),
        baselines=measure_baselines(questions).named,
    )


def _points(benchmark: Benchmark, questions: Sequence[Question], rows: Sequence[AnswerRow]) -> dict[str, object]:
    total = benchmark.total([row.points for row in rows])
    strict = benchmark.total([row.strict_points for row in rows])
    clusters = {question.id: question.cluster for question in questions}
    counted = [(row.points / benchmark.points, clusters[row.question]) for row in rows if row.points is not None]
    found = mean_score([share for share, _ in counted], [cluster for _, cluster in counted]) if counted else None
    return {
        "points": total.score,
        "points_interval": (100 * found.low, 100 * found.high) if found else None,
        "strict_points": strict.score,
        "strict_read": strict.parsed,
        "valid": total.valid,
    }


def _orders(questions: Sequence[Question], rows: Sequence[AnswerRow]) -> OrderScore | None:
    orders = {row.order for row in rows}
    if len(orders) < 2 or any(row.sample for row in rows):
        return None
    clusters = {question.id: question.cluster for question in questions}
    return score_orders(Posed(row.question, clusters[row.question], row.order, _picks(row), row.keys) for row in rows)


def _vote(rows: Sequence[AnswerRow]) -> list[AnswerRow]:
    """Return one row per question and order, with the most common pick of each part among its samples."""
    groups: dict[tuple[str, int], list[AnswerRow]] = defaultdict(list)
    for row in rows:
        groups[row.question, row.order].append(row)
    return [_elect(group) for group in groups.values()]


def _elect(group: Sequence[AnswerRow]) -> AnswerRow:
    given = [row for row in group if not row.error]
    if not given:
        return group[0]
    lenient, strict = vote([_picks(row) for row in given]), vote([_whole(row.strict) for row in given])
    return given[0].model_copy(
        update={
            "sample": 0,
            "lenient": lenient,
            "strict": strict,
            "answered": None not in lenient,
            "points": float(lenient == given[0].keys),
            "strict_points": float(strict == given[0].keys),
        }
    )


def _picks(row: AnswerRow) -> tuple[int | None, ...]:
    return _whole(row.lenient) if row.lenient else (None,) * len(row.keys)


def _whole(values: Sequence[int | float | None]) -> tuple[int | None, ...]:
    return tuple(None if value is None else int(value) for value in values)
