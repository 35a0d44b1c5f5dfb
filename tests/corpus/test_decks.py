from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.config import PlanConfig
from corpus.decks import Dealer, Deck, cell_name, cell_named, cell_shares
from corpus.errors import RecipeError
from corpus.plans import make_plans
from corpus.records import Task
from corpus.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy()
CELLS = [*((sub, "") for sub in TAXONOMY.sub_categories), *TAXONOMY.cells]
CATEGORIES = [*TAXONOMY.eu, *TAXONOMY.sub_categories, *TAXONOMY.ea.categories]
QUARTERS = st.integers(1, 20).map(lambda quarters: quarters / 4)


def aims_of(cell: tuple[str, str]) -> tuple[str, ...]:
    name, question_type = cell
    if question_type:
        return TAXONOMY.ea.categories[name].calls_for[question_type]  # type: ignore[index]
    return TAXONOMY.sub_categories[name].aims


@settings(max_examples=40, deadline=None)
@given(cards=st.lists(st.integers(0, 5), min_size=1, max_size=12), rounds=st.integers(1, 4), key=st.integers())
def test_a_card_is_dealt_again_only_after_all_others(cards: list[int], rounds: int, key: int) -> None:
    deck = Deck(cards, key)
    for _ in range(rounds):
        assert sorted(deck.deal() for _ in cards) == sorted(cards)


def test_a_deck_is_shuffled_anew_each_time_and_by_its_key() -> None:
    deck, again, other = (Deck(range(30), key) for key in ("a", "a", "b"))
    first, second = ([deck.deal() for _ in range(30)] for _ in range(2))
    assert len({tuple(first), tuple(second), tuple(range(30))}) == 3
    assert [again.deal() for _ in range(60)] == first + second
    assert [other.deal() for _ in range(30)] != first


@pytest.mark.parametrize(("task", "cells"), [("EU", 11), ("EA", 8)])
def test_each_cell_comes_equally_often_in_every_deck(task: Task, cells: int) -> None:
    dealer = Dealer({}, seed=3)
    for _ in range(3):
        counts = Counter(dealer.deal_cell(task) for _ in range(4 * cells))
        assert len(counts) == cells
        assert set(counts.values()) == {4}


@settings(max_examples=30, deadline=None)
@given(weights=st.dictionaries(st.sampled_from(CATEGORIES), QUARTERS, max_size=6), seed=st.integers(0, 999))
def test_what_is_dealt_follows_the_weights_exactly(weights: dict[str, float], seed: int) -> None:
    dealer = Dealer(weights, seed)
    asked: dict[str, dict[tuple[str, str], float]] = {
        "EU": {
            (sub, ""): weights.get(sub, weights.get(coarse, 1.0))
            for coarse, subs in TAXONOMY.eu.items()
            for sub in subs
        },
        "EA": {(category, question): weights.get(category, 1.0) for category, question in TAXONOMY.cells},
    }
    for task in ("EU", "EA"):
        cards = round(4 * sum(asked[task].values()))
        assert Counter(dealer.deal_cell(task) for _ in range(cards)) == {c: 4 * w for c, w in asked[task].items()}
        for cell, weight in asked[task].items():
            assert cell_shares(weights)[cell_name(cell)] == pytest.approx(4 * weight / cards)  # type: ignore[arg-type]


def test_a_sub_categorys_weight_overrides_that_of_its_coarse_category() -> None:
    shares = cell_shares({"perspective_taking": 3, "faux_pas": 0.5})
    assert shares["false_belief"] == pytest.approx(3 * shares["persona"])
    assert shares["faux_pas"] == pytest.approx(0.5 * shares["persona"])


def test_a_cell_of_weight_0_has_no_share_and_is_never_dealt() -> None:
    weights = {"emotional_cues": 0.0, "Social-Self": 0.0}
    assert not {"visual_cues", "vocal_cues", "Social-Self / Action", "Social-Self / Response"} & set(
        cell_shares(weights)
    )
    dealer = Dealer(weights, seed=1)
    assert {cell[0] for _ in range(300) for cell in (dealer.deal_cell("EU"), dealer.deal_cell("EA"))} == {
        *TAXONOMY.sub_categories, *TAXONOMY.ea.categories
    } - {"visual_cues", "vocal_cues", "Social-Self"}  # fmt: skip


@pytest.mark.parametrize("cell", CELLS)
def test_aims_of_a_cell_are_dealt_equally_often(cell: tuple[str, str]) -> None:
    dealer, aims = Dealer({}, seed=5), aims_of(cell)
    for _ in range(2):
        assert sorted(dealer.deal_aim(cell)[0] for _ in aims) == sorted(aims)  # type: ignore[arg-type]


def test_variants_of_a_cell_and_aim_count_up_from_a_number_of_the_seed() -> None:
    starts = set()
    for seed in range(20):
        dealer, seen = Dealer({}, seed), dict[str, list[int]]()
        for _ in range(36):
            aim, variant = dealer.deal_aim(("faux_pas", ""))
            seen.setdefault(aim, []).append(variant)
        for numbers in seen.values():
            assert numbers == list(range(numbers[0], numbers[0] + 3))
        starts.add(tuple(numbers[0] for _, numbers in sorted(seen.items())))
    assert len(starts) == 20


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_is_found_by_its_name(cell: tuple[str, str]) -> None:
    assert cell_named(cell_name(cell)) == cell  # type: ignore[arg-type]


def test_cells_are_named_as_moments_name_them() -> None:
    named = {moment.cell for plan in make_plans(PlanConfig(sessions=60), seed=1) for moment in plan.moments}
    assert named == set(cell_shares({})) == {cell_name(cell) for cell in CELLS}  # type: ignore[arg-type]


def test_an_unknown_name_is_no_cell() -> None:
    with pytest.raises(StopIteration):
        cell_named("Social-Self")


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), 1e9, 0.1])
def test_an_impossible_weight_is_a_recipe_error_that_names_the_key(weight: float) -> None:
    with pytest.raises(RecipeError, match=r"plan\.weights\.persona"):
        cell_shares({"persona": weight})


@pytest.mark.parametrize("task", ["EU", "EA"])
def test_a_task_must_keep_one_category(task: str) -> None:
    names = TAXONOMY.eu if task == "EU" else TAXONOMY.ea.categories
    with pytest.raises(RecipeError, match=rf"every {task} category has weight 0"):
        Dealer(dict.fromkeys(names, 0.0), seed=1)


def test_an_unknown_weight_is_a_recipe_error_that_lists_the_known() -> None:
    with pytest.raises(
        RecipeError, match=r"plan\.weights\.faux_pass: no such category.*perspective_taking.*Social-Self"
    ):
        Dealer({"faux_pass": 2}, seed=1)
