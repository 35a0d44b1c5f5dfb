"""Journals: what a kill may leave behind must not be lost, doubled, or read wrongly."""

from __future__ import annotations

import json
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import RunError
from runs.journal import Journal

ROWS = st.lists(
    st.fixed_dictionaries({"id": st.text(min_size=1, max_size=5), "text": st.text(max_size=30)}), min_size=1, max_size=8
)


def test_rows_come_back_in_order_and_the_latest_counts(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.jsonl") as journal:
        journal.append({"id": "a", "n": 1})
        journal.append({"id": "b", "n": 2})
        journal.append({"id": "a", "n": 3})
    assert [row["n"] for row in Journal(tmp_path / "j.jsonl").rows()] == [1, 2, 3]
    assert Journal(tmp_path / "j.jsonl").latest() == {"a": {"id": "a", "n": 3}, "b": {"id": "b", "n": 2}}


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, data=st.data())
def test_cut_anywhere_only_the_torn_last_row_is_lost(rows: list[dict[str, str]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j.jsonl"
        with Journal(path) as journal:
            for row in rows:
                journal.append(row)
        whole = path.read_bytes()
        cut = data.draw(st.integers(0, len(whole)))
        path.write_bytes(whole[:cut])
        survivors = whole[:cut].count(b"\n")
        assert list(Journal(path).rows()) == rows[:survivors]
        with Journal(path) as journal:
            journal.append({"id": "next", "text": "after the kill"})
        assert [row["id"] for row in Journal(path).rows()] == [row["id"] for row in rows[:survivors]] + ["next"]


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    path.write_text('{"id": "a"}\nnot json\n{"id": "b"}\n')
    with pytest.raises(RunError, match=r"line 2: not a journal row"):
        list(Journal(path).rows())


def test_rows_from_many_threads_stay_whole(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.jsonl") as journal:
        threads = [
            threading.Thread(target=lambda n=n: [journal.append({"id": f"{n}-{k}", "x": "y" * 500}) for k in range(40)])
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = (tmp_path / "j.jsonl").read_text().splitlines()
    assert len({json.loads(line)["id"] for line in lines}) == len(lines) == 320


def test_a_full_disk_is_one_line_that_says_what_to_do() -> None:
    with (
        Journal(Path("/dev/full")) as journal,
        pytest.raises(RunError, match=r"disk is full.*run the same command again"),
    ):
        journal.append({"id": "a"})


def test_a_missing_journal_is_empty(tmp_path: Path) -> None:
    assert Journal(tmp_path / "none.jsonl").latest() == {}
