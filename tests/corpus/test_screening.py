from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.config import CurateConfig
from corpus.contamination import ContaminationIndex, Overlap
from corpus.exam_texts import ExamText
from corpus.records import ApplicationDraft, UnderstandingDraft
from corpus.screening import SEEN_BEFORE, SESSION_AT_FAULT, Drop, Screened, count_reasons, screen

Drafts = list[UnderstandingDraft | ApplicationDraft]
CONFIG = CurateConfig()


def exams(*scenarios: str) -> ContaminationIndex:
    texts = [ExamText(f"exam {number}", "scenario", scenario) for number, scenario in enumerate(scenarios)]
    return ContaminationIndex(texts, CONFIG.decontaminate)


@pytest.fixture(scope="module")
def drafts(make_eu: Any, make_ea: Any) -> Drafts:
    """Six sessions of two sound drafts, and one session of faults and repeats."""
    sound = [make(f"s1-{n:05d}-m{m}") for n in range(6) for m, make in enumerate((make_eu, make_ea))]
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


def test_drops_have_reasons_and_name_what_they_repeat(drafts: Drafts) -> None:
    screened = screen(drafts, CONFIG, exams(drafts[2].scenario))
    assert screened.drops == [
        Drop("s1-00001-m0", "exams", "in an exam: 8-gram", "exam 0"),
        Drop("s1-00099-m0", "rules", "emotion not in the taxonomy"),
        Drop("s1-00099-m1", "rules", "subject not in the scenario"),
        Drop("s1-00099-m2", "duplicates", "exact duplicate", "s1-00000-m0"),
        Drop("s1-00099-m3", "duplicates", "near duplicate", "s1-00000-m0"),
    ]
    assert [overlap.id for overlap in screened.overlaps] == ["s1-00001-m0"]
    assert count_reasons(screened.drops, "rules") == {
        "emotion not in the taxonomy": 1, "subject not in the scenario": 1,
    }  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(shuffle=st.randoms(use_true_random=False))
def test_the_order_of_drafts_does_not_matter(drafts: Drafts, shuffle: random.Random) -> None:
    turned = list(drafts)
    shuffle.shuffle(turned)
    index = exams(drafts[2].scenario)
    assert screen(iter(turned), CONFIG, index) == screen(drafts, CONFIG, index)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_nothing_is_lost(drafts: Drafts, data: st.DataObject) -> None:
    some = data.draw(st.lists(st.sampled_from(drafts), unique_by=lambda draft: draft.id))
    screened = screen(some, CONFIG, exams(drafts[2].scenario))
    passed, dropped = [draft.id for draft in screened.passed], [drop.id for drop in screened.drops]
    assert sorted(passed + dropped) == sorted(draft.id for draft in some)
    assert passed == sorted(passed)
    assert dropped == sorted(dropped)
    assert all(drop.reason for drop in screened.drops)


def test_what_another_run_holds_is_dropped_and_named(drafts: Drafts) -> None:
    other = [("s9-00004-m2", drafts[0].scenario.upper()), (drafts[3].id, "A scenario of its own, with an ID as ours.")]
    screened = screen(drafts, CONFIG, exams(), seen=other)
    found = [drop for drop in screened.drops if drop.reason == SEEN_BEFORE]
    repeats = ("s1-00000-m0", "s1-00099-m2", "s1-00099-m3")
    assert found == [Drop(key, "duplicates", SEEN_BEFORE, "s9-00004-m2") for key in repeats]
    assert drafts[3].id in {draft.id for draft in screened.passed}


def test_a_session_at_fault_takes_its_drafts_along(drafts: Drafts) -> None:
    screened = screen(drafts, CONFIG, exams(), {"s1-00000"})
    assert [drop.id for drop in screened.drops if drop.reason == SESSION_AT_FAULT] == ["s1-00000-m0", "s1-00000-m1"]
    assert "s1-00099-m2" in {draft.id for draft in screened.passed}, "its repeat is the first of its kind now"


def test_a_fault_of_the_first_leaves_its_repeat(make_ea: Any) -> None:
    repeat = make_ea("s1-00002-m0")
    faulty = repeat.model_copy(update={"id": "s1-00001-m0", "explanation": "None."})
    screened = screen([faulty, repeat], CONFIG, exams())
    assert [draft.id for draft in screened.passed] == ["s1-00002-m0"]
    assert [drop.id for drop in screened.drops] == ["s1-00001-m0"]


def test_the_recipe_sets_what_a_near_duplicate_is(drafts: Drafts) -> None:
    strict = CONFIG.model_copy(update={"near_duplicate": 100.0})
    assert "s1-00099-m3" in {draft.id for draft in screen(drafts, strict, exams()).passed}


def test_a_draft_with_several_overlaps_is_dropped_once_for_the_first(make_ea: Any) -> None:
    draft = make_ea("s1-00001-m0")
    found = [Overlap(draft.id, f"exam {n}", "scenario", "paraphrase", "theirs", "ours") for n in range(3)]
    left = Screened([draft]).without(found)
    assert left.passed == []
    assert left.drops == [Drop(draft.id, "exams", "in an exam: paraphrase", "exam 0")]
    assert left.overlaps == found[:1]


def test_nothing_in_gives_nothing_out() -> None:
    assert screen([], CONFIG, exams()) == Screened([])
