from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

import dspy
import pytest
from dspy.utils import DummyLM

from corpus.checks import sessions as checks
from corpus.records import Method, Session, Turn
from optimizers.cases import SessionCase
from optimizers.config import SessionCriterion
from optimizers.quality.session import JUDGED, OBJECTIONS, RULES, SessionQuality
from optimizers.quality.verdict import Quality
from optimizers.quality.weights import DEFAULT_WEIGHTS
from signatures.judging import SESSION_FAULTS, SESSION_SCORES
from tests.optimizers.quality.conftest import Tried

RULES_ONLY = SessionQuality({}, judge=False, seed=1)
Assess = Callable[[Session], Quality]


def names_of_rules() -> set[str]:
    """Every name under which `check_session` reports a fault."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(checks))):
        if isinstance(node, ast.Yield):
            if isinstance(node.value, ast.Call):
                named: ast.expr = node.value.args[1]
            else:
                assert isinstance(node.value, ast.Tuple)
                named = node.value.elts[0]
            values = [named.body, named.orelse] if isinstance(named, ast.IfExp) else [named]
            names |= {ast.literal_eval(value) for value in values}
    return names


@pytest.fixture
def assess(attempted: Tried) -> Assess:
    """The quality of a session by rules alone."""
    return lambda session: RULES_ONLY(SessionCase(session.plan), attempted(session))


def altered(session: Session, number: int, text: str, **changes: Any) -> Session:
    """Put other words into message ``number`` (from 1)."""
    turns = list(session.turns)
    turns[number - 1] = turns[number - 1].model_copy(update={"text": text, **changes})
    return session.model_copy(update={"turns": tuple(turns)})


def test_every_name_of_the_rules_has_a_criterion() -> None:
    assert names_of_rules() == set(RULES)


def test_every_fault_of_the_judge_has_a_criterion() -> None:
    assert set(OBJECTIONS) == set(SESSION_FAULTS)
    assert {name for objection in OBJECTIONS.values() for name in objection.found_by} <= set(RULES)


def test_every_criterion_has_a_weight() -> None:
    criteria = {rule.criterion for rule in RULES.values()} | set(JUDGED)
    assert criteria == set(DEFAULT_WEIGHTS["session"]) == set(SessionCriterion.__args__)


@pytest.mark.parametrize("method", ["mads", "concise"])
def test_a_sound_session_meets_every_criterion(
    session_cases: dict[Method, list[SessionCase]], try_session: Tried, method: Method
) -> None:
    for case in session_cases[method][:2]:
        quality = SessionQuality({}, judge=True, seed=1)(case, try_session(case))
        assert quality.score == 1
        assert set(quality.scores) == set(DEFAULT_WEIGHTS["session"])


def test_each_faulty_message_halves_its_criterion(sessions: dict[Method, Session], assess: Assess) -> None:
    once = altered(sessions["mads"], 2, "Did you sleep badly after that?")
    twice = altered(once, 4, "Were you at home then? Why don't you write to her, and is that not what you want?")
    assert assess(once).scores["craft"] == 0.5
    assert assess(twice).scores["craft"] == 0.25  # two faults of message 4 count once
    assert "message 2 of " in assess(once).feedback("respond_as_therapist")
    assert "“Did you sleep badly after that?”" in assess(once).feedback("respond_as_therapist")


def test_a_client_fault_is_told_to_who_spoke(sessions: dict[Method, Session], assess: Assess) -> None:
    said = " ".join(sessions["mads"].turns[0].text.split()[:60])
    opening = assess(altered(sessions["mads"], 1, f"I felt ashamed. {said}"))
    later = next(n for n, turn in enumerate(sessions["mads"].turns, 1) if n > 1 and turn.moment)
    after = assess(altered(sessions["mads"], later, f"I felt ashamed. {sessions['mads'].turns[later - 1].text}"))
    dialogue = assess(altered(sessions["concise"], 1, f"I felt ashamed. {sessions['concise'].turns[0].text}"))
    about = "The client labels the feeling instead of telling the scene"
    told = {
        name: [quality.feedback(f"program.x.{name}").startswith(about) for quality in (opening, after, dialogue)]
        for name in ("open_as_client", "continue_as_client", "write_dialogue", "respond_as_therapist")
    }
    assert told == {
        "open_as_client": [True, False, False],
        "continue_as_client": [False, True, False],
        "write_dialogue": [False, False, True],
        "respond_as_therapist": [False, False, False],
    }


def test_what_is_not_told_is_said_by_what_was_planned(sessions: dict[Method, Session], assess: Assess) -> None:
    session = sessions["mads"]
    moment = session.plan.moments[2]
    number = next(n for n, turn in enumerate(session.turns, 1) if turn.moment == moment.id)
    quality = assess(altered(session, number, "Well, well."))
    assert quality.scores["plan_fit"] == 0.5
    assert f"about {moment.subject.name} with {moment.other.name}" in quality.feedback("continue_as_client")
    assert moment.id not in quality.feedback()


def test_safety_not_put_first_is_worth_nothing(sessions: dict[Method, Session], attempted: Tried) -> None:
    session = altered(sessions["mads"], 3, "Some nights I think they would be better off without me.")
    with dspy.context(lm=None):  # nobody is asked any more
        quality = SessionQuality({}, judge=True, seed=1)(SessionCase(session.plan), attempted(session))
    assert quality.score == 0
    assert quality.scores["safety"] == 0
    assert "arc" not in quality.scores


@pytest.mark.parametrize(("source", "said"), [("existing", "what exists already"), ("shown", "a demonstration")])
def test_copied_texts_are_not_new(sessions: dict[Method, Session], attempted: Tried, source: str, said: str) -> None:
    session = sessions["mads"]
    known = (session.background, session.turns[0].text, session.turns[1].text)
    quality = SessionQuality({}, False, 1, existing=known if source == "existing" else ())(
        SessionCase(session.plan), attempted(session, shown=known if source == "shown" else ())
    )
    assert quality.scores["novelty"] == 0.125
    for name, text in (("write_background", "The background"), ("open_as_client", "Message 1"),
                       ("respond_as_therapist", "Message 2")):  # fmt: skip
        assert quality.feedback(f"program.mads.{name}").startswith(f"{text} repeats {said}")


def test_the_same_care_may_be_shown_twice(sessions: dict[Method, Session], attempted: Tried) -> None:
    answer = (
        "Thank you for telling me; are you safe tonight, and are you thinking of ending your life? You will not be "
        "alone with it, and the crisis line is there at any hour."
    )
    turns = (*sessions["mads"].turns[:-1], Turn(speaker="THERAPIST", text=answer, phase="safety"))
    session = sessions["mads"].model_copy(update={"turns": turns})
    assert RULES_ONLY(SessionCase(session.plan), attempted(session, shown=(answer,))).scores["novelty"] == 1


def judge_who_says(*faults: str, times: int = 4) -> DummyLM:
    scores = {score: "no" if fault in faults else "yes" for score, fault in SESSION_SCORES.items()}
    return DummyLM([{"remarks": "Read to the end.", **scores}] * times)


@pytest.mark.parametrize("fault", SESSION_FAULTS)
def test_the_judge_halves_what_rules_cannot_see(sessions: dict[Method, Session], attempted: Tried, fault: str) -> None:
    session = sessions["mads"]
    with dspy.context(lm=judge_who_says(fault)):
        quality = SessionQuality({}, True, 1)(SessionCase(session.plan), attempted(session))
    criterion, asks, _ = OBJECTIONS[fault]
    assert {name: score for name, score in quality.scores.items() if score < 1} == {criterion: 0.5}
    assert SESSION_FAULTS[fault][1:] in quality.feedback(f"program.mads.{asks[0]}")
    assert "“Read to the end.”" in quality.feedback(f"program.mads.{asks[0]}")


def test_what_a_rule_has_found_is_not_counted_twice(sessions: dict[Method, Session], attempted: Tried) -> None:
    advised = altered(sessions["mads"], 2, "If I were you, I would write to her. What stops you?")
    with dspy.context(lm=judge_who_says("out_of_phase")):
        quality = SessionQuality({}, True, 1)(SessionCase(advised.plan), attempted(advised))
    assert (quality.scores["craft"], quality.scores["phases"]) == (0.5, 1.0)


def test_what_the_judge_does_not_answer_counts_as_a_fault(sessions: dict[Method, Session], attempted: Tried) -> None:
    session = sessions["concise"]
    with dspy.context(lm=DummyLM([{"nonsense": "?"}] * 8)):
        quality = SessionQuality({}, True, 1)(SessionCase(session.plan), attempted(session))
    assert {name for name, score in quality.scores.items() if score == 0.5} == set(JUDGED)
    assert "none of the prompt" in quality.feedback()


def test_a_failed_attempt_is_worth_nothing(sessions: dict[Method, Session], attempted: Tried) -> None:
    attempt = attempted(None, failure="client: too long: 9 sentences", complaints={"client: too long": 4})
    quality = RULES_ONLY(SessionCase(sessions["mads"].plan), attempt)
    assert (quality.score, quality.scores) == (0.0, {"format": 0.0})
