from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.decks import cell_shares
from corpus.quotas import TOLERANCE, find_lacking

EQUAL = cell_shares({})
WEIGHTED = cell_shares({"perspective_taking": 3, "persona": 0.5, "Social-Others": 3})
SHARES = st.sampled_from([EQUAL, WEIGHTED])


def quotas_of(written: Counter[str], shares: dict[str, float]) -> dict[str, float]:
    """What each cell should have of the items of its task."""
    totals = Counter[bool]()
    for cell in shares:
        totals["/" in cell] += written[cell]
    return {cell: share * totals["/" in cell] for cell, share in shares.items()}


def is_met(count: int, quota: float) -> bool:
    """Within 5% of the quota, or less than one item away."""
    return count >= quota * (1 - TOLERANCE) or quota - count < 1


@settings(max_examples=100, deadline=None)
@given(shares=SHARES, data=st.data())
def test_what_is_lacking_fills_every_cell_to_its_quota_and_none_beyond(
    shares: dict[str, float], data: st.DataObject
) -> None:
    written = Counter({cell: data.draw(st.integers(0, 400)) for cell in shares})
    lacking = find_lacking(written, shares)
    after = written + Counter(lacking)
    for cell, quota in quotas_of(after, shares).items():  # of the total that will be
        assert is_met(after[cell], quota)
        assert after[cell] < quota + 1 or cell not in lacking
    assert all(count >= 1 for count in lacking.values())


@settings(max_examples=40, deadline=None)
@given(shares=SHARES, items=st.integers(200, 6000), kept=st.lists(st.floats(0.6, 1), min_size=19, max_size=19))
def test_rounds_come_to_an_end_with_every_cell_within_a_twentieth(
    shares: dict[str, float], items: int, kept: list[float]
) -> None:
    written = Counter(
        {cell: int(items * share * part) for (cell, share), part in zip(shares.items(), kept, strict=True)}
    )
    for _ in range(15):
        written.update(find_lacking(written, shares))
    assert find_lacking(written, shares) == {}
    assert all(is_met(written[cell], quota) for cell, quota in quotas_of(written, shares).items())


@settings(max_examples=40, deadline=None)
@given(shares=SHARES, items=st.integers(200, 6000), part=st.floats(0, 1), data=st.data())
def test_three_rounds_make_up_for_a_category_of_which_any_part_was_lost(
    shares: dict[str, float], items: int, part: float, data: st.DataObject
) -> None:
    written = Counter({cell: int(items * share) for cell, share in shares.items()})
    hit = data.draw(st.sampled_from(sorted(shares)))
    written[hit] = int(written[hit] * part)
    for _ in range(3):
        written.update(find_lacking(written, shares))
    assert all(is_met(written[cell], quota) for cell, quota in quotas_of(written, shares).items())


@pytest.mark.parametrize(("count", "lacking"), [(96, {}), (95, {}), (94, {"faux_pas": 6}), (0, {"faux_pas": 100})])
def test_a_cell_lacks_only_when_it_is_more_than_a_twentieth_short(count: int, lacking: dict[str, int]) -> None:
    written = Counter(dict.fromkeys(EQUAL, 100)) | Counter()
    written["faux_pas"] = count
    assert find_lacking(written, EQUAL).keys() == lacking.keys()
    for cell, number in lacking.items():
        assert abs(find_lacking(written, EQUAL)[cell] - number) <= 1


def test_one_task_does_not_make_up_for_the_other() -> None:
    written = Counter({cell: 10 if "/" in cell else 500 for cell in EQUAL})
    assert find_lacking(written, EQUAL) == {}
    written["Social-Self / Action"] = 0
    assert find_lacking(written, EQUAL) == {"Social-Self / Action": 10}


def test_nothing_written_lacks_nothing() -> None:
    assert find_lacking(Counter(), EQUAL) == {}


def test_cells_without_a_share_are_not_counted() -> None:
    shares = cell_shares({"faux_pas": 0})
    written = Counter(dict.fromkeys(shares, 50) | {"faux_pas": 5000})
    assert find_lacking(written, shares) == {}
