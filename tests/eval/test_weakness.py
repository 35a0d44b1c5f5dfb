from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.decks import MAX_WEIGHT, cell_shares
from corpus.errors import RecipeError
from corpus.records import ApplicationItem, UnderstandingItem, cell_of
from corpus.taxonomy import load_taxonomy
from eval.scores import Mark
from eval.weakness import MOST, Weakness, find_weak, metric_weights, plan_weights

CELLS = {sub: coarse for coarse, subs in load_taxonomy().eu.items() for sub in subs}
Items = list[UnderstandingItem | ApplicationItem]


def mark(item: UnderstandingItem | ApplicationItem, *wrong: int, unread: bool = False) -> Mark:
    """A mark with wrong answers to the questions of the given numbers."""
    keys = [choices.index(label) for choices, label in item.questions]
    picks = tuple(
        None if unread else (key + 1) % len(choices) if number in wrong else key
        for number, (key, (choices, _)) in enumerate(zip(keys, item.questions, strict=True))
    )
    right = not wrong and not unread
    return Mark(id=item.qid, raw="", answered=not unread, strict=right, lenient=right, rules=(), picks=picks)


@pytest.fixture(scope="module")
def understanding(eu: UnderstandingItem) -> list[UnderstandingItem]:
    """Twenty items of each of two cells, of one category each."""
    return [
        eu.model_copy(update={"qid": f"{cell}-{n}", "finegrained_category": cell, "coarse_category": CELLS[cell]})
        for cell in ("faux_pas", "mixture_of_emotions")
        for n in range(20)
    ]


def weakness(right: int, n: int = 20, mean: float = 0.6, cell: str = "faux_pas", **missed: int) -> Weakness:
    return Weakness("EU", CELLS[cell], cell, n, right, mean, missed)


def test_cells_are_counted_with_what_was_missed(understanding: list[UnderstandingItem]) -> None:
    marks = [mark(item) for item in understanding]
    marks[:5] = [mark(item, 0) for item in understanding[:5]]
    marks[5] = mark(understanding[5], 0, 1)
    marks[6] = mark(understanding[6], unread=True)
    weak, strong = find_weak(understanding, reversed(marks))
    assert weak == Weakness(
        "EU", CELLS["faux_pas"], "faux_pas", 20, 13, 33 / 40, {"emotion": 7, "cause": 2}
    )  # fmt: skip
    assert (strong.cell, strong.right, strong.missed) == ("mixture_of_emotions", 20, {})


def test_tasks_have_means_of_their_own(items: Items) -> None:
    found = find_weak(items, [mark(item, 0) if item.task == "EU" else mark(item) for item in items])
    assert {(one.task, one.mean) for one in found} == {("EA", 1.0), ("EU", 0.0)}
    assert sorted({one.cell for one in found}) == sorted({cell_of(item) for item in items})
    assert {one.factor for one in found} == {1.0}, "right or wrong everywhere, no cell is weaker than another"


def test_marks_of_earlier_versions_tell_no_question(understanding: list[UnderstandingItem]) -> None:
    old = [mark(item, 0).model_copy(update={"picks": ()}) for item in understanding]
    assert [one.missed for one in find_weak(understanding, old)] == [{}, {}]


def test_an_unmarked_item_is_not_passed_over(understanding: list[UnderstandingItem]) -> None:
    with pytest.raises(KeyError):
        find_weak(understanding, [mark(item) for item in understanding[1:]])


def test_a_cell_is_weak_when_chance_does_not_explain_it() -> None:
    assert weakness(5).is_weak
    assert not weakness(11).is_weak
    assert not weakness(0, n=2).is_weak, "two items show nothing"


def test_factors_go_by_odds_drawn_to_the_mean() -> None:
    assert weakness(12).factor == 1.0, "at the mean"
    assert weakness(20).factor == 1.0, "never below"
    # (8 + 6) / 30 = 0.467 right; odds 1.5 against 0.875
    assert weakness(8).factor == 1.75
    assert weakness(0, n=400).factor == MOST
    assert weakness(0, n=2).factor < weakness(0, n=20).factor
    assert weakness(14, mean=0.9).factor > 1.75, "as much is said of a strong student"


def test_weights_are_the_recipes_times_the_factor() -> None:
    weak = weakness(8)
    assert plan_weights([weak], {}) == {"faux_pas": 1.75}
    assert plan_weights([weak], {"faux_pas": 2}) == {"faux_pas": 3.5}
    category = weak.category
    assert plan_weights([weak], {category: 0.5}) == {category: 0.5, "faux_pas": 1.0}
    assert plan_weights([weak], {category: 0}) == {category: 0}, "what is left out stays out"
    assert plan_weights([weakness(12)], {"Social-Self": 2}) == {"Social-Self": 2}
    assert plan_weights([weak], {"faux_pas": 100}) == {"faux_pas": MAX_WEIGHT}


@given(
    rights=st.lists(st.integers(0, 30), min_size=len(CELLS), max_size=len(CELLS)),
    weights=st.dictionaries(
        st.sampled_from([*CELLS, *set(CELLS.values())]), st.sampled_from([0, 0.25, 0.3, 1, 1.1, 2.5, 60, 100])
    ),
)
def test_weights_can_be_planned_and_take_nothing_away(rights: list[int], weights: dict[str, float]) -> None:
    mean = sum(rights) / (30 * len(rights))
    found = [weakness(right, 30, mean, cell) for cell, right in zip(CELLS, rights, strict=True)]
    new = plan_weights(found, weights)
    for cell, coarse in CELLS.items():
        own = weights.get(cell, weights.get(coarse, 1.0))
        given = new.get(cell, new.get(coarse, 1.0))
        assert own <= given <= MAX_WEIGHT
        assert given or not own
    try:
        planned = set(cell_shares(weights))
    except RecipeError:  # no cell is left of the recipe's own
        return
    assert set(cell_shares(new)) == planned


def test_criteria_count_in_full_for_the_question_that_is_missed_most() -> None:
    emotion, cause = weakness(5, emotion=12, cause=3), weakness(5, emotion=3, cause=12)
    assert metric_weights([emotion], "items") == {"plan_fit": 1.0, "distractors": 1.0}
    assert metric_weights([cause], "items") == {"grounded": 1.0, "distractors": 1.0}
    assert set(metric_weights([emotion, cause], "items")) == {"plan_fit", "grounded", "distractors"}
    assert metric_weights([emotion], "session") == {"plan_fit": 1.0}
    assert metric_weights([emotion], "exam") == {}
    assert metric_weights([weakness(11, emotion=9)], "items") == {}, "nothing is weak"
    assert metric_weights([weakness(5)], "items") == {}, "marks of earlier versions"
