from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.assemble import assemble_items
from corpus.balance import PAPER_SIZES, Balanced, Record, resolve_sizes, select_balanced
from corpus.decks import cell_name
from corpus.errors import RecipeError
from corpus.records import cell_of
from corpus.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy()
ABOVE = {sub: ("EU", TAXONOMY.coarse_of(sub)) for sub in TAXONOMY.sub_categories} | {
    cell_name(cell): ("EA", cell[0]) for cell in TAXONOMY.cells
}  # each cell's task and category
CELLS = list(ABOVE)
NAMES = sorted({*CELLS, *(name for pair in ABOVE.values() for name in pair)})
SIZES = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 60), max_size=6)


def within(name: str) -> list[str]:
    """The cells that a task, category, or cell consists of."""
    return [cell for cell in CELLS if name == cell or name in ABOVE[cell]]


@pytest.fixture(scope="module")
def drafts(make_eu: Any, make_ea: Any) -> list[Record]:
    """600 drafts of 80 sessions in all cells, some of them much fuller than others."""
    rng, eu, ea = random.Random(1), make_eu(), make_ea()
    made: list[Record] = []
    for number in range(600):
        session = f"s1-{number % 80:05d}"
        told = {"id": f"{session}-m{number // 80}", "session": session}
        cell = CELLS[int(len(CELLS) * rng.random() ** 2)]
        if cell in TAXONOMY.sub_categories:
            made.append(eu.model_copy(update=told | {"finegrained_category": cell}))
        else:
            category, _, question_type = cell.partition(" / ")
            made.append(ea.model_copy(update=told | {"category": category, "question_type": question_type}))
    return made


def kept_of(balanced: Balanced, drafts: list[Any]) -> Counter[str]:
    kept = set(balanced.kept)
    return Counter(cell_of(draft) for draft in drafts if draft.id in kept)


@settings(max_examples=60, deadline=None)
@given(sizes=SIZES, count=st.integers(0, 600), seed=st.integers(0, 9))
def test_no_size_is_exceeded_and_nothing_is_left_out_that_fits(
    drafts: list[Any], sizes: dict[str, int], count: int, seed: int
) -> None:
    some = drafts[:count]
    balanced = select_balanced(some, sizes, {}, seed)
    kept = kept_of(balanced, some)
    totals = {name: sum(kept[cell] for cell in within(name)) for name in NAMES}
    assert all(totals[name] <= size for name, size in sizes.items())
    full = {name for name, size in sizes.items() if totals[name] == size}
    for draft in some:
        if draft.id in balanced.surplus:
            cell = cell_of(draft)
            assert full & {cell, *ABOVE[cell]}, f"{draft.id} would fit"
    assert sorted([*balanced.kept, *balanced.surplus]) == sorted(draft.id for draft in some)
    assert set(balanced.surplus.values()) <= {"over its category's size"}


@settings(max_examples=60, deadline=None)
@given(sizes=SIZES, count=st.integers(0, 600))
def test_what_is_short_fills_the_sizes_where_the_items_do_not(
    drafts: list[Any], sizes: dict[str, int], count: int
) -> None:
    some = drafts[:count]
    balanced = select_balanced(some, sizes, {}, seed=1)
    supply, kept = Counter(map(cell_of, some)), kept_of(balanced, some)
    filled = kept + Counter(balanced.short)
    assert all(lacking > 0 for lacking in balanced.short.values())
    assert all(kept[cell] == supply[cell] for cell in balanced.short), "a cell that lacks items had some left over"
    for name, size in sizes.items():
        total = sum(filled[cell] for cell in within(name))
        others = {other: sum(filled[cell] for cell in within(other)) for other in sizes if other != name}
        blocked = [
            cell
            for cell in within(name)
            if any(cell in within(other) and others[other] == sizes[other] for other in others)
        ]
        assert total == size or len(blocked) == len(within(name))


@settings(max_examples=20, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 9), order=st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order(
    drafts: list[Any], sizes: dict[str, int], seed: int, order: random.Random
) -> None:
    turned = list(drafts)
    order.shuffle(turned)
    assert select_balanced(turned, sizes, {}, seed) == select_balanced(drafts, sizes, {}, seed)


def test_another_seed_chooses_others(drafts: list[Any]) -> None:
    one, other = (select_balanced(drafts, {"EU": 100}, {}, seed).kept for seed in (1, 2))
    assert len(one) == len(other)
    assert one != other


def test_without_sizes_all_is_kept(drafts: list[Any]) -> None:
    assert select_balanced(drafts, None, {}, 1) == Balanced(tuple(sorted(d.id for d in drafts)), {}, {})


def test_items_are_chosen_as_their_drafts_are(drafts: list[Any]) -> None:
    sizes = {"complex_emotions": 50, "EA": 40}
    assert select_balanced(assemble_items(drafts, 1), sizes, {}, 1) == select_balanced(drafts, sizes, {}, 1)


def test_a_category_is_spread_evenly_and_what_one_cell_lacks_the_others_give(make_eu: Any) -> None:
    supply = {"emotion_transition": 40, "mixture_of_emotions": 40, "unexpected_outcome": 4}
    some = [
        make_eu(f"s1-{number:05d}-{cell}", finegrained_category=cell)
        for cell, count in supply.items()
        for number in range(count)
    ]
    balanced = select_balanced(some, {"complex_emotions": 31}, {}, 1)
    assert kept_of(balanced, some) == {"emotion_transition": 14, "mixture_of_emotions": 13, "unexpected_outcome": 4}
    assert balanced.short == {}
    balanced = select_balanced(some, {"complex_emotions": 90}, {}, 1)
    assert len(balanced.kept) == 84
    assert balanced.short == {"unexpected_outcome": 6}


def test_a_cells_own_size_counts_within_its_category(make_ea: Any) -> None:
    some = [make_ea(f"s1-{n:05d}-m0", question_type="Action" if n % 2 else "Response") for n in range(60)]
    balanced = select_balanced(some, {"Social-Self": 40, "Social-Self / Action": 5}, {}, 1)
    assert kept_of(balanced, some) == {"Social-Self / Action": 5, "Social-Self / Response": 30}
    assert balanced.short == {"Social-Self / Response": 5}


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 60), levels=st.lists(st.sampled_from([0.0, 0.8, 1.0]), min_size=60, max_size=60))
def test_the_surest_of_a_cell_are_kept(make_ea: Any, size: int, levels: list[float]) -> None:
    some = [make_ea(f"s1-{number % 20:05d}-m{number // 20}") for number in range(60)]
    sure = {draft.id: level for draft, level in zip(some, levels, strict=True) if level}  # none counts as 0
    kept = select_balanced(some, {"Social-Self": size}, sure, 1).kept
    assert sorted((sure.get(key, 0.0) for key in kept), reverse=True) == sorted(levels, reverse=True)[:size]


@settings(max_examples=30, deadline=None)
@given(sizes=st.tuples(st.integers(1, 30), st.integers(1, 30)), seed=st.integers(0, 9))
def test_of_equals_each_session_keeps_about_as_many(make_ea: Any, sizes: tuple[int, int], seed: int) -> None:
    some = [
        make_ea(f"s1-{session:05d}-m{number}", question_type="Action" if number < 3 else "Response")
        for session in range(10)
        for number in range(6)
    ]
    caps = dict(zip(("Social-Self / Action", "Social-Self / Response"), sizes, strict=True))
    kept = select_balanced(some, caps, {}, seed).kept
    sessions = Counter(key.rpartition("-")[0] for key in kept)
    assert sum(sessions.values()) == sum(sizes)
    assert max(sessions.values()) - min(sessions[f"s1-{n:05d}"] for n in range(10)) <= 1


def test_the_papers_sizes_add_up_to_its_items() -> None:
    sizes = resolve_sizes("paper")
    assert sum(sizes[name] for name in TAXONOMY.eu) == 1527
    assert sum(sizes[name] for name in TAXONOMY.ea.categories) == 1486
    assert sizes == PAPER_SIZES
    short = select_balanced([], "paper", {}, 1).short
    assert sum(short.values()) == 1527 + 1486
    assert short["Social-Self / Action"] == 186
    assert max(short[cell] - short[other] for cell in CELLS for other in CELLS if ABOVE[cell] == ABOVE[other]) <= 1


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"faux_pass": 3}, r"curate\.sizes\.faux_pass: no such category; did you mean faux_pas\?"),
        ({"Social-Self / Actions": 3}, r"did you mean Social-Self / Action\?"),
        ({"qqqqqq": 3}, r"known are EU, complex_emotions, "),
        ({"EU": -1}, r"curate\.sizes\.EU: -1 is no number of items"),
    ],
)
def test_wrong_sizes_are_recipe_errors(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        select_balanced([], sizes, {}, 1)
