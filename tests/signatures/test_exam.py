from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.records import ApplicationItem, Task, UnderstandingItem
from signatures.exam import exam_answer, exam_inputs, exam_signature, letter_of
from signatures.formats import LETTERS, AnswerFormat

OPTION = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=30)
OPTIONS = st.lists(OPTION, min_size=2, max_size=len(LETTERS), unique=True).map(tuple)
FORMATS: tuple[AnswerFormat, ...] = get_args(AnswerFormat)
LETTERED = tuple(name for name in FORMATS if name != "open")


def understanding(emotions: tuple[str, ...], causes: tuple[str, ...], emotion: int, cause: int) -> UnderstandingItem:
    return UnderstandingItem(
        qid="1", scenario="Mira waited.", subject="Mira", explanation="She looked at the clock.",
        coarse_category="complex_emotions", finegrained_category="persona", emotion_choices=emotions,
        emotion_label=emotions[emotion], cause_choices=causes, cause_label=causes[cause],
    )  # fmt: skip


def application(choices: tuple[str, ...], label: int, question_type: str = "Action") -> ApplicationItem:
    return ApplicationItem(
        qid="2", scenario="Bo fell.", subject="Mira", explanation="He needs a hand.", category="Personal-Self",
        question_type=question_type, choices=choices, label=choices[label],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("task", "answer_format", "fields"),
    [
        ("EA", "letter", ["answer"]),
        ("EA", "reasoned", ["reasoning", "answer"]),
        ("EA", "option", ["option", "answer"]),
        ("EA", "open", ["option"]),
        ("EU", "open", ["emotion", "cause"]),
        ("EU", "letter", ["answer_q1", "answer_q2"]),
        ("EU", "reasoned", ["reasoning", "answer_q1", "answer_q2"]),
        ("EU", "option", ["emotion", "cause", "answer_q1", "answer_q2"]),
    ],
)
def test_what_a_letter_can_rest_on_is_written_before_it(
    task: Task, answer_format: AnswerFormat, fields: list[str]
) -> None:
    assert list(exam_signature(task, answer_format).output_fields) == fields


def test_asking_for_one_format_leaves_the_others_as_they_are() -> None:
    for task in get_args(Task):
        before = {name: list(exam_signature(task, name).fields) for name in FORMATS}
        assert {name: list(exam_signature(task, name).fields) for name in reversed(FORMATS)} == before


@settings(max_examples=50, deadline=None)
@given(choices=OPTIONS, data=st.data(), answer_format=st.sampled_from(LETTERED))
def test_a_letter_stands_for_the_position_of_the_right_option(
    choices: tuple[str, ...], data: st.DataObject, answer_format: AnswerFormat
) -> None:
    right, cause = (data.draw(st.integers(0, len(choices) - 1)) for _ in range(2))
    answer = exam_answer(application(choices, right), answer_format)
    assert LETTERS.index(answer["answer"]) == right
    assert answer.get("option", choices[right]) == choices[right]
    both = exam_answer(understanding(choices, choices, right, cause), answer_format)
    assert (LETTERS.index(both["answer_q1"]), LETTERS.index(both["answer_q2"])) == (right, cause)
    assert (both.get("emotion", choices[right]), both.get("cause", choices[cause])) == (choices[right], choices[cause])


@pytest.mark.parametrize("answer_format", FORMATS)
def test_an_answer_has_just_the_fields_of_its_signature_in_writing_order(answer_format: AnswerFormat) -> None:
    for item in (understanding(("Joy", "Fear"), ("A", "B"), 0, 1), application(("Go", "Stay"), 1)):
        answer = exam_answer(item, answer_format)
        assert list(answer) == list(exam_signature(item.task, answer_format).output_fields)
        if answer_format == "reasoned":
            assert answer["reasoning"] == item.explanation


def test_inputs_are_those_of_the_signature_and_hold_no_key() -> None:
    items = [understanding(("Joy", "Fear"), ("A", "B"), 0, 1), application(("Go", "Stay"), 1)]
    for item in items:
        inputs = exam_inputs(item)
        assert set(inputs) == set(exam_signature(item.task, "letter").input_fields)
        assert item.explanation not in json.dumps(inputs)
        assert any("Mira" in str(value) for name, value in inputs.items() if name.startswith("question"))


def test_an_application_is_asked_for_a_deed_or_for_words() -> None:
    asked = [exam_inputs(application(("Go", "Stay"), 0, kind))["question"] for kind in ("Action", "Response")]
    assert asked == [
        "What is the most helpful thing to do for Mira?",
        "What is the most helpful thing to say for Mira?",
    ]


def test_a_label_that_is_no_choice_is_an_error() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        letter_of("Joy", ("Fear", "Guilt"))
