from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dspy
import pytest

from corpus.records import Draft, Plan, Session, UnderstandingDraft, render_turns
from programs.asking import AskFailed
from programs.mads import TherapySession
from programs.verify.review import Reviewer
from signatures.judging import CLIENT_FAULTS, EXPLANATION_SCORES, ITEM_FAULTS, THERAPIST_FAULTS
from tests.programs.verify.conftest import write_drafts

Played = Callable[[Callable[[Any, dict[str, Any]], Any]], dspy.LM]


@pytest.fixture
def session(plans: list[Plan]) -> Session:
    held: Session = TherapySession()(plan=plans[0]).session
    return held


def review(judge: dspy.LM, draft: Draft, seed: int = 0) -> dspy.Prediction:
    with dspy.context(roles={"judge": judge}):
        return Reviewer()(draft=draft, seed=seed)


def saying(faults: list[str], **scores: str) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    """Plays a judge who names faults of every item, and scores every explanation."""

    def play(prompt: Any, values: dict[str, Any]) -> dict[str, Any]:
        if "faults" in values:
            return {"remarks": "The key is long.", "faults": faults}
        return {"remarks": "A sister?"} | dict.fromkeys(EXPLANATION_SCORES, "yes") | scores

    return play


def test_the_judge_sees_the_whole_item_and_every_fault_of_the_rubric(played: Played, draft: Draft) -> None:
    judge = played(saying([]))
    review(judge, draft)
    prompt, _ = judge.engine.prompts
    assert prompt.inputs["rubric"].splitlines() == [f"{name}: {about}" for name, about in ITEM_FAULTS.items()]
    shown = "\n".join(prompt.inputs.values())
    wrong = draft.wrong_causes if isinstance(draft, UnderstandingDraft) else draft.wrong
    key = draft.cause if isinstance(draft, UnderstandingDraft) else draft.best
    plain = [text for text in (*wrong, key) if '"' not in text]  # a list is shown as JSON
    assert all(text in shown for text in (draft.scenario, draft.subject, *plain))
    assert draft.id not in shown
    assert draft.explanation not in shown
    assert prompt.outputs == ("remarks", "faults")


def test_the_explanation_is_judged_beside_scenario_key_and_wrong_answers(played: Played, draft: Draft) -> None:
    judge = played(saying([]))
    review(judge, draft)
    _, prompt = judge.engine.prompts
    assert (prompt.inputs["scenario"], prompt.inputs["explanation"]) == (draft.scenario, draft.explanation)
    if isinstance(draft, UnderstandingDraft):
        right, wrong = f"{draft.emotion}, because: {draft.cause}", (*draft.wrong_emotions, *draft.wrong_causes)
    else:
        right, wrong = draft.best, draft.wrong
    assert prompt.inputs["right_answer"] == right
    assert prompt.inputs["wrong_answers"].splitlines() == [f"- {text}" for text in wrong]
    assert draft.subject in prompt.inputs["question"]
    assert prompt.outputs == ("remarks", *EXPLANATION_SCORES)


def test_remarks_and_faults_come_back_as_the_judge_gave_them(played: Played, draft: Draft) -> None:
    answer = review(played(saying(["long_key"], stays_within="no", cites="partly")), draft)
    assert (answer.remarks, answer.faults) == ("The key is long.\nA sister?", ["long_key", "foreign_fact"])
    assert (answer.calls, answer.retries) == (2, 0)


@pytest.mark.parametrize(("score", "fault"), EXPLANATION_SCORES.items())
def test_a_score_of_no_is_its_fault(played: Played, draft: Draft, score: str, fault: str) -> None:
    assert review(played(saying([], **{score: "no"})), draft).faults == [fault]


def test_a_fault_that_the_rubric_does_not_know_is_asked_about_again(played: Played, draft: Draft) -> None:
    def fanciful(prompt: Any, values: dict[str, Any]) -> dict[str, Any]:
        return saying(["long_key"] if "complaint" in prompt.inputs else ["long_key", "dull"])(prompt, values)

    judge = played(fanciful)
    assert review(judge, draft).faults == ["long_key"]
    assert judge.engine.prompts[1].inputs["complaint"].startswith("unknown fault: 'dull'")
    with pytest.raises(AskFailed) as caught:
        review(played(saying(["dull"])), draft)
    assert caught.value.reason == "judge: unknown fault"


@pytest.mark.parametrize("fault", ["closed_question", "foreign_fact"])
def test_the_fault_of_a_message_or_an_explanation_is_none_of_an_item(played: Played, draft: Draft, fault: str) -> None:
    with pytest.raises(AskFailed):
        review(played(saying([fault])), draft)


@pytest.mark.parametrize(
    "player", [lambda p, v: {"remarks": "Fine.", "faults": "all good"}, saying([], cites="mostly")]
)
def test_an_unreadable_judgement_is_a_named_failure(played: Played, draft: Draft, player: Any) -> None:
    with pytest.raises(AskFailed) as caught:
        review(played(player), draft)
    assert caught.value.reason == "judge: unreadable answer"


def test_only_the_judge_is_asked_and_the_seed_of_a_review_is_its_own(played: Played, draft: Draft) -> None:
    judge, other = played(saying([])), played(saying([]))
    with dspy.context(lm=other):
        for seed in (0, 0, 1):
            review(judge, draft, seed)
    first, _, again, _, third, _ = [prompt.seed for prompt in judge.engine.prompts]
    assert first == again != third
    assert other.engine.prompts == []


@pytest.mark.parametrize("index", [0, 1, 3, 6, 7])
def test_a_message_is_shown_with_the_four_before_it_and_the_rubric_of_its_speaker(
    played: Played, session: Session, index: int
) -> None:
    judge = played(lambda prompt, values: {"remarks": "None.", "faults": []})
    turns = list(session.turns)
    with dspy.context(roles={"judge": judge}):
        assert Reviewer().review_turn(turns, index).faults == []
    (prompt,) = judge.engine.prompts
    rubric = THERAPIST_FAULTS if index % 2 else CLIENT_FAULTS
    assert prompt.inputs["rubric"].splitlines() == [f"{name}: {about}" for name, about in rubric.items()]
    assert (prompt.inputs["speaker"], prompt.inputs["message"]) == (turns[index].speaker, turns[index].text)
    assert prompt.inputs["recent_turns"] == render_turns(turns[max(0, index - 4) : index])


@pytest.mark.parametrize("mistake", ["long_key", "generic_explanation"])
def test_the_scripted_judge_names_a_planted_fault_and_seldom_one_that_is_not_there(
    flawless_teacher: dspy.LM, drafts: list[Draft], mistake: str
) -> None:
    spoilt = write_drafts(**{mistake: 1.0})
    found = {"clean": 0, "spoilt": 0}
    for seed, (clean, bad) in enumerate(zip(drafts, spoilt, strict=True)):
        found["clean"] += mistake in review(flawless_teacher, clean, seed).faults
        found["spoilt"] += mistake in review(flawless_teacher, bad, seed).faults
    assert found["spoilt"] >= 0.85 * len(drafts)
    assert found["clean"] <= 0.08 * len(drafts)


def test_the_scripted_judge_finds_a_repeated_turn(flawless_teacher: dspy.LM, session: Session) -> None:
    turns = list(session.turns)
    turns[5] = turns[3]
    with dspy.context(roles={"judge": flawless_teacher}):
        faults = [Reviewer().review_turn(turns, 5, seed).faults for seed in range(20)]
    assert sum("repeats_turn" in found for found in faults) >= 15
