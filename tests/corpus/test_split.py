from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.assemble import assemble_items
from corpus.records import ApplicationItem, UnderstandingItem, cell_of
from corpus.split import split_by_session
from corpus.taxonomy import load_taxonomy

Items = list[UnderstandingItem | ApplicationItem]


@pytest.fixture(scope="module")
def items(make_eu: Any, make_ea: Any) -> Items:
    """300 sessions of six to eight items in all nineteen cells."""
    rng, taxonomy, drafts = random.Random(1), load_taxonomy(), []
    for session in range(300):
        for number in range(rng.randint(6, 8)):
            key = f"s1-{session:05d}-m{number}"
            if rng.random() < 0.5:
                drafts.append(make_eu(key, finegrained_category=rng.choice(list(taxonomy.sub_categories))))
            else:
                category, question_type = rng.choice(taxonomy.cells)
                drafts.append(make_ea(key, category=category, question_type=question_type))
    return assemble_items(drafts, 1)


def test_shares_of_items_are_as_asked(items: Items) -> None:
    parts = split_by_session(items, 0.08, 0.12, seed=1)
    counts = Counter(parts[item.session] for item in items)
    assert counts["validation"] / len(items) == pytest.approx(0.08, abs=0.01)
    assert counts["heldout"] / len(items) == pytest.approx(0.12, abs=0.01)


def test_every_cell_has_its_share_in_every_part(items: Items) -> None:
    parts = split_by_session(items, 0.15, 0.25, seed=1)
    cells = Counter(cell_of(item) for item in items)
    counts = Counter((parts[item.session], cell_of(item)) for item in items)
    for cell, count in cells.items():
        assert counts["train", cell] / count == pytest.approx(0.60, abs=0.06)
        assert counts["validation", cell] / count == pytest.approx(0.15, abs=0.06)
        assert counts["heldout", cell] / count == pytest.approx(0.25, abs=0.06)


@settings(max_examples=20, deadline=None)
@given(
    count=st.integers(1, 400),
    validation=st.floats(0.02, 0.4),
    heldout=st.floats(0.02, 0.4),
    seed=st.integers(0, 99),
    order=st.integers(0, 99),
)
def test_every_session_has_one_part_whatever_the_order_of_items(
    items: Items, count: int, validation: float, heldout: float, seed: int, order: int
) -> None:
    some = items[:count]
    parts = split_by_session(some, validation, heldout, seed)
    assert parts.keys() == {item.session for item in some}
    assert set(parts.values()) <= {"train", "validation", "heldout"}
    turned = list(some)
    random.Random(order).shuffle(turned)
    assert split_by_session(turned, validation, heldout, seed) == parts


def test_another_seed_holds_out_other_sessions(items: Items) -> None:
    assert split_by_session(items, 0.08, 0.12, seed=1) != split_by_session(items, 0.08, 0.12, seed=2)


def test_no_items_give_no_parts() -> None:
    assert split_by_session([], 0.08, 0.12, seed=1) == {}
