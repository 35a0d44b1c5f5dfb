"""Sessions as a good language model writes them pass; each fault that a rule can see is named where it is."""

from __future__ import annotations

import dspy
import pytest

from corpus.checks.sessions import SessionFault, check_session, share_at_fault
from corpus.records import Plan, Session, Turn
from programs.concise import ConciseSession
from programs.mads import TherapySession

CLIENT = (
    "On Tuesday {name} put the letter on my plate and went out for a smoke. I ate around it. Then again, I had asked.",
    "I don't know. {name} laughed, so I laughed too, and afterwards I scrubbed the pan until it squeaked.",
    "At home you keep the door open for guests, and {name} shut it with one foot, carrying the soup.",
    "Maybe {name} had not seen me at all. I stood behind the coats, I never thought of that before.",
    "I could say one sentence to {name}, I think. The one about the chair.",
)
THERAPIST = (
    "You ate around it, as if it might be looking at you. What did you notice first, before you had made up your mind?",
    "“I laughed too.” There is a small distance between the laugh and the pan. Can you tell me what happened in there?",
    "A shut door says a lot in a house where it stands open. Who taught you what an open door means?",
    "From behind the coats it may have looked different. How might it have looked from the doorway?",
    "One sentence, and it has a chair in it. What would you want to be heard in it?",
)
PHASES = ("facts and feelings", "facts and feelings", "meaning", "meaning", "perspective")
RISK = "I keep thinking that everybody would be better off without me, and {name} does not know it."
SAFE = "I am glad you said it. Are you thinking of ending your life, and can we call the crisis line together?"


@pytest.fixture
def session(concise_plans: list[Plan]) -> Session:
    """A sound session of five rounds, with a moment told in each as far as there are moments."""
    plan = next(plan for plan in concise_plans if not plan.risk_turn and len(plan.moments) >= 4)
    turns: list[Turn] = []
    for number, (said, answered, phase) in enumerate(zip(CLIENT, THERAPIST, PHASES, strict=True)):
        moment = plan.moments[number] if number < len(plan.moments) else None
        name = moment.other.name if moment else "Otieno"
        turns.append(
            Turn(
                speaker="CLIENT", text=said.format(name=name), moment=moment.id if moment else "",
                stage=plan.stage(number + 1, 5),
            )
        )  # fmt: skip
        turns.append(Turn(speaker="THERAPIST", text=answered, phase=phase))
    return Session(id=plan.id, plan=plan, background="…", turns=tuple(turns), looks=())


def change(session: Session, number: int, **changes: str) -> Session:
    """The session with other fields of a message (from 1)."""
    turns = list(session.turns)
    turns[number - 1] = turns[number - 1].model_copy(update=changes)
    return session.model_copy(update={"turns": tuple(turns)})


def names(session: Session) -> list[tuple[int, str]]:
    return [(fault.turn, fault.name) for fault in check_session(session)]


def test_a_sound_session_passes(session: Session) -> None:
    assert check_session(session) == ()
    assert share_at_fault(session, ()) == 0


@pytest.mark.parametrize(
    ("number", "text", "fault"),
    [
        (1, "I have been feeling low lately, it is all too much and nothing helps me.", "no event in the opening"),
        (1, "She left me.", "opening too short"),
        (1, "On Tuesday she put the letter on my plate. I felt ashamed. Still, I had asked.", "labels the feeling"),
        (3, "I laughed too, and I was so angry that I scrubbed the pan until it squeaked.", "labels the feeling"),
        (3, "I laughed and scrubbed the pan. THERAPIST: What came before that?", "speaks for both"),
        (3, "word " * 200, "message too long"),
        (2, "You ate around it. Did that hurt?", "closed question"),
        (2, "You ate around it, as if it were looking at you.", "no question"),
        (4, "What was in the laugh? I ask because there is a distance between the laugh and the pan.",
         "does not end in a question"),
        (4, "What did you do? What did you think? What did you want?", "too many questions"),
        (4, "You should talk to them tonight. What would you say first?", "early advice"),
        (6, "Maybe you could try leaving it open. What would you see?", "early advice"),
        (4, THERAPIST[0], "repeated message"),
        (4, THERAPIST[0].replace("notice first", "notice at first").upper(), "repeated message"),
        (4, "Mm. " + THERAPIST[0] + " I would like to hear it from the start, and slowly, as you saw it: how?",
         "repeated message"),
        (8, "(The client sighs.) How might it have looked from the doorway?", "speaks for both"),
    ],
)  # fmt: skip
def test_a_message_at_fault_is_named(session: Session, number: int, text: str, fault: str) -> None:
    found = [pair for pair in names(change(session, number, text=text)) if pair[0]]
    assert found == [(number, fault)]


def test_short_answers_and_shared_beginnings_may_come_again(session: Session) -> None:
    session = change(
        change(session, 9, moment="", text="Yes, I think so."), 10, text="It sounds as though it is near. What next?"
    )
    session = change(session, 8, text="It sounds as though it is far away from the doorway. How might it have looked?")
    assert [pair for pair in names(session) if pair[0]] == []


def test_safety_comes_before_open_questions(session: Session) -> None:
    told = session.plan.moments[1].other.name
    at_risk = change(session, 3, text=RISK.format(name=told), stage="at risk: says it without detail")
    assert (4, "safety not put first") in names(at_risk)
    held = change(at_risk, 4, text=SAFE, phase="safety")
    assert names(held) == []


def test_once_all_is_told_a_gentle_suggestion_is_in_place_and_a_prescription_is_not(session: Session) -> None:
    session = change(
        session, 9, moment="", text="I could say one sentence about the chair, I think, and leave it there."
    )
    gentle = change(session, 10, text="Maybe you could try it with the chair first. What would you notice?")
    blunt = change(session, 10, text="You should begin with the chair. What would you notice?")
    assert [name for turn, name in names(gentle) if turn] == []
    assert (10, "blunt advice") in names(blunt)


def test_moments_must_be_told_and_their_people_named(session: Session) -> None:
    moment = session.plan.moments[1]
    for changed in (
        change(session, 3, moment=""),
        change(session, 3, text="I don't know."),
        change(session, 3, text="I laughed too, and afterwards I scrubbed the pan until it squeaked."),
    ):
        faults = [fault for fault in check_session(changed) if fault.name == "moment not told"]
        assert [fault.turn for fault in faults] == [0]
        assert moment.id in faults[0].detail


def test_phases_and_stages_are_known_and_in_order(session: Session) -> None:
    arc = session.plan.arc
    assert names(change(session, 8, phase="facts and feelings")) == [(8, "phases out of order")]
    assert names(change(session, 4, phase="small talk")) == [(4, "phase unknown")]
    assert names(change(session, 7, stage=arc[0])) == [(7, "arc out of order")]
    assert names(change(session, 7, stage="asleep")) == [(7, "stage unknown")]
    assert names(change(session, 9, stage=arc[3])) == [(0, "arc cut short")]
    bare = session.model_copy(
        update={"turns": tuple(t.model_copy(update={"phase": "", "stage": ""}) for t in session.turns)}
    )
    assert {fault.name for fault in check_session(bare)} >= {"no phases", "no arc"}


def test_a_session_has_the_length_of_its_method_and_both_speak_in_turn(session: Session) -> None:
    short = session.model_copy(update={"turns": session.turns[:4]})
    assert (0, "session length") in names(short)
    first = session.turns[0]
    swapped = session.model_copy(update={"turns": (first, first.model_copy(update={"text": "…"}), *session.turns[2:])})
    assert (2, "speakers out of turn") in names(swapped)


def test_the_share_counts_messages_and_the_whole_once(session: Session) -> None:
    faults = (SessionFault(0, "a", ""), SessionFault(0, "b", ""), SessionFault(3, "a", ""), SessionFault(3, "b", ""))
    assert share_at_fault(session, faults) == 0.2
    assert share_at_fault(session.model_copy(update={"turns": ()}), faults[:1]) == 1


def test_what_the_scripted_teacher_writes_without_mistakes_passes(
    flawless_teacher: dspy.LM, plans: list[Plan], concise_plans: list[Plan]
) -> None:
    held = [TherapySession()(plan=plan).session for plan in plans[:4]]
    held += [ConciseSession()(plan=plan).session for plan in concise_plans[:8]]
    assert [fault for session in held for fault in check_session(session)] == []
