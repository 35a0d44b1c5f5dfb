from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from corpus.markdown import count_of, list_counts, render_table


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), max_size=4))
def test_no_text_breaks_a_table(rows: list[list[str]]) -> None:
    lines = render_table(("a", "b"), rows).split("\n")
    assert len(lines) == 2 + len(rows)
    for line in lines:
        assert line.replace("\\|", "").count("|") == 3
        assert line.startswith("| ")
        assert line.endswith(" |")


def test_counts_come_largest_first_and_ties_by_name() -> None:
    assert list_counts({"b": 1, "c": 1200, "a": 1}) == "c 1,200, a 1, b 1"
    assert list_counts({}) == ""


def test_one_is_not_many() -> None:
    assert [count_of(n, "item") for n in (0, 1, 2000)] == ["0 items", "1 item", "2,000 items"]
