"""Each exam asked through DSPy, as an examiner asks it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import dspy
import pytest
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from eval.benchmarks import BENCHMARKS, Question
from tests.eval.benchmarks.conftest import EMOTIONS

ANSWERS = {
    "emobench-ea": '{"reasoning": "r", "answer": "B"}',
    "emobench-eu": '{"answer_q1": "C", "answer_q2": "B"}',
    "eq-bench": "".join(f"{name}: {score}\n" for name, score in zip(EMOTIONS, (5, 0, 9, 3), strict=True)),
    "tombench": '{"answer": "C"}',
}


class Sayer:
    """An engine that always says one thing, and remembers what it was asked."""

    supports_function_calling = supports_reasoning = supports_response_schema = False
    supported_params = frozenset({"temperature", "max_tokens"})

    def __init__(self, text: str):
        self.text, self.asked = text, list[str]()

    def __deepcopy__(self, memo: dict[int, object]) -> Sayer:
        return self

    def complete(self, request: Request) -> Response:
        self.asked.append("\n".join(message.text or "" for message in request.messages))
        message = Message.assistant([TextPart(self.text)])
        usage = Usage(input_tokens=1, output_tokens=1)
        return Response(id=None, model=request.model, message=message, finish_reason="stop", usage=usage)


@pytest.fixture
def dspy_log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What DSPy logs; its logger hands nothing on to the root, where pytest listens."""
    logger = logging.getLogger("dspy")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.fixture
def one_of_each(application: Question, understanding: Question, rated: Question, stories: Path) -> dict[str, Question]:
    story = BENCHMARKS["tombench"].load(str(stories))[0]
    return {"emobench-ea": application, "emobench-eu": understanding, "eq-bench": rated, "tombench": story}


@pytest.mark.parametrize("thinking", [False, True])
@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_exam_is_asked_read_and_scored(
    name: str, thinking: bool, one_of_each: dict[str, Question], dspy_log: pytest.LogCaptureFixture
) -> None:
    benchmark, question, engine = BENCHMARKS[name], one_of_each[name], Sayer(ANSWERS[name])
    signature = benchmark.signature(question, thinking)
    lm = dspy.LM("sayer/one", engine=engine, cache=False, temperature=0.0, max_tokens=64)
    with dspy.context(lm=lm, adapter=benchmark.adapter(), trace=[], disable_history=True):
        prediction = dspy.Predict(signature)(**question.inputs_for(signature))
    raw = prediction[next(iter(signature.output_fields))]
    assert raw == ANSWERS[name]
    answer = benchmark.read(raw, question)
    assert benchmark.score(answer, question) == benchmark.score(answer, question, "strict") == benchmark.points
    assert benchmark.total([benchmark.score(answer, question)]).score == 100.0
    assert all(text in engine.asked[0] for part in question.parts for text in part.choices)
    assert dspy_log.records == [], "an input that a signature lacks draws a warning"


def test_inputs_are_those_of_the_signature(rated: Question) -> None:
    signature = BENCHMARKS["eq-bench"].signature(rated, False)
    assert list(rated.inputs_for(signature)) == ["prompt"]
    assert list(rated.inputs) == ["prompt", "prompt_with_critique"]
