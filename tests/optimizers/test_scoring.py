from __future__ import annotations

import pytest

from corpus.errors import TeacherError
from optimizers.attempt import UNREACHED, Attempt
from optimizers.cases import ItemCase
from optimizers.quality.verdict import Quality
from optimizers.scoring import Scored, mean_quality, score
from optimizers.watch import Halted
from programs.converter import ItemConverter
from tests.optimizers.searching import Bench


@pytest.mark.parametrize("threads", [1, 4])
def test_cases_come_back_in_their_order_with_verdicts_and_outcome(
    searching: Bench, item_cases: list[ItemCase], threads: int
) -> None:
    scored = score(Attempt(ItemConverter(), searching.watch), item_cases[:6], searching.metric, threads)
    assert [found.case for found in scored] == item_cases[:6]
    for found in scored:
        assert found.outcome.id == found.case.id
        assert found.quality.scores.keys() >= {"format", "plan_fit"}
        assert (found.failure, found.calls) == ("", 1)
    assert searching.tried[0] == 6


def test_a_case_without_an_answer_has_no_verdicts(searching: Bench, item_cases: list[ItemCase]) -> None:
    searching.spoil("converter", lambda number: number == 2)
    scored = score(Attempt(ItemConverter(), searching.watch), item_cases[:3], searching.metric, 1)
    assert [found.failure for found in scored] == ["", UNREACHED, ""]
    assert (scored[1].quality, scored[1].outcome, scored[1].calls) == (Quality((), 0.0), None, 0)


def test_a_dead_model_ends_it(searching: Bench, item_cases: list[ItemCase]) -> None:
    searching.spoil("converter", lambda number: True)
    with pytest.raises(Halted) as caught:
        score(Attempt(ItemConverter(), searching.watch), item_cases, searching.metric, 1)
    assert isinstance(caught.value.error, TeacherError)


def test_the_mean_is_of_all_cases(item_cases: list[ItemCase]) -> None:
    found = [
        Scored(case, Quality((), quality), "", 1) for case, quality in zip(item_cases[:3], (1.0, 0.5, 0.0), strict=True)
    ]
    assert mean_quality(found) == 0.5
