from __future__ import annotations

import pytest

from corpus.records import ApplicationItem, UnderstandingItem
from eval.baselines import best_constant, chance_level


def test_chance_is_one_of_the_choices(ea: ApplicationItem) -> None:
    two = ea.model_copy(update={"choices": ea.choices[:2]})
    assert chance_level([ea]) == pytest.approx(1 / 4)
    assert chance_level([ea, two]) == pytest.approx((1 / 4 + 1 / 2) / 2)


def test_chance_on_understanding_needs_both_answers(eu: UnderstandingItem) -> None:
    assert chance_level([eu]) == pytest.approx(1 / 24)


def test_the_best_constant_is_the_commonest_letter(ea: ApplicationItem) -> None:
    keys = (0, 2, 2, 3, 2)
    items = [ea.model_copy(update={"label": ea.choices[key]}) for key in keys]
    assert best_constant(items) == pytest.approx(3 / 5)


def test_the_best_constant_on_understanding_is_a_pair(eu: UnderstandingItem) -> None:
    items = [
        eu.model_copy(update={"emotion_label": eu.emotion_choices[e], "cause_label": eu.cause_choices[c]})
        for e, c in ((0, 0), (0, 1), (0, 2), (3, 1), (3, 1))
    ]
    assert best_constant(items) == pytest.approx(2 / 5)
