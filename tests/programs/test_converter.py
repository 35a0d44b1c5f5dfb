from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dspy
import pytest

from corpus.records import ApplicationDraft, Plan, Session, UnderstandingDraft, render_turns
from programs.asking import ATTEMPTS
from programs.concise import ConciseSession
from programs.converter import ItemConverter
from programs.mads import TherapySession

Played = Callable[[Callable[[Any, dict[str, Any]], Any]], dspy.LM]


@pytest.fixture
def session(plans: list[Plan]) -> Session:
    held: Session = TherapySession()(plan=plans[0]).session
    return held


@pytest.fixture(params=["mads", "concise"])
def any_session(request: pytest.FixtureRequest, plans: list[Plan], concise_plans: list[Plan]) -> Session:
    """One finished session of each method."""
    program, plan = (TherapySession(), plans[1]) if request.param == "mads" else (ConciseSession(), concise_plans[1])
    held: Session = program(plan=plan).session
    return held


def convert(session: Session, lm: dspy.LM | None = None) -> dspy.Prediction:
    with dspy.context(roles={"converter": lm} if lm else {}):
        return ItemConverter()(session=session)


def test_each_told_moment_becomes_one_draft_with_the_planned_label(any_session: Session) -> None:
    session = any_session
    result = convert(session)
    assert (result.failures, result.retries) == ({}, 0)
    assert [draft.id for draft in result.drafts] == [moment.id for moment in session.plan.moments]
    for draft, moment in zip(result.drafts, session.plan.moments, strict=True):
        assert (draft.task, draft.session) == (moment.task, session.id)
        if isinstance(draft, UnderstandingDraft):
            assert (draft.emotion, draft.finegrained_category) == (moment.aim, moment.sub_category)
            assert draft.coarse_category == moment.category
            assert [len(part) for part in (draft.wrong_emotions, draft.wrong_causes, draft.misreadings)] == [5, 3, 3]
        else:
            assert (draft.category, draft.question_type) == (moment.category, moment.question_type)
            assert [len(part) for part in (draft.wrong, draft.misreadings)] == [3, 3]


def test_the_people_of_a_draft_are_those_whom_its_scenario_names(plans: list[Plan]) -> None:
    told_in = set()
    for plan in plans:
        session = TherapySession()(plan=plan).session
        for draft, moment in zip(convert(session).drafts, plan.moments, strict=True):
            named = (moment.subject, moment.other) if moment.narration == "third person" else (moment.other,)
            assert draft.people == named
            told_in.add(moment.narration)
    assert told_in == {"first person", "second person", "third person"}


@pytest.mark.parametrize(
    ("narration", "subjects"), [("first person", {"I"}), ("second person", {"You"}), ("third person", set())]
)
def test_a_scenario_is_told_in_the_planned_person(session: Session, narration: str, subjects: set[str]) -> None:
    moments = tuple(moment.model_copy(update={"narration": narration}) for moment in session.plan.moments)
    told = session.model_copy(update={"plan": session.plan.model_copy(update={"moments": moments})})
    for draft, moment in zip(convert(told).drafts, moments, strict=True):
        assert draft.subject in subjects | {moment.other.name} | ({moment.subject.name} if not subjects else set())
        assert (moment.subject.name in draft.scenario) == (narration == "third person")
        assert draft.subject in ("I", "You") or draft.subject in draft.scenario


def test_the_converter_sees_the_whole_plan_of_the_moment(played: Played, session: Session) -> None:
    lm = played(lambda prompt, values: values)
    convert(session, lm)
    assert [prompt.inputs["moment"] for prompt in lm.engine.prompts] == [m.brief() for m in session.plan.moments]
    assert {prompt.inputs["background"] for prompt in lm.engine.prompts} == {session.background}


def test_a_moment_that_was_not_told_is_a_named_failure_and_no_draft(session: Session) -> None:
    untold = session.plan.moments[1].id
    turns = tuple(turn.model_copy(update={"moment": ""}) if turn.moment == untold else turn for turn in session.turns)
    result = convert(session.model_copy(update={"turns": turns}))
    assert result.failures == {untold: "moment not told"}
    assert len(result.drafts) == len(session.plan.moments) - 1


def test_the_converter_sees_the_telling_with_answer_and_reply(played: Played, session: Session) -> None:
    lm = played(lambda prompt, values: values)
    convert(session, lm)
    lines = render_turns(session.turns).splitlines()
    starts = [number for number, turn in enumerate(session.turns) if turn.moment]
    excerpts = [prompt.inputs["excerpt"].splitlines() for prompt in lm.engine.prompts]
    assert excerpts == [lines[start : start + 3] for start in starts]


@pytest.mark.parametrize(
    ("task", "change", "reason"),
    [
        ("EU", {"emotion": "Joy & Sadness & Fear"}, "label changed"),
        ("EU", {"wrong_emotions": ["Joyousness"] * 5}, "unknown emotion"),
        ("EU", {"wrong_emotions": ["Joy", "Fear", "Grief", "Guilt"]}, "wrong count"),
        ("EU", {"wrong_causes": ["One reason", "Another", "A third", "A fourth"]}, "wrong count"),
        ("EU", {"wrong_causes": ["One reason", "Another", "  "]}, "wrong count"),
        ("EU", {"misreadings": []}, "wrong count"),
        ("EA", {"wrong": ["Go home", "Stay"]}, "wrong count"),
        ("EA", {"misreadings": ["forgets", "forgets", ""]}, "wrong count"),
        ("EA", {"wrong": "not a list"}, "unreadable answer"),
    ],
)
def test_a_draft_that_stays_wrong_is_a_counted_failure_and_the_others_are_kept(
    played: Played, session: Session, task: str, change: dict[str, Any], reason: str
) -> None:
    lm = played(lambda prompt, values: values | change if f"task: {task}" in prompt.inputs["moment"] else values)
    result = convert(session, lm)
    hit = [moment.id for moment in session.plan.moments if moment.task == task]
    assert result.failures == dict.fromkeys(hit, f"converter: {reason}")
    assert [draft.task for draft in result.drafts] == [m.task for m in session.plan.moments if m.task != task]
    assert result.calls == len(result.drafts) + ATTEMPTS * len(hit)
    assert result.retries == ATTEMPTS * len(hit)


def test_a_mended_draft_is_kept(played: Played, session: Session) -> None:
    def hasty(prompt: Any, values: dict[str, Any]) -> dict[str, Any]:
        return values if "complaint" in prompt.inputs else values | {"misreadings": []}

    lm = played(hasty)
    result = convert(session, lm)
    assert result.failures == {}
    assert result.drafts == convert(session).drafts
    assert result.retries == len(result.drafts)
    assert lm.engine.prompts[1].inputs["complaint"].startswith("wrong count: misreadings has 0 entries, wanted are 3")


def test_stray_white_space_is_taken_out(played: Played, session: Session) -> None:
    lm = played(lambda p, values: values | {"scenario": "Mira  sat\n\ndown. ", "subject": " Mira\n"})
    for draft in convert(session, lm).drafts:
        assert isinstance(draft, UnderstandingDraft | ApplicationDraft)
        assert (draft.scenario, draft.subject) == ("Mira sat down.", "Mira")


def test_the_same_session_gives_the_same_drafts_through_both_adapters(session: Session) -> None:
    with dspy.context(adapter=dspy.JSONAdapter()):
        in_json = convert(session).drafts
    assert in_json == convert(session).drafts


def test_a_saved_converter_holds_no_model(tmp_path: Path, session: Session) -> None:
    program = ItemConverter()
    program(session=session)
    path = tmp_path / "converter.json"
    program.save(str(path))
    text = path.read_text(encoding="utf-8")
    assert "scripted" not in text
    assert text.count('"lm": null') == 2
