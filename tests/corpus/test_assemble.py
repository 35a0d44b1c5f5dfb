from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.assemble import assemble_items, balanced_positions, place
from corpus.records import ApplicationItem, UnderstandingItem


def spread(positions: list[int], choices: int) -> int:
    counts = Counter(positions)
    return max(counts[n] for n in range(choices)) - min(counts[n] for n in range(choices))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 200), st.integers(2, 6), st.integers())
def test_positions_are_balanced_to_within_one(count: int, choices: int, seed: int) -> None:
    positions = balanced_positions(count, choices, seed)
    assert len(positions) == count
    assert set(positions) <= set(range(choices))
    assert spread(positions, choices) <= 1
    assert balanced_positions(count, choices, seed) == positions


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=5), min_size=3, max_size=6, unique=True), st.integers(), st.data())
def test_a_label_is_placed_where_it_is_wanted_and_nothing_is_lost(
    choices: list[str], seed: int, data: st.DataObject
) -> None:
    label, *wrong = choices
    position = data.draw(st.integers(0, len(wrong)))
    placed = place(label, wrong, position, seed)
    assert placed[position] == label
    assert sorted(placed) == sorted(choices)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 99))
def test_items_hold_their_drafts_and_balanced_keys(make_eu: Any, make_ea: Any, eu: int, ea: int, seed: int) -> None:
    drafts = [make_eu(f"s1-{n:05d}-m0") for n in range(eu)] + [make_ea(f"s1-{n:05d}-m1") for n in range(ea)]
    items = assemble_items(drafts, seed)
    assert assemble_items(drafts, seed) == items
    assert [item.qid for item in items] == sorted(draft.id for draft in drafts)
    by_id = {draft.id: draft for draft in drafts}
    emotions, causes, options = list[int](), list[int](), list[int]()
    for item in items:
        draft = by_id[item.qid]
        assert (item.session, item.scenario, item.subject) == (draft.session, draft.scenario, draft.subject)
        if isinstance(item, UnderstandingItem):
            assert sorted(item.emotion_choices) == sorted((draft.emotion, *draft.wrong_emotions))
            assert sorted(item.cause_choices) == sorted((draft.cause, *draft.wrong_causes))
            emotions.append(item.emotion_choices.index(item.emotion_label))
            causes.append(item.cause_choices.index(item.cause_label))
        else:
            assert sorted(item.choices) == sorted((draft.best, *draft.wrong))
            options.append(item.choices.index(item.label))
    assert spread(emotions, 6) <= 1
    assert spread(causes, 4) <= 1
    assert spread(options, 4) <= 1


def test_another_seed_puts_the_keys_elsewhere(make_ea: Any) -> None:
    drafts = [make_ea(f"s1-{n:05d}-m1") for n in range(20)]
    one, other = assemble_items(drafts, 1), assemble_items(drafts, 2)
    assert [_choices(item) for item in one] != [_choices(item) for item in other]


def test_wrong_choices_come_in_every_order(make_ea: Any) -> None:
    drafts = [make_ea(f"s1-{n:05d}-m1", best="best", wrong=("a", "b", "c")) for n in range(80)]
    orders = {tuple(c for c in _choices(item) if c != "best") for item in assemble_items(drafts, 3)}
    assert len(orders) == 6


def _choices(item: UnderstandingItem | ApplicationItem) -> tuple[str, ...]:
    assert isinstance(item, ApplicationItem)
    return item.choices
