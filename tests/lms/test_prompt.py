from __future__ import annotations

import dspy
import pytest
from dspy.lm15 import Config, InvalidRequestError, Message, Request, Response, TextPart, Usage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus.records import Plan
from lms.scripted.prompt import Prompt, read_moments

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=60)
LINES = st.lists(TEXT, min_size=1, max_size=4).map("\n".join).map(str.strip).filter(bool)


class Ask(dspy.Signature):
    """Ask a thing."""

    first: str = dspy.InputField()
    second: str = dspy.InputField()
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


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=LINES, second=LINES, text=LINES, count=st.integers(), parts=st.lists(TEXT, max_size=3))
def test_what_dspy_renders_is_read_back_and_what_is_written_dspy_parses(
    adapter: dspy.Adapter, first: str, second: str, text: str, count: int, parts: list[str]
) -> None:
    engine = Reader(text=text, count=count, parts=parts)
    with dspy.context(lm=dspy.LM("reader/x", engine=engine, cache=False), adapter=adapter):
        answer = dspy.Predict(Ask)(first=first, second=second, config={"seed": 5})
    (prompt,) = engine.prompts
    assert prompt.inputs == {"first": first, "second": second}
    assert (prompt.outputs, prompt.seed) == (("text", "count", "parts"), 5)
    assert prompt.as_json is isinstance(adapter, dspy.JSONAdapter)
    assert (answer.text, answer.count, answer.parts) == (text, count, parts)


def test_another_kind_of_prompt_is_refused() -> None:
    request = Request(model="scripted/x", messages=(Message.user("Hello"),), config=Config())
    with pytest.raises(InvalidRequestError, match="chat and JSON prompts only"):
        Prompt.read(request)


def test_planned_moments_are_read_as_they_were_written(plans: list[Plan]) -> None:
    for plan in plans:
        read = read_moments("\n\n".join(moment.brief() for moment in plan.moments))
        assert [lines["moment"] for lines in read] == [moment.id for moment in plan.moments]
        for lines, moment in zip(read, plan.moments, strict=True):
            assert lines["why"] == moment.appraisal
            assert lines["emotion" if moment.task == "EU" else "calls for"] == moment.aim
            assert lines["about"] == f"{moment.subject.name} ({moment.subject.pronouns})"
    assert read_moments("none") == []
