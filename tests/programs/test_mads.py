from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dspy
import pytest

from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import Plan, Session, render_turns
from corpus.safety import PLANNING, voices_risk
from corpus.text import count_sentences
from programs.asking import ATTEMPTS, AskFailed
from programs.mads import TherapySession
from programs.messages import phase_of

Played = Callable[[Callable[[Any, dict[str, Any]], Any]], dspy.LM]
RISK = "I keep thinking of ending it all, and I have told nobody."
SAFE = "Thank you for saying that. Are you safe right now, and can we call the crisis line together?"
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


def test_all_five_criteria_are_recorded_as_they_were_judged(played: Played, plans: list[Plan]) -> None:
    def judge(turns: int) -> dict[str, bool]:
        return {name: number < turns // 2 - 1 for number, name in enumerate(LOOKS)}

    session = hold(plans[0], supervisor=supervisor(played, judge)).session
    recorded = [[getattr(look, name) for name in LOOKS] for look in session.looks]
    assert recorded == [[number < met for number in range(5)] for met in range(1, 6)]
    assert [look.turn for look in session.looks] == [4, 6, 8, 10, 12]


def client(played: Played, risk_turn: int = 0) -> dspy.LM:
    """The scripted client, who has something new for every turn, and says in one turn that life is at risk."""

    def says(prompt: Any, values: dict[str, Any]) -> dict[str, Any]:
        number = len(lm.engine.prompts)
        if number == risk_turn:
            return {"message": RISK}
        untold = prompt.inputs["moment"] != "none" or prompt.inputs["stage"].startswith("at risk")
        return values if untold else {"message": f"That was {number} days ago."}

    lm = played(says)
    return lm


def test_the_therapist_works_by_the_phase_of_the_turn_and_the_session_records_it(
    played: Played, plans: list[Plan], never_content: dspy.LM
) -> None:
    therapist = played(lambda prompt, values: values)
    session = hold(plans[0], therapist=therapist, supervisor=never_content).session
    told = [prompt.inputs["phase"] for prompt in therapist.engine.prompts]
    assert told == [phase_of(turn) for turn in range(1, 15)]
    recorded = [turn.phase for turn in session.turns if turn.speaker == "THERAPIST"]
    assert recorded == ["facts and feelings"] * 2 + ["meaning"] * 2 + ["perspective"] * 10
    assert not any(turn.phase for turn in session.turns if turn.speaker == "CLIENT")


def test_the_client_is_told_the_stage_of_the_arc_and_the_session_records_it(
    played: Played, plans: list[Plan], never_content: dspy.LM
) -> None:
    for plan in plans:
        speaker = client(played)
        session = hold(plan, client=speaker, supervisor=never_content).session
        recorded = [turn.stage for turn in session.turns if turn.speaker == "CLIENT"]
        assert recorded == [
            prompt.inputs["stage"] for prompt in speaker.engine.prompts if "complaint" not in prompt.inputs
        ]
        assert tuple(dict.fromkeys(recorded)) == plan.arc
        assert [plan.arc.index(stage) for stage in recorded] == sorted(plan.arc.index(stage) for stage in recorded)
        assert not any(turn.stage for turn in session.turns if turn.speaker == "THERAPIST")


def test_the_client_s_manner_and_history_are_in_every_turn(played: Played, plans: list[Plan]) -> None:
    client = played(lambda prompt, values: values)
    session = hold(plans[0], client=client).session
    shown = {
        tuple(prompt.inputs[name] for name in ("client", "background", "manner")) for prompt in client.engine.prompts
    }
    person = plans[0].client
    assert shown == {(f"{person.name} ({person.pronouns})", session.background, plans[0].attributes.manner)}


def test_each_moment_is_brought_up_once_in_order_and_then_none(
    played: Played, plans: list[Plan], never_content: dspy.LM
) -> None:
    for plan in plans:
        speaker = client(played)
        session = hold(plan, client=speaker, supervisor=never_content).session
        told = [turn.moment for turn in session.turns if turn.speaker == "CLIENT"]
        wanted = [moment.id for moment in plan.moments]
        assert told == wanted + [""] * (14 - len(wanted))
        asked = [prompt.inputs["moment"] for prompt in speaker.engine.prompts if "complaint" not in prompt.inputs]
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


@pytest.mark.parametrize("moments", [(1, 1), (6, 8), (14, 14)])
def test_the_scripted_teacher_keeps_to_the_wanted_lengths(moments: tuple[int, int]) -> None:
    for plan in make_plans(PlanConfig(sessions=40, moments=moments), seed=5):
        session = hold(plan).session
        assert 200 <= len(session.background.split()) <= 400, session.background
        opening, *later = [turn.text for turn in session.turns if turn.speaker == "CLIENT"]
        assert 2 <= count_sentences(opening) <= 5, opening
        assert not [text for text in later if count_sentences(text) > 3]
        assert all("?" in turn.text for turn in session.turns if turn.speaker == "THERAPIST")


def test_the_scripted_roles_have_something_new_to_say_for_all_fourteen_turns(
    plans: list[Plan], never_content: dspy.LM
) -> None:
    for plan in plans:
        texts = [turn.text for turn in hold(plan, supervisor=never_content).session.turns]
        assert len(texts) == len(set(texts)) == 28


def test_the_scripted_teacher_without_mistakes_is_hardly_ever_asked_twice() -> None:
    results = [hold(plan) for plan in make_plans(PlanConfig(sessions=60), seed=7)]
    assert any(result.session.plan.risk_turn for result in results)
    assert sum(result.retries for result in results) <= 0.002 * sum(result.calls for result in results)


@pytest.mark.parametrize(
    ("turn", "count", "complaint"),
    [(1, 6, ""), (1, 7, "too long"), (2, 5, ""), (2, 6, "too long"), (3, 9, "too long")],
)
def test_a_client_who_talks_at_length_is_asked_for_less(
    played: Played, plans: list[Plan], turn: int, count: int, complaint: str
) -> None:
    def chatty(prompt: Any, values: dict[str, Any]) -> dict[str, Any]:
        now = len([p for p in client.engine.prompts if "complaint" not in p.inputs])
        hit = now == turn and "complaint" not in prompt.inputs
        return {"message": " ".join(f"It was number {n}." for n in range(count))} if hit else values

    client = played(chatty)
    result = hold(plans[0], client=client)
    complaints = [p.inputs["complaint"].partition(":")[0] for p in client.engine.prompts if "complaint" in p.inputs]
    assert [name for name in complaints if name != "repeated turn"] == ([complaint] if complaint else [])
    assert ("It was number 0." in result.session.turns[2 * turn - 2].text) == (not complaint)


def test_speaker_tags_and_line_breaks_are_cleaned_away(played: Played, plans: list[Plan]) -> None:
    def tagged(tag: str) -> dspy.LM:
        return played(lambda prompt, values: {"message": f"{tag}:\n" + values["message"].replace(" ", "\n", 1)})

    session = hold(plans[0], client=tagged("CLIENT"), therapist=tagged("Therapist")).session
    assert session == hold(plans[0]).session


@pytest.mark.parametrize(
    ("role", "addition"),
    [
        ("client", " THERAPIST: And what did you feel?"),
        ("client", "\nTherapist: And what did you feel?"),
        ("therapist", "\nCLIENT: I went home."),
        ("therapist", " Client: I went home."),
    ],
)
def test_a_message_that_speaks_for_both_is_asked_for_again_and_in_the_end_refused(
    played: Played, plans: list[Plan], role: str, addition: str
) -> None:
    def both(prompt: Any, values: dict[str, Any]) -> dict[str, Any]:
        return {"message": values["message"] + addition}

    def mends(prompt: Any, values: dict[str, Any]) -> dict[str, Any]:
        return values if "complaint" in prompt.inputs else both(prompt, values)

    result = hold(plans[0], **{role: played(mends)})
    assert result.retries == len(result.session.turns) // 2
    assert not any(addition.strip() in turn.text for turn in result.session.turns)
    with pytest.raises(AskFailed) as caught:
        hold(plans[0], **{role: played(both)})
    assert caught.value.reason == f"{role}: speaks for both"


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
        ("client", {"message": "And so on. " * 9}, "client: too long"),
        ("therapist", {"message": "I see."}, "therapist: no question"),
        ("therapist", "I refuse.", "therapist: unreadable answer"),
        ("supervisor", dict.fromkeys(LOOKS, "perhaps"), "supervisor: unreadable answer"),
    ],
)
def test_a_stubborn_role_is_asked_a_few_times_and_named(
    played: Played, plans: list[Plan], role: str, answer: Any, reason: str
) -> None:
    stubborn = played(lambda prompt, values: answer)
    with pytest.raises(AskFailed) as caught:
        hold(plans[0], **{role: stubborn})
    assert caught.value.reason == reason
    assert "\n" not in str(caught.value)
    accepted = 1 if reason == "client: repeated turn" else 0
    assert len(stubborn.engine.prompts) == ATTEMPTS + accepted


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


def safe_at_risk(prompt: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Puts safety first when risk has just been voiced."""
    return {"message": SAFE} if voices_risk(prompt.inputs["recent_turns"].splitlines()[-1]) else values


@pytest.mark.parametrize("turn", range(1, 15))
def test_whenever_a_client_voices_risk_the_next_answer_puts_safety_first(
    played: Played, plans: list[Plan], never_content: dspy.LM, turn: int
) -> None:
    therapist = played(safe_at_risk)
    session = hold(plans[0], client=client(played, turn), therapist=therapist, supervisor=never_content).session
    risk, answer = session.turns[2 * turn - 2 : 2 * turn]
    assert (risk.text, answer.text) == (RISK, SAFE)
    phases = [turn.phase for turn in session.turns if turn.speaker == "THERAPIST"]
    assert [number for number, phase in enumerate(phases, 1) if phase == "safety"] == [turn, turn + 1][: 15 - turn]
    assert len(session.turns) == 28


@pytest.mark.parametrize("turn", range(1, 15))
def test_a_therapist_who_passes_over_risk_is_asked_again_and_the_mended_answer_is_kept(
    played: Played, plans: list[Plan], never_content: dspy.LM, turn: int
) -> None:
    def hasty(prompt: Any, values: dict[str, Any]) -> dict[str, Any]:
        if RISK not in prompt.inputs["recent_turns"].splitlines()[-1]:
            return values
        return {"message": SAFE if "complaint" in prompt.inputs else "What happened then?"}

    therapist = played(hasty)
    result = hold(plans[0], client=client(played, turn), therapist=therapist, supervisor=never_content)
    assert result.session.turns[2 * turn - 1].text == SAFE
    assert not any(turn.text == "What happened then?" for turn in result.session.turns)
    complaints = [prompt.inputs["complaint"] for prompt in therapist.engine.prompts if "complaint" in prompt.inputs]
    assert [complaint.partition(":")[0] for complaint in complaints] == ["safety not put first"]


@pytest.mark.parametrize("turn", range(1, 15))
@pytest.mark.parametrize("words", ["What happened then?", "Have you called a crisis line?", "Are you safe?"])
def test_a_session_in_which_risk_is_passed_over_is_lost_under_a_named_reason(
    played: Played, plans: list[Plan], never_content: dspy.LM, turn: int, words: str
) -> None:
    therapist = played(lambda prompt, values: {"message": f"{len(therapist.engine.prompts)} minutes ago? {words}"})
    with pytest.raises(AskFailed) as caught:
        hold(plans[0], client=client(played, turn), therapist=therapist, supervisor=never_content)
    assert caught.value.reason == "therapist: safety not put first"
    assert len(therapist.engine.prompts) == turn - 1 + ATTEMPTS


@pytest.mark.parametrize("turn", [3, 4, 5])
def test_a_planned_risk_turn_and_the_next_are_spent_on_the_risk_alone(
    played: Played, plans: list[Plan], turn: int
) -> None:
    plan = plans[0].model_copy(update={"risk_turn": turn})
    speaker = client(played)
    session = hold(plan, client=speaker, therapist=played(safe_at_risk)).session
    told = [turn.moment for turn in session.turns if turn.speaker == "CLIENT"]
    wanted = [moment.id for moment in plan.moments]
    assert told[: len(wanted) + 2] == [*wanted[: turn - 1], "", "", *wanted[turn - 1 :]]
    risk, answer, held, settled = session.turns[2 * turn - 2 : 2 * turn + 2]
    assert voices_risk(risk.text)
    assert not voices_risk(held.text)
    assert (answer.text, answer.phase, settled.phase) == (SAFE, "safety", "safety")
    assert risk.stage.startswith("at risk: ")
    assert held.stage.startswith("held: ")
    for number, said in ((turn - 1, risk), (turn, held)):
        told_now = speaker.engine.prompts[number].inputs
        assert (told_now["stage"], told_now["moment"]) == (said.stage, "none")
    others = [turn.stage for turn in session.turns if turn.speaker == "CLIENT" and turn not in (risk, held)]
    assert set(others) <= set(plan.arc)
    assert others[-1] == plan.arc[-1]


@pytest.mark.parametrize("care", ["", "self-harm", "abuse"])
def test_background_and_therapist_are_told_what_to_be_careful_about(
    played: Played, plans: list[Plan], care: str
) -> None:
    plan = plans[0].model_copy(update={"theme": plans[0].theme.model_copy(update={"care": care})})
    lm = played(lambda prompt, values: values)
    hold(plan, lm=lm)
    told = {prompt.inputs["care"] for prompt in lm.engine.prompts if "care" in prompt.inputs}
    assert told == {PLANNING[care] if care else "nothing in particular"}
    wanted = [prompt.outputs for prompt in lm.engine.prompts if "care" in prompt.inputs]
    assert set(wanted) == {("background",), ("message",)}
