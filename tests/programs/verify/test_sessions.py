from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dspy
import pytest

from corpus.records import Plan, Session, render_turns
from programs.asking import AskFailed
from programs.concise import ConciseSession
from programs.mads import TherapySession
from programs.verify.sessions import SessionJudge
from signatures.judging import SESSION_SCORES

Played = Callable[[Callable[[Any, dict[str, Any]], Any]], dspy.LM]


@pytest.fixture
def session(plans: list[Plan]) -> Session:
    held: Session = TherapySession()(plan=plans[0]).session
    return held


def judge_with(judge: dspy.LM, session: Session, seed: int = 0) -> dspy.Prediction:
    with dspy.context(roles={"judge": judge}):
        return SessionJudge()(session=session, seed=seed)


def scoring(**scores: str) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    return lambda prompt, values: {"remarks": "Read."} | dict.fromkeys(SESSION_SCORES, "yes") | scores


def test_a_sound_session_is_read_once_and_whole(played: Played, session: Session) -> None:
    judge = played(scoring(has_conflict="partly"))
    answer = judge_with(judge, session)
    assert (answer.judgement.id, answer.judgement.faults, answer.judgement.remarks) == (session.id, (), "Read.")
    assert (answer.calls, answer.retries) == (1, 0)
    (prompt,) = judge.engine.prompts
    assert prompt.inputs == {"transcript": render_turns(session.turns)}
    assert prompt.outputs == ("remarks", *SESSION_SCORES)


@pytest.mark.parametrize(("score", "fault"), SESSION_SCORES.items())
def test_a_score_of_no_is_confirmed_with_other_seeds(played: Played, session: Session, score: str, fault: str) -> None:
    judge = played(scoring(**{score: "no"}))
    answer = judge_with(judge, session)
    assert (answer.judgement.faults, answer.calls) == ((fault,), 3)
    first, *more = judge.engine.prompts
    assert all(prompt.inputs == first.inputs for prompt in more)
    assert len({prompt.seed for prompt in judge.engine.prompts}) == 3


def test_a_score_outside_the_scale_is_asked_again(played: Played, session: Session) -> None:
    with pytest.raises(AskFailed) as caught:
        judge_with(played(scoring(has_conflict="rather")), session)
    assert caught.value.reason == "judge: unreadable answer"


@pytest.mark.parametrize("method", ["mads", "concise"])
def test_the_scripted_judge_lets_the_sessions_of_a_flawless_teacher_pass(
    method: str, plans: list[Plan], concise_plans: list[Plan]
) -> None:
    hold, told = (TherapySession(), plans) if method == "mads" else (ConciseSession(), concise_plans)
    sessions = [hold(plan=plan).session for plan in told[:6]]
    judged = [SessionJudge()(session=session, seed=seed).judgement for seed in range(10) for session in sessions]
    assert sum(bool(judgement.faults) for judgement in judged) <= 2


def test_the_scripted_judge_finds_what_was_spoilt(session: Session) -> None:
    client = [turn.text for turn in session.turns if turn.speaker == "CLIENT"]
    turns = list(session.turns)

    def say(index: int, text: str) -> Session:
        return session.model_copy(
            update={"turns": (*turns[:index], turns[index].model_copy(update={"text": text}), *turns[index + 1 :])}
        )

    advised = session
    for index in (1, 3):
        text = f"You waited. You should simply tell them so. What holds you back at {index}?"
        advised = advised.model_copy(
            update={
                "turns": tuple(
                    turn.model_copy(update={"text": text}) if number == index else turn
                    for number, turn in enumerate(advised.turns)
                )
            }
        )
    spoilt = {
        "labels_feelings": say(0, f"I felt nothing but anger. {client[0]}"),
        "out_of_phase": advised,
        "unmoved_feeling": session.model_copy(update={"turns": session.turns[:2]}),
    }
    for fault, bad in spoilt.items():
        found = [SessionJudge()(session=bad, seed=seed).judgement.faults for seed in range(20)]
        assert sum(fault in faults for faults in found) >= 15, fault
