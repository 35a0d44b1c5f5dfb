from __future__ import annotations

import json
from typing import get_args

import dspy
import pytest
from dspy.clients.utils_finetune import TrainDataFormat, infer_data_format
from dspy.lm15 import Message, Request, Response, TextPart, Usage
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.records import ApplicationItem, UnderstandingItem
from finetune.rows import make_row
from signatures.exam import exam_answer, exam_inputs, exam_signature
from signatures.exam_adapter import ExamAdapter, render_answer
from signatures.formats import AnswerFormat

FORMATS: tuple[AnswerFormat, ...] = get_args(AnswerFormat)
EU = UnderstandingItem(
    qid="1", scenario="Mira waited at the gate.", subject="Mira", explanation="She looked at the clock.",
    coarse_category="complex_emotions", finegrained_category="persona",
    emotion_choices=("Joy", "Fear", "Guilt"), emotion_label="Guilt",
    cause_choices=("The gate was shut", "“Nobody” came"), cause_label="“Nobody” came",
)  # fmt: skip
EA = ApplicationItem(
    qid="2", scenario="Bo fell.", subject="Mira", explanation="He needs a hand.", category="Personal-Self",
    question_type="Action", choices=("Go home", "Help Bo up", "Wait", "Call"), label="Help Bo up",
)  # fmt: skip


class Pupil:
    """Gives one set answer and notes what was asked."""

    def __init__(self, answer: str):
        self.answer = answer
        self.asked: list[Request] = []

    def complete(self, request: Request) -> Response:
        self.asked.append(request)
        message = Message.assistant([TextPart(self.answer)])
        return Response(id=None, model=request.model, message=message, finish_reason="stop", usage=Usage())


def examine(pupil: Pupil, item: UnderstandingItem | ApplicationItem, answer_format: AnswerFormat) -> dspy.Prediction:
    with dspy.context(lm=dspy.LM("pupil/x", engine=pupil, cache=False, num_retries=0), adapter=ExamAdapter()):
        return dspy.Predict(exam_signature(item.task, answer_format))(**exam_inputs(item))


def test_a_question_on_application_reads_like_this() -> None:
    (message,) = ExamAdapter().format(exam_signature("EA", "option"), [], exam_inputs(EA))
    assert message["content"] == (
        "Choose the option that would help most in this situation.\n\n"
        "Scenario: Bo fell.\nQuestion: What is the most helpful thing to do for Mira?\n"
        "A) Go home\nB) Help Bo up\nC) Wait\nD) Call\n\n"
        'Answer: {"option": "<the option\'s text>", "answer": "<letter>"}'
    )


def test_a_question_on_understanding_letters_both_lists_from_a() -> None:
    (message,) = ExamAdapter().format(exam_signature("EU", "letter"), [], exam_inputs(EU))
    lines = message["content"].splitlines()
    assert [line for line in lines if line[1:3] == ") "] == [
        "A) Joy", "B) Fear", "C) Guilt", "A) The gate was shut", "B) “Nobody” came",
    ]  # fmt: skip
    assert lines[-1] == 'Answer: {"answer_q1": "<letter>", "answer_q2": "<letter>"}'


@pytest.mark.parametrize("item", [EU, EA])
def test_an_open_question_shows_no_options(item: UnderstandingItem | ApplicationItem) -> None:
    (message,) = ExamAdapter().format(exam_signature(item.task, "open"), [], exam_inputs(item))
    choices = item.choices if isinstance(item, ApplicationItem) else (*item.emotion_choices, *item.cause_choices)
    assert not any(choice in message["content"] for choice in choices)
    assert "letter" not in message["content"]


@pytest.mark.parametrize("answer_format", FORMATS)
@pytest.mark.parametrize("item", [EU, EA])
def test_a_training_row_and_an_exam_show_a_model_the_same_prompt(
    item: UnderstandingItem | ApplicationItem, answer_format: AnswerFormat
) -> None:
    pupil = Pupil("{}")
    examine(pupil, item, answer_format)
    (request,) = pupil.asked
    assert request.system is None
    row = make_row(item, answer_format)
    assert [{"role": m.role, "content": m.text} for m in request.messages] == row["prompt"]
    assert [message["role"] for message in row["prompt"]] == ["user"]
    (completion,) = row["completion"]
    assert json.loads(completion["content"]) == exam_answer(item, answer_format)


def test_demonstrations_come_before_the_question_as_question_and_answer() -> None:
    demo = exam_inputs(EA) | exam_answer(EA, "option")
    messages = ExamAdapter().format(exam_signature("EA", "option"), [demo], exam_inputs(EA))
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[0] == messages[2]
    assert messages[1]["content"] == '{"option": "Help Bo up", "answer": "B"}'


@settings(max_examples=50, deadline=None)
@given(text=st.text(max_size=80), answer_format=st.sampled_from(FORMATS))
def test_reading_never_fails_and_keeps_every_character(text: str, answer_format: AnswerFormat) -> None:
    for item in (EU, EA):
        signature = exam_signature(item.task, answer_format)
        read = ExamAdapter().parse(signature, text)
        assert read == dict.fromkeys(signature.output_fields, text)


@pytest.mark.parametrize("answer", ["I cannot say.", '{"answer": "B"', "```json\n[1]\n```", "[[ ## answer ## ]]"])
def test_an_unreadable_answer_reaches_the_examiner_as_it_is(answer: str) -> None:
    assert examine(Pupil(answer), EA, "reasoned").toDict() == {"reasoning": answer, "answer": answer}


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=40), max_size=4))
def test_an_answer_is_one_line_of_json_in_the_given_order(answer: dict[str, str]) -> None:
    text = render_answer(answer)
    assert "\n" not in text
    assert list(json.loads(text).items()) == list(answer.items())


@pytest.mark.parametrize("answer_format", FORMATS)
@pytest.mark.parametrize("item", [EU, EA])
@pytest.mark.parametrize("whole", [True, False])
def test_training_data_of_dspy_are_the_rows_of_a_recipe(
    item: UnderstandingItem | ApplicationItem, answer_format: AnswerFormat, whole: bool
) -> None:
    """Whether the fields of an answer were read, or hold the whole text each, as this adapter leaves them."""
    signature, row = exam_signature(item.task, answer_format), make_row(item, answer_format)
    outputs = exam_answer(item, answer_format)
    if whole:
        outputs = ExamAdapter().parse(signature, row["completion"][0]["content"])
    made = ExamAdapter().format_finetune_data(signature, [], exam_inputs(item), outputs)
    assert made == {"messages": [*row["prompt"], *row["completion"]]}
    assert infer_data_format(ExamAdapter()) is TrainDataFormat.CHAT


def test_an_answer_in_no_form_is_put_into_it() -> None:
    outputs = {"answer": "[1]"}
    made = ExamAdapter().format_finetune_data(exam_signature("EA", "letter"), [], exam_inputs(EA), outputs)
    assert made["messages"][-1] == {"role": "assistant", "content": '{"answer": "[1]"}'}
