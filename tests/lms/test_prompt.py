from __future__ import annotations

from typing import Any

import dspy
import pytest
from dspy.lm15 import Config, InvalidRequestError, Message, Request, Response, TextPart, Usage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus.records import Plan
from lms.scripted.prompt import Prompt, read_list, read_moments
from signatures.chat_adapter import ChatAdapter
from signatures.exam import AnswerApplication, AnswerUnderstanding
from signatures.exam_adapter import ExamAdapter

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=60)
LINES = st.lists(TEXT, min_size=1, max_size=4).map("\n".join).map(str.strip).filter(bool)
ADAPTERS = (dspy.ChatAdapter, ChatAdapter, dspy.JSONAdapter)
LONG_RULES = (
    "Ask a thing.\n\nThe rules:\n- Never ask two things.\n- Mind the `text`; your objective: be brief.\n\nThat is all."
)
EXAM_INPUTS = {
    AnswerApplication: {
        "scenario": "Ana waits: it rains.", "question": "What helps?", "choices": ("Go (at once)", "Stay «here»"),
    },
    AnswerUnderstanding: {
        "scenario": "Ana waits: it rains.", "question_1": "Which emotion?", "emotion_choices": ("Joy", "Fear & Joy"),
        "question_2": "Why?", "cause_choices": ("A) is a letter", "It rains", "Scenario: none"),
    },
}  # fmt: skip


class Ask(dspy.Signature):
    """Ask a thing."""

    first: str = dspy.InputField()
    second: list[str] = dspy.InputField()
    text: str = dspy.OutputField()
    count: int = dspy.OutputField()
    parts: list[str] = dspy.OutputField()


class Reader:
    """Reads each prompt and answers with set values."""

    supported_params = frozenset({"seed"})

    def __init__(self, **values: object):
        self.values, self.prompts = values, []  # type: ignore[var-annotated]

    def complete(self, request: Request) -> Response:
        prompt = Prompt.read(request)
        self.prompts.append(prompt)
        message = Message.assistant([TextPart(prompt.write(self.values))])
        return Response(id=None, model=request.model, message=message, finish_reason="stop", usage=Usage())


def read_back(
    signature: type[dspy.Signature],
    adapter: dspy.Adapter,
    inputs: dict[str, Any],
    values: dict[str, Any],
    demos: tuple[dict[str, Any], ...] = (),
) -> tuple[Prompt, dspy.Prediction]:
    """The prompt of one call as the engine reads it, and what DSPy makes of the answer."""
    engine, predict = Reader(**values), dspy.Predict(signature)
    predict.demos = [dspy.Example(**demo) for demo in demos]
    with dspy.context(lm=dspy.LM("reader/x", engine=engine, cache=False), adapter=adapter):
        answer = predict(**inputs, config={"seed": 5})
    (prompt,) = engine.prompts
    return prompt, answer


def words(text: str) -> list[str]:
    return text.split()  # adapters indent instructions


@pytest.mark.parametrize("adapter", ADAPTERS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=LINES, second=st.lists(TEXT, max_size=3), text=LINES, count=st.integers(), parts=st.lists(TEXT, max_size=3)
)
def test_what_dspy_renders_is_read_back_and_what_is_written_dspy_parses(
    adapter: type[dspy.Adapter], first: str, second: list[str], text: str, count: int, parts: list[str]
) -> None:
    values = {"text": text, "count": count, "parts": parts}
    prompt, answer = read_back(Ask, adapter(), {"first": first, "second": second}, values)
    assert set(prompt.inputs) == {"first", "second"}
    assert prompt.inputs["first"] == first
    assert read_list(prompt.inputs["second"]) == second
    assert (prompt.outputs, prompt.seed) == (("text", "count", "parts"), 5)
    assert prompt.style == ("json" if adapter is dspy.JSONAdapter else "chat")
    assert (answer.text, answer.count, answer.parts) == (text, count, parts)


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("instructions", ["Ask a thing.", LONG_RULES])
def test_the_instructions_are_read_and_nothing_else_of_the_system_message(
    adapter: type[dspy.Adapter], instructions: str
) -> None:
    signature = Ask.with_instructions(instructions)
    prompt, _ = read_back(signature, adapter(), {"first": "x", "second": []}, {"text": "t", "count": 1, "parts": []})
    assert words(prompt.instructions) == words(instructions)


@pytest.mark.parametrize("adapter", ADAPTERS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(LINES, max_size=3), parts=st.lists(TEXT, max_size=3))
def test_the_answers_of_the_demonstrations_are_read_in_order(
    adapter: type[dspy.Adapter], texts: list[str], parts: list[str]
) -> None:
    demos = tuple({"first": "x", "second": ["y"], "text": f"“{text}”", "count": 1, "parts": parts} for text in texts)
    values = {"text": "t", "count": 1, "parts": []}
    prompt, _ = read_back(Ask, adapter(), {"first": "x", "second": []}, values, demos)
    shown = [outputs for _, outputs in prompt.demonstrations()]
    assert [outputs["text"] for outputs in shown] == [demo["text"] for demo in demos]
    assert all(outputs["parts"] == parts and set(outputs) == {"text", "count", "parts"} for outputs in shown)


def test_a_demonstration_that_cannot_be_read_is_left_out() -> None:
    answers = ["{broken", "[[ ## text ## ]]\nfine\n\n[[ ## completed ## ]]\n", "no fields at all", "[1, 2]"]
    messages = [message for text in answers for message in (Message.user("x"), Message.assistant([TextPart(text)]))]
    (last,) = [m for m in dspy.ChatAdapter().format(Ask, [], {"first": "x", "second": []}) if m["role"] == "user"]
    request = Request(model="m/x", messages=(*messages, Message.user(last["content"])), config=Config())
    assert [outputs for _, outputs in Prompt.read(request).demonstrations()] == [{"text": "fine"}]


@pytest.mark.parametrize("signature", EXAM_INPUTS)
def test_an_exam_question_in_the_compact_format_is_read_as_scenario_questions_and_choices(
    signature: type[dspy.Signature],
) -> None:
    inputs = EXAM_INPUTS[signature]
    outputs = dict.fromkeys(signature.output_fields, "A")
    prompt, answer = read_back(signature, ExamAdapter(), inputs, outputs)
    assert (prompt.style, prompt.outputs, prompt.seed) == ("exam", tuple(outputs), 5)
    assert prompt.inputs["scenario"] == inputs["scenario"]
    questions = [value for name, value in prompt.inputs.items() if name.startswith("question")]
    assert questions == [value for name, value in inputs.items() if name.startswith("question")]
    choices = [tuple(read_list(value)) for name, value in prompt.inputs.items() if name.startswith("choices")]
    assert choices == [value for value in inputs.values() if isinstance(value, tuple)]
    assert all(answer[name] == prompt.write(outputs) for name in outputs)


@pytest.mark.parametrize("signature", EXAM_INPUTS)
@pytest.mark.parametrize(
    "instructions", ["Choose one.", "Choose one.\n\n- Never guess.\n- Write every field.", LONG_RULES]
)
def test_the_instructions_and_demonstrations_of_an_exam_question_are_read(
    signature: type[dspy.Signature], instructions: str
) -> None:
    outputs = dict.fromkeys(signature.output_fields, "B")
    demo = EXAM_INPUTS[signature] | outputs
    prompt, _ = read_back(
        signature.with_instructions(instructions), ExamAdapter(), EXAM_INPUTS[signature], outputs, (demo, demo)
    )
    assert words(prompt.instructions) == words(instructions)
    assert [shown for _, shown in prompt.demonstrations()] == [outputs, outputs]
    assert prompt.inputs["scenario"] == EXAM_INPUTS[signature]["scenario"]


@pytest.mark.parametrize("text", ["Hello", "[[ ## first ## ]]\nx", "Choose.\n\nAnswer: letter"])
def test_another_kind_of_prompt_is_refused(text: str) -> None:
    request = Request(model="scripted/x", messages=(Message.user(text),), config=Config())
    with pytest.raises(InvalidRequestError, match="chat and JSON prompts and exam questions only"):
        Prompt.read(request)


def test_planned_moments_are_read_as_they_were_written(plans: list[Plan]) -> None:
    for plan in plans:
        read = read_moments("\n\n".join(moment.brief() for moment in plan.moments))
        assert [lines["moment"] for lines in read] == [moment.id for moment in plan.moments]
        for lines, moment in zip(read, plan.moments, strict=True):
            assert lines["why"] == moment.appraisal
            assert lines["must hold"] == moment.build
            assert lines["emotion" if moment.task == "EU" else "calls for"] == moment.aim
            assert lines["about"] == f"{moment.subject.name} ({moment.subject.pronouns})"
            assert (lines["told in"], lines["variant"]) == (moment.narration, str(moment.variant))
    assert read_moments("none") == []


@pytest.mark.parametrize("text", ['["a", "b"]', "[1] «a»\n[2] «b»"])
def test_a_list_is_read_in_both_renderings_of_dspy(text: str) -> None:
    assert read_list(text) == ["a", "b"]


def test_something_else_than_a_list_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="expected a list"):
        read_list('{"a": 1}')
