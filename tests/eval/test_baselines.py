from __future__ import annotations

import random
import time
from collections.abc import Sequence

import pytest

from corpus.records import ApplicationItem, UnderstandingItem
from eval.baselines import best_constant, chance_level, choices_only, longest_option, read_choices_only

WORDS = [a + b for a in "bdfgklmnprst" for b in ("ano", "eri", "ilu", "oma", "uvet")]


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


def test_the_longest_option_is_often_the_key(ea: ApplicationItem) -> None:
    choices = ("a", "abc", "ab", "abd")
    items = [ea.model_copy(update={"choices": choices, "label": label}) for label in choices]
    assert longest_option(items) == pytest.approx(1 / 4), "of two longest the first is taken"


def write(rng: random.Random, *more: str) -> str:
    return " ".join([*rng.sample(WORDS, 6), *more])


def applications(ea: ApplicationItem, count: int, giveaway: Sequence[str] = ()) -> list[ApplicationItem]:
    """Items of random words; the right option of each holds the giveaway."""
    rng = random.Random(7)
    items = []
    for number in range(count):
        label = write(rng, *giveaway)
        choices = [label, *(write(rng) for _ in range(3))]
        rng.shuffle(choices)
        items.append(ea.model_copy(update={"scenario": f"s{number}", "choices": tuple(choices), "label": label}))
    return items


def test_a_word_that_right_options_have_gives_them_away(ea: ApplicationItem) -> None:
    assert choices_only(applications(ea, 80, ["gently"])) > 0.95


def test_so_does_a_pair_of_words_and_a_character(ea: ApplicationItem) -> None:
    assert choices_only(applications(ea, 80, ["我很高兴"])) > 0.95
    pairs = applications(ea, 160)
    spoilt = [
        item.model_copy(
            update={
                "choices": tuple(f"{c} would rather" if c == item.label else f"{c} rather would" for c in item.choices),
                "label": f"{item.label} would rather",
            }
        )
        for item in pairs
    ]
    assert choices_only(spoilt) > 0.95


def test_where_nothing_gives_them_away_it_is_chance(ea: ApplicationItem) -> None:
    assert choices_only(applications(ea, 400)) == pytest.approx(0.25, abs=0.06)


def test_items_of_one_scenario_are_not_learned_from_each_other(ea: ApplicationItem) -> None:
    once = applications(ea, 100)
    thrice = [item for item in once for _ in range(3)]
    assert choices_only(thrice) == pytest.approx(choices_only(once), abs=0.1)
    apart = [item.model_copy(update={"scenario": f"{item.scenario} {n}"}) for n, item in enumerate(thrice)]
    assert choices_only(apart) > 0.9, "which is what it scores when it may"


def test_on_understanding_both_parts_must_be_given_away(ea: ApplicationItem, eu: UnderstandingItem) -> None:
    given, hidden = applications(ea, 80, ["gently"]), applications(ea, 80)
    items = [
        eu.model_copy(
            update={
                "scenario": one.scenario,
                "emotion_choices": one.choices, "emotion_label": one.label,
                "cause_choices": two.choices, "cause_label": two.label,
            }
        )
        for one, two in zip(given, hidden, strict=True)
    ]  # fmt: skip
    assert choices_only(items) == pytest.approx(0.25, abs=0.13)
    mixed = [*items, *given]
    assert choices_only(mixed) == pytest.approx((choices_only(items) + choices_only(given)) / 2)


def test_who_has_learned_nothing_guesses(ea: ApplicationItem) -> None:
    assert choices_only([ea]) == pytest.approx(1 / 4)
    assert read_choices_only([(("a", "b"), "b"), (("c", "d", "e"), "c")], ["x", "y"]) == pytest.approx([1 / 2, 1 / 3])


def test_the_reader_is_quick_and_says_the_same_again(ea: ApplicationItem) -> None:
    items = applications(ea, 400)
    begin = time.process_time()
    first = choices_only(items)
    assert time.process_time() - begin < 3
    assert choices_only(items) == first
