from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dspy
import pytest
from programs.session import TherapySession, phase_of

from corpus.records import Plan, Session, render_turns
from programs.asking import AskFailed

Played = Callable[[Callable[[Any, dict[str, Any]], Any]], dspy.LM]
LOOKS = ("scenario_clear", "emotions_present", "causes_present", "dilemma_present", "rich_enough")


def hold(plan: Plan, lm: dspy.LM | None = None, **roles: dspy.LM) -> dspy.Prediction:
    with dspy.context(lm=lm or dspy.settings.lm, roles=roles):
        return TherapySession()(plan=plan)


def supervisor(played: Played, verdict: Callable[[int], dict[str, bool]]) -> dspy.LM:
    """A supervisor who judges by the number of turns alone."""
    return played(lambda prompt, values: verdict(prompt.inputs["transcript"].count("THERAPIST: ")))


def test_a_session_ends_at_the_first_look_that_misses_nothing(plans: list[Plan]) -> None:
    for plan in plans:
        session = hold(plan).session
        turns = len(session.turns) // 2
        assert [look.turn for look in session.looks] == list(range(4, turns + 1, 2))
        assert [look.complete for look in session.looks] == [False] * (len(session.looks) - 1) + [True]


def test_a_session_that_pleases_at_once_ends_at_the_first_look(played: Played, plans: list[Plan]) -> None:
    session = hold(plans[0], supervisor=supervisor(played, lambda turns: dict.fromkeys(LOOKS, True))).session
    assert (len(session.turns), [look.turn for look in session.looks]) == (8, [4])


def test_a_supervisor_who_is_never_content_is_not_heard_beyond_turn_14(played: Played, plans: list[Plan]) -> None:
    session = hold(plans[0], supervisor=supervisor(played, lambda turns: dict.fromkeys(LOOKS, False))).session
    assert len(session.turns) == 28
    assert [look.turn for look in session.looks] == [4, 6, 8, 10, 12, 14]


@pytest.mark.parametrize("lacking", LOOKS)
def test_one_lacking_point_keeps_the_session_going(played: Played, plans: list[Plan], lacking: str) -> None:
    judge = supervisor(played, lambda turns: {name: name != lacking or turns >= 8 for name in LOOKS})
    session = hold(plans[0], supervisor=judge).session
    assert [look.turn for look in session.looks] == [4, 6, 8]
    assert [getattr(look, lacking) for look in session.looks] == [False, False, True]


def test_client_and_therapist_alternate_and_the_client_begins(plans: list[Plan]) -> None:
    for plan in plans:
        speakers = [turn.speaker for turn in hold(plan).session.turns]
        assert speakers == ["CLIENT", "THERAPIST"] * (len(speakers) // 2)


def test_the_therapist_works_by_the_phase_of_the_turn(played: Played, plans: list[Plan]) -> None:
    therapist = played(lambda prompt, values: values)
    session = hold(plans[0], therapist=therapist).session
    phases = [prompt.inputs["phase"] for prompt in therapist.engine.prompts]
    assert phases == [phase_of(number) for number in range(1, len(session.turns) // 2 + 1)]
    assert [phase.split(":")[0] for phase in phases[:6]] == ["facts and feelings"] * 2 + ["meaning"] * 2 + [
        "perspective"
    ] * 2
    assert phase_of(14) == phase_of(5)


def test_each_moment_is_brought_up_once_in_order_and_then_none(played: Played, plans: list[Plan]) -> None:
    for plan in plans:
        client = played(lambda prompt, values: values)
        never = supervisor(played, lambda turns: dict.fromkeys(LOOKS, False))
        session = hold(plan, client=client, supervisor=never).session
        told = [turn.moment for turn in session.turns if turn.speaker == "CLIENT"]
        wanted = [moment.id for moment in plan.moments]
        assert told == wanted + [""] * (14 - len(wanted))
        asked = [prompt.inputs["moment"] for prompt in client.engine.prompts if "complaint" not in prompt.inputs]
        assert asked == [moment.brief() for moment in plan.moments] + ["none"] * (14 - len(wanted))
        assert not any(turn.moment for turn in session.turns if turn.speaker == "THERAPIST")


def test_client_and_therapist_see_no_more_than_the_last_two_exchanges(played: Played, plans: list[Plan]) -> None:
    client, therapist = played(lambda prompt, values: values), played(lambda prompt, values: values)
    session = hold(plans[0], client=client, therapist=therapist).session
    lines = render_turns(session.turns).splitlines()
    for number, prompt in enumerate(therapist.engine.prompts):
        end = 2 * number + 1
        assert prompt.inputs["recent_turns"].splitlines() == lines[max(0, end - 4) : end]
    assert "recent_turns" not in client.engine.prompts[0].inputs
    assert client.engine.prompts[3].inputs["recent_turns"].splitlines() == lines[2:6]


def test_no_turn_is_said_twice(plans: list[Plan]) -> None:
    for plan in plans:
        texts = [turn.text for turn in hold(plan).session.turns]
        assert len(set(texts)) == len(texts)


def test_a_repeated_turn_is_asked_for_again_with_the_complaint(played: Played, plans: list[Plan]) -> None:
    def parrot(prompt: Any, values: dict[str, Any]) -> dict[str, Any]:
        return values if "complaint" in prompt.inputs else {"message": "And what did you feel\n then?"}

    therapist = played(parrot)
    result = hold(plans[0], therapist=therapist)
    session: Session = result.session
    said = [turn.text for turn in session.turns if turn.speaker == "THERAPIST"]
    assert said[0] == "And what did you feel then?"
    assert said.count(said[0]) == 1
    assert result.retries == len(said) - 1
    complaints = [prompt.inputs.get("complaint", "") for prompt in therapist.engine.prompts]
    assert complaints == [""] + ["", complaints[2]] * (len(said) - 1)
    assert complaints[2].startswith("repeated turn: ")


@pytest.mark.parametrize(
    ("role", "answer", "reason"),
    [
        ("background", {"background": "Too short."}, "background: background length"),
        ("background", {"background": "long " * 601}, "background: background length"),
        ("client", {"message": " \n "}, "client: empty message"),
        ("client", {"message": "The same as ever."}, "client: repeated turn"),
        ("therapist", "I refuse.", "therapist: unreadable answer"),
        ("supervisor", dict.fromkeys(LOOKS, "perhaps"), "supervisor: unreadable answer"),
    ],
)
def test_a_stubborn_role_is_asked_three_times_and_named(
    played: Played, plans: list[Plan], role: str, answer: Any, reason: str
) -> None:
    stubborn = played(lambda prompt, values: answer)
    with pytest.raises(AskFailed) as caught:
        hold(plans[0], **{role: stubborn})
    assert caught.value.reason == reason
    assert "\n" not in str(caught.value)
    accepted = 1 if reason == "client: repeated turn" else 0
    assert len(stubborn.engine.prompts) == 3 + accepted


def test_a_role_gets_its_own_model_and_just_its_own_calls(played: Played, plans: list[Plan]) -> None:
    default, therapist = played(lambda prompt, values: values), played(lambda prompt, values: values)
    result = hold(plans[0], lm=default, therapist=therapist)
    count = len(result.session.turns) // 2
    assert [prompt.outputs for prompt in therapist.engine.prompts] == [("message",)] * count
    assert all("phase" in prompt.inputs for prompt in therapist.engine.prompts)
    assert not any("phase" in prompt.inputs for prompt in default.engine.prompts)
    assert len(default.engine.prompts) == result.calls - count


def test_the_same_plan_gives_the_same_session_and_other_plans_give_others(plans: list[Plan]) -> None:
    sessions = [hold(plan).session for plan in plans]
    assert [hold(plan).session for plan in plans] == sessions
    assert len({session.background for session in sessions}) == len(sessions)
    assert [session.id for session in sessions] == [plan.id for plan in plans]


def test_both_adapters_hold_a_session(plans: list[Plan]) -> None:
    with dspy.context(adapter=dspy.JSONAdapter()):
        in_json = hold(plans[0]).session
    assert in_json == hold(plans[0]).session


def test_a_saved_program_holds_no_model(tmp_path: Path, plans: list[Plan]) -> None:
    program = TherapySession()
    program(plan=plans[0])
    path = tmp_path / "session.json"
    program.save(str(path))
    text = path.read_text(encoding="utf-8")
    assert "scripted" not in text
    assert '"lm": null' in text
    again = TherapySession()
    again.load(str(path))
    assert again(plan=plans[0]).session == hold(plans[0]).session
