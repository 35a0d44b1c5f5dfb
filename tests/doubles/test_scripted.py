from __future__ import annotations

from typing import Any

import dspy
import pytest
from dspy.lm15 import Request, Response

from corpus.records import Plan
from lms.scripted.engine import ScriptedEngine
from programs.briefing import brief_case
from signatures.chat_adapter import ChatAdapter
from signatures.session import RespondAsTherapist, WriteBackground, WriteCase
from tests.doubles.ollama import OllamaDouble
from tests.doubles.raw import ask, say
from tests.doubles.scripted import scripted_reply

TALK = "CLIENT: I dropped the keys twice.\nTHERAPIST: And then?\nCLIENT: I went home on foot."
ANSWER = {"phase": "facts and feelings", "care": "nothing in particular", "recent_turns": TALK}


class Eavesdropper(ScriptedEngine):
    """The scripted teacher in process, with every request and its text noted."""

    def __init__(self, mistakes: Any):
        super().__init__(mistakes)
        self.heard: list[tuple[Request, str]] = []

    def complete(self, request: Request) -> Response:
        response = super().complete(request)
        self.heard.append((request, response.message.text or ""))
        return response


def hear(mistakes: Any, adapter: dspy.Adapter, plans: list[Plan]) -> list[tuple[Request, str]]:
    """A handful of real asks, with and without a demonstration, and what was answered."""
    engine = Eavesdropper(mistakes)
    lm = dspy.LM("scripted/counsel", engine=engine, cache=False, temperature=0.7, max_tokens=2000)
    respond = dspy.Predict(RespondAsTherapist)
    respond.demos = [dspy.Example(**ANSWER, message="What did you notice first?")]
    with dspy.context(lm=lm, adapter=adapter, trace=[], disable_history=True):
        for seed, plan in enumerate(plans[:3]):
            for signature in (WriteBackground, WriteCase):
                dspy.Predict(signature)(**brief_case(plan), config={"seed": seed})
        for seed in (0, 5):
            respond(**ANSWER, config={"seed": seed})
    return engine.heard


def as_body(request: Request) -> dict[str, Any]:
    """The same request as a chat body, as any client would write it."""
    messages = [{"role": "system", "content": str(request.system)}] if request.system else []
    messages += [{"role": message.role, "content": message.text or ""} for message in request.messages]
    config = request.config
    options = {"seed": config.seed, "temperature": config.temperature, "num_predict": config.max_tokens}
    return say(model="teacher", messages=messages, options=options | {"num_ctx": 16384})


@pytest.mark.parametrize("adapter", [ChatAdapter(), dspy.JSONAdapter()])
@pytest.mark.parametrize("mistakes", [{}, {"names_emotion": 0.5}])
def test_over_http_the_texts_are_the_same(plans: list[Plan], adapter: dspy.Adapter, mistakes: Any) -> None:
    heard = hear(mistakes, adapter, plans)
    with OllamaDouble("teacher", reply=scripted_reply(mistakes)) as double:
        answers = [ask(double.url, "/api/chat", as_body(request)).json() for request, _ in heard]
    assert [answer["message"]["content"] for answer in answers] == [text for _, text in heard]
    assert {answer["done_reason"] for answer in answers} == {"stop"}
    assert len({text for _, text in heard}) == 8
    assert any(message.role == "assistant" for request, _ in heard for message in request.messages)


def test_an_answer_is_cut_where_the_budget_ends_and_only_there(plans: list[Plan]) -> None:
    messages = ChatAdapter().format(WriteBackground, [], brief_case(plans[0]))
    with OllamaDouble("teacher", reply=scripted_reply()) as double:
        body = say(model="teacher", messages=messages, options={"seed": 4, "num_ctx": 16384})
        whole = ask(double.url, "/api/chat", body).json()
        assert whole["done_reason"] == "stop"
        for budget, reason in ((-1, "stop"), (whole["eval_count"], "stop"), (whole["eval_count"] - 1, "length")):
            body["options"]["num_predict"] = budget
            answer = ask(double.url, "/api/chat", body).json()
            assert answer["done_reason"] == reason
            assert (answer["message"]["content"] == whole["message"]["content"]) == (reason == "stop")


def test_an_ask_that_the_teacher_does_not_know_is_refused() -> None:
    with OllamaDouble("teacher", reply=scripted_reply()) as double:
        answer = ask(double.url, "/api/chat", say("Capital of France?", model="teacher"))
    assert answer.status == 400
    assert "scripted teacher" in answer.error
