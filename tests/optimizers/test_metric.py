from __future__ import annotations

import inspect
from typing import Any

import dspy
import pytest

from corpus.errors import TeacherError
from optimizers.attempt import UNREACHED
from optimizers.cases import ItemCase, example_of
from optimizers.metric import UNTOLD, Metric
from optimizers.quality.verdict import Quality, Verdict
from optimizers.watch import FIRST, Halted
from tests.optimizers.searching import make_watch

VERDICTS = (
    Verdict("leak", 1.0, "It names the emotion.", ("write_understanding",)),
    Verdict("grounded", 0.8, "It cites nothing.", ("write_application",)),
    Verdict("novelty", 1.0),
)


class Assessor:
    """Gives the quality that is set; counts how often it is asked."""

    def __init__(self, score: float = 0.8):
        self.quality, self.asked = Quality(VERDICTS, score), 0
        self.error: Exception | None = None

    def __call__(self, case: Any, attempt: dspy.Prediction) -> Quality:
        self.asked += 1
        if self.error:
            raise self.error
        return self.quality


@pytest.fixture
def gold(item_cases: list[ItemCase]) -> dspy.Example:
    return example_of(item_cases[0])


def made(failure: str = "") -> dspy.Prediction:
    return dspy.Prediction(outcome="draft", failure=failure)


def metric_of(assessor: Assessor, **options: Any) -> Metric:
    return Metric(assessor, 0.8, make_watch(), **options)


def test_evaluate_wants_a_number(gold: dspy.Example) -> None:
    assert metric_of(Assessor())(gold, made()) == 0.8
    assert metric_of(Assessor())(gold, made(), None) == 0.8


@pytest.mark.parametrize(("score", "passes"), [(0.8, True), (0.79, False), (0.0, False)])
def test_bootstrapping_wants_a_truth_value(gold: dspy.Example, score: float, passes: bool) -> None:
    """Not a prediction, which would be true with a score of 0."""
    assert metric_of(Assessor(score))(gold, made(), []) is passes


def test_gepa_scores_with_five_arguments_and_asks_for_feedback_by_predictor(gold: dspy.Example) -> None:
    metric = metric_of(Assessor())
    inspect.signature(metric).bind(None, None, None, None, None)
    assert metric(gold, made(), None, None, None) == 0.8
    told = metric(gold, made(), [], "program.write_application", [])
    assert (told.score, told.feedback) == (0.8, "It cites nothing.")
    told = metric(gold, made(), [], "program.write_understanding", [])
    assert (told.score, told.feedback) == (0.8, "It names the emotion.")


def test_simba_wants_number_and_sentence(gold: dspy.Example) -> None:
    told = metric_of(Assessor()).explain(gold, made())
    assert (told.score, told.feedback) == (0.8, "It names the emotion. It cites nothing.")


def test_an_attempt_is_assessed_once_however_often_it_is_asked_about(gold: dspy.Example) -> None:
    counted: list[int] = []
    assessor = Assessor()
    metric = metric_of(assessor, on_case=lambda: counted.append(1))
    attempt = made()
    metric(gold, attempt)
    metric(gold, attempt, [], "program.write_application", [])
    metric.explain(gold, attempt)
    metric.quality(gold.case, attempt)
    assert (assessor.asked, len(counted)) == (1, 1)
    metric(gold, made())
    assert (assessor.asked, len(counted)) == (2, 2)


def test_nobody_assesses_what_was_not_answered(gold: dspy.Example) -> None:
    """The program is not blamed for it either."""
    assessor = Assessor()
    metric = metric_of(assessor)
    told = metric(gold, made(UNREACHED), [], "program.write_application", [])
    assert (told.score, told.feedback) == (0.0, UNTOLD)
    assert metric(gold, made(UNREACHED), []) is False
    assert assessor.asked == 0


def test_a_judge_that_fails_now_and_again_is_no_praise(gold: dspy.Example) -> None:
    assessor = Assessor()
    assessor.error = dspy.LMServerError("oops")
    metric = metric_of(assessor)
    attempt = made()
    assert metric(gold, attempt) == 0.0
    assert metric(gold, attempt, [], "program.write_application", []).feedback == UNTOLD
    assert metric.explain(gold, attempt).feedback == UNTOLD
    assert (assessor.asked, metric.watch.failed) == (1, 1)


def test_a_judge_that_fails_too_often_halts(gold: dspy.Example) -> None:
    assessor = Assessor()
    assessor.error = dspy.LMServerError("oops")
    metric = metric_of(assessor)
    for _ in range(FIRST - 1):
        metric(gold, made())
    with pytest.raises(Halted) as caught:
        metric(gold, made())
    assert isinstance(caught.value.error, TeacherError)


def test_what_the_judge_says_is_no_demonstration(gold: dspy.Example) -> None:
    class Looking(Assessor):
        def __call__(self, case: Any, attempt: dspy.Prediction) -> Quality:
            assert dspy.settings.trace is None
            return super().__call__(case, attempt)

    with dspy.context(trace=[]):
        assert metric_of(Looking())(gold, made()) == 0.8
        assert dspy.settings.trace == []


def test_dspy_can_name_it(gold: dspy.Example) -> None:
    assert metric_of(Assessor()).__name__ == "quality"
