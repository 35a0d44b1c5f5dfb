"""Reliability of likelihoods: bins by hand, a student who is calibrated, one who is too sure, and the page."""

from __future__ import annotations

from dataclasses import replace
from math import log

import numpy as np
import pytest

from corpus.records import ApplicationItem, UnderstandingItem
from eval.examined import Examined
from eval.reliability import (
    Answer,
    Bin,
    by_confidence,
    calibration_error,
    confidence_of,
    error_by_chance,
    split_equally,
)
from eval.report import Report, render_html
from eval.scores import Mark
from eval.statistics import wilson_interval

Item = UnderstandingItem | ApplicationItem


def scores_of(confidence: float, pick: int, count: int = 4) -> tuple[float, ...]:
    """Scores whose softmax gives ``pick`` this confidence and the others equal shares of the rest."""
    return tuple(log(confidence if n == pick else (1 - confidence) / (count - 1)) - 7 for n in range(count))


def answered(item: ApplicationItem, number: int, confidence: float, right: bool) -> Examined:
    """An EA item of its own, whose right option is B, answered by likelihood."""
    own = item.model_copy(update={"qid": f"x{number}", "scenario": f"Story {number}."})
    pick = 1 if right else 2
    mark = Mark(
        id=own.qid, raw="", answered=True, strict=right, lenient=right, rules=("likelihood",), picks=(pick,),
        scores=(scores_of(confidence, pick),),
    )  # fmt: skip
    return Examined("b", own, {("after", "likelihood"): mark})


def simulate(item: ApplicationItem, count: int, sureness: float) -> list[Examined]:
    """Answers that are right as often as their confidence says, to the power of ``sureness``."""
    random = np.random.default_rng(1)
    drawn = random.uniform(0.3, 0.99, count)
    return [
        answered(item, n, float(confidence), bool(random.random() < confidence**sureness))
        for n, confidence in enumerate(drawn)
    ]


def test_confidence_is_the_softmax_of_the_best() -> None:
    assert confidence_of([0.0, 0.0, 0.0, 0.0]) == 0.25
    assert confidence_of([-800.0 + log(3), -800.0]) == pytest.approx(0.75)
    assert confidence_of([0.0, -5000.0]) == 1


def test_bins_hold_equally_many_and_are_right_by_hand(ea: ApplicationItem) -> None:
    low = [answered(ea, n, 0.4, right=n < 5) for n in range(10)]
    high = [answered(ea, 10 + n, 0.8, right=n < 9) for n in range(10)]
    (found,) = by_confidence(high + low)
    assert (found.benchmark, found.question, found.stage, found.n) == ("b", "EA", "after", 20)
    assert [(one.n, one.share, one.interval) for one in found.bins] == [
        (10, 0.5, wilson_interval(5, 10)),
        (10, 0.9, wilson_interval(9, 10)),
    ]
    assert [one.confidence for one in found.bins] == pytest.approx([0.4, 0.8])
    assert found.error == pytest.approx((0.1 + 0.1) / 2)


def test_the_error_weighs_bins_by_their_answers() -> None:
    bins = [Bin(0.5, 0.9, (0, 1), 30), Bin(0.7, 0.7, (0, 1), 10)]
    assert calibration_error(bins) == pytest.approx(0.3)


def test_equally_sure_answers_stay_together_whatever_their_order() -> None:
    confidences = [0.3] * 7 + [0.5] * 20 + [0.9] * 3
    answers = [Answer(confidence, n % 2 == 0, str(n)) for n, confidence in enumerate(confidences)]
    sizes = [[answer.confidence for answer in group] for group in split_equally(answers)]
    assert sizes == [[0.3] * 7 + [0.5] * 20, [0.9] * 3]
    assert [list(group) for group in split_equally([answers[0]])] == [[answers[0]]]


def test_many_answers_make_ten_bins() -> None:
    sizes = [len(group) for group in split_equally([Answer(n / 1000, True, str(n)) for n in range(205)])]
    assert len(sizes) == 10
    assert set(sizes) == {20, 21}


def test_a_calibrated_student_lies_on_the_line(ea: ApplicationItem) -> None:
    (found,) = by_confidence(simulate(ea, 2000, sureness=1))
    assert sum(one.interval[0] <= one.confidence <= one.interval[1] for one in found.bins) >= 8
    assert found.error < 2 * found.by_chance < 0.06


def test_a_student_who_is_too_sure_lies_below_it(ea: ApplicationItem) -> None:
    (found,) = by_confidence(simulate(ea, 2000, sureness=4))
    assert all(one.share < one.confidence for one in found.bins)
    wanted = np.mean([u - u**4 for u in np.linspace(0.3, 0.99, 1000)])
    assert found.error == pytest.approx(wanted, abs=0.03)
    assert found.error > 5 * found.by_chance


def test_the_error_by_chance_is_that_of_the_binomial() -> None:
    """One bin of n fair coins: E|X/n − 1/2| = C(n, n/2) / 2^(n+1), which is 0.1230 for n = 10."""
    group = [Answer(0.5, True, str(n)) for n in range(10)]
    assert error_by_chance([group]) == pytest.approx(0.1230, abs=0.01)


def test_both_questions_of_eu_have_their_own(eu: UnderstandingItem) -> None:
    mark = Mark(
        id=eu.qid, raw="", answered=True, strict=False, lenient=False, rules=("likelihood",) * 2, picks=(2, 0),
        scores=(scores_of(0.9, 2, 6), scores_of(0.6, 0)),
    )  # fmt: skip
    cause, emotion = by_confidence([Examined("b", eu, {("before", "likelihood"): mark})])
    assert (emotion.question, emotion.bins[0].share) == ("EU emotion", 1)
    assert (cause.question, cause.bins[0].share) == ("EU cause", 0)
    assert (emotion.bins[0].confidence, cause.bins[0].confidence) == pytest.approx((0.9, 0.6))


def test_the_page_shows_it_only_where_there_are_scores(report: Report, ea: ApplicationItem) -> None:
    assert "How sure, how right" not in render_html(report)
    own = [answered(ea, n, 0.4 + n / 100, right=n % 2 == 0) for n in range(20)]
    shown = render_html(replace(report, examined=own))
    section = shown.split('<h2 id="reliability">')[1].split("</section>")[0]
    assert "mean scores per token, a rule of thumb" in section
    assert ">as right as sure<" in section
    (found,) = by_confidence(own)
    assert f'<td class="n">20</td><td class="n">{100 * found.error:.1f}</td>' in section
