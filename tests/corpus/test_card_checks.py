"""What the card says about checks: each sentence is true only when the check took place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from corpus.assemble import assemble_items
from corpus.card_checks import GuessRate, PeopleReview, say_checks, say_exams, say_judge, say_people
from corpus.config import DecontaminateConfig, VerifyConfig
from corpus.outcomes import Exams, OverlapRow, ScreenedSessions, Verified

GUESS = GuessRate(task="EA", n=40, share=0.5, low=0.35, high=0.65, chance=0.25)


@pytest.fixture
def verified() -> Verified:
    return Verified(
        drafts=50, screened={}, sessions=ScreenedSessions(marked={"closed question": 4}, dropped={}), duplicates={},
        contaminated={"in an exam: 8-gram": 2}, aside={"ambiguous": 3}, passed=45, judge="openai/j",
        exams=Exams(compared={"EmoBench": 1600}, problems=[], off=False), choices_only={}, examples=[],
    )  # fmt: skip


@pytest.fixture
def items(make_eu: Callable[..., Any]) -> list[Any]:
    drafts = [make_eu(f"s1-00000-m{n}", teacher="openai/t") for n in range(4)]
    shares = (1.0, 1.0, 0.8, None)
    return [
        item.model_copy(update={"agreement": share})
        for item, share in zip(assemble_items(drafts, 1), shares, strict=True)
    ]


def test_rules_and_their_marks(verified: Verified, items: list[Any]) -> None:
    text = say_checks(verified, items)
    assert "the longest choice in 25.0% of the items" in text, "all their choices have eight words"
    assert "longest" not in say_checks(verified, [])
    assert "all 50 drafts" in text
    assert "closed question 4" in text
    assert "Marks" not in say_checks(
        verified.model_copy(update={"sessions": ScreenedSessions(marked={}, dropped={})}), items
    )


def test_votes_are_told_with_their_agreement_in_this_set(verified: Verified, items: list[Any]) -> None:
    text = say_judge(verified, VerifyConfig(votes=7, agreement=0.9), items, [GUESS])
    assert "up to 7 times" in text
    assert "at least 90% of the answers are the key" in text
    assert "Over the 3 items here that were solved, 93.3% of the answers are the key, and 2 items" in text
    assert "Of 48 items that it was asked about, 45 stayed." in text


def test_guesses_stand_with_interval_and_distance_from_chance(verified: Verified, items: list[Any]) -> None:
    text = say_judge(verified, VerifyConfig(), items, [GUESS])
    assert "| EA | 40 | 50.0% (35.0% to 65.0%) | 25.0% | +25.0 points (+10.0 to +40.0) |" in text
    assert "What lies above chance can be found in the options alone" in text
    by_chance = GuessRate(task="EA", n=40, share=0.3, low=0.18, high=0.45, chance=0.25)
    text = say_judge(verified, VerifyConfig(), items, [by_chance])
    assert "No share can be told from chance." in text
    assert "options alone" not in text


def test_a_part_that_the_recipe_turned_off_is_not_claimed(verified: Verified, items: list[Any]) -> None:
    text = say_judge(verified, VerifyConfig(votes=0, choices_only=False), items, [])
    assert "solved each item blind" not in text
    assert "without their scenario" not in text
    assert "faults of item and explanation" in text
    assert "faults of item and explanation" not in say_judge(verified, VerifyConfig(review=False), items, [GUESS])


def test_a_judge_who_wrote_items_or_is_scripted_is_named_so(verified: Verified, items: list[Any]) -> None:
    def said(judge: str) -> str:
        return say_judge(verified.model_copy(update={"judge": judge}), VerifyConfig(), items, [GUESS])

    assert "blind spots" in said("openai/t")
    assert "blind spots" not in said("openai/j")
    assert "It is scripted, no language model" in said("scripted/counsel")
    assert "**No judge looked at the items**" in said("")


def test_exams_are_named_with_what_fell_out(verified: Verified) -> None:
    text = say_exams(verified, DecontaminateConfig(ngram=9, similarity=80))
    assert "9 words in a row" in text
    assert "from 80 of 100" in text
    assert "| EmoBench | 1,600 |" in text
    assert "**Dropped for it: 2 drafts** (in an exam: 8-gram 2)." in text
    assert "could be read" not in text
    partly = verified.model_copy(update={"exams": Exams(compared={"EmoBench": 1}, problems=["x, line 3"], off=False)})
    assert "Not everything in them could be read: 1 problem." in say_exams(partly, DecontaminateConfig())


def test_examples_name_the_draft_and_the_rule_but_never_the_exams_words(verified: Verified) -> None:
    row = {"id": "s1-00000-m2", "source": "EmoBench EA-3", "part": "scenario", "rule": "8-gram"}
    spoken = OverlapRow.model_validate({**row, "theirs": "words of the exam", "ours": "words of the exam"})
    text = say_exams(verified.model_copy(update={"examples": [spoken]}), DecontaminateConfig())
    assert "| `s1-00000-m2` | EmoBench EA-3 | scenario | 8-gram |" in text
    assert "words of the exam" not in text


@pytest.mark.parametrize(("off", "why"), [(True, "the recipe turned it off"), (False, "none was at hand")])
def test_no_comparison_is_said_as_plainly(off: bool, why: str, verified: Verified) -> None:
    none = verified.model_copy(update={"exams": Exams(compared={}, problems=[], off=off)})
    text = say_exams(none, DecontaminateConfig())
    assert f"**The items were not compared with any exam set** ({why})" in text
    assert "Dropped" not in text


def test_people_are_counted_and_not_named() -> None:
    assert say_people(PeopleReview()) == "**No person has read the items.**"
    one = say_people(PeopleReview(people=1, read=1))
    assert "One person judged 1 item;" in one
    assert "Left out for it: 0 items; taken in" in one
    review = PeopleReview(
        people=2, read=30, left_out={"people: label wrong": 2}, taken_in=1, agreement={"label right": "κ 0.7"}
    )
    two = say_people(review)
    assert "2 people judged 30 items;" in two
    assert "2 items (people: label wrong 2); taken in, though the judge had set them aside: 1 item." in two
    assert "| label right | κ 0.7 |" in two
