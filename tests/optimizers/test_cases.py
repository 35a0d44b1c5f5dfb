from __future__ import annotations

import dspy
import pytest
from dspy.utils.exceptions import LMProviderError

from corpus.assemble import assemble_items
from corpus.records import Item, Plan
from eval.exam import Exam
from lms.build import build_lm
from lms.spec import ModelSpec
from optimizers.cases import ExamCase, ItemCase, SessionCase, example_of
from programs.asking import AskFailed
from programs.converter import ItemConverter
from programs.writer import SessionWriter
from tests.optimizers.searching import Babbling


@pytest.fixture(scope="module")
def items(item_cases: list[ItemCase]) -> list[Item]:
    """An item of each task."""
    with dspy.context(lm=build_lm(ModelSpec(model="scripted/counsel", mistakes={})), roles={}, trace=[]):
        return list(assemble_items([case.run(ItemConverter())[0] for case in item_cases[:2]], seed=1))


def test_a_session_case_runs_the_writer_of_sessions(concise_plans: list[Plan], flawless_teacher: dspy.LM) -> None:
    plan = concise_plans[0]
    case = SessionCase(plan)
    session, costs = case.run(SessionWriter(("concise",)))
    assert (case.id, case.cluster, session.id) == (plan.id, plan.persona.persona, plan.id)
    assert costs == {"calls": 2, "retries": 0, "complaints": {}}


def test_an_item_case_asks_as_a_run_does_but_with_a_seed_of_its_own(
    item_cases: list[ItemCase], flawless_teacher: dspy.LM
) -> None:
    case = item_cases[0]
    draft, costs = case.run(ItemConverter())
    assert (case.id, case.cluster, draft.id) == (case.moment.id, case.session.id, case.moment.id)
    assert costs == {"calls": 1, "retries": 0, "complaints": {}}
    assert case.run(ItemConverter()) == (draft, costs)


def test_an_exam_case_asks_the_item(items: list[Item], flawless_teacher: dspy.LM) -> None:
    for item in items:
        case = ExamCase(item)
        made, costs = case.run(Exam("generate", "json"))
        assert (case.id, case.cluster) == (item.qid, item.session)
        assert len(made.answer.lenient) == len(item.questions)
        assert costs == {"calls": 1, "retries": 0, "complaints": {}}


def test_items_of_others_stand_for_themselves(items: list[Item]) -> None:
    case = ExamCase(items[0].model_copy(update={"session": ""}))
    assert case.cluster == items[0].scenario


def test_what_a_program_fails_at_is_raised_with_its_costs(item_cases: list[ItemCase]) -> None:
    lm = dspy.LM("babbling/x", engine=Babbling(), cache=False, num_retries=0)
    with dspy.context(lm=lm, roles={}, trace=[]), pytest.raises(AskFailed) as caught:
        item_cases[0].run(ItemConverter())
    assert caught.value.costs["calls"] == 4


def test_cases_show_themselves_briefly(item_cases: list[ItemCase], items: list[Item], plans: list[Plan]) -> None:
    """DSPy's proposers put their `repr` into prompts."""
    for case in (SessionCase(plans[0]), item_cases[0], *map(ExamCase, items)):
        assert 20 < len(repr(case)) < 400
        assert len(repr(example_of(case))) < 500
    assert item_cases[0].moment.aim in repr(item_cases[0])
    assert plans[0].theme.theme in repr(SessionCase(plans[0]))


def test_a_demonstration_is_known_by_the_inputs_of_its_case(
    item_cases: list[ItemCase], items: list[Item], concise_plans: list[Plan], flawless_teacher: dspy.LM
) -> None:
    """Of each kind of case, at least one ask has an input that marks it."""
    program, writer, exam = ItemConverter(), SessionWriter(("concise",)), Exam("generate", "json")
    runs = [(item_cases[0], program), (SessionCase(concise_plans[0]), writer), (ExamCase(items[0]), exam)]
    for case, asked in runs:
        with dspy.context(trace=[]):
            case.run(asked)
            trace = list(dspy.settings.trace)
        marked = [any(given.get(name) == text for name, text in case.marks.items()) for _, given, _ in trace]
        assert any(marked)


def test_an_example_gives_its_case_as_input(item_cases: list[ItemCase]) -> None:
    example = example_of(item_cases[0])
    assert dict(example.inputs()) == {"case": item_cases[0]}


@pytest.mark.parametrize(("code", "reason"), [("truncated", "answer cut"), ("filtered", "answer filtered")])
def test_an_answer_to_an_exam_that_was_cut_or_withheld_is_an_outcome(items: list[Item], code: str, reason: str) -> None:
    class Refusing(dspy.Module):  # type: ignore[misc]
        def __init__(self, code: str):
            super().__init__()
            self.code = code

        def forward(self, item: Item) -> dspy.Prediction:
            raise LMProviderError("no", provider_code=self.code)

    with pytest.raises(AskFailed) as caught:
        ExamCase(items[0]).run(Refusing(code))
    assert caught.value.reason == f"examinee: {reason}"
    assert caught.value.costs["calls"] == 1
    with pytest.raises(LMProviderError):
        ExamCase(items[0]).run(Refusing("broken"))
