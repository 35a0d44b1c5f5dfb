"""The funnel is arithmetic that a reader will check: what is left and what was lost add up at every step."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from corpus.funnel import FunnelStep, build_funnel

GENERATED = {
    "sessions": 9, "methods": {"mads": 9}, "failed_sessions": {"client: too long": 1}, "moments": 60, "drafts": 58,
    "unwritten": {"moment not told": 2}, "seconds": 3.5,
}  # fmt: skip
VERIFIED = {
    "drafts": 58, "judge": "openai/j", "screened": {"too short": 3}, "sessions": {"marked": {}, "dropped": {"bad": 2}},
    "duplicates": {"near duplicate": 1}, "contaminated": {"in an exam: 8-gram": 2}, "aside": {"ambiguous": 4},
    "passed": 46, "exams": {"compared": {"EmoBench": 9}, "problems": [], "off": False}, "choices_only": {},
    "examples": [],
}  # fmt: skip
CURATED = {
    "kept": 40, "surplus": {"over its size": 6}, "cells": {"persona": 40}, "short": {},
    "splits": {"train": 30, "heldout": 6, "validation": 4},
}  # fmt: skip

reasons = st.dictionaries(st.sampled_from(["too short", "ambiguous", "twins", "judge: absurd"]), st.integers(1, 99))


def counts(steps: list[FunnelStep]) -> list[tuple[str, int]]:
    return [(step.name, step.count) for step in steps]


def test_each_step_says_what_is_left_and_why_the_rest_went() -> None:
    steps = build_funnel(GENERATED, VERIFIED, CURATED)
    assert counts(steps) == [
        ("sessions planned", 10), ("sessions finished", 9), ("moments in them", 60), ("drafts written", 58),
        ("passed the rules", 53), ("distinct", 52), ("in no exam", 50), ("kept by the judge", 46), ("balanced", 40),
        ("train", 30), ("validation", 4), ("held out", 6),
    ]  # fmt: skip
    assert steps[4].lost == {"too short": 3, "bad": 2}
    assert steps[8].lost == {"over its size": 6}


def test_shares_are_of_the_step_before_and_of_the_set_for_its_parts() -> None:
    shares = {step.name: step.share for step in build_funnel(GENERATED, VERIFIED, CURATED)}
    assert shares["sessions planned"] is None
    assert shares["moments in them"] is None
    assert shares["sessions finished"] == pytest.approx(9 / 10)
    assert shares["kept by the judge"] == pytest.approx(46 / 50)
    assert shares["train"] == pytest.approx(30 / 40)
    assert shares["held out"] == pytest.approx(6 / 40)


def test_the_funnel_ends_where_the_run_has_got_to() -> None:
    assert counts(build_funnel(GENERATED))[-1] == ("drafts written", 58)
    assert counts(build_funnel(GENERATED, VERIFIED))[-1] == ("kept by the judge", 46)


def test_what_was_not_done_is_named_so() -> None:
    unchecked = {**VERIFIED, "judge": "", "exams": {"compared": {}, "problems": [], "off": True}}
    names = [step.name for step in build_funnel(GENERATED, unchecked)]
    assert "no exam compared" in names
    assert "no judge asked" in names
    assert not {"in no exam", "kept by the judge"} & set(names)


def test_an_exam_that_was_not_at_hand_was_not_compared() -> None:
    unread = {**VERIFIED, "exams": {"compared": {}, "problems": ["not there"], "off": False}}
    assert "no exam compared" in [step.name for step in build_funnel(GENERATED, unread)]


def test_one_reason_at_two_places_is_counted_together() -> None:
    twice = {**VERIFIED, "sessions": {"marked": {}, "dropped": {"too short": 2}}}
    assert build_funnel(GENERATED, twice)[4].lost == {"too short": 5}


def test_nothing_at_all_is_no_division_by_zero() -> None:
    nothing = {**GENERATED, "sessions": 0, "failed_sessions": {}, "moments": 0, "drafts": 0, "unwritten": {}}
    assert all(step.share is None for step in build_funnel(nothing))


@given(reasons, reasons, reasons, reasons, reasons, reasons)
def test_losses_add_up(
    screened: Mapping[str, int],
    sessions: Mapping[str, int],
    duplicates: Mapping[str, int],
    contaminated: Mapping[str, int],
    aside: Mapping[str, int],
    surplus: Mapping[str, int],
) -> None:
    lost = [screened, sessions, duplicates, contaminated, aside]
    kept = 7
    passed = kept + sum(surplus.values())
    drafts = passed + sum(sum(one.values()) for one in lost)
    verified: dict[str, Any] = {
        **VERIFIED, "drafts": drafts, "screened": screened, "sessions": {"marked": {}, "dropped": sessions},
        "duplicates": duplicates, "contaminated": contaminated, "aside": aside, "passed": passed,
    }  # fmt: skip
    steps = build_funnel(GENERATED, verified, {**CURATED, "kept": kept, "surplus": surplus})[4:9]
    for step in steps:
        assert step.of is not None
        assert step.of - sum(step.lost.values()) == step.count
    for before, after in pairwise(steps):
        assert after.of == before.count
    assert steps[-1].count == kept


def test_a_record_without_a_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="passed"):
        build_funnel(GENERATED, {key: value for key, value in VERIFIED.items() if key != "passed"})
