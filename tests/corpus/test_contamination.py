from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rapidfuzz import fuzz

from corpus.config import DecontaminateConfig
from corpus.contamination import ContaminationIndex, Overlap
from corpus.exam_texts import ExamText, words_of
from corpus.records import ApplicationDraft, UnderstandingDraft

Make = Callable[..., ApplicationDraft]
Prose = Callable[[object, int], str]
CONFIG = DecontaminateConfig()
STORY = (
    "Dorea had baked the bread herself, but the crust was black when the oven door opened. Her daughter, who had "
    "come home early, broke off a piece, chewed it slowly, and asked whether there was any more of it."
)
SHORT = "Weili's tent blew away overnight"
CHINESE = "多瑞自己烤了面包，但是烤箱门打开时，面包皮已经黑了。她的女儿提前回到家，掰下一块，慢慢地嚼着，问还有没有。"
OPTIONS = (
    "Offer to drive her to the hospital first thing tomorrow morning",
    "Say nothing until the guests have gone",
    "Ask her brother for the keys",
    "Leave",
)
EXAM = [
    ExamText("exam 1", "scenario", STORY),
    ExamText("exam 2", "scenario", SHORT),
    ExamText("exam 3", "scenario", CHINESE),
    *(ExamText("exam 1", "option", option) for option in OPTIONS),
]


@pytest.fixture(scope="module")
def index() -> ContaminationIndex:
    return ContaminationIndex(EXAM, CONFIG)


def found(overlap: Overlap | None) -> tuple[str, str]:
    """Source and rule of an overlap that must be there."""
    assert overlap is not None
    return overlap.source, overlap.rule


def swap_words(text: str, every: int) -> str:
    """Replace each so many-th word, so that no longer run survives."""
    return " ".join(f"new{n}" if n % every == every - 1 else word for n, word in enumerate(text.split()))


def test_a_draft_of_its_own_words_is_no_overlap(
    index: ContaminationIndex, make_eu: Callable[..., UnderstandingDraft], make_ea: Make
) -> None:
    assert index.find(make_eu()) is None
    assert index.find(make_ea()) is None


def test_a_run_of_words_is_found_and_shown_in_both_texts(index: ContaminationIndex, make_ea: Make) -> None:
    copied = "the crust was black when the oven door"
    overlap = index.find(
        make_ea("a", scenario=f"Ana waited. The CRUST was “black” — when the oven-door {SHORT[8:12]}.")
    )
    assert found(overlap) == ("exam 1", "8-gram")
    assert overlap is not None
    assert (overlap.id, overlap.part) == ("a", "scenario")
    assert copied in overlap.theirs
    assert words_of(copied) == words_of(overlap.ours)[2:10]
    assert overlap.theirs.endswith("…")


def test_seven_words_in_a_row_are_no_run_of_eight(index: ContaminationIndex, make_ea: Make, prose: Prose) -> None:
    scenario = f"{prose(1, 20)} the crust was black when the oven {prose(2, 20)}"
    assert index.find(make_ea(scenario=scenario)) is None
    closer = ContaminationIndex(EXAM, DecontaminateConfig(ngram=7))
    assert found(closer.find(make_ea(scenario=scenario))) == ("exam 1", "7-gram")


def test_exchanged_names_hide_nothing(index: ContaminationIndex, make_ea: Make) -> None:
    assert found(index.find(make_ea(scenario=STORY.replace("Dorea", "Anna"))))[0] == "exam 1"
    assert found(index.find(make_ea(scenario=swap_words(STORY, 7)))) == ("exam 1", "similar words")


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_words_in_any_order_are_found(index: ContaminationIndex, make_ea: Make, seed: int) -> None:
    words = STORY.split()
    shuffled = " ".join(random.Random(seed).sample(words, len(words)))
    assert found(index.find(make_ea(scenario=shuffled)))[0] == "exam 1"


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_an_eighth_of_the_words_edited_at_random_is_found(index: ContaminationIndex, make_ea: Make, seed: int) -> None:
    rng, words = random.Random(seed), STORY.split()
    for number in range(len(words) // 8):
        at = rng.randrange(len(words))
        words[at : at + rng.randint(0, 1)] = [f"new{number}"] * rng.randint(0, 1)
    assert found(index.find(make_ea(scenario=" ".join(words))))[0] == "exam 1"


def test_a_text_shorter_than_the_run_is_found_whole_but_not_by_a_few_words(
    index: ContaminationIndex, make_ea: Make, prose: Prose
) -> None:
    assert found(index.find(make_ea(scenario="Overnight, Weili’s tent blew away!"))) == ("exam 2", "same words")
    assert index.find(make_ea(scenario=f"{prose(3, 20)} {SHORT} {prose(4, 20)}")) is None


def test_an_edited_copy_inside_a_longer_scenario_is_found(
    index: ContaminationIndex, make_ea: Make, prose: Prose
) -> None:
    scenario = f"{prose(5, 40)} {swap_words(STORY, 7)} {prose(6, 40)}"
    assert found(index.find(make_ea(scenario=scenario))) == ("exam 1", "contained")


def test_chinese_copies_are_found_by_characters(index: ContaminationIndex, make_ea: Make) -> None:
    assert found(index.find(make_ea(scenario=f"昨天，{CHINESE[:14]}"))) == ("exam 3", "8-gram")
    clauses = CHINESE.replace("。", "，").split("，")[:-1]
    assert found(index.find(make_ea(scenario="，".join(sorted(clauses)))))[0] == "exam 3"
    edited = "".join("们" if n % 9 == 8 else sign for n, sign in enumerate(CHINESE))
    assert found(index.find(make_ea(scenario=edited))) == ("exam 3", "similar words")
    assert index.find(make_ea(scenario="她的朋友昨天没有来上班，老板问大家为什么，可是没有人知道他去了哪里。")) is None


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ((OPTIONS[0].upper(), "x", "y", "z"), "option"),
        ((OPTIONS[1], "x", f"{OPTIONS[2]}!", "y"), "options"),
        ((OPTIONS[1], "x", "y", "z"), None),
        ((OPTIONS[3], OPTIONS[2], "y", "z"), None),
        ((OPTIONS[0].replace("tomorrow", "on the next"), "x", "y", "z"), None),
    ],
    ids=["one long", "two together", "one short", "a word and one short", "one long, edited"],
)
def test_options_are_found_by_a_long_one_or_several(
    index: ContaminationIndex, make_ea: Make, options: tuple[str, ...], rule: str | None
) -> None:
    overlap = index.find(make_ea(best=options[0], wrong=options[1:]))
    assert (overlap and overlap.rule) == rule
    assert overlap is None or (overlap.source, overlap.part) == ("exam 1", "option")


def test_causes_are_compared_and_emotions_are_not(
    index: ContaminationIndex, make_eu: Callable[..., UnderstandingDraft]
) -> None:
    assert found(index.find(make_eu(wrong_causes=("x", OPTIONS[0], "y")))) == ("exam 1", "option")
    assert index.find(make_eu(emotion=OPTIONS[0])) is None


def test_two_options_of_two_items_are_no_overlap(make_ea: Make) -> None:
    exam = [ExamText(f"exam {n}", "option", option) for n, option in enumerate(OPTIONS[1:3])]
    assert ContaminationIndex(exam, CONFIG).find(make_ea(best=OPTIONS[1], wrong=(OPTIONS[2], "x", "y"))) is None


def test_a_stock_option_of_the_exam_proves_nothing_unless_the_item_is_there_twice(make_ea: Make) -> None:
    draft = make_ea(best=OPTIONS[0])
    other = [ExamText("exam 2", "option", OPTIONS[0]), ExamText("exam 2", "option", "Take the bus to the old mill")]
    assert ContaminationIndex([*EXAM, *other], CONFIG).find(draft) is None
    double = [ExamText("copy of exam 1", "option", option) for option in OPTIONS]
    assert found(ContaminationIndex([*EXAM, *double], CONFIG).find(draft)) == ("exam 1", "option")


def test_labels_without_words_are_no_evidence(make_ea: Make) -> None:
    exam = [ExamText("exam", part, text) for part in ("scenario", "option") for text in ("Joy", "…", "She is sad")]
    index = ContaminationIndex(exam, CONFIG)
    assert index.find(make_ea(scenario="She is sad", best="She is sad", wrong=("Joy", "…", "x"))) is None


def test_an_exam_of_nothing_finds_nothing(make_ea: Make) -> None:
    index = ContaminationIndex([], CONFIG)
    assert index.find(make_ea(scenario=STORY, best=OPTIONS[0])) is None
    assert not index.shares_long_ngram(make_ea(scenario=STORY))
    assert index.neighbours([make_ea()], Letters()) == []


def test_the_long_run_of_gpt3_is_counted_apart(index: ContaminationIndex, make_ea: Make, prose: Prose) -> None:
    words = STORY.split()
    for count, shared in ((12, False), (13, True)):
        scenario = " ".join([prose(7, 9), *words[3 : 3 + count], prose(8, 9)])
        assert index.shares_long_ngram(make_ea(scenario=scenario)) is shared


def test_looking_up_rare_words_finds_what_comparing_all_pairs_finds(prose: Prose, make_ea: Make) -> None:
    rng = random.Random(4)
    vocabulary = prose("vocabulary", 300).split()
    stories = [" ".join(rng.choices(vocabulary, weights=range(300, 0, -1), k=rng.randint(10, 60))) for _ in range(150)]
    index = ContaminationIndex([ExamText(str(n), "scenario", story) for n, story in enumerate(stories)], CONFIG)
    alike = 0
    for story in stories:
        words = story.split()
        for at in rng.sample(range(len(words)), rng.randint(1, len(words) // 3)):
            words[at] = rng.choice(vocabulary)
        copy = " ".join(rng.sample(words, len(words)))
        ordered = " ".join(sorted(words))
        near = any(fuzz.ratio(ordered, " ".join(sorted(other.split()))) >= CONFIG.similarity for other in stories)
        alike += near
        assert not near or index.find(make_ea(scenario=copy)) is not None
    assert alike > 50


class Letters:
    """An encoder that counts letters: texts of the same letters mean the same."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        counts = np.array([[text.lower().count(chr(97 + n)) + 1e-3 for n in range(26)] for text in texts]).reshape(
            -1, 26
        )
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


def test_neighbours_are_the_nearest_above_the_threshold(index: ContaminationIndex, make_ea: Make) -> None:
    twin, far = make_ea("a", scenario=STORY[::-1]), make_ea("b", scenario="zzz qqq xxx jjj")
    suspects = index.neighbours([far, twin], Letters(), threshold=0.5, top=2)
    assert [(suspect.id, suspect.source) for suspect in suspects] == [("a", "exam 1"), ("a", "exam 2")]
    assert suspects[0].cosine == pytest.approx(1, abs=1e-3)
    assert all(one.cosine >= other.cosine for one, other in pairwise(suspects))
    assert (suspects[0].theirs, suspects[0].ours) == (STORY, STORY[::-1])
    assert len(index.neighbours([twin], Letters(), threshold=0.5, top=1)) == 1
