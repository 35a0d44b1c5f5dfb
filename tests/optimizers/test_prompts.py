"""Prompts are shown as a model receives them, to the letter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dspy
import pytest
from dspy.lm15 import Request, Response

from corpus.errors import DataError
from corpus.jsonl import write_jsonl
from corpus.records import ApplicationItem, Plan, UnderstandingItem
from eval.exam import Exam
from optimizers.cases import Case, ExamCase, ItemCase, SessionCase
from optimizers.config import Kind
from optimizers.prompts import Prompt, read_inputs, render_prompts
from programs.converter import ItemConverter
from programs.writer import SessionWriter
from signatures.chat_adapter import ChatAdapter
from tests.optimizers.handmade import RULE, compiled_items, told
from tests.review.conftest import make_ea, make_eu


class Stop(BaseException):
    """The first prompt has been seen."""


class Listening:
    """An engine that notes what reaches it, and stops there."""

    supported_params = frozenset({"temperature", "max_tokens", "seed"})

    def complete(self, request: Request) -> Response:
        self.seen = [
            *([("system", str(request.system))] if request.system else []),
            *((message.role, message.text or "") for message in request.messages),
        ]
        raise Stop


def first_prompt(program: dspy.Module, case: Case) -> list[tuple[str, str]]:
    engine = Listening()
    lm = dspy.LM("listening/x", engine=engine, cache=False, num_retries=0)
    with dspy.context(lm=lm, roles={}, adapter=ChatAdapter(), trace=[], disable_history=True), pytest.raises(Stop):
        case.run(program)
    return engine.seen


def said(prompt: Prompt) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in prompt.messages]


def write_cases(folder: Path, *cases: Case, part: str = "final") -> Path:
    rows: list[dict[str, Any]] = []
    for case in cases:
        if isinstance(case, SessionCase):
            shown: dict[str, Any] = {"plan": case.plan.model_dump(mode="json")}
        elif isinstance(case, ItemCase):
            shown = {"session": case.session.model_dump(mode="json"), "moment": case.moment.id}
        else:
            shown = {"item": case.item.model_dump(mode="json", by_alias=True)}
        rows.append({"id": case.id, "part": part, "case": shown})
    write_jsonl(folder / "cases.jsonl", rows)
    return folder


def exam_with_demonstration() -> Exam:
    exam = Exam("generate", "option")
    exam.answer_ea.demos = [
        dspy.Example(scenario="Rain.", question="What now?", choices=("Wait.", "Go."), option="Go.", answer="B")
    ]
    return exam


@pytest.fixture
def items() -> list[UnderstandingItem | ApplicationItem]:
    return [make_eu(1), make_ea(2)]


def check(kind: Kind, program: dspy.Module, folder: Path, cases: list[Case]) -> None:
    write_cases(folder, *cases)
    prompts = {
        prompt.predictor: prompt for prompt in render_prompts(kind, program, read_inputs(kind, folder)) if prompt.filled
    }
    assert len(prompts) == len(cases)
    assert sorted(map(said, prompts.values())) == sorted(first_prompt(program, case) for case in cases)


def test_a_filled_prompt_of_items_is_what_the_model_gets(tmp_path: Path, plans: list[Plan]) -> None:
    session = told(plans[0])
    moments = {moment.task: moment for moment in session.plan.moments}
    check("items", compiled_items(), tmp_path, [ItemCase(session, moment) for moment in moments.values()])


def test_a_filled_prompt_of_sessions_is_what_the_model_gets(
    tmp_path: Path, plans: list[Plan], concise_plans: list[Plan]
) -> None:
    check("session", SessionWriter(), tmp_path, [SessionCase(plans[0]), SessionCase(concise_plans[0])])


def test_a_filled_prompt_of_exams_is_what_the_model_gets(
    tmp_path: Path, items: list[UnderstandingItem | ApplicationItem]
) -> None:
    check("exam", exam_with_demonstration(), tmp_path, [ExamCase(item) for item in items])


def test_placeholders_stand_for_what_is_put_in() -> None:
    (understanding, application) = render_prompts("items", compiled_items())
    assert not understanding.filled
    assert [message.role for message in understanding.messages] == ["system", "user"]
    assert [message.role for message in application.messages] == ["system", "user", "assistant", "user"]
    assert RULE in application.messages[0].content
    assert "Rain fell on the chair." in application.messages[2].content
    assert "[[ ## moment ## ]]\n{moment}" in application.messages[-1].content


def test_of_several_values_the_first_and_the_rest_stand_there() -> None:
    prompt = render_prompts("exam", exam_with_demonstration())[0]
    assert "Scenario: {scenario}\nQuestion: {question}\nA) {choices}\nB) …\n" in prompt.messages[-1].content
    assert prompt.messages[1].content == '{"option": "Go.", "answer": "B"}'


def test_final_cases_alone_fill_prompts_and_of_them_the_first(tmp_path: Path, plans: list[Plan]) -> None:
    assert read_inputs("session", tmp_path) == {}
    write_cases(tmp_path, SessionCase(plans[0]), part="train")
    assert read_inputs("session", tmp_path) == {}
    write_cases(tmp_path, SessionCase(plans[1]), SessionCase(plans[2]))
    inputs = read_inputs("session", tmp_path)
    assert inputs.keys() == {"mads.write_background"}
    assert inputs["mads.write_background"]["persona"] == plans[1].persona.persona


@pytest.mark.parametrize(
    "line",
    ['{"part": "final"}', '{"part": "final", "case": 3}', '{"part": "final", "case": {"item": {}}}',
     '{"part": "final", "case": {"session": {}, "moment": "m"}}', "{", "[]"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["session", "items", "exam"])
def test_a_line_that_is_no_case_is_named(tmp_path: Path, kind: Kind, line: str) -> None:
    (tmp_path / "cases.jsonl").write_text("\n" + line + "\n")
    with pytest.raises(DataError, match=r"cases\.jsonl, line 2: "):
        read_inputs(kind, tmp_path)


def test_rendering_leaves_the_program_as_it_is() -> None:
    program = ItemConverter()
    before = program.dump_state()
    render_prompts("items", program)
    assert program.dump_state() == before
