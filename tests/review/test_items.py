"""The sample: fixed, nested, stratified at every length; items as they are shown."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import DataError, RunError
from review.items import ReviewItem, draw_sample, spread
from tests.review.conftest import make_ea, make_eu, write_run


@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_every_beginning_holds_each_stratum_in_proportion(sizes: list[int], seed: int) -> None:
    cells = {f"cell {number}": size for number, size in enumerate(sizes)}
    names = [name for name, size in cells.items() for _ in range(size)]
    items = [ReviewItem(make_eu(number, cell)) for number, cell in enumerate(names)]
    ordered = spread(items, seed)
    assert sorted(item.id for item in ordered) == sorted(item.id for item in items)
    seen: Counter[str] = Counter()
    for length, item in enumerate(ordered, 1):
        seen[item.item.finegrained_category] += 1  # type: ignore[union-attr]
        # Each stratum is drawn to the same depth, to within one of its items.
        depths = [(seen[name] / size, 1 / size) for name, size in cells.items()]
        assert all(abs(one - two) < step + other + 1e-9 for one, step in depths for two, other in depths), length


def test_order_depends_on_the_seed_and_not_on_the_order_of_the_file() -> None:
    items = [ReviewItem(make_eu(number)) for number in range(40)]
    assert spread(items, 1) == spread(items[::-1], 1) != spread(items, 2)


def test_kept_aside_and_all(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [make_eu(1), make_ea(2)], [(make_eu(3), "blind answers disagree")])
    ids = {of: {item.id for item in draw_sample(run, of, 50)} for of in ("kept", "aside", "all")}  # type: ignore[arg-type]
    assert ids == {
        "kept": {"s1-00001-m0", "s1-00002-m1"},
        "aside": {"s1-00003-m0"},
        "all": {"s1-00001-m0", "s1-00002-m1", "s1-00003-m0"},
    }
    assert [item.reason for item in draw_sample(run, "aside", 1)] == ["blind answers disagree"]


def test_a_smaller_sample_begins_a_larger_one(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [make_eu(number) for number in range(30)])
    assert draw_sample(run, "all", 7) == draw_sample(run, "kept", 20)[:7]
    assert len(draw_sample(run, "kept", 99)) == 30


def test_what_cannot_be_reviewed_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"`curate` is not done"):
        draw_sample(write_run(tmp_path / "raw", [make_eu(1)], curated=False), "kept", 5)
    run = write_run(tmp_path / "run", [make_eu(1)])
    with pytest.raises(RunError, match=r"no items to review \(the judge set none aside\)"):
        draw_sample(run, "aside", 5)
    run.aside_path.write_text('{"reason": "x", "split": "train", "qid": 3}\n')
    with pytest.raises(DataError, match=r"aside\.jsonl, line 1"):
        draw_sample(run, "all", 5)


def test_an_item_as_it_is_shown() -> None:
    understanding, application = ReviewItem(make_eu(1)), ReviewItem(make_ea(2), "because")
    assert understanding.category == "EU · complex emotions · mixed emotions"
    assert application.category == "EA · Personal-Others · Response"
    emotion, cause = understanding.questions
    assert emotion.text == "Which emotion or emotions does Noor feel in the end?"
    assert (emotion.key, cause.key) == ("Relief", "the chair is back")
    assert application.questions[0].choices == ("Here you are", "Which chair?", "I am busy", "Not now")
