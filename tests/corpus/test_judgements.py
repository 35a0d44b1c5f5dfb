from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.config import VerifyConfig
from corpus.judgements import AMBIGUOUS, DISPUTED, UNVERIFIED, why_aside
from corpus.records import Judgement, Solved

ALL = VerifyConfig()


def judged(asked: int, right: int, *faults: str) -> Judgement:
    return Judgement(id="s1-00000-m0", solved=Solved(asked=asked, right=right, votes=({"a": right},)), faults=faults)


@pytest.mark.parametrize(
    ("asked", "right", "reason"),
    [(5, 5, ""), (5, 4, ""), (4, 4, ""), (5, 3, AMBIGUOUS), (2, 1, AMBIGUOUS), (5, 2, DISPUTED), (2, 0, DISPUTED)],
)
def test_votes_decide(asked: int, right: int, reason: str) -> None:
    assert why_aside(judged(asked, right), ALL) == reason


@given(st.integers(1, 25), st.data(), st.floats(0.51, 1))
def test_what_is_kept_has_the_agreement_that_the_recipe_asks_for(asked: int, data: st.DataObject, least: float) -> None:
    right = data.draw(st.integers(0, asked))
    kept = why_aside(judged(asked, right), VerifyConfig(agreement=least)) == ""
    assert kept == (right / asked >= least)


def test_a_fault_sets_aside_under_its_name_and_votes_come_first() -> None:
    assert why_aside(judged(5, 5, "twin_distractor", "foreign_fact"), ALL) == "judge: twin_distractor"
    assert why_aside(judged(5, 3, "twin_distractor"), ALL) == AMBIGUOUS


def test_nothing_is_taken_for_verified_that_was_not() -> None:
    assert why_aside(None, ALL) == UNVERIFIED
    assert why_aside(None, VerifyConfig(votes=0, review=False)) == UNVERIFIED


def test_a_recipe_that_asks_nothing_about_items_keeps_them() -> None:
    assert why_aside(None, VerifyConfig(votes=0, review=False, choices_only=False)) == ""


def test_a_part_that_was_not_asked_for_decides_nothing() -> None:
    assert why_aside(Judgement(id="s1-00000-m0", guessed=True), VerifyConfig(votes=0)) == ""
