"""Training rows: rendered as in the exam, every answer under the right letter in every order."""

from __future__ import annotations

import json

import dspy
import pytest

from corpus.assemble import assemble_items
from corpus.records import ApplicationItem, Plan, UnderstandingItem
from eval.exam import keys_of
from finetune.config import TrainConfig
from finetune.rename import rename_people
from finetune.rows import make_row, make_rows, reorder
from programs.converter import ItemConverter
from programs.mads import TherapySession
from signatures.exam import exam_inputs, exam_signature
from signatures.exam_adapter import ExamAdapter
from signatures.formats import LETTERS, AnswerFormat

Items = list[UnderstandingItem | ApplicationItem]


@pytest.fixture
def items(plans: list[Plan], flawless_teacher: dspy.LM) -> Items:
    session = TherapySession()(plan=plans[0]).session
    return assemble_items(ItemConverter()(session=session).drafts, seed=1)


@pytest.mark.parametrize("answer_format", ["letter", "reasoned", "option", "open"])
def test_a_row_is_the_exam_prompt_and_its_right_answer(items: Items, answer_format: AnswerFormat) -> None:
    for item in items:
        row = make_row(item, answer_format)
        assert row["id"] == item.qid
        signature = exam_signature(item.task, answer_format)
        assert row["prompt"] == ExamAdapter().format(signature, [], exam_inputs(item))
        answer = json.loads(row["completion"][0]["content"])
        assert list(answer) == list(signature.output_fields)
        letters = [value for name, value in answer.items() if name.startswith("answer")]
        assert letters == ([] if answer_format == "open" else [LETTERS[key] for key in keys_of(item)])


def test_an_open_question_shows_no_options(items: Items) -> None:
    for item in items:
        choices = item.cause_choices if isinstance(item, UnderstandingItem) else item.choices
        prompt = make_row(item, "open")["prompt"][0]["content"]
        assert not any(choice in prompt for choice in choices)
        assert item.scenario in prompt


def test_orders_differ_and_keep_the_key(items: Items) -> None:
    for item in items:
        shown = [reorder(item, order, seed=3) for order in range(1, 5)]
        assert {_label(other) for other in shown} == {_label(item)}
        assert len({json.dumps(other.model_dump(mode="json")) for other in shown}) > 1
        assert all(sorted(_choices(other)) == sorted(_choices(item)) for other in shown)


def test_every_item_is_shown_as_often_as_asked(items: Items) -> None:
    rows = make_rows(items, {"open": 2, "option": 3}, seed=3)
    assert len(rows) == 5 * len(items)
    assert rows == make_rows(items, {"open": 2, "option": 3}, seed=3)
    assert rows != make_rows(items, {"open": 2, "option": 3}, seed=4)


def test_the_student_writes_in_a_format_that_shows_options() -> None:
    assert TrainConfig(formats={"open": 2, "letter": 1}).written_format == "letter"
    assert TrainConfig(formats={"open": 2}).written_format == "open"


def _label(item: UnderstandingItem | ApplicationItem) -> str:
    return item.cause_label if isinstance(item, UnderstandingItem) else item.label


def _choices(item: UnderstandingItem | ApplicationItem) -> tuple[str, ...]:
    return item.cause_choices if isinstance(item, UnderstandingItem) else item.choices


def test_renaming_changes_names_and_nothing_else(items: Items) -> None:
    for item in items:
        other = rename_people(item, "key")
        assert other == rename_people(item, "key")
        assert other != item
        assert keys_of(other) == keys_of(item)
        text, renamed = item.scenario.split(), other.scenario.split()
        assert len(text) == len(renamed)
        changed = {old for old, new in zip(text, renamed, strict=True) if old != new}
        assert all(any(person.name in word for person in item.people) for word in changed)
        assert not any(person.name in renamed for person in item.people)
        assert other.subject in other.scenario


def test_renamed_rows_keep_the_first_showing_as_it_was_written(items: Items) -> None:
    plain, renamed = make_rows(items, {"open": 1}, 3), make_rows(items, {"open": 1}, 3, rename=True)
    assert plain == renamed
    twice = make_rows(items, {"open": 2}, 3, rename=True)
    assert len({row["prompt"][0]["content"] for row in twice}) == 2 * len(items)
