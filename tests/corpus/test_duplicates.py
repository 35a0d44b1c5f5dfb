from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz

from corpus.duplicates import find_duplicates

THRESHOLD = 90.0
STORY = "the caretaker carried nine ladders across a flooded yard before anyone in the school had woken that morning"


def edited(words: list[str], edits: int, rng: random.Random) -> list[str]:
    """Replace, insert, or delete words."""
    result = list(words)
    for number in range(edits):
        at = rng.randrange(len(result))
        result[at : at + rng.randint(0, 1)] = [f"new{rng.randrange(10**6)}"] * (number % 3 > 0)
    return result


@pytest.fixture(scope="module")
def texts(prose: Any) -> list[tuple[str, str]]:
    """Eighty stories in five versions each, with ever more edits."""
    rng, versions = random.Random(9), []
    for story in range(80):
        words = prose(story, rng.randint(25, 80)).split()
        versions += [" ".join(edited(words, edits, rng)) for edits in (0, 0, 2, 5, 12)]
    return [(f"t{number:03d}", text) for number, text in enumerate(versions)]


def test_an_exact_duplicate_differs_in_case_and_punctuation_at_most() -> None:
    marks = find_duplicates([("a", STORY), ("b", STORY.upper() + " …!")], THRESHOLD)
    assert marks == {"b": ("a", "exact duplicate")}


def test_a_near_duplicate_has_other_words_or_another_order() -> None:
    turned = " ".join(reversed(STORY.split()))
    marks = find_duplicates([("a", STORY), ("b", STORY.replace("nine", "ten")), ("c", turned)], THRESHOLD)
    assert marks == {"b": ("a", "near duplicate"), "c": ("a", "near duplicate")}


def test_other_stories_stay(prose: Any) -> None:
    assert find_duplicates(((str(n), prose(n, 40)) for n in range(100)), THRESHOLD) == {}


def test_of_two_alike_the_first_is_kept() -> None:
    pair = [("z", STORY), ("a", STORY.replace("nine", "ten"))]
    assert find_duplicates(pair, THRESHOLD) == {"a": ("z", "near duplicate")}
    assert find_duplicates(pair[::-1], THRESHOLD) == {"z": ("a", "near duplicate")}


def test_an_earlier_text_half_alike_does_not_hide_a_twin(prose: Any) -> None:
    words, others = prose("twin", 40).split(), prose("other", 10).split()
    half, story, twin = [*others, *words[10:]], words, [*words[:-1], "kettle"]
    texts = [("a", " ".join(half)), ("b", " ".join(story)), ("c", " ".join(twin))]
    assert find_duplicates(texts, THRESHOLD) == {"c": ("b", "near duplicate")}


def test_every_pair_of_rapidfuzz_is_found_and_no_other(texts: list[tuple[str, str]]) -> None:
    kept: dict[str, str] = {}
    expected: set[str] = set()
    for key, text in texts:
        if any(fuzz.token_set_ratio(text, other) >= THRESHOLD for other in kept.values()):
            expected.add(key)
        else:
            kept[key] = text
    assert set(find_duplicates(texts, THRESHOLD)) == expected
    assert 160 < len(expected) < 320


def test_a_duplicate_points_to_a_text_that_is_kept(texts: list[tuple[str, str]]) -> None:
    marks = find_duplicates(texts, THRESHOLD)
    by_key = dict(texts)
    for key, (kept, reason) in marks.items():
        assert kept not in marks
        assert kept < key
        assert fuzz.token_set_ratio(by_key[key], by_key[kept]) >= THRESHOLD
        assert (reason == "exact duplicate") == (by_key[key] == by_key[kept])


def test_a_higher_threshold_keeps_more(texts: list[tuple[str, str]]) -> None:
    counts = [len(find_duplicates(texts, threshold)) for threshold in (80, 90, 97, 100)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=8))
def test_any_text_will_do_and_repeats_are_always_found(strange: list[str]) -> None:
    once = [(f"a{number}", text) for number, text in enumerate(strange)]
    again = [(f"b{number}", text) for number, text in enumerate(strange)]
    assert {key for key, _ in again} <= find_duplicates(once + again, THRESHOLD).keys()
