"""Files of JSON lines: what a kill, a full disk, or another process may leave behind costs one line at the most."""

from __future__ import annotations

import errno
import json
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import RunError
from corpus.line_file import LineFile

TEXTS = st.text(max_size=30) | st.just("half an emoji, as models write it in JSON: \ud83d")
ROWS = st.lists(st.fixed_dictionaries({"text": TEXTS, "n": st.integers()}), max_size=6)
Row = dict[str, Any]


def rows_of(path: Path, shared: bool = False) -> list[Row]:
    return [json.loads(line) for line in LineFile(path, shared).lines()]


def write(path: Path, rows: list[Row], shared: bool = False) -> None:
    with LineFile(path, shared) as file:
        for row in rows:
            file.append(row)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, data=st.data())
def test_cut_at_any_byte_whole_rows_are_kept_and_the_torn_one_is_cut_off(rows: list[Row], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deep" / "rows.jsonl"
        write(path, rows)
        assert rows_of(path) == rows
        whole = path.read_bytes()
        cut = data.draw(st.integers(0, len(whole)))
        path.write_bytes(whole[:cut])
        survivors = rows[: whole[:cut].count(b"\n")]
        assert rows_of(path) == survivors
        write(path, [{"n": -1}])
        assert rows_of(path) == [*survivors, {"n": -1}]
        assert path.read_bytes().count(b"\n") == len(survivors) + 1


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, data=st.data())
def test_a_shared_file_loses_nothing_and_a_torn_line_is_ended(rows: list[Row], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        write(path, rows, shared=True)
        whole = path.read_bytes()
        left = whole[: data.draw(st.integers(0, len(whole)))]
        path.write_bytes(left)
        write(path, [{"n": -1}], shared=True)
        torn = bool(left) and not left.endswith(b"\n")
        assert path.read_bytes() == left + (b"\n" if torn else b"") + b'{"n": -1}\n'


def test_a_shared_file_keeps_the_lines_of_all_its_writers(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with LineFile(path, shared=True) as ours, LineFile(path, shared=True) as theirs:
        places = []
        for number in range(10):
            places.append(ours.append({"who": "we", "n": number}))
            theirs.append({"who": "they", "n": number, "more": "x" * number})
        write(path, [{"who": "a third", "n": 0}], shared=True)
        assert [json.loads(ours.read_at(*place))["n"] for place in places] == list(range(10))
    assert len(rows_of(path)) == 21


@settings(max_examples=40, deadline=None)
@given(before=ROWS, rows=ROWS, shared=st.booleans())
def test_a_place_gives_its_row_back(before: list[Row], rows: list[Row], shared: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        write(path, before, shared)
        with LineFile(path, shared) as file:
            places = [file.append(row) for row in rows]
            assert [json.loads(file.read_at(*place)) for place in places] == rows
            whole = path.read_bytes()
            assert [file.read_at(*place) for place in places] == [whole[at : at + length] for at, length in places]


@pytest.mark.parametrize("shared", [False, True])
def test_many_threads_append_whole_lines_and_know_their_places(tmp_path: Path, shared: bool) -> None:
    path = tmp_path / "rows.jsonl"
    places: dict[int, tuple[int, int]] = {}
    with LineFile(path, shared) as file:

        def append(first: int) -> None:
            for n in range(first, 320, 8):
                places[n] = file.append({"n": n, "x": "ü" * (n % 7) * 50})

        threads = [threading.Thread(target=append, args=(first,)) for first in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(json.loads(file.read_at(*place))["n"] == n for n, place in places.items())
    assert sorted(row["n"] for row in rows_of(path)) == list(range(320))


def test_a_full_disk_is_one_line_that_says_what_to_do() -> None:
    with LineFile(Path("/dev/full")) as file, pytest.raises(RunError) as caught:
        file.append({"n": 1})
    assert "/dev/full: the disk is full" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Leave so many bytes free on the disk."""
    real, free = os.write, [1 << 40]

    def write_what_fits(file: int, data: bytes) -> int:
        if not free[0] and data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = real(file, data[: free[0]])
        free[0] -= count
        return count

    monkeypatch.setattr(os, "write", write_what_fits)
    return lambda count: free.__setitem__(0, count)


@pytest.mark.parametrize("room", [0, 1, 9])
def test_rows_after_a_disk_was_full_are_not_glued_to_the_torn_one(
    tmp_path: Path, disk: Callable[[int], None], room: int
) -> None:
    path = tmp_path / "rows.jsonl"
    with LineFile(path) as file:
        file.append({"n": 1})
        disk(room)
        with pytest.raises(RunError, match="disk is full"):
            file.append({"n": 2, "text": "which does not fit"})
        assert rows_of(path) == [{"n": 1}]
        disk(1 << 40)  # somebody cleared up, and another thread goes on
        file.append({"n": 3})
    assert rows_of(path) == [{"n": 1}, {"n": 3}]


def test_of_a_shared_file_a_full_disk_tears_one_line_and_no_other(tmp_path: Path, disk: Callable[[int], None]) -> None:
    path = tmp_path / "rows.jsonl"
    with LineFile(path, shared=True) as file:
        disk(9)
        with pytest.raises(RunError, match="disk is full"):
            file.append({"n": 2, "text": "which does not fit"})
        disk(1 << 40)
        place = file.append({"n": 3})
        assert json.loads(file.read_at(*place)) == {"n": 3}
    assert list(LineFile(path).lines()) == [b'{"n": 2, \n', b'{"n": 3}\n']


def test_a_write_that_takes_a_part_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:7]))
    with LineFile(tmp_path / "rows.jsonl") as file:
        first, second = file.append({"text": "much more than seven bytes"}), file.append({"n": 2})
        assert json.loads(file.read_at(*second)) == {"n": 2}
    assert second[0] == first[0] + first[1]
    assert rows_of(tmp_path / "rows.jsonl") == [{"text": "much more than seven bytes"}, {"n": 2}]


def test_a_file_is_not_closed_under_a_row_that_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the rest of the row would go to whatever file is opened next."""
    real, writing, go_on = os.write, threading.Event(), threading.Event()

    def write_slowly(file: int, data: bytes) -> int:
        if data.startswith(b"{"):
            writing.set()
            go_on.wait(10)
            return real(file, data[:4])
        return real(file, data)

    monkeypatch.setattr(os, "write", write_slowly)
    path = tmp_path / "rows.jsonl"
    file = LineFile(path).__enter__()
    writer = threading.Thread(target=file.append, args=({"n": 1},))
    writer.start()
    assert writing.wait(10)
    closer = threading.Thread(target=file.__exit__, args=(None, None, None))
    closer.start()
    closer.join(0.05)
    go_on.set()
    writer.join(10)
    closer.join(10)
    assert rows_of(path) == [{"n": 1}]


def test_a_missing_file_has_no_lines(tmp_path: Path) -> None:
    assert list(LineFile(tmp_path / "none" / "rows.jsonl").lines()) == []
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("use", [lambda file: list(file.lines()), lambda file: file.__enter__()])
def test_a_folder_in_its_place_is_one_line(tmp_path: Path, use: Callable[[LineFile], object]) -> None:
    with pytest.raises(RunError, match=r"cannot be (read|written) \(Is a directory\)") as caught:
        use(LineFile(tmp_path))
    assert str(tmp_path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
