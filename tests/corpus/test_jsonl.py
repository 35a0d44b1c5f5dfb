from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import DataError
from corpus.jsonl import iter_objects, iter_records, write_jsonl, write_text_atomically
from corpus.records import Theme

SCALARS = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(st.characters(codec="utf-8"), max_size=9)
OBJECTS = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), SCALARS | st.lists(SCALARS, max_size=3))


@settings(max_examples=50, deadline=None)
@given(st.lists(OBJECTS, max_size=6))
def test_what_is_written_is_read_whatever_the_characters(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.jsonl"
    write_jsonl(path, rows)
    assert list(iter_objects(path)) == list(enumerate(rows, 1))


def test_empty_lines_are_skipped_but_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('\n{"a": 1}\n  \n{"b": 2}')
    assert list(iter_objects(path)) == [(2, {"a": 1}), (4, {"b": 2})]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{'a': 1}", "not JSON"),
        ('{"a": 1', "not JSON"),
        ("[1, 2]", "expected a JSON object, found list"),
        ("null", "expected a JSON object, found NoneType"),
        ('{"a": ' + "9" * 5000 + "}", "not usable JSON"),
        ("[" * 100_000, "not usable JSON"),
    ],
    ids=["quotes", "torn", "list", "null", "huge number", "deep"],
)
def test_a_wrong_line_is_named_in_one_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(f'{{"a": 1}}\n\n{line}\n')
    with pytest.raises(DataError, match=message) as caught:
        list(iter_objects(path))
    assert str(caught.value).startswith(f"{path}, line 3: ")
    assert "\n" not in str(caught.value)


def test_rows_before_a_wrong_line_come_through(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"a": 1}\noops\n')
    rows = iter_objects(path)
    assert next(rows) == (1, {"a": 1})
    with pytest.raises(DataError):
        next(rows)


def test_a_file_that_is_not_utf8_says_so(tmp_path: Path) -> None:
    path = tmp_path / "latin.jsonl"
    path.write_bytes('{"a": "Zürich"}\n'.encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.jsonl.*not UTF-8"):
        list(iter_objects(path))


def test_missing_files_and_folders_are_data_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.jsonl", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            list(iter_objects(path))


def test_a_record_error_names_line_and_field(tmp_path: Path) -> None:
    good = {"category": "c", "theme": "t", "description": "d"}
    path = tmp_path / "themes.jsonl"
    write_jsonl(path, [good, good | {"age_relevance": [18, "old"]}])
    with pytest.raises(DataError, match=r"themes\.jsonl, line 2: age_relevance\.1: "):
        list(iter_records(path, Theme))


def test_equal_rows_give_equal_bytes_and_keep_their_key_order(tmp_path: Path) -> None:
    one, other = tmp_path / "new" / "folder" / "1.jsonl", tmp_path / "2.jsonl"
    write_jsonl(one, [{"z": "é", "a": 1}])
    write_jsonl(other, iter([{"z": "é", "a": 1}]))
    assert one.read_bytes() == other.read_bytes() == '{"z": "é", "a": 1}\n'.encode()


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    write_jsonl(path, [{"old": True}])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # stands for a full disk: writing on fails with OSError
    try:
        with pytest.raises(OSError, match="too large"):
            write_text_atomically(path, "new " * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert json.loads(path.read_text()) == {"old": True}
    write_jsonl(path, [{"old": False}])
    assert json.loads(path.read_text()) == {"old": False}
    assert [file.name for file in tmp_path.iterdir()] == ["data.jsonl"]


def test_rows_that_fail_half_way_leave_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    write_jsonl(path, [{"old": True}])
    with pytest.raises(ZeroDivisionError):
        write_jsonl(path, ({"n": 1 // n} for n in (1, 0)))
    assert json.loads(path.read_text()) == {"old": True}
