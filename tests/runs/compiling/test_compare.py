"""The final comparison: pairs, clusters, and criteria that were not looked at every time."""

from __future__ import annotations

import pytest

from optimizers.cases import ExamCase
from optimizers.quality.verdict import Quality, Verdict
from optimizers.scoring import Scored
from runs.compiling.compare import compare, rows_of
from tests.review.conftest import make_ea


def scored(number: int, quality: float, failure: str = "", cluster: int | None = None, **scores: float) -> Scored:
    session = f"s{number if cluster is None else cluster}"
    case = ExamCase(make_ea(number, qid=f"{session}-{number}", session=session))
    verdicts = tuple(Verdict(name, score, "", ()) for name, score in scores.items())
    return Scored(case, Quality(verdicts, quality), failure, 2)


def test_means_and_the_paired_change_of_the_quality() -> None:
    before = [scored(n, 0.4 + 0.01 * n) for n in range(20)]
    after = [scored(n, 0.6 + 0.01 * n) for n in range(20)]
    found = compare(before, after)
    assert (found.n, found.delta) == (20, pytest.approx(0.2))
    assert found.interval == pytest.approx((0.2, 0.2)), "what is equal in every pair has no spread"
    assert (found.before.quality, found.after.quality) == (pytest.approx(0.495), pytest.approx(0.695))
    low, high = found.before.interval
    assert low < 0.495 < high


def test_cases_of_one_session_are_not_independent() -> None:
    gains = [0.5, 0.0, 0.5, 0.0]

    def width(per: int) -> float:
        cases = [(n, gains[n // 10]) for n in range(40)]
        before = [scored(n, 0.2, cluster=n // per) for n, _ in cases]
        after = [scored(n, 0.2 + gain, cluster=n // per) for n, gain in cases]
        low, high = compare(before, after).interval
        return high - low

    assert width(10) > 2 * width(1)


def test_a_criterion_is_compared_where_it_was_looked_at_both_times() -> None:
    before = [scored(1, 0.0, leak=0.0), scored(2, 0.5, leak=1.0, agreement=0.5), scored(3, 0.1, leak=0.0)]
    after = [scored(1, 1.0, leak=1.0, agreement=1.0), scored(2, 1.0, leak=1.0, agreement=1.0), scored(3, 0.0)]
    table = compare(before, after).criteria
    assert list(table) == ["agreement", "leak"]
    assert table["agreement"].n == 1
    assert (table["agreement"].before, table["agreement"].after) == (0.5, 1.0), "means are over all that were looked at"
    assert table["leak"].n == 2
    assert table["leak"].delta == 0.5
    assert table["leak"].before == pytest.approx(1 / 3)


def test_a_criterion_that_one_program_alone_was_measured_by_has_no_change() -> None:
    table = compare([scored(1, 0.0), scored(2, 0.0)], [scored(1, 1.0, novelty=1.0), scored(2, 1.0)]).criteria
    change = table["novelty"]
    assert (change.n, change.before, change.after, change.delta, change.interval) == (0, None, 1.0, None, None)


def test_rows_hold_both_sides_of_each_case() -> None:
    (row,) = rows_of([scored(1, 0.25, "no answer", leak=1 / 3)], [scored(1, 1.0)])
    assert row == {
        "id": "s1-1",
        "cluster": "s1",
        "before": {"quality": 0.25, "scores": {"leak": 0.333333}, "calls": 2, "failure": "no answer"},
        "after": {"quality": 1.0, "scores": {}, "calls": 2, "failure": ""},
    }


def test_two_programs_on_different_cases_are_no_pair() -> None:
    with pytest.raises(ValueError, match="zip"):
        rows_of([scored(1, 0.0)], [])
