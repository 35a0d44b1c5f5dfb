"""Item analysis against hand-made panels: difficulty, discrimination, options, and what it must not claim."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from corpus.records import ApplicationItem, UnderstandingItem
from eval.item_analysis import (
    ItemAnalysis,
    PanelAnswer,
    analyse_answers,
    correlation_interval,
    discriminations,
    summarise_models,
)

CHOICES = ("wait", "call", "write", "leave")
EMOTIONS = ("Joy", "Anger", "Relief", "Grief", "Pride", "Fear")


def ea(number: int) -> ApplicationItem:
    return ApplicationItem.model_validate(
        {"qid": f"i{number}", "scenario": "…", "subject": "Ada", "category": "Social-Self", "question type": "Action",
         "choices": CHOICES, "label": "call"}
    )  # fmt: skip


EU = UnderstandingItem(
    qid="u", scenario="…", subject="Ada", coarse_category="emotional_cues", finegrained_category="visual_cues",
    emotion_choices=EMOTIONS, emotion_label="Relief", cause_choices=CHOICES, cause_label="wait",
)  # fmt: skip


def answers(picks: dict[str, list[str | None]]) -> list[PanelAnswer]:
    """``picks``: item → the option of each of the examinees, who are samples of the models a, b, a, b …"""
    return [
        PanelAnswer(item=item, model="ab"[place % 2], sample=place // 2, picks=(pick,))
        for item, chosen in picks.items()
        for place, pick in enumerate(chosen)
    ]


def analyse(picks: dict[str, list[str | None]]) -> list[ItemAnalysis]:
    return analyse_answers([ea(int(name[1:])) for name in picks], answers(picks))


def test_difficulty_options_and_unread_answers_are_counted() -> None:
    (item,) = analyse({"i1": ["call", "call", "wait", None, "call", "call", "wait", "call"]})
    assert (item.answers, item.difficulty) == (8, 5 / 8)
    assert item.interval[0] < 5 / 8 < item.interval[1]
    (question,) = item.questions
    assert (question.question, question.key) == ("option", 1)
    assert question.shares == (2 / 8, 5 / 8, 0, 0)
    assert question.unread == 1 / 8
    assert question.unchosen == ("write", "leave")
    assert item.flags == ("distractor never chosen",)


def test_an_understanding_item_is_right_when_both_questions_are() -> None:
    given_ = [("Relief", "wait"), ("Relief", "call"), ("Joy", "wait"), ("Joy", None)]
    panel = [PanelAnswer(item="u", model="a", sample=n, picks=picks) for n, picks in enumerate(given_)]
    (item,) = analyse_answers([EU], panel)
    assert item.difficulty == 0.25
    assert [(q.question, q.right, q.unread) for q in item.questions] == [("emotion", 0.5, 0), ("cause", 0.5, 0.25)]


@pytest.mark.parametrize(
    ("picks", "flags"),
    [
        (["call"] * 20, {"too easy", "distractor never chosen"}),
        (["call"] * 19 + ["wait"], {"distractor never chosen"}),  # 0.95 is not above the bound
        (["call", "call", "wait", "write", "leave"] * 4, set()),
        (["call", "wait", "wait", "write", "leave"] * 4, {"distractor above the key"}),
        (["wait", "write", "leave"] * 4, {"too hard", "distractor above the key"}),
        (["call", "wait", "write", "leave"] * 3, set()),  # a draw is not above the key
    ],
)
def test_flags_of_difficulty_and_options(picks: list[str | None], flags: set[str]) -> None:
    assert set(analyse({"i1": picks})[0].flags) == flags


def test_an_item_that_the_strong_get_right_discriminates_and_a_reversed_one_is_flagged() -> None:
    # Examinees 0…9: number k answers the first k of nine items rightly; item 10 is right for the weak alone.
    picks: dict[str, list[str | None]] = {
        f"i{n}": ["call" if k >= n else random.Random(n * 31 + k).choice(["wait", "write", "leave"]) for k in range(10)]
        for n in range(1, 10)
    }
    picks["i10"] = ["call" if k < 5 else "wait" for k in range(10)]
    *good, reversed_ = analyse(picks)
    assert all(item.discrimination is not None and item.discrimination > 0.4 for item in good)
    assert not any("discrimination" in flag for item in good for flag in item.flags)
    assert reversed_.discrimination is not None
    assert reversed_.discrimination < -0.5
    assert "negative discrimination" in reversed_.flags
    assert "low discrimination" not in reversed_.flags


def test_an_item_that_has_nothing_to_do_with_the_rest_is_low() -> None:
    picks: dict[str, list[str | None]] = {
        f"i{n}": ["call" if k >= 2 * n else "wait" for k in range(10)] for n in range(1, 5)
    }
    picks["i9"] = ["call" if k in (0, 3, 5, 6, 9) else "wait" for k in range(10)]
    item = analyse(picks)[-1]
    assert item.discrimination is not None
    assert 0 <= item.discrimination < 0.2
    assert "low discrimination" in item.flags


@pytest.mark.parametrize(
    "picks",
    [
        {"i1": ["call", "wait"] * 2, "i2": ["call", "wait"] * 2},  # four examinees
        {"i1": ["call"] * 8, "i2": ["call", "wait"] * 4},  # the item: all right
        {"i1": ["call", "wait"] * 4},  # no rest
        {"i1": ["call", "wait"] * 4, "i2": ["call"] * 8},  # all have the same rest
    ],
)
def test_discrimination_is_not_claimed_where_it_cannot_be_estimated(picks: dict[str, list[str | None]]) -> None:
    item = analyse(picks)[0]
    assert item.discrimination is None
    assert item.discrimination_interval is None
    assert not any("discrimination" in flag for flag in item.flags)


def test_the_rest_score_is_over_what_an_examinee_answered() -> None:
    panel = answers({f"i{n}": ["call" if k >= n else "wait" for k in range(8)] for n in range(1, 8)})
    whole = analyse_answers([ea(n) for n in range(1, 8)], panel)
    partly = analyse_answers([ea(n) for n in range(1, 8)], [a for a in panel if (a.item, a.model) != ("i2", "a")])
    assert [item.answers for item in whole] == [8] * 7
    assert [item.answers for item in partly] == [8, 4, 8, 8, 8, 8, 8]
    assert partly[1].discrimination is None
    assert all(item.discrimination is not None for item in partly if item.id != "i2")
    assert analyse_answers([ea(n) for n in range(1, 9)], panel) == whole  # an item that nobody answered is left out


@given(arrays(float, st.tuples(st.integers(6, 14), st.integers(2, 8)), elements=st.sampled_from([0.0, 1.0])))
def test_discrimination_is_pearson_s_r_with_the_other_items(right: np.ndarray) -> None:
    for column, r in enumerate(discriminations(right)):
        own, rest = right[:, column], np.delete(right, column, axis=1).mean(axis=1)
        if np.ptp(own) == 0 or np.ptp(rest) < 1e-9:
            assert r is None
        else:
            assert r == pytest.approx(np.corrcoef(own, rest)[0, 1], abs=1e-9)


@given(st.floats(-1, 1), st.integers(4, 200))
def test_the_interval_holds_the_correlation_and_narrows_with_more_examinees(r: float, n: int) -> None:
    low, high = correlation_interval(r, n)
    assert -1 <= low <= r + 1e-12
    assert r - 1e-12 <= high <= 1
    widest = correlation_interval(r, 4)
    assert high - low <= widest[1] - widest[0] + 1e-12


def test_the_interval_of_a_weak_panel_is_wide() -> None:
    assert correlation_interval(0.2, 12) == pytest.approx((-0.42, 0.70), abs=0.01)  # Fisher's z, by hand


def test_models_are_summarised_the_best_first_and_intervals_count_items() -> None:
    strong = [PanelAnswer(item=f"i{n}", model="z", sample=s, picks=("call",)) for n in range(10) for s in range(4)]
    weak = [
        PanelAnswer(item=f"i{n}", model="a", sample=s, picks=("call" if s == 0 else None,))
        for n in range(10)
        for s in range(4)
    ]
    items = [ea(n) for n in range(10)]
    first, second = summarise_models(items, weak + strong)
    assert (first.model, first.items, first.answers, first.right, first.unread) == ("z", 10, 40, 1, 0)
    assert first.interval == pytest.approx((0.722, 1), abs=0.001)  # Wilson, 10 of 10
    assert (second.model, second.right, second.unread) == ("a", 0.25, 0.75)


def test_an_answer_to_an_unknown_item_is_refused() -> None:
    with pytest.raises(KeyError, match="i7"):
        analyse_answers([ea(1)], answers({"i7": ["call"]}))
