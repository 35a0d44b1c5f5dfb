"""Students asked in several orders: who knows is right in all, and who loves a letter is at chance."""

from __future__ import annotations

import json

import pytest

from corpus.records import ApplicationItem, UnderstandingItem
from eval.exam import Exam, mark_given, pose
from eval.scores import Mark
from eval.student_orders import StudentOrders, score_student_orders
from signatures.formats import LETTERS
from tests.eval.test_exam import speaking

Item = UnderstandingItem | ApplicationItem
ORDERS = range(4)


def ask(items: list[Item], answers: dict[tuple[str, int], str] | str) -> list[list[Mark]]:
    """The marks of a student by order; it says the same always, or what is given for an item in an order."""
    found = []
    for order in ORDERS:
        own = []
        for item in items:
            said = answers if isinstance(answers, str) else answers[item.qid, order]
            with speaking(said):
                own.append(mark_given(item, Exam("generate", "letter")(item=item, order=order), order))
        found.append(own)
    return found


def right(item: Item, order: int) -> str:
    return json.dumps({part.field: LETTERS[part.key] for part in pose(item, order).parts})


def test_who_knows_is_right_in_all_and_who_loves_a_letter_is_at_chance(items: list[Item]) -> None:
    eas = [item for item in items if item.task == "EA"]
    knowing = ask(eas, {(item.qid, order): right(item, order) for item in eas for order in ORDERS})
    loving = [own[::-1] for own in ask(eas, '{"answer": "B"}')]
    before, after = score_student_orders(eas, {"before": loving, "after": knowing}, "b")
    assert (before.benchmark, before.task, before.stage, after.stage) == ("b", "EA", "before", "after")
    assert before.score.mean == pytest.approx(0.25)
    assert (before.score.all_right, before.score.questions[0].recalls) == (0, (0, 1, 0, 0))
    assert (after.score.mean, after.score.all_right, after.score.by_order) == (1, 1, (1,) * 4)
    assert after.score.questions[0].keys == (4, 4, 4, 4), "the key stands at every letter once"
    assert StudentOrders.model_validate_json(after.model_dump_json()) == after


def test_tasks_stand_apart_and_both_questions_are_told(items: list[Item]) -> None:
    marks = ask(items, '{"answer": "A", "answer_q1": "A", "answer_q2": "A"}')
    found = score_student_orders(items, {"after": marks}, "b")
    assert [(one.task, one.score.n, len(one.score.questions)) for one in found] == [("EA", 4, 1), ("EU", 4, 2)]


def test_marks_of_other_items_are_left_out_and_a_missing_one_is_not_passed_over(items: list[Item]) -> None:
    marks = ask(items, "what?")
    (found,) = score_student_orders(items[:2], {"after": marks}, "b")
    assert (found.score.n, found.score.mean) == (2, 0)
    with pytest.raises(KeyError):
        score_student_orders(items, {"after": [*marks[:3], marks[3][1:]]}, "b")
