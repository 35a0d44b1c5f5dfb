from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from corpus.duplicates import ENCODED, SAME_MEANING, Duplicate, find_duplicates
from corpus.embeddings import Encoder
from corpus.records import Plan
from lms.scripted.events import Event
from lms.scripted.prompt import read_moments

THRESHOLD = 85.0
ROOT = Path(__file__).parents[2]
STORY = (
    "The caretaker carried nine ladders across a flooded yard. Before anyone in the school had woken that morning, "
    "he had hung the lanterns. His daughter, who held the torch, laughed at every one of them."
)
Texts = list[tuple[str, str]]


class Meanings:
    """Stands for a model: texts with the same first word mean the same."""

    def encode(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        firsts = [text.split()[0] for text in texts]
        return np.eye(len(texts), dtype=np.float32)[[firsts.index(first) for first in firsts]]


MEANINGS = cast(Encoder, Meanings())


def normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def edited(words: list[str], edits: int, rng: random.Random) -> list[str]:
    """Replace, insert, or delete words."""
    result = list(words)
    for number in range(edits):
        at = rng.randrange(len(result))
        result[at : at + rng.randint(0, 1)] = [f"new{rng.randrange(10**6)}"] * (number % 3 > 0)
    return result


@pytest.fixture(scope="module")
def texts(prose: Any) -> Texts:
    """Eighty stories in five versions each, with ever more edits."""
    rng, versions = random.Random(9), []
    for story in range(80):
        words = prose(story, rng.randint(25, 80)).split()
        versions += [" ".join(edited(words, edits, rng)) for edits in (0, 0, 2, 5, 12)]
    return [(f"t{number:03d}", text) for number, text in enumerate(versions)]


def test_an_exact_duplicate_differs_in_case_and_punctuation_at_most() -> None:
    marks = find_duplicates([("a", STORY), ("b", STORY.upper() + " …!")], THRESHOLD).marks
    assert marks == {"b": Duplicate("a", "exact duplicate", 100.0)}


def test_a_near_duplicate_has_other_words() -> None:
    other = STORY.replace("nine", "ten")
    marks = find_duplicates([("a", STORY), ("b", other)], THRESHOLD).marks
    similarity = 100 * Levenshtein.normalized_similarity(normal(STORY), normal(other))
    assert marks == {"b": Duplicate("a", "near duplicate", pytest.approx(similarity))}


def test_sentences_in_another_order_are_a_near_duplicate() -> None:
    turned = " ".join(re.split(r"(?<=\.) ", STORY)[::-1]).replace("nine", "ten")
    assert Levenshtein.normalized_similarity(normal(STORY), normal(turned)) < 0.6
    mark = find_duplicates([("a", STORY), ("b", turned)], THRESHOLD).marks["b"]
    words = len(STORY.split())
    assert mark == Duplicate("a", "near duplicate", pytest.approx(100 * (words - 1) / words))


def test_other_stories_stay(prose: Any) -> None:
    found = find_duplicates(((str(n), prose(n, 40)) for n in range(100)), THRESHOLD)
    assert (found.marks, found.comparisons) == ({}, 0)


def test_the_same_situation_told_in_other_words_stays(plans: list[Plan]) -> None:
    moments = [moment for plan in plans for moment in plan.moments]
    told = [
        (f"{moment.id}-{variant}", " ".join(Event.of(read_moments(again.brief())[0]).scene()))
        for moment in {(moment.cell, moment.aim): moment for moment in moments}.values()
        for variant in range(12)
        for again in [moment.model_copy(update={"variant": variant})]
    ]
    assert len(told) > 400
    found = find_duplicates(told, THRESHOLD)
    assert found.marks == {}
    assert found.comparisons > 100, "texts that are half alike are looked at, and stay"


def test_of_two_alike_the_earlier_is_kept() -> None:
    pair = [("z", STORY), ("a", STORY.replace("nine", "ten"))]
    assert find_duplicates(pair, THRESHOLD).marks["a"].kept == "z"
    assert find_duplicates(pair[::-1], THRESHOLD).marks["z"].kept == "a"


def test_the_most_similar_one_is_named(prose: Any) -> None:
    words = prose("story", 40).split()
    versions = {
        key: " ".join(["xxxxxx"] * changed + words[changed:]) for key, changed in (("a", 4), ("b", 0), ("c", 1))
    }
    marks = find_duplicates(versions.items(), 92.5).marks
    assert 100 * Levenshtein.normalized_similarity(versions["a"], versions["c"]) > 92.5
    assert {key: mark.kept for key, mark in marks.items()} == {"c": "b"}


def test_marks_are_those_of_all_pairs(texts: Texts) -> None:
    kept: list[str] = []
    expected: set[str] = set()
    for key, text in texts:
        if any(100 * Levenshtein.normalized_similarity(text, other) >= THRESHOLD for other in kept):
            expected.add(key)
        else:
            kept.append(text)
    found = find_duplicates(texts, THRESHOLD)
    assert expected <= found.marks.keys()
    by_key = {key: text.split() for key, text in texts}
    for key in found.marks.keys() - expected:  # by their words
        one, other = Counter(by_key[key]), Counter(by_key[found.marks[key].kept])
        assert 100 * (one & other).total() / max(one.total(), other.total()) >= THRESHOLD
    assert 160 < len(expected) < 320
    assert found.comparisons < len(texts) * (len(texts) - 1) / 2 / 50


@pytest.mark.parametrize("threshold", [70.0, 75.0, 80.0, 90.0, 95.0])
def test_bands_suit_the_threshold(prose: Any, threshold: float) -> None:
    rng, pairs = random.Random(3), []
    for number in range(1500):
        words = prose(number, rng.randint(25, 80)).split()
        twin = edited(words, rng.randrange(1, len(words) // 2), rng)
        similarity = 100 * Levenshtein.normalized_similarity(" ".join(words), " ".join(twin))
        if threshold <= similarity < threshold + 3:
            pairs += [(f"a{number}", " ".join(words)), (f"b{number}", " ".join(twin))]
    marks = find_duplicates(pairs, threshold).marks
    assert len(pairs) > 80
    assert len(marks) >= 0.98 * len(pairs) / 2


def test_what_was_seen_before_is_repeated_and_never_marked() -> None:
    near, other = STORY.replace("nine", "ten"), "Nobody came to the station that day, and the clock had stopped."
    seen = [("a", STORY), ("b", STORY), ("c", near)]  # however much they are alike
    found = find_duplicates([("a", near), ("b", other), ("d", other)], THRESHOLD, seen=seen).marks
    assert found == {
        "a": Duplicate("c", "exact duplicate", 100.0, seen=True),
        "d": Duplicate("b", "exact duplicate", 100.0),
    }


def test_a_text_is_like_any_of_those_seen_before_not_of_their_first_alone() -> None:
    words = STORY.split()
    first, second = (" ".join(["other"] * count + words[count:]) for count in (5, 10))
    assert find_duplicates([("a", first), ("b", second)], 80.0).marks
    assert not find_duplicates([("a", STORY), ("b", second)], 80.0).marks
    found = find_duplicates([("t", second)], 80.0, seen=[("a", STORY), ("b", first)]).marks
    assert found["t"].kept == "b"


def test_what_repeats_a_repeat_of_something_seen_leads_to_it() -> None:
    words = STORY.split()
    shorter = " ".join(words[:-2])
    found = find_duplicates([("t", shorter), ("u", shorter)], 90.0, seen=[("old", STORY)]).marks
    assert {key: (mark.kept, mark.seen) for key, mark in found.items()} == {"t": ("old", True), "u": ("old", True)}


def test_meanings_seen_before_are_compared_too(prose: Any) -> None:
    seen = [(f"old{n}", f"m{n % 3} {prose(f'old{n}', 8)}") for n in range(2 * ENCODED)]
    texts = [("t0", f"m1 {prose('t0', 8)}"), ("t1", f"new {prose('t1', 8)}"), ("t2", f"new {prose('t2', 8)}")]
    found = find_duplicates(texts, THRESHOLD, MEANINGS, seen).marks
    assert found.keys() == {"t0", "t2"}
    assert (found["t0"].reason, found["t0"].seen) == ("same meaning", True)
    assert dict(seen)[found["t0"].kept].startswith("m1 ")
    assert found["t2"] == Duplicate("t1", "same meaning", 100.0)


def test_texts_seen_before_cost_no_comparison_of_all_pairs(texts: Texts) -> None:
    half = len(texts) // 2
    found = find_duplicates(texts[half:], THRESHOLD, seen=texts[:half])
    assert found.comparisons < half * half / 50
    repeated = {key for key, mark in found.marks.items() if mark.seen}
    assert repeated <= {key for key, _ in texts[half:]}


@pytest.mark.parametrize("encoder", [None, MEANINGS])
def test_a_mark_leads_to_a_text_that_is_kept_and_earlier(texts: Texts, encoder: Encoder | None) -> None:
    marks = find_duplicates(texts, THRESHOLD, encoder).marks
    for key, mark in marks.items():
        assert mark.kept not in marks
        assert mark.kept < key
        assert THRESHOLD <= mark.similarity <= 100.001
    assert list(marks) == sorted(marks)


def test_a_higher_threshold_keeps_more(texts: Texts) -> None:
    counts = [len(find_duplicates(texts, threshold).marks) for threshold in (80, 90, 97, 100)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


def test_an_encoder_finds_what_means_the_same(prose: Any) -> None:
    """In texts of several blocks, and never two of different meaning."""
    count, meanings = 3 * ENCODED, 700
    texts = [(f"t{n:04d}", f"m{n % meanings} {prose(n, 8)}") for n in range(count)]
    marks = find_duplicates(texts, THRESHOLD, MEANINGS).marks
    assert marks == {
        f"t{n:04d}": Duplicate(f"t{n % meanings:04d}", "same meaning", 100.0) for n in range(meanings, count)
    }
    assert find_duplicates(texts, THRESHOLD).marks == {}


def test_a_text_near_one_that_means_the_same_as_a_third_leads_to_the_third(prose: Any) -> None:
    body = prose("body", 30)
    texts = [("a", f"same {prose('a', 30)}"), ("b", f"same {body}"), ("c", f"other {body}")]
    marks = find_duplicates(texts, THRESHOLD, MEANINGS).marks
    assert {key: (mark.kept, mark.reason) for key, mark in marks.items()} == {
        "b": ("a", "same meaning"),
        "c": ("a", "near duplicate"),
    }


def test_a_cosine_below_the_constant_is_no_same_meaning() -> None:
    class Cosine:
        def __init__(self, cosine: float):
            self.rows = np.array([[1, 0], [cosine, (1 - cosine**2) ** 0.5]], dtype=np.float32)

        def encode(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
            return self.rows

    pair = [("a", "one thing"), ("b", "another matter")]
    for off, marked in ((0.001, {"b"}), (-0.001, set())):
        encoder = cast(Encoder, Cosine(SAME_MEANING + off))
        assert find_duplicates(pair, THRESHOLD, encoder).marks.keys() == marked


def test_marks_do_not_depend_on_the_hash_seed_of_the_process() -> None:
    code = (
        "import random; from corpus.duplicates import find_duplicates\n"
        "rng = random.Random(1)\n"
        "texts = [(str(n), ' '.join(rng.choices('abcdefghijklmnop', k=12))) for n in range(300)]\n"
        "print(find_duplicates(texts, 60.0))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed},
            check=True, capture_output=True, text=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(outputs) == 1
    assert "near duplicate" in outputs.pop()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=8))
def test_any_text_will_do_and_repeats_are_always_found(strange: list[str]) -> None:
    once = [(f"a{number}", text) for number, text in enumerate(strange)]
    again = [(f"b{number}", text) for number, text in enumerate(strange)]
    assert {key for key, _ in again} <= find_duplicates(once + again, THRESHOLD).marks.keys()
