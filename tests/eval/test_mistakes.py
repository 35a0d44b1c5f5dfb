"""Mistakes counted from hand-made answers: form apart from content, lengths, positions, and what others feel."""

from __future__ import annotations

from dataclasses import replace

import pytest

from corpus.records import ApplicationItem, UnderstandingItem
from eval.answers import AnswerRow
from eval.benchmarks import reordered
from eval.benchmarks.emobench import UNDERSTANDING, question_of
from eval.config import Mode
from eval.examined import Examined
from eval.mistakes import Asked, Outcome, Reply, find_mistakes, measure
from eval.mistakes_shown import CONFUSIONS, group_mistakes, show_mistakes
from eval.replies import StudentMistakes, mistakes_of_students, replies_of_rows
from eval.results import score_exam
from eval.scores import Mark, Stage
from eval.statistics import share_interval, wilson_interval


def reply(item: str, right: bool = True, key: int = 0, scenario: str = "", outcome: Outcome | None = None) -> Reply:
    pick = None if outcome in ("unread", "empty") else key if right else (key + 1) % 4
    asked = Asked("option", ("a", "b", "c", "d"), key, pick)
    return Reply(item, scenario or item, "c", outcome or ("right" if right else "wrong"), (asked,))


def mark(item: UnderstandingItem | ApplicationItem, *picks: int | None, raw: str = "{}") -> Mark:
    right = all(pick == choices.index(label) for pick, (choices, label) in zip(picks, item.questions, strict=True))
    return Mark(
        id=item.qid, raw=raw, answered=None not in picks, strict=right, lenient=right, rules=("letter",), picks=picks
    )


def make(qid: str, **changes: object) -> UnderstandingItem:
    """An item about Ada, who is proud; Ben is jealous."""
    known = {
        "qid": qid, "scenario": "Ada won, and Ben saw it.", "subject": "Ada", "coarse_category": "c",
        "finegrained_category": "f", "emotion_choices": ("Pride", "Jealousy", "Fear", "Boredom"),
        "emotion_label": "Pride", "cause_choices": ("She won", "He lost"), "cause_label": "She won", **changes,
    }  # fmt: skip
    return UnderstandingItem.model_validate(known)


def test_failures_of_form_stand_apart_from_wrong_answers() -> None:
    found = find_mistakes(
        [reply("1"), reply("2", right=False), reply("3", outcome="unread"), reply("4", outcome="empty"), reply("5")]
    )
    assert found.outcomes == {"right": 2, "wrong": 1, "unread": 1, "empty": 1}
    assert found.confusions == []
    assert find_mistakes([reply("1", outcome="failed")]).outcomes["failed"] == 1


def test_lengths_are_thirds_with_equals_together() -> None:
    found = find_mistakes([reply(str(n), right=n < 4, scenario="x" * n) for n in range(1, 10)])
    assert {name: (one.n, one.share) for name, one in found.lengths.items()} == {
        "up to 3 characters": (3, 1.0), "4 to 6": (3, 0.0), "7 and more": (3, 0.0),
    }  # fmt: skip
    assert list(find_mistakes([reply(str(n), scenario="x") for n in range(3)]).lengths) == ["up to 1 characters"]


def test_positions_name_the_letter_of_the_key_and_need_a_list() -> None:
    replies = [reply("1", key=0), reply("2", key=0, right=False), reply("3", key=2)]
    found = find_mistakes(replies)
    assert {letter: (one.n, one.share) for letter, one in found.positions["option"].items()} == {
        "A": (2, 0.5), "C": (1, 1.0),
    }  # fmt: skip
    assert found.positions["option"]["A"].interval == wilson_interval(1, 2)
    assert find_mistakes([replace(one, shown=False) for one in replies]).positions == {}


def test_items_that_share_a_scenario_tell_less() -> None:
    members = [("1", "x", True), ("2", "x", True), ("3", "y", False), ("4", "z", True)]
    found = measure(members)
    assert (found.n, found.share) == (4, 0.75)
    assert found.interval == share_interval([True, True, False, True], ["x", "x", "y", "z"])
    assert found.interval != wilson_interval(3, 4)


def test_an_item_that_was_asked_often_counts_once() -> None:
    assert measure([("1", "x", True)] * 9 + [("2", "y", False)]) == measure([("1", "x", True), ("2", "y", False)])


def test_students_are_told_apart_and_what_others_feel_is_found() -> None:
    ada, ben = make("1"), make("2", subject="Ben", emotion_label="Jealousy")
    alone, same_id = make("3", scenario="Ada won."), make("1", scenario="Ada won.")
    known = [
        Examined(
            "b", ada, {("before", "generate"): mark(ada, None, None, raw=" "), ("after", "generate"): mark(ada, 1, 0)}
        ),
        Examined("b", ben, {("before", "generate"): mark(ben, None, 0), ("after", "generate"): mark(ben, 2, 1)}),
        Examined("b", alone, {("after", "generate"): mark(alone, 1, 0)}),
        Examined("other", same_id, {("after", "likelihood"): mark(same_id, 2, 0)}, "Fear"),
    ]  # fmt: skip
    before, after, likely = mistakes_of_students(known)
    assert [(one.benchmark, one.task, one.mode, one.stage) for one in (before, after, likely)] == [
        ("b", "EU", "generate", "before"), ("b", "EU", "generate", "after"), ("other", "EU", "likelihood", "after"),
    ]  # fmt: skip
    assert before.outcomes == {"right": 0, "wrong": 0, "unread": 1, "empty": 1}
    assert [(one.key, one.picked, one.kinds) for one in after.confusions] == [
        ("Pride", "Jealousy", {"another person's": 1, "other": 1}), ("Jealousy", "Fear", {"other": 1}),
    ]  # fmt: skip
    assert after.kinds == {"another person's": 1, "other": 2}
    assert after.positions["cause"]["A"].share == pytest.approx(2 / 3)
    assert after.categories["f"].n == 3
    assert likely.kinds == {"before the turn": 1}
    assert likely.positions == {}


def test_rows_are_read_in_the_order_that_was_shown() -> None:
    questions = [question_of(make("1")), question_of(make("2", subject="Ben", emotion_label="Jealousy"))]
    shown = reordered(questions[0], 3)
    place = shown.parts[0].choices.index("Jealousy")
    rows = [
        AnswerRow(
            id="1/3/0", question="1", order=3, sample=0, raw="x", answered=True, strict=(place, 0), points=0.0,
            lenient=(place, shown.parts[1].key), keys=tuple(part.key for part in shown.parts), strict_points=0.0,
        ),
        AnswerRow(id="2/3/0", question="2", order=3, sample=0, error="timeout", keys=(1, 0)),
    ]  # fmt: skip
    found = find_mistakes(replies_of_rows(questions, rows))
    assert [(one.key, one.picked) for one in found.confusions] == [("Pride", "Jealousy")]
    assert found.kinds == {"another person's": 1}
    assert found.outcomes == {"right": 0, "wrong": 1, "unread": 0, "empty": 0, "failed": 1}
    result = score_exam(UNDERSTANDING, questions, rows)
    assert result.mistakes == found
    assert (result.categories["c"].n, result.categories["c"].share) == (2, 0.0)
    assert result.categories["c"].interval == (0, 1), "two items of one scenario"


def student(stage: Stage, picks: int, mode: Mode = "generate") -> StudentMistakes:
    items = [make(str(n), scenario=f"Story {n}.", emotion_label=label) for n, label in enumerate(("Pride", "Fear"))]
    known = [Examined("b", item, {(stage, mode): mark(item, picks, 0)}) for item in items]
    (found,) = mistakes_of_students(known)
    return found


def test_students_stand_side_by_side_the_last_ones_mistakes_first() -> None:
    (group,) = group_mistakes([student("after", 3), student("before", 1)])
    shown = show_mistakes(group)
    assert (shown.name, shown.stages) == ("b, EU, generate", ["before", "after"])
    assert [(row.key, row.picked, row.counts) for row in shown.confusions] == [
        ("Fear", "Boredom", (0, 1)), ("Pride", "Boredom", (0, 1)), ("Fear", "Jealousy", (1, 0)),
        ("Pride", "Jealousy", (1, 0)),
    ]  # fmt: skip
    assert [row.name for row in shown.slices if row.first] == [
        "up to 8 characters",
        "right emotion at A",
        "right cause at A",
    ]
    assert shown.confusion_count < CONFUSIONS
    old = show_mistakes([student("before", 1).model_copy(update={"positions": {}}), group[1]])
    assert [row.name for row in old.slices] == ["up to 8 characters"]
