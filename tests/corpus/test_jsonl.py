from __future__ import annotations

import json
import random
import resource
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import DataError
from corpus.jsonl import (
    EXCERPT,
    MAX_LINE,
    BadRow,
    iter_good_records,
    iter_objects,
    iter_records,
    write_jsonl,
    write_text_atomically,
)
from corpus.records import Persona, Theme
from tests.corpus.malformed import judge, spoil

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


GOOD = b'{"persona": "A diver from Zadar", "age": 41, "tags": ["sea"], "source": {"hub": 1}}'


@settings(max_examples=300, deadline=None)
@given(rng=st.randoms(use_true_random=False), torn=st.booleans())
def test_spoilt_lines_are_set_aside_with_a_reason_and_sound_ones_kept(
    tmp_path_factory: pytest.TempPathFactory, rng: random.Random, torn: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "spoilt.jsonl"
    text = b"\n".join([GOOD, spoil(GOOD, rng), GOOD, spoil(GOOD, rng)]) + (b"" if torn else b"\n")
    path.write_bytes(text)
    filled = {
        n: line for n, line in enumerate(text.split(b"\n"), 1) if line.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n")
    }
    sound = {number: value for number, line in filled.items() if (value := judge(line, Persona)) is not None}
    rejected: list[BadRow] = []
    assert list(iter_good_records(path, Persona, rejected)) == list(sound.values())
    assert [row.line for row in rejected] == sorted(filled.keys() - sound.keys())
    for row in rejected:
        assert row.path == str(path)
        assert row.reason
        assert row.reason.isprintable()
        assert row.excerpt.isprintable()
        assert len(row.excerpt) <= EXCERPT
        json.dumps([row.reason, row.excerpt], ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{'persona': 1}", "not JSON: key must be a string, byte 2"),
        (GOOD[:20], "not JSON: EOF while parsing a string, byte 20"),
        (GOOD + GOOD, f"not JSON: trailing characters, byte {len(GOOD) + 1}"),
        (b'["persona"]', "expected a JSON object, found list"),
        (b"null", "expected a JSON object, found NoneType"),
        (b'{"persona": "x", "age": NaN}', "not JSON: expected value, byte 25"),
        (b'{"persona": "x", "age": -Infinity}', "not JSON: invalid number, byte 26"),
        (b'{"persona": "x", "age": 1e999}', "age: Input should be a finite number"),
        (b'{"persona": "x", "age": ' + b"9" * 5000 + b"}", "not JSON: number out of range, byte 4326"),
        (b'{"persona": ' + b"[" * 100_000, "not JSON: recursion limit exceeded, byte 213"),
        (b'{"persona": "Z\xfcrich"}', "not UTF-8, byte 15; convert the file to UTF-8"),
        (b'{"persona": "x\x00"}', "NUL byte, byte 15; the file was cut, or is not UTF-8 text"),
        (b'{"persona": "\\ud83d"}', "not JSON: unexpected end of hex escape, byte 20"),
        (b'{"persona": "x", "persona": 3}', "persona: Input should be a valid string"),
        (b'{"description": "x"}', "persona: Field required"),
        (b" " * MAX_LINE + GOOD, "longer than 16 MiB; write one object per line"),
    ],
    ids=[
        "quotes", "torn", "two", "list", "null", "nan", "infinity", "overflow", "huge number", "deep", "latin-1", "nul",
        "half a pair", "key twice", "missing key", "endless",
    ],
)  # fmt: skip
def test_a_line_is_set_aside_with_the_reason_and_its_neighbours_are_read(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(b"\n".join([GOOD, b"", line, GOOD]))
    rejected: list[BadRow] = []
    assert len(list(iter_good_records(path, Persona, rejected))) == 2
    assert [(row.line, row.reason) for row in rejected] == [(3, reason)]


@pytest.mark.parametrize(
    "line",
    [
        b"\xef\xbb\xbf" + GOOD,
        GOOD + b"\r",
        b" \t" + GOOD + b"  ",
        GOOD[:-1] + b', "age": 41}',
        GOOD[:-1] + b', "note": "' + b"long " * 500_000 + b'"}',
    ],
    ids=["byte-order mark", "carriage return", "space", "key twice", "megabytes"],
)
def test_what_does_no_harm_is_read(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(line + b"\n" + GOOD)
    rejected: list[BadRow] = []
    assert list(iter_good_records(path, Persona, rejected)) == [Persona(persona="A diver from Zadar", age=41)] * 2
    assert rejected == []


def test_the_excerpt_shows_the_place_of_the_fault(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(GOOD + b'\n{"persona": "' + b"x" * 500 + b'", "age": forty\x1b, "a": "' + b"y" * 500 + b'"}')
    rejected: list[BadRow] = []
    list(iter_good_records(path, Persona, rejected))
    assert '"age": forty\N{REPLACEMENT CHARACTER}, "a"' in rejected[0].excerpt


def test_an_endless_line_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    with path.open("wb") as file:
        file.write(GOOD + b"\n")
        file.truncate(8 * MAX_LINE)  # a hole that reads as NUL bytes
    rejected: list[BadRow] = []
    tracemalloc.start()
    assert len(list(iter_good_records(path, Persona, rejected))) == 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * MAX_LINE
    assert [row.line for row in rejected] == [2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"\noops\n{\n", r"p\.jsonl, line 2: not JSON: expected value, byte 1; none of 2 lines is usable"),
        (b'{"persona": ""}', r"p\.jsonl, line 1: persona: String should have at least 1 character"),
        (GOOD.decode().encode("utf-16"), r"p\.jsonl, line 1: NUL byte.*is not UTF-8 text; none of 1 lines"),
        (b"", r"p\.jsonl: has no rows; write one JSON object per line"),
        (b"\n \r\n", r"p\.jsonl: has no rows"),
    ],
)
def test_a_file_without_one_good_row_is_an_error_that_says_why(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(text)
    with pytest.raises(DataError, match=message) as caught:
        list(iter_good_records(path, Persona, []))
    assert "\n" not in str(caught.value)


def test_an_unreadable_file_is_an_error_for_the_tolerant_too(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.jsonl", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            list(iter_good_records(path, Persona, []))


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


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    path = tmp_path / "marked.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n{"a": 2}\r\n')
    assert list(iter_objects(path)) == [(1, {"a": 1}), (2, {"a": 2})]
