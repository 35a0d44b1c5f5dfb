from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import dspy
import pytest
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from corpus.records import ApplicationItem, UnderstandingItem
from eval.benchmarks import Answer, reordered
from eval.benchmarks.emobench import question_of
from eval.exam import Exam, keys_of
from lms.in_process.job import Step
from signatures.formats import AnswerFormat


class Parrot:
    """An engine that always says the same, and remembers what it was asked."""

    supports_function_calling = supports_reasoning = supports_response_schema = False
    supported_params = frozenset({"temperature", "max_tokens"})

    def __init__(self, text: str):
        self.text, self.asked = text, list[str]()

    def __deepcopy__(self, memo: dict[int, object]) -> Parrot:
        return self

    def complete(self, request: Request) -> Response:
        self.asked.append("\n".join(message.text or "" for message in request.messages))
        return Response(
            id=None,
            model=request.model,
            message=Message.assistant([TextPart(self.text)]),
            finish_reason="stop",
            usage=Usage(input_tokens=1, output_tokens=1),
        )


class Judge:
    """A ranker that likes some texts, and remembers what it was asked."""

    def __init__(self, likes: Callable[[str], bool]):
        self.likes, self.steps = likes, list[Step]()

    def rank(self, messages: Sequence[dict[str, str]], steps: Sequence[Step]) -> list[list[float]]:
        assert [message["role"] for message in messages] == ["user"]
        for step in steps:
            assert step.per_token == ("emotion" not in step.texts[0]), "labels are compared in total"
        self.steps += steps
        return [[0.0 if self.likes(text) else -5.0 for text in step.texts] for step in steps]


@contextmanager
def speaking(text: str) -> Iterator[Parrot]:
    engine = Parrot(text)
    lm = dspy.LM("parrot/one", engine=engine, cache=False, temperature=0.0, max_tokens=64)
    with dspy.context(lm=lm, trace=[], disable_history=True):
        yield engine


def examine(item: UnderstandingItem | ApplicationItem, text: str, form: AnswerFormat = "letter") -> dspy.Prediction:
    with speaking(text):
        return Exam("generate", form)(item=item)


def test_keys_are_the_places_of_the_labels(eu: UnderstandingItem, ea: ApplicationItem) -> None:
    assert keys_of(eu) == [2, 1]
    assert keys_of(ea) == [1]


def test_the_question_shows_scenario_and_lettered_choices_and_not_the_answer(ea: ApplicationItem) -> None:
    with speaking('{"answer": "B"}') as engine:
        Exam("generate", "letter")(item=ea)
    (asked,) = engine.asked
    assert ea.scenario in asked
    assert all(f"{letter}) {choice}" in asked for letter, choice in zip("ABCD", ea.choices, strict=True))
    assert asked.count(ea.label) == 1


def test_both_questions_are_read_from_one_answer(eu: UnderstandingItem) -> None:
    answer = examine(eu, '{"answer_q1": "C", "answer_q2": "b)"}')
    assert answer.answer == Answer((2, None), (2, 1), ("json letter", "json letter"))
    assert answer.scores == []


def test_option_texts_are_read_in_the_option_format(eu: UnderstandingItem) -> None:
    text = json.dumps({"emotion": eu.emotion_label, "cause": eu.cause_label, "answer_q1": "A", "answer_q2": "A"})
    assert list(examine(eu, text, "option").answer.lenient) == keys_of(eu)


def test_a_bare_letter_answers_one_question_but_not_two(ea: ApplicationItem, eu: UnderstandingItem) -> None:
    assert examine(ea, "B)").answer.lenient == (1,)
    assert examine(eu, "C)").answer.lenient == (None, None)


@pytest.mark.parametrize("text", ["", "  \n", "I do not know.", "{}", '{"answer": null}'])
def test_an_unreadable_answer_is_marked_unanswered_and_kept(ea: ApplicationItem, text: str) -> None:
    answer = examine(ea, text)
    assert answer.answer == Answer((None,), (None,), ("unread",))
    assert answer.raw.strip() == text.strip()


def test_the_likeliest_option_is_picked(ea: ApplicationItem) -> None:
    judge = Judge(lambda text: ea.choices[3] in text)
    answer = Exam("likelihood", "letter", judge)(item=ea)
    assert answer.answer == Answer((3,), (3,), ("likelihood",))
    assert json.loads(answer.raw) == [3]
    assert answer.scores == [[-5.0, -5.0, -5.0, 0.0]]
    (step,) = judge.steps
    assert [json.loads(text + "}")["option"] for text in step.texts] == list(ea.choices)


def test_the_cause_follows_the_emotion(eu: UnderstandingItem) -> None:
    judge = Judge(lambda text: eu.cause_choices[3] in text or text.endswith(f'"{eu.emotion_choices[5]}"'))
    answer = Exam("likelihood", "letter", judge)(item=eu)
    assert answer.answer.lenient == (5, 3)
    assert answer.scores == [[-5.0] * 5 + [0.0], [-5.0] * 3 + [0.0]]
    emotions, causes = (step.texts for step in judge.steps)
    assert [json.loads(text + "}") for text in emotions] == [{"emotion": choice} for choice in eu.emotion_choices]
    assert [json.loads(emotions[5] + text + "}") for text in causes] == [
        {"emotion": eu.emotion_choices[5], "cause": choice} for choice in eu.cause_choices
    ]


def test_an_answer_in_the_form_asked_for_stands_in_the_trace_by_its_fields(eu: UnderstandingItem) -> None:
    text = json.dumps({"answer_q1": "C", "answer_q2": "B"})
    with speaking(text):
        exam = Exam("generate", "letter")
        answer = exam(item=eu)
        ((predictor, inputs, outputs),) = dspy.settings.trace
    assert answer.raw == text
    assert predictor is exam.answer_eu
    exam.answer_eu.demos = [dspy.Example(**inputs, **outputs)]
    asked, answered, again = exam.show(eu)
    assert (asked, json.loads(answered["content"])) == (again, {"answer_q1": "C", "answer_q2": "B"})


@pytest.mark.parametrize("text", ["C and B", '{"answer_q1": "C"}', '{"answer_q1": 3, "answer_q2": "B"}', "[" * 20000])
def test_any_other_answer_stands_there_as_it_was_written(text: str, eu: UnderstandingItem) -> None:
    with speaking(text):
        answer = Exam("generate", "letter")(item=eu)
        ((_, _, outputs),) = dspy.settings.trace
    assert answer.raw == text
    assert dict(outputs) == {"answer_q1": text, "answer_q2": text}


@pytest.mark.parametrize("order", [1, 3])
def test_in_another_order_the_same_options_are_shown_and_picks_are_places_there(
    order: int, ea: ApplicationItem, eu: UnderstandingItem
) -> None:
    shown = reordered(question_of(ea), order).parts[0].choices
    with speaking('{"answer": "B"}') as engine:
        assert Exam("generate", "letter")(item=ea, order=order).answer.lenient == (1,)
    assert all(f"{letter}) {choice}" in engine.asked[0] for letter, choice in zip("ABCD", shown, strict=True))
    emotions, causes = reordered(question_of(eu), order).parts
    judge = Judge(lambda text: text.endswith((f'"{eu.emotion_label}"', f'"{eu.cause_label}"')))
    assert Exam("likelihood", "letter", judge)(item=eu, order=order).answer.lenient == (emotions.key, causes.key)


def test_it_asks_in_english_whatever_the_texts_are(ea: ApplicationItem) -> None:
    told = ea.model_copy(update={"language": "zh", "scenario": "她很高兴。"})
    (message,) = Exam("generate", "letter").show(told)
    assert "她很高兴。" in message["content"]
    assert "most helpful thing" in message["content"]
