from __future__ import annotations

import random
from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.assemble import assemble_items
from corpus.decks import Dealer
from corpus.records import ApplicationItem, UnderstandingItem, cell_of
from corpus.split import missing_cells, split_by_persona

Items = list[UnderstandingItem | ApplicationItem]
Personas = dict[str, str]
SHARES = {"train": 0.80, "heldout": 0.12, "validation": 0.08}


@pytest.fixture(scope="module")
def planned(make_eu: Any, make_ea: Any) -> tuple[Items, Personas]:
    """560 sessions of 252 personas, dealt as plans are, of whose moments four in five became items (about 3,100)."""
    rng, drafts, personas, dealer = random.Random(1), [], {}, Dealer({}, seed=1)
    eu, ea = make_eu(), make_ea()
    for number in range(560):
        session = f"s1-{number:05d}"
        personas[session] = f"Person {number % 252}"
        for moment in range(rng.randint(6, 8)):
            name, question_type = dealer.deal_cell("EA" if moment % 2 else "EU")
            told = {"id": f"{session}-m{moment}", "session": session}
            if rng.random() < 0.2:
                continue
            if question_type:
                drafts.append(ea.model_copy(update=told | {"category": name, "question_type": question_type}))
            else:
                drafts.append(eu.model_copy(update=told | {"finegrained_category": name}))
    return assemble_items(drafts, 1), personas


@pytest.fixture(scope="module")
def items(planned: tuple[Items, Personas]) -> Items:
    return planned[0]


@pytest.mark.parametrize("seed", range(5))
def test_shares_of_items_are_as_asked_in_all_and_in_every_cell(planned: tuple[Items, Personas], seed: int) -> None:
    items, personas = planned
    parts = split_by_persona(items, personas, 0.08, 0.12, seed)
    totals = Counter(parts[item.session] for item in items)
    cells = Counter(cell_of(item) for item in items)
    counts = Counter((parts[item.session], cell_of(item)) for item in items)
    for part, share in SHARES.items():
        assert totals[part] / len(items) == pytest.approx(share, abs=0.005)
        for cell, count in cells.items():
            assert counts[part, cell] / count == pytest.approx(share, abs=0.03), (part, cell)
    assert missing_cells(items, parts) == {}


@settings(max_examples=30, deadline=None)
@given(
    start=st.integers(0, 3000),
    count=st.integers(1, 400),
    people=st.integers(1, 60),
    validation=st.floats(0.02, 0.4),
    heldout=st.floats(0.02, 0.4),
    seed=st.integers(0, 99),
    order=st.randoms(use_true_random=False),
)
def test_no_session_and_no_persona_is_on_two_sides(
    items: Items,
    start: int,
    count: int,
    people: int,
    validation: float,
    heldout: float,
    seed: int,
    order: random.Random,
) -> None:
    some = items[start : start + count] or items[:1]
    personas = {item.session: f"Person {order.randrange(people)}" for item in some}
    parts = split_by_persona(some, personas, validation, heldout, seed)
    assert parts.keys() == {item.session for item in some}
    sides: dict[str, set[str]] = defaultdict(set)
    for session, part in parts.items():
        sides[personas[session]].add(part)
    assert all(len(found) == 1 for found in sides.values())
    expected = {1: {"train"}, 2: {"train", "heldout"}}.get(len(sides), set(SHARES))
    assert set(parts.values()) == expected
    turned = list(some)
    order.shuffle(turned)
    assert split_by_persona(turned, dict(reversed(personas.items())), validation, heldout, seed) == parts


def test_a_persona_is_the_same_in_other_case_and_space(items: Items) -> None:
    some = items[:300]
    sessions = sorted({item.session for item in some})
    spellings = ("A nurse in Oslo.", "a nurse  in Oslo. ", "A NURSE IN OSLO.")
    personas = {session: spellings[n % 3] if n < 30 else session for n, session in enumerate(sessions)}
    parts = split_by_persona(some, personas, 0.1, 0.2, seed=1)
    assert len({parts[session] for session in sessions[:30]}) == 1


def test_a_cell_of_one_persona_is_trained_on_and_the_other_parts_say_that_they_lack_it(
    items: Items, make_ea: Any
) -> None:
    rare = [item for item in items if cell_of(item) == "faux_pas"]
    some = [item for item in items if cell_of(item) != "faux_pas"]
    some += [item.model_copy(update={"session": some[0].session}) for item in rare[:5]]
    parts = split_by_persona(some, {item.session: item.session for item in some}, 0.08, 0.12, seed=1)
    assert parts[some[0].session] == "train"
    assert missing_cells(some, parts) == {"validation": ("faux_pas",), "heldout": ("faux_pas",)}


def test_a_persona_with_most_of_the_items_is_trained_on(make_ea: Any) -> None:
    drafts = [make_ea(f"s1-{0 if n < 60 else n:05d}-m{n}") for n in range(80)]
    personas = {draft.session: f"Person {draft.session}" for draft in drafts}
    parts = split_by_persona(assemble_items(drafts, 1), personas, 0.1, 0.1, seed=1)
    assert parts["s1-00000"] == "train"
    assert Counter(parts.values())["heldout"] == Counter(parts.values())["validation"] == 8


def test_three_personas_fill_three_parts_and_the_largest_is_trained_on(make_ea: Any) -> None:
    drafts = [make_ea(f"s1-{session:05d}-m{n}") for session, size in enumerate((2, 9, 4)) for n in range(size)]
    personas = {draft.session: f"Person {draft.session}" for draft in drafts}
    assert split_by_persona(assemble_items(drafts, 1), personas, 0.1, 0.1, seed=1) == {
        "s1-00000": "validation",
        "s1-00001": "train",
        "s1-00002": "heldout",
    }


def test_another_seed_holds_out_other_sessions(planned: tuple[Items, Personas]) -> None:
    one, other = (split_by_persona(*planned, 0.08, 0.12, seed) for seed in (1, 2))
    assert one != other


def test_no_items_give_no_parts() -> None:
    assert split_by_persona([], {}, 0.08, 0.12, seed=1) == {}
