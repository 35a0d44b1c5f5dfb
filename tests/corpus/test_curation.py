from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.config import CurateConfig
from corpus.curation import Drop, curate
from corpus.records import ApplicationDraft, UnderstandingDraft

Drafts = list[UnderstandingDraft | ApplicationDraft]
CONFIG = CurateConfig(validation=0.2, heldout=0.2)


@pytest.fixture(scope="module")
def drafts(make_eu: Any, make_ea: Any) -> Drafts:
    """Fifteen sessions of two sound drafts, and one session of faults and repeats."""
    sound = [make(f"s1-{n:05d}-m{m}") for n in range(15) for m, make in enumerate((make_eu, make_ea))]
    first = sound[0]
    words = first.scenario.split()
    words[9] = "kettle"
    return [
        *sound,
        make_eu("s1-00099-m0", emotion="Hangry"),
        make_ea("s1-00099-m1", subject="Otieno"),
        first.model_copy(update={"id": "s1-00099-m2", "session": "s1-00099"}),
        first.model_copy(update={"id": "s1-00099-m3", "session": "s1-00099", "scenario": " ".join(words)}),
    ]


def test_drops_have_reasons_and_duplicates_name_what_is_kept(drafts: Drafts) -> None:
    assert curate(drafts, CONFIG, seed=1).drops == [
        Drop("s1-00099-m0", "emotion not in the taxonomy"),
        Drop("s1-00099-m1", "subject not in the scenario"),
        Drop("s1-00099-m2", "exact duplicate", "s1-00000-m0"),
        Drop("s1-00099-m3", "near duplicate", "s1-00000-m0"),
    ]


@settings(max_examples=30, deadline=None)
@given(shuffle=st.randoms(use_true_random=False), seed=st.integers(0, 9))
def test_the_order_of_drafts_does_not_matter(drafts: Drafts, shuffle: random.Random, seed: int) -> None:
    turned = list(drafts)
    shuffle.shuffle(turned)
    assert curate(iter(turned), CONFIG, seed) == curate(drafts, CONFIG, seed)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_nothing_is_lost(drafts: Drafts, data: st.DataObject) -> None:
    some = data.draw(st.lists(st.sampled_from(drafts), unique_by=lambda draft: draft.id))
    curated = curate(some, CONFIG, seed=1)
    kept, dropped = [item.qid for item in curated.items], [drop.id for drop in curated.drops]
    assert sorted(kept + dropped) == sorted(draft.id for draft in some)
    assert kept == sorted(kept)
    assert dropped == sorted(dropped)
    assert all(drop.reason for drop in curated.drops)
    assert {drop.kept for drop in curated.drops if drop.kept} <= set(kept)


def test_each_kept_session_has_a_part_and_no_other_has(drafts: Drafts) -> None:
    curated = curate(drafts, CONFIG, seed=1)
    assert curated.splits.keys() == {item.session for item in curated.items}
    assert set(curated.splits.values()) == {"train", "validation", "heldout"}
    assert "s1-00099" not in curated.splits


def test_a_fault_of_the_first_leaves_its_repeat(make_ea: Any) -> None:
    repeat = make_ea("s1-00002-m0")
    faulty = repeat.model_copy(update={"id": "s1-00001-m0", "explanation": "None."})
    curated = curate([faulty, repeat], CONFIG, seed=1)
    assert [item.qid for item in curated.items] == ["s1-00002-m0"]
    assert curated.drops == [Drop("s1-00001-m0", "explanation not grounded")]


def test_the_recipe_sets_what_a_near_duplicate_is(drafts: Drafts) -> None:
    strict = CONFIG.model_copy(update={"near_duplicate": 100.0})
    assert "s1-00099-m3" in {item.qid for item in curate(drafts, strict, seed=1).items}


def test_nothing_in_gives_nothing_out() -> None:
    curated = curate([], CONFIG, seed=1)
    assert (curated.items, curated.splits, curated.drops) == ([], {}, [])
