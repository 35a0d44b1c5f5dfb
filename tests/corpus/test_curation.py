from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.config import CurateConfig, VerifyConfig
from corpus.curation import Curated, curate
from corpus.records import ApplicationDraft, Judgement, Solved, UnderstandingDraft
from corpus.screening import Drop

Drafts = list[UnderstandingDraft | ApplicationDraft]
CONFIG = CurateConfig(validation=0.2, heldout=0.2)
VERIFY = VerifyConfig()
AMBIGUOUS, DISPUTED, FAULTY = "s1-00001-m0", "s1-00002-m1", "s1-00003-m0"
PERSONAS = {f"s1-{n:05d}": f"persona {n // 2}" for n in range(15)}


@pytest.fixture(scope="module")
def drafts(make_eu: Any, make_ea: Any) -> Drafts:
    """Fifteen sessions of two sound drafts, two sessions a persona."""
    return [make(f"s1-{n:05d}-m{m}") for n in range(15) for m, make in enumerate((make_eu, make_ea))]


@pytest.fixture(scope="module")
def judgements(drafts: Drafts) -> dict[str, Judgement]:
    """All are found right but three; one has no judgement at all."""
    right = {AMBIGUOUS: 3, DISPUTED: 1}
    found = {
        draft.id: Judgement(
            id=draft.id,
            solved=Solved(asked=5, right=right.get(draft.id, 5), votes=({"a": 5},)),
            guessed=False,
            faults=("foreign_fact",) if draft.id == FAULTY else (),
        )
        for draft in drafts
    }
    del found[drafts[-1].id]
    return found


def curate_all(drafts: Drafts, judgements: dict[str, Judgement], seed: int = 1, **changes: Any) -> Curated:
    return curate(drafts, judgements, PERSONAS, VERIFY, CONFIG.model_copy(update=changes), seed)


def test_what_the_judge_does_not_pass_is_set_aside_with_a_reason(
    drafts: Drafts, judgements: dict[str, Judgement]
) -> None:
    curated = curate_all(drafts, judgements)
    assert curated.drops == [
        Drop(AMBIGUOUS, "judge", "ambiguous"),
        Drop(DISPUTED, "judge", "label disputed"),
        Drop(FAULTY, "judge", "judge: foreign_fact"),
        Drop(drafts[-1].id, "judge", "not verified"),
    ]
    assert [item.qid for item in curated.aside] == [drop.id for drop in curated.drops]
    assert [item.agreement for item in curated.aside] == [0.6, 0.2, 1.0, None]
    assert {item.agreement for item in curated.items} == {1.0}
    assert {item.guessed for item in curated.items} == {False}


@settings(max_examples=20, deadline=None)
@given(shuffle=st.randoms(use_true_random=False), seed=st.integers(0, 9))
def test_the_order_of_drafts_does_not_matter(
    drafts: Drafts, judgements: dict[str, Judgement], shuffle: random.Random, seed: int
) -> None:
    turned = list(drafts)
    shuffle.shuffle(turned)
    assert curate_all(turned, judgements, seed) == curate_all(drafts, judgements, seed)


@settings(max_examples=20, deadline=None)
@given(data=st.data(), size=st.integers(0, 20))
def test_nothing_is_lost(drafts: Drafts, judgements: dict[str, Judgement], data: st.DataObject, size: int) -> None:
    some = data.draw(st.lists(st.sampled_from(drafts), unique_by=lambda draft: draft.id))
    curated = curate_all(some, judgements, sizes={"EA": size})
    kept, dropped = [item.qid for item in curated.items], [drop.id for drop in curated.drops]
    assert sorted(kept + dropped) == sorted(draft.id for draft in some)
    assert sum(item.task == "EA" for item in curated.items) <= size
    assert kept == sorted(kept)
    assert dropped == sorted(dropped)
    assert all(drop.reason for drop in curated.drops)


def test_each_session_and_persona_is_in_one_part(drafts: Drafts, judgements: dict[str, Judgement]) -> None:
    curated = curate_all(drafts, judgements)
    assert curated.splits.keys() == {item.session for item in [*curated.items, *curated.aside]}
    assert set(curated.splits.values()) == {"train", "validation", "heldout"}
    parts = {(PERSONAS[session], part) for session, part in curated.splits.items()}
    assert len(parts) == len(set(PERSONAS.values()))


def test_without_a_judge_all_are_kept_and_none_is_said_to_be_verified(drafts: Drafts) -> None:
    off = VerifyConfig(votes=0, review=False, choices_only=False)
    curated = curate(drafts, {}, PERSONAS, off, CONFIG, 1)
    assert len(curated.items) == len(drafts)
    assert {item.agreement for item in curated.items} == {None}


def test_what_a_category_lacks_is_said(drafts: Drafts, judgements: dict[str, Judgement]) -> None:
    curated = curate_all(drafts, judgements, sizes={"EA": 100})
    assert sum(curated.short.values()) == 100 - sum(item.task == "EA" for item in curated.items)


def test_nothing_in_gives_nothing_out() -> None:
    curated = curate_all([], {})
    assert (curated.items, curated.aside, curated.splits, curated.drops) == ([], [], {}, [])
