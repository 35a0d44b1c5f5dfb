from __future__ import annotations

from typing import Any

import dspy
import pytest

from corpus.assemble import assemble_items
from corpus.records import Item
from eval.benchmarks import Answer
from eval.exam import Exam, keys_of
from optimizers.cases import ExamCase, ItemCase
from optimizers.quality.exam import ExamQuality
from tests.optimizers.quality.conftest import Tried, attempt_on

ASSESS = ExamQuality({})


@pytest.fixture
def items(item_cases: list[ItemCase], try_item: Tried) -> dict[str, Item]:
    """An item of each task."""
    cases = [next(case for case in item_cases if case.moment.task == task) for task in ("EU", "EA")]
    return {item.task: item for item in assemble_items([try_item(case).outcome for case in cases], seed=1)}


def picked(item: Item, *wrong: int) -> Answer:
    """The right answers, but for the questions whose numbers are given."""
    keys = keys_of(item)
    picks = tuple((key + 1) % len(choices) if n in wrong else key
                  for n, (key, (choices, _)) in enumerate(zip(keys, item.questions, strict=True)))  # fmt: skip
    return Answer(picks, picks, ("json letter",) * len(picks))


def answered(attempted: Tried, found: Answer, raw: str = "{}") -> dspy.Prediction:
    return attempted(dspy.Prediction(raw=raw, answer=found))


@pytest.mark.parametrize("task", ["EU", "EA"])
def test_a_right_answer_has_all(items: dict[str, Item], attempted: Tried, task: str) -> None:
    quality = ASSESS(ExamCase(items[task]), answered(attempted, picked(items[task])))
    assert (quality.score, quality.scores) == (1.0, {"format": 1.0, "right": 1.0})


@pytest.mark.parametrize(("task", "wrong", "score"), [("EU", (0,), 0.5), ("EU", (0, 1), 0.0), ("EA", (0,), 0.0)])
def test_a_wrong_answer_teaches_the_right_text_and_why(
    items: dict[str, Item], attempted: Tried, task: str, wrong: tuple[int, ...], score: float
) -> None:
    item = items[task]
    quality = ASSESS(ExamCase(item), answered(attempted, picked(item, *wrong)))
    assert quality.scores["right"] == score == quality.score
    said = quality.feedback(f"program.answer_{task.lower()}")
    assert all(item.questions[number][1] in said for number in wrong)
    assert item.explanation in said
    assert "Nothing to object" in quality.feedback(f"program.answer_{'ea' if task == 'EU' else 'eu'}")


@pytest.mark.parametrize(
    ("reading", "scores"),
    [
        (lambda key: Answer((None,), (key,), ("bare letter",)), {"format": 0.5, "right": 1.0}),
        (lambda key: Answer((None,), (None,), ("unread",)), {"format": 0.0, "right": 0.0}),
    ],
)
def test_an_answer_must_be_readable(
    items: dict[str, Item], attempted: Tried, reading: Any, scores: dict[str, float]
) -> None:
    item = items["EA"]
    quality = ASSESS(ExamCase(item), answered(attempted, reading(keys_of(item)[0]), "B, I think"))
    assert quality.scores == scores
    assert "“B, I think”" in quality.feedback()


def test_the_exam_itself_is_read(items: dict[str, Item]) -> None:
    for item in items.values():
        case = ExamCase(item)
        quality = ASSESS(case, attempt_on(case, Exam("generate", "option")))
        assert quality.scores["format"] == 1


def test_a_failed_attempt_is_worth_nothing(items: dict[str, Item], attempted: Tried) -> None:
    assert ASSESS(ExamCase(items["EA"]), attempted(None, failure="no answer at all")).score == 0
