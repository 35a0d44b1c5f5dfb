from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dspy
import pytest

from corpus.records import ApplicationDraft, Draft, Plan, Session, UnderstandingDraft, render_turns
from lms.build import build_lm
from lms.spec import ModelSpec
from programs.asking import AskFailed
from programs.converter import ItemConverter
from programs.mads import TherapySession
from programs.review import Reviewer
from signatures.judging import CLIENT_FAULTS, ITEM_FAULTS, THERAPIST_FAULTS

Played = Callable[[Callable[[Any, dict[str, Any]], Any]], dspy.LM]


@pytest.fixture
def session(plans: list[Plan]) -> Session:
    held: Session = TherapySession()(plan=plans[0]).session
    return held


@pytest.fixture
def drafts(session: Session) -> list[Draft]:
    written: list[Draft] = ItemConverter()(session=session).drafts
    assert {draft.task for draft in written} == {"EU", "EA"}
    return written


def review(judge: dspy.LM, draft: Draft, seed: int = 0) -> dspy.Prediction:
    with dspy.context(roles={"judge": judge}):
        return Reviewer()(draft=draft, seed=seed)


def test_the_judge_sees_the_whole_item_and_every_fault_of_the_rubric(played: Played, drafts: list[Draft]) -> None:
    for draft in drafts:
        judge = played(lambda prompt, values: {"remarks": "None.", "faults": []})
        review(judge, draft)
        (prompt,) = judge.engine.prompts
        assert prompt.inputs["rubric"].splitlines() == [f"{name}: {about}" for name, about in ITEM_FAULTS.items()]
        shown = "\n".join(prompt.inputs.values())
        wrong = draft.wrong_causes if isinstance(draft, UnderstandingDraft) else draft.wrong
        key = draft.cause if isinstance(draft, UnderstandingDraft) else draft.best
        plain = [text for text in (*wrong, key) if '"' not in text]  # a list is shown as JSON
        assert all(text in shown for text in (draft.scenario, draft.subject, draft.explanation, *plain))
        assert draft.id not in shown
        assert prompt.outputs == ("remarks", "faults")


def test_remarks_and_faults_come_back_as_the_judge_gave_them(played: Played, drafts: list[Draft]) -> None:
    judge = played(lambda prompt, values: {"remarks": "The key is long.", "faults": ["long_key", "foreign_fact"]})
    answer = review(judge, drafts[0])
    assert (answer.remarks, answer.faults) == ("The key is long.", ["long_key", "foreign_fact"])


def test_a_fault_that_the_rubric_does_not_know_is_asked_about_again(played: Played, drafts: list[Draft]) -> None:
    def fanciful(prompt: Any, values: dict[str, Any]) -> dict[str, Any]:
        return {"remarks": "Dull.", "faults": ["long_key"] if "complaint" in prompt.inputs else ["long_key", "dull"]}

    judge = played(fanciful)
    assert review(judge, drafts[0]).faults == ["long_key"]
    assert judge.engine.prompts[1].inputs["complaint"].startswith("unknown fault: 'dull'")
    with pytest.raises(AskFailed) as caught:
        review(played(lambda prompt, values: {"remarks": "Dull.", "faults": ["dull"]}), drafts[0])
    assert caught.value.reason == "judge: unknown fault"


def test_the_fault_of_a_message_is_none_of_an_item(played: Played, drafts: list[Draft]) -> None:
    with pytest.raises(AskFailed):
        review(played(lambda prompt, values: {"remarks": "Closed.", "faults": ["closed_question"]}), drafts[0])


def test_an_unreadable_judgement_is_a_named_failure(played: Played, drafts: list[Draft]) -> None:
    with pytest.raises(AskFailed) as caught:
        review(played(lambda prompt, values: {"remarks": "Fine.", "faults": "all good"}), drafts[0])
    assert caught.value.reason == "judge: unreadable answer"


def test_only_the_judge_is_asked_and_the_seed_of_a_review_is_its_own(played: Played, drafts: list[Draft]) -> None:
    judge, other = (played(lambda prompt, values: {"remarks": "None.", "faults": []}) for _ in range(2))
    with dspy.context(lm=other):
        for seed in (0, 0, 1):
            review(judge, drafts[0], seed)
    first, again, third = [prompt.seed for prompt in judge.engine.prompts]
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


@pytest.mark.parametrize("mistake", ["long_key", "absurd_distractor", "generic_explanation", "foreign_fact"])
def test_the_scripted_judge_names_a_planted_fault_and_seldom_one_that_is_not_there(
    flawless_teacher: dspy.LM, session: Session, drafts: list[Draft], mistake: str
) -> None:
    careless = build_lm(ModelSpec(model="scripted/counsel", mistakes={mistake: 1.0}))
    with dspy.context(roles={"converter": careless}):
        spoilt = ItemConverter()(session=session).drafts
    found = {"clean": 0, "spoilt": 0}
    for seed in range(8):
        for clean, bad in zip(drafts, spoilt, strict=True):
            assert isinstance(clean, UnderstandingDraft | ApplicationDraft)
            found["clean"] += mistake in review(flawless_teacher, clean, seed).faults
            found["spoilt"] += mistake in review(flawless_teacher, bad, seed).faults
    reviews = 8 * len(drafts)
    assert found["spoilt"] >= 0.8 * reviews
    assert found["clean"] <= 0.15 * reviews


def test_the_scripted_judge_finds_a_repeated_turn(flawless_teacher: dspy.LM, session: Session) -> None:
    turns = list(session.turns)
    turns[5] = turns[3]
    with dspy.context(roles={"judge": flawless_teacher}):
        faults = [Reviewer().review_turn(turns, 5, seed).faults for seed in range(20)]
    assert sum("repeats_turn" in found for found in faults) >= 15
