from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dspy
import pytest

from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import Plan
from corpus.safety import PLANNING
from corpus.text import count_sentences
from programs.asking import ATTEMPTS, AskFailed
from programs.concise import ConciseSession

Played = Callable[[Callable[[Any, dict[str, Any]], Any]], dspy.LM]
Edit = Callable[[list[str]], list[str]]
RISK = "I keep thinking of ending it all, and I have told nobody."
SAFE = "Thank you for saying that. Are you safe right now, and can we call the crisis line together?"


def hold(plan: Plan, lm: dspy.LM | None = None, **roles: dspy.LM) -> dspy.Prediction:
    with dspy.context(lm=lm or dspy.settings.lm, roles=roles):
        return ConciseSession()(plan=plan)


def replace(number: int, text: str) -> Edit:
    """Put a text in the place of message ``number`` (from 1)."""
    return lambda messages: [*messages[: number - 1], text, *messages[number:]]


def writer(played: Played, edit: Edit, after_complaint: Edit | None = None) -> dspy.LM:
    """The scripted writer of a dialogue, whose messages are edited, differently once a complaint has come."""

    def writes(prompt: Any, values: dict[str, Any]) -> dict[str, Any]:
        chosen = (after_complaint or edit) if "complaint" in prompt.inputs else edit
        return {"messages": chosen(values["messages"])}

    return played(writes)


def test_a_session_is_ten_messages_in_two_calls_with_no_supervisor(played: Played, concise_plans: list[Plan]) -> None:
    for plan in concise_plans:
        lm = played(lambda prompt, values: values)
        result = hold(plan, lm)
        assert (result.calls, result.retries) == (2, 0)
        assert [prompt.outputs for prompt in lm.engine.prompts] == [("case",), ("messages",)]
        assert [turn.speaker for turn in result.session.turns] == ["CLIENT", "THERAPIST"] * 5
        assert result.session.looks == ()
        assert (result.session.id, result.session.plan) == (plan.id, plan)


def test_one_moment_is_brought_up_per_round_in_the_planned_order(concise_plans: list[Plan]) -> None:
    counts = set()
    for plan in concise_plans:
        turns = hold(plan).session.turns
        moments = [moment.id for moment in plan.moments]
        assert [turn.moment for turn in turns[::2]] == moments + [""] * (5 - len(moments))
        assert not any(turn.moment for turn in turns[1::2])
        for turn, moment in zip(turns[::2], plan.moments, strict=False):
            assert moment.other.name in turn.text or moment.subject.name in turn.text
        counts.add(len(moments))
    assert counts == {4, 5}


def test_every_round_has_its_stage_of_the_arc_and_its_phase(concise_plans: list[Plan]) -> None:
    for plan in concise_plans:
        turns = hold(plan).session.turns
        assert tuple(turn.stage for turn in turns[::2]) == plan.arc
        assert [turn.phase for turn in turns[1::2]] == ["facts and feelings"] * 2 + ["meaning"] * 2 + ["perspective"]
        assert not any(turn.phase for turn in turns[::2])
        assert not any(turn.stage for turn in turns[1::2])


def test_the_scripted_teacher_keeps_to_the_wanted_lengths() -> None:
    for plan in make_plans(PlanConfig(sessions=60, method="concise"), seed=5):
        session = hold(plan).session
        assert 80 <= len(session.background.split()) <= 160, session.background
        assert max(count_sentences(turn.text) for turn in session.turns[::2]) <= 4
        assert all("?" in turn.text for turn in session.turns[1::2])


def test_no_message_is_said_twice(concise_plans: list[Plan]) -> None:
    for plan in concise_plans:
        assert len({turn.text for turn in hold(plan).session.turns}) == 10


def test_the_dialogue_rests_on_the_case_the_moments_and_the_arc(played: Played, concise_plans: list[Plan]) -> None:
    plan, lm = concise_plans[0], played(lambda prompt, values: values)
    session = hold(plan, lm).session
    case, dialogue = (prompt.inputs for prompt in lm.engine.prompts)
    assert dialogue["background"] == session.background
    assert dialogue["arc"].splitlines() == list(plan.arc)
    assert dialogue["manner"] == plan.attributes.manner
    assert case["attributes"] == plan.attributes.brief()
    assert case["persona"] == plan.persona.persona
    briefs = "\n\n".join(moment.brief() for moment in plan.moments)
    assert case["moments"] == dialogue["moments"] == briefs
    assert case["client"] == dialogue["client"] == f"{plan.client.name} ({plan.client.pronouns})"


@pytest.mark.parametrize("care", ["", "self-harm", "abuse"])
def test_both_writers_are_told_what_to_be_careful_about(played: Played, concise_plans: list[Plan], care: str) -> None:
    plan = concise_plans[0]
    plan = plan.model_copy(update={"theme": plan.theme.model_copy(update={"care": care})})
    lm = played(lambda prompt, values: values)
    hold(plan, lm)
    wanted = PLANNING[care] if care else "nothing in particular"
    assert [prompt.inputs["care"] for prompt in lm.engine.prompts] == [wanted] * 2


def test_speaker_tags_and_line_breaks_are_cleaned_away(played: Played, concise_plans: list[Plan]) -> None:
    def tag(messages: list[str]) -> list[str]:
        names = ["CLIENT: ", "Therapist:\n"] * 5
        return [name + message.replace(" ", "\n", 1) for name, message in zip(names, messages, strict=True)]

    assert hold(concise_plans[0], dialogue=writer(played, tag)) == hold(concise_plans[0])


FAULTS: list[tuple[Edit, str]] = [
    (lambda messages: messages[:9], "wrong count"),
    (lambda messages: [*messages, "And then?"], "wrong count"),
    (lambda messages: [], "wrong count"),
    (replace(3, " \n "), "empty message"),
    (lambda messages: [*messages[:9], messages[1]], "repeated turn"),
    (replace(5, "I left. THERAPIST: And what then?"), "speaks for both"),
    (replace(6, "You left. What then? Client: I went home."), "speaks for both"),
    (replace(4, "That sounds hard."), "no question"),
    (replace(1, "And so on. " * 7), "too long"),
    (replace(9, "And so on. " * 6), "too long"),
]


@pytest.mark.parametrize(("edit", "reason"), FAULTS)
def test_a_faulty_dialogue_is_asked_for_again_and_in_the_end_refused_under_a_named_reason(
    played: Played, concise_plans: list[Plan], edit: Edit, reason: str
) -> None:
    mended = hold(concise_plans[0], dialogue=writer(played, edit, lambda messages: messages))
    assert (mended.calls, mended.retries, len(mended.session.turns)) == (3, 1, 10)
    stubborn = writer(played, edit)
    with pytest.raises(AskFailed) as caught:
        hold(concise_plans[0], dialogue=stubborn)
    assert caught.value.reason == f"dialogue: {reason}"
    complaints = [prompt.inputs.get("complaint", "") for prompt in stubborn.engine.prompts]
    assert [complaint.partition(":")[0] for complaint in complaints] == ["", *[reason] * (ATTEMPTS - 1)]


def test_the_complaint_says_which_message_is_at_fault(played: Played, concise_plans: list[Plan]) -> None:
    lm = writer(played, replace(4, "That sounds hard."), lambda messages: messages)
    hold(concise_plans[0], dialogue=lm)
    assert lm.engine.prompts[1].inputs["complaint"].endswith("(message 4)")


@pytest.mark.parametrize("words", [0, 49, 261])
def test_a_case_far_from_the_wanted_length_is_refused(played: Played, concise_plans: list[Plan], words: int) -> None:
    with pytest.raises(AskFailed) as caught:
        hold(concise_plans[0], background=played(lambda prompt, values: {"case": "word " * words}))
    assert caught.value.reason == "background: case length"


@pytest.mark.parametrize("round_number", range(1, 6))
def test_a_client_who_voices_risk_in_any_round_is_answered_with_safety_first_or_the_session_is_lost(
    played: Played, concise_plans: list[Plan], round_number: int
) -> None:
    voice, answer = replace(2 * round_number - 1, RISK), replace(2 * round_number, SAFE)

    def safe(messages: list[str]) -> list[str]:
        return answer(voice(messages))

    at_once = hold(concise_plans[0], dialogue=writer(played, safe))
    mended = hold(concise_plans[0], dialogue=writer(played, voice, safe))
    for result, retries in ((at_once, 0), (mended, 1)):
        assert [turn.text for turn in result.session.turns[2 * round_number - 2 : 2 * round_number]] == [RISK, SAFE]
        assert result.retries == retries
    lm = writer(played, voice)
    with pytest.raises(AskFailed) as caught:
        hold(concise_plans[0], dialogue=lm)
    assert caught.value.reason == "dialogue: safety not put first"
    assert lm.engine.prompts[1].inputs["complaint"].endswith(f"(message {2 * round_number})")


def test_a_round_later_is_too_late_for_safety(played: Played, concise_plans: list[Plan]) -> None:
    lm = writer(played, lambda messages: replace(6, SAFE)(replace(3, RISK)(messages)))
    with pytest.raises(AskFailed, match="safety not put first"):
        hold(concise_plans[0], dialogue=lm)


def test_each_of_the_two_calls_goes_to_its_role(played: Played, concise_plans: list[Plan]) -> None:
    background, dialogue = (played(lambda prompt, values: values) for _ in range(2))
    hold(concise_plans[0], background=background, dialogue=dialogue)
    assert [prompt.outputs for prompt in background.engine.prompts] == [("case",)]
    assert [prompt.outputs for prompt in dialogue.engine.prompts] == [("messages",)]


def test_the_same_plan_gives_the_same_session_and_other_plans_give_others(concise_plans: list[Plan]) -> None:
    sessions = [hold(plan).session for plan in concise_plans]
    assert [hold(plan).session for plan in concise_plans] == sessions
    assert len({session.background for session in sessions}) == len(sessions)
    assert len({session.turns[0].text for session in sessions}) == len(sessions)


def test_both_adapters_hold_a_session(concise_plans: list[Plan]) -> None:
    with dspy.context(adapter=dspy.JSONAdapter()):
        in_json = hold(concise_plans[0]).session
    assert in_json == hold(concise_plans[0]).session


def test_a_saved_program_holds_no_model(tmp_path: Path, concise_plans: list[Plan]) -> None:
    program = ConciseSession()
    program(plan=concise_plans[0])
    path = tmp_path / "concise.json"
    program.save(str(path))
    text = path.read_text(encoding="utf-8")
    assert "scripted" not in text
    assert text.count('"lm": null') == 2
    again = ConciseSession()
    again.load(str(path))
    assert again(plan=concise_plans[0]).session == hold(concise_plans[0]).session
